//! A real session with a software token, on which the steps are carried out.

use std::sync::Arc;

use crescendo_ext::xauth::{XauthCryptogram, XauthKey};
use pcsc_transport::CardLink;
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::secret::{Pin, Puk};
use token_manager::token_profile::RecoveryKind;
use token_manager::{
    ActionError, Authority, HostRecord, HostStore, KeyCheck, LastTry, MemoryStore, NotSent,
    PersonalizeOptions, PinChangeEntry, PinEntry, PinStatus, PresentSecrets, RecoveryPlace,
    RecoverySecret, SecretStore, Session, SetKey,
};
use virtual_token::Profile;

use crate::desk::{Desk, management_key};
use crate::oracle::{End, Model, Secret};
use crate::script::{Before, By, Keep, Meanwhile, NEVER, Press, Setup, Step};

pub(crate) struct Rig {
    pub(crate) desk: Desk,
    session: Option<Session>,
    /// The secrets that the step has handed over, but for unlock codes.
    pub(crate) handed: Vec<Secret>,
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
            NotSent::ForcePinChange { .. } => "! change first".to_owned(),
            NotSent::DeliveryKey => "! delivery key".to_owned(),
            NotSent::ChallengeLost => "! challenge lost".to_owned(),
            NotSent::Unconfirmed { .. } => "! unconfirmed".to_owned(),
            NotSent::NotAsDelivered => "! not as delivered".to_owned(),
            NotSent::KeyDoesNotFit(_) => "! no fixed challenge".to_owned(),
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
        Err(ActionError::PinPad(why)) => format!("! pad {why:?}"),
        Err(ActionError::NotConfirmed { .. }) => "not confirmed".to_owned(),
        Err(ActionError::NotTakenOver { .. }) => "not taken".to_owned(),
        Err(other) => other.to_string(),
    }
}

fn xauth(key: &[u8]) -> XauthKey {
    XauthKey::from_slice(key).unwrap()
}

/// `None` for an unlock code, which follows from the key.
fn plain(secret: &RecoverySecret) -> Option<Secret> {
    match secret.kind() {
        RecoveryKind::Puk => Some(Secret::Puk(secret.reveal().as_bytes().to_vec())),
        RecoveryKind::XauthKey => {
            let key = secret.xauth_key().unwrap();
            Some(Secret::Key(key.as_bytes().to_vec()))
        }
        RecoveryKind::UnlockCode => None,
    }
}

impl Rig {
    pub(crate) fn new(desk: Desk) -> Self {
        let session = Some(desk.open());
        Self {
            desk,
            session,
            handed: Vec::new(),
        }
    }

