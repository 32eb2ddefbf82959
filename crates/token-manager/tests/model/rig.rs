//! A real session with a software token, on which the steps are carried out.

use std::sync::Arc;

use crescendo_ext::xauth::XauthKey;
use pcsc_transport::CardLink;
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::secret::{Pin, Puk};
use token_manager::{
    ActionError, Authority, HostRecord, HostStore, KeyCheck, MemoryStore, NotSent, PinChangeEntry,
    PinEntry, PinStatus, Session, SetKey,
};

use crate::desk::Desk;
use crate::oracle::{End, Model};
use crate::script::{Meanwhile, NEVER, Step};

pub(crate) struct Rig {
    pub(crate) desk: Desk,
    session: Option<Session>,
}

/// A result as the model puts it.
fn end<T>(result: Result<T, ActionError>) -> End {
    match result {
        Ok(_) => "done".to_owned(),
        Err(ActionError::NotSent(why)) => match why {
            NotSent::Blocked { secret } => format!("! blocked {secret:?}"),
            NotSent::LastTry { secret } => format!("! last try {secret:?}"),
            NotSent::CannotBe { secret, .. } => format!("! cannot be {secret:?}"),
            NotSent::SameAsOld { secret } => format!("! same {secret:?}"),
            NotSent::NewPin { .. } => "! new PIN".to_owned(),
            NotSent::ForcePinChange => "! change first".to_owned(),
            NotSent::DeliveryKey => "! delivery key".to_owned(),
            NotSent::ChallengeLost => "! challenge lost".to_owned(),
            other => format!("! {other:?}"),
        },
        Err(ActionError::Wrong { secret, tries_left }) => match tries_left {
            Some(left) => format!("wrong {secret:?} {left}"),
            None => format!("wrong {secret:?}"),
        },
        Err(ActionError::Blocked { secret }) => format!("blocked {secret:?}"),
        Err(ActionError::Refused { .. }) => "refused".to_owned(),
        Err(ActionError::Unavailable { .. }) => "unavailable".to_owned(),
        Err(ActionError::Policy(_)) => "! policy".to_owned(),
        Err(other) => other.to_string(),
    }
}

fn xauth(byte: u8) -> XauthKey {
    XauthKey::from_slice(&[byte; 24]).unwrap()
}

impl Rig {
    pub(crate) fn new(desk: Desk) -> Self {
        let session = Some(desk.open());
        Self { desk, session }
    }

    /// Carries the step out. The secrets that the token has are the model's
    /// before it.
    pub(crate) fn step(&mut self, step: &Step, model: &Model) -> End {
        let pin = |given| Pin::new(&model.pin(given)).unwrap();
        let puk = |given| Puk::new(&model.puk(given)).unwrap();
        let key = |key| xauth(model.key(key));
        let session = self.session.as_mut().unwrap();
        match step {
            Step::Authenticate(given, last) => {
                end(session.authenticate(PinEntry::Typed(&pin(*given)), *last))
            }
            Step::UseKey(given, last) => {
                let reference = KeyReference::PIV_AUTHENTICATION;
                let algorithm = Algorithm::EccP256;
                end(session.use_key(&pin(*given), *last, reference, algorithm, &[7; 32]))
            }
            Step::ChangePin(old, new, last) => {
                let (old, new) = (&pin(*old), &pin(*new));
                end(session.change_pin(PinChangeEntry::Typed { old, new }, *last))
            }
            Step::ChangePuk(old, new, last) => {
                end(session.change_puk(&puk(*old), &puk(*new), *last))
            }
            Step::UnblockWithPuk(given, new, last) => {
                end(session.unblock_with_puk(&puk(*given), &pin(*new), *last))
            }
            Step::UnblockWithKey(given, new) => {
                end(session.unblock_with_key(&key(*given), &pin(*new)))
            }
            Step::UnblockWithResponse(meanwhile, given, new) => {
                let challenge = match session.unblock_challenge() {
                    Ok(challenge) => challenge,
                    Err(error) => return end::<()>(Err(error)),
                };
                match meanwhile {
                    Meanwhile::Nothing => {}
                    Meanwhile::Reset => self.desk.card.reset(),
                    Meanwhile::SelectPiv => self.other(&[]),
                }
                let session = self.session.as_mut().unwrap();
                let response = key(*given).cryptogram(challenge.challenge()).unwrap();
                end(session.unblock_with_response(&challenge, &response, &pin(*new)))
            }
            Step::CheckAdminKey(given) => match session.check_admin_key(&key(*given)) {
                Ok(KeyCheck::Wrong) => "wrong AdminKey".to_owned(),
                other => end(other),
            },
            Step::SetAdminKeyByPin(given, new, last) => {
                let pin = pin(*given);
                let authority = Authority::Pin(PinEntry::Typed(&pin));
                let new = SetKey::Given(key(*new));
                end(session.set_admin_key(authority, new, &mut |_| true, *last))
            }
            Step::SetAdminKeyByKey(old, new) => {
                let old = key(*old);
                let new = SetKey::Given(key(*new));
                let authority = Authority::AdminKey(&old);
                let last = token_manager::LastTry::Spare;
                end(session.set_admin_key(authority, new, &mut |_| true, last))
            }
            Step::SetPolicy(given, policy, last) => {
                end(session.set_policy(PinEntry::Typed(&pin(*given)), *last, &policy.1))
            }
            Step::RefreshPinStatus => match session.refresh_pin_status() {
                Ok(PinStatus::Blocked) => "blocked".to_owned(),
                Ok(PinStatus::AlreadyVerified) => "verified".to_owned(),
                Ok(PinStatus::TriesLeft(left)) => format!("{left} left"),
                other => format!("{other:?}"),
            },
            Step::Reload => end(session.reload()),
            _ => {
                self.others(step, model);
                "done".to_owned()
            }
        }
    }

    fn others(&mut self, step: &Step, model: &Model) {
        match step {
            Step::Reopen => {
                self.session = None;
                self.session = Some(self.desk.open());
            }
            Step::ForgetRecordAndReopen => {
                let session = self.session.take().unwrap();
                let key = session.key().unwrap().clone();
                drop(session);
                let store: &Arc<MemoryStore> = &self.desk.store;
                store.write(&key, &HostRecord::new()).unwrap();
                self.session = Some(self.desk.open());
            }
            Step::OtherResets => self.desk.card.reset(),
            Step::OtherVerifiesRight => {
                self.other(&[&[0x00, 0x20, 0x00, 0x80, 0x08], &block(&model.pin)]);
            }
            Step::OtherVerifiesWrong => {
                self.other(&[&[0x00, 0x20, 0x00, 0x80, 0x08], &block(NEVER.as_bytes())]);
            }
            Step::OtherUnblocks(new) => {
                let puk = model.puk(crate::script::Given::Present);
                let (puk, new) = (block(&puk), block(&model.pin(*new)));
                self.other(&[&[0x00, 0x2C, 0x00, 0x80, 0x10], &puk, &new]);
            }
            other => panic!("{other:?} is an action"),
        }
    }

    /// Another program selects the PIV application and sends a command.
    fn other(&self, command: &[&[u8]]) {
        let mut other = self.desk.card.link("Other program");
        other.begin().unwrap();
        let select = b"\x00\xA4\x04\x00\x0B\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00\x00";
        other.transmit(select).unwrap();
        if !command.is_empty() {
            other.transmit(&command.concat()).unwrap();
        }
    }
}

/// Padded to eight bytes.
fn block(secret: &[u8]) -> Vec<u8> {
    let mut block = secret.to_vec();
    block.resize(8, 0xFF);
    block
}
