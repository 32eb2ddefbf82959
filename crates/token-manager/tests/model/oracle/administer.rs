//! A token is erased, and set up for a person.

use token_manager::token_profile::{ChallengeType, Policy};
use token_manager::{LastTry, RecoveryPlace};

use super::{Admin, End, Kept, Model, Secret, may_be_puk, not_sent};
use crate::script::{Before, By, Setup};

impl Model {
    /// What can't authorise anything is not sent.
    fn may_authorise(&self, by: By) -> Result<(), End> {
        match by {
            By::Pin(pin) => self.may_present(&self.pin(pin)),
            By::Key(_) => Ok(()),
        }
    }

    /// The token is read again.
    fn read_again(&mut self) {
        self.was_reset = true;
        self.reset_here = false;
        self.begin();
        self.look();
    }

    pub(super) fn recycle(&mut self, by: By, confirmed: bool, last: LastTry) -> Result<(), End> {
        if self.is_piv() {
            return Err("unavailable".to_owned());
        }
        if !confirmed {
            return Err(not_sent("unconfirmed"));
        }
        self.may_authorise(by)?;
        self.read_again();
        let drawn = self.policy.challenge == ChallengeType::Static;
        match (self.erased, drawn) {
            (false, _) => self.erase(by, last)?,
            (true, true) => self.erase_again(by, last)?,
            (true, false) => {}
        }
        self.erased = false;
        self.forget_all();
        Ok(())
    }

    /// The token was erased and has drawn a challenge since. So its PIN is the
    /// delivery value, whatever was given, and it has no admin key.
    fn erase_again(&mut self, by: By, last: LastTry) -> Result<(), End> {
        let By::Pin(_) = by else {
            self.begin();
            self.read_again();
            return Err("not confirmed".to_owned());
        };
        let wrong = match self.erase(by, last) {
            Err(end) if end.starts_with("wrong Pin") => end,
            result => return result,
        };
        if self.tries == 1 && last == LastTry::Spare {
            return Err(wrong);
        }
        self.present(self.profile.factory_pin())?;
        self.wipe();
        Ok(())
    }

    fn erase(&mut self, by: By, last: LastTry) -> Result<(), End> {
        self.may_authorise(by)?;
        match by {
            By::Pin(pin) => self.verify(&self.pin(pin), last)?,
            By::Key(key) => self.authenticate_admin(&self.key(key))?,
        }
        self.wipe();
        Ok(())
    }

    /// RESET CARD, and a look at the token.
    fn wipe(&mut self) {
        self.set_pin(self.profile.factory_pin());
        let limit = self.limit();
        let puk = self.profile.factory_puk();
        self.puk = puk.map(|puk| (puk.to_vec(), limit));
        self.admin = Some(Admin {
            key: None,
            unlocks: 10,
        });
        self.policy = Policy::DELIVERY;
        self.personalized = false;
        self.kept.token = None;
        self.open = false;
        self.read_again();
    }

    /// What the host keeps.
    fn forget_all(&mut self) {
        self.kept = Kept {
            token: self.kept.token.take(),
            ..Kept::default()
        };
        self.seen_puk = None;
        if !self.enforces() {
            self.policy = Policy::DELIVERY;
            self.personalized = false;
        }
    }

    pub(super) fn personalize(
        &mut self,
        setup: &Setup,
        last: LastTry,
        handed: &[Secret],
    ) -> Result<(), End> {
        let new = self.pin(setup.pin);
        self.may_be_set_up(setup, &new)?;
        let (mut old, mut old_puk) = self.secrets_before(setup);
        self.read_again();
        self.may_be_set_up(setup, &new)?;
        if let Some(by) = setup.erase_first {
            if !self.erased {
                self.erase(by, last)?;
            }
            self.forget_all();
            self.erased = true;
            (old, old_puk) = self.delivery();
        }
        self.may_try_puk(last)?;
        self.verify(&old, last)?;
        let fixed = setup.policy.1.challenge == ChallengeType::Static;
        let was_fixed = self.policy.challenge == ChallengeType::Static;
        if fixed {
            // The token draws it, for the unlock code.
            self.policy.challenge = ChallengeType::Static;
        }
        // The new key's unlock code is of a challenge that was asked for, or there is none.
        if !self.is_piv() && (!fixed || was_fixed) {
            self.begin();
        }
        if !setup.takes {
            return Err("not taken".to_owned());
        }
        self.get_secrets(setup, handed, &old_puk)?;
        self.set_pin(&new);
        self.finish(setup, handed);
        Ok(())
    }

    fn delivery(&self) -> (Vec<u8>, Vec<u8>) {
        (self.profile.factory_pin().to_vec(), b"12345678".to_vec())
    }

    fn secrets_before(&self, setup: &Setup) -> (Vec<u8>, Vec<u8>) {
        match (setup.erase_first, setup.before) {
            (None, Before::Typed(pin, puk)) => (self.pin(pin), self.puk(puk)),
            _ => self.delivery(),
        }
    }

    /// What can be told before anything is sent.
    fn may_be_set_up(&self, setup: &Setup, new: &[u8]) -> Result<(), End> {
        let policy = &setup.policy.1;
        if policy.minimum > policy.maximum {
            return Err(not_sent("policy"));
        }
        let erases = setup.erase_first.is_some();
        if erases && self.is_piv() {
            return Err("unavailable".to_owned());
        }
        if policy.challenge == ChallengeType::Static && !self.enforces() {
            return Err("unavailable".to_owned());
        }
        let as_delivered = erases || setup.before == Before::Delivery;
        let set_up = !erases && as_delivered && self.personalized;
        if as_delivered && self.is_piv() || set_up {
            return Err(not_sent("not as delivered"));
        }
        let (old, old_puk) = self.secrets_before(setup);
        if !self.can_be(&old) {
            return Err(not_sent("cannot be Pin"));
        }
        if self.puk.is_some() {
            may_be_puk(&old_puk)?;
        }
        let keeps_present = erases || !self.enforces() || self.can_become(new);
        if !self.can_be_under(policy, new) || !keeps_present {
            return Err(not_sent("new PIN"));
        }
        if old == new {
            return Err(not_sent("same Pin"));
        }
        match setup.erase_first {
            Some(by) if !self.erased => self.may_authorise(by),
            _ => Ok(()),
        }
    }

    /// Admin key and PUK are the ones that were handed over.
    fn get_secrets(&mut self, setup: &Setup, handed: &[Secret], old_puk: &[u8]) -> Result<(), End> {
        for secret in handed {
            match secret {
                Secret::Key(key) => self.set_admin(key.clone()),
                Secret::Puk(puk) => {
                    let presented = self.present_puk(old_puk);
                    if presented.is_err() {
                        self.lock();
                    }
                    presented?;
                    self.puk = Some((puk.clone(), self.limit()));
                }
            }
        }
        // Kept for whoever had it before.
        if setup.recovery != RecoveryPlace::Token
            && !self.is_piv()
            && setup.before != Before::Delivery
        {
            self.kept.token = None;
        }
        Ok(())
    }

    /// The PUK unblocks it, or else the admin key.
    fn finish(&mut self, setup: &Setup, handed: &[Secret]) {
        let secret = handed.last().cloned();
        self.kept.host = None;
        match setup.recovery {
            RecoveryPlace::Token => self.kept.token = secret,
            RecoveryPlace::Host => self.kept.host = secret,
            _ => {}
        }
        self.kept.place = Some(setup.recovery);
        self.kept.puk_outdated = false;
        self.policy = setup.policy.1.clone();
        self.personalized = true;
        self.read_again();
    }
}