    /// Carries the step out. The secrets that the token has are the model's
    /// before it.
    pub(crate) fn step(&mut self, step: &Step, model: &Model) -> End {
        let pin = |given| Pin::new(&model.pin(given)).unwrap();
        let puk = |given| Puk::new(&model.puk(given)).unwrap();
        let key = |key| xauth(&model.key(key));
        self.handed.clear();
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
            Step::AuthenticateOnPad(typed, last) => {
                self.desk.type_in(&[*typed], model);
                end(session.authenticate(PinEntry::PinPad, *last))
            }
            Step::ChangePinOnPad(old, new, again, last) => {
                self.desk.type_in(&[*old, *new, *again], model);
                end(session.change_pin(PinChangeEntry::PinPad, *last))
            }
            Step::UnblockWithCode(given, new) => {
                let mut code = XauthCryptogram::from_slice(&[7; 8]).unwrap();
                if session.token().has_static_challenge() {
                    match session.unblock_challenge() {
                        Ok(asked) => code = key(*given).cryptogram(asked.challenge()).unwrap(),
                        Err(error) => return end::<()>(Err(error)),
                    }
                }
                end(session.unblock_with_code(&code, &pin(*new)))
            }
            _ => self.administer(step, model),
        }
    }

    /// Recovery secrets, erasing, personalizing; and what is not an action.
    fn administer(&mut self, step: &Step, model: &Model) -> End {
        let pin = |given| Pin::new(&model.pin(given)).unwrap();
        let session = self.session.as_mut().unwrap();
        match step {
            Step::KeepRecovery(given, place, keep, last) => {
                let secret = match keep {
                    Keep::Puk(given) => RecoverySecret::new(RecoveryKind::Puk, &model.puk(*given)),
                    Keep::Key(given) => {
                        RecoverySecret::new(RecoveryKind::XauthKey, &model.key(*given))
                    }
                };
                let pin = pin(*given);
                let management = management_key();
                let management = self.desk.is_piv().then_some(&management);
                let entry = PinEntry::Typed(&pin);
                end(session.keep_recovery(entry, *last, management, *place, &secret.unwrap()))
            }
            Step::ViewPuk(given, last) => {
                match session.view_puk(PinEntry::Typed(&pin(*given)), *last) {
                    Ok(secret) => format!("shown {:?}", plain(&secret).unwrap()),
                    Err(error) => end::<()>(Err(error)),
                }
            }
            Step::ForgetRecovery(given, last) => {
                let pin = pin(*given);
                let entry = PinEntry::Typed(&pin);
                end(if self.desk.is_piv() {
                    session.forget_recovery_with_key(entry, *last, &management_key())
                } else {
                    session.forget_recovery(entry, *last)
                })
            }
            Step::Recycle(by, confirmed, last) => {
                let confirmation = match confirmed {
                    true => session.confirmation(),
                    false => "yes".to_owned(),
                };
                let secrets = Authorities::new(*by, model);
                let by = secrets.authority();
                end(session.recycle(by, &confirmation, *last, &mut |_| {}))
            }
            Step::Personalize(setup, last) => self.personalize(setup, *last, model),
            _ => {
                self.others(step, model);
                "done".to_owned()
            }
        }
    }

    /// Whether the host's secret store has something for the token.
    pub(crate) fn keeps_secret(&self) -> bool {
        let session = self.session.as_ref().unwrap();
        let secrets = self.desk.secrets.as_ref().unwrap();
        secrets.get(session.key().unwrap()).unwrap().is_some()
    }

    fn personalize(&mut self, setup: &Setup, last: LastTry, model: &Model) -> End {
        let session = self.session.as_mut().unwrap();
        let confirmation = session.confirmation();
        let (pin, puk);
        let present = match setup.before {
            Before::Delivery => PresentSecrets::Delivery,
            Before::Typed(given, given_puk) => {
                pin = Pin::new(&model.pin(given)).unwrap();
                puk = Puk::new(&model.puk(given_puk)).unwrap();
                PresentSecrets::Typed {
                    pin: &pin,
                    puk: Some(&puk),
                }
            }
        };
        let mut options = PersonalizeOptions::new(present);
        options.policy = setup.policy.1.clone();
        options.recovery = setup.recovery;
        options.recycle_first = setup.erase_first.map(|_| confirmation.as_str());
        let management = management_key();
        let by = setup.erase_first.map(|by| Authorities::new(by, model));
        let authority = match &by {
            Some(by) => Some(by.authority()),
            None if self.desk.is_piv() && setup.recovery == RecoveryPlace::Token => {
                Some(Authority::ManagementKey(&management))
            }
            None => None,
        };
        let handed = &mut self.handed;
        end(session.personalize(
            &options,
            &Pin::new(&model.pin(setup.pin)).unwrap(),
            authority,
            &mut |secret| {
                handed.extend(plain(secret));
                setup.takes
            },
            last,
            &mut |_| {},
        ))
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

/// The secrets of an authority, which only borrows them.
enum Authorities {
    Pin(Pin),
    Key(XauthKey),
}

impl Authorities {
    fn new(by: By, model: &Model) -> Self {
        match by {
            By::Pin(given) => Self::Pin(Pin::new(&model.pin(given)).unwrap()),
            By::Key(given) => Self::Key(xauth(&model.key(given))),
        }
    }

    fn authority(&self) -> Authority<'_> {
        match self {
            Self::Pin(pin) => Authority::Pin(PinEntry::Typed(pin)),
            Self::Key(key) => Authority::AdminKey(key),
        }
    }
}

impl Desk {
    fn is_piv(&self) -> bool {
        self.card.with(|token| token.profile()) == Profile::Piv
    }

    /// Types this on the reader, and takes back what was typed for prompts that
    /// never came.
    fn type_in(&self, presses: &[Press], model: &Model) {
        self.pad.clear();
        for press in presses {
            match press {
                Press::Keys(given) => self.pad.press(model.pin(*given)),
                Press::Cancel => self.pad.cancel(),
            }
        }
    }
}

/// Padded to eight bytes.
fn block(secret: &[u8]) -> Vec<u8> {
    let mut block = secret.to_vec();
    block.resize(8, 0xFF);
    block
}
