//! What each step does to the model.

use token_manager::LastTry;
use token_manager::token_profile::{ChallengeType, Policy};

use super::{End, Model, Secret, may_be_puk, not_sent};
use crate::script::{Given, Key, Meanwhile, NEVER, Named, Press, Step};

impl Model {
    /// What the step does to the model, and how it ends. Secrets that are made on
    /// the way are those that were `handed` over.
    pub(crate) fn step(&mut self, step: &Step, handed: &[Secret]) -> End {
        self.run(step, handed).unwrap_or_else(|end| end)
    }

    fn run(&mut self, step: &Step, handed: &[Secret]) -> Result<End, End> {
        let done = "done".to_owned();
        match *step {
            Step::Authenticate(pin, last) => {
                let pin = self.pin(pin);
                self.may_present(&pin)?;
                self.verify(&pin, last)?;
            }
            Step::UseKey(pin, last) => {
                let pin = self.pin(pin);
                self.may_present(&pin)?;
                self.verify(&pin, last)?;
                self.reset_here = false;
                // The others' tokens are empty.
                if !self.is_piv() {
                    return Err("refused".to_owned());
                }
            }
            Step::ChangePin(old, new, last) => self.change_pin(old, new, last)?,
            Step::ChangePuk(old, new, last) => {
                let (old, new) = (self.puk(old), self.puk(new));
                self.puk.as_ref().ok_or("unavailable")?;
                may_be_puk(&old)?;
                may_be_puk(&new)?;
                if old == new {
                    return Err(not_sent("same Puk"));
                }
                self.may_try_puk(last)?;
                self.present_puk(&old)?;
                self.kept.puk_was_changed(&new);
                self.erased = false;
                self.puk = Some((new, self.limit()));
            }
            Step::UnblockWithPuk(puk, new, last) => {
                let (puk, new) = (self.puk(puk), self.pin(new));
                self.puk.as_ref().ok_or("unavailable")?;
                may_be_puk(&puk)?;
                self.new_pin(&new)?;
                self.may_try_puk(last)?;
                self.present_puk(&puk)?;
                self.set_pin(&new);
                self.look();
            }
            Step::UnblockWithKey(key, new) => {
                let (key, new) = (self.key(key), self.pin(new));
                self.has_admin_key()?;
                self.new_pin(&new)?;
                self.admin_unblocks(&key, &new)?;
            }
            Step::UnblockWithResponse(meanwhile, key, new) => {
                self.respond(meanwhile, key, new)?;
            }
            Step::CheckAdminKey(key) => {
                let key = self.key(key);
                self.has_admin_key()?;
                self.authenticate_admin(&key)?;
            }
            Step::SetAdminKeyByPin(pin, new, last) => {
                let (pin, new) = (self.pin(pin), self.key(new));
                self.has_admin_key()?;
                self.may_present(&pin)?;
                if new == [0; 24] {
                    return Err(not_sent("delivery key"));
                }
                self.begin();
                self.verify(&pin, last)?;
                self.kept.key_was_changed(&new, true, self.enforces());
                self.set_admin(new);
            }
            Step::SetAdminKeyByKey(old, new) => {
                let (old, new) = (self.key(old), self.key(new));
                self.has_admin_key()?;
                if new == [0; 24] {
                    return Err(not_sent("delivery key"));
                }
                if old == new {
                    return Err(not_sent("same AdminKey"));
                }
                self.authenticate_admin(&old)?;
                self.kept.key_was_changed(&new, false, self.enforces());
                self.set_admin(new);
            }
            Step::SetPolicy(pin, ref policy, last) => self.set_policy(pin, policy, last)?,
            Step::AuthenticateOnPad(press, last) => {
                self.blocked_is_not_sent()?;
                self.may_try(last)?;
                let pin = self.on_pad(press)?;
                self.fits_pad(&pin, &Policy::DELIVERY)?;
                self.present(&pin)?;
            }
            Step::ChangePinOnPad(old, new, again, last) => {
                self.change_on_pad(old, new, again, last)?;
            }
            Step::UnblockWithCode(key, new) => self.unblock_with_code(key, new)?,
            Step::RefreshPinStatus => {
                self.begin();
                return Ok(self.look());
            }
            _ => return self.administer(step, handed),
        }
        Ok(done)
    }

    /// Recovery secrets, erasing, personalizing; and what is not an action.
    fn administer(&mut self, step: &Step, handed: &[Secret]) -> Result<End, End> {
        match *step {
            Step::KeepRecovery(pin, place, keep, last) => {
                self.keep_recovery(pin, place, keep, last)?;
            }
            Step::ViewPuk(pin, last) => return self.view_puk(pin, last),
            Step::ForgetRecovery(pin, last) => self.forget_recovery(pin, last)?,
            Step::Recycle(by, confirmed, last) => self.recycle(by, confirmed, last)?,
            Step::Personalize(ref setup, last) => self.personalize(setup, last, handed)?,
            _ => self.others(step),
        }
        Ok("done".to_owned())
    }

    fn new_pin(&self, new: &[u8]) -> Result<(), End> {
        if self.can_become(new) {
            Ok(())
        } else {
            Err(not_sent("new PIN"))
        }
    }

    fn change_pin(&mut self, old: Given, new: Given, last: LastTry) -> Result<(), End> {
        let (old, new) = (self.pin(old), self.pin(new));
        self.may_present(&old)?;
        self.new_pin(&new)?;
        if old == new {
            return Err(not_sent("same Pin"));
        }
        self.may_try(last)?;
        self.compare(&old)?;
        self.set_pin(&new);
        self.lock();
        self.policy.force_change = false;
        Ok(())
    }

    fn blocked_is_not_sent(&self) -> Result<(), End> {
        if self.seen_blocked {
            return Err(not_sent("blocked Pin"));
        }
        Ok(())
    }

    /// A pad counts digits: so many as the card takes, or a policy.
    fn fits_pad(&self, pin: &[u8], policy: &Policy) -> Result<(), End> {
        let least = if self.is_piv() { 6 } else { 4 };
        let lengths = usize::from(policy.minimum.max(least))..=usize::from(policy.maximum);
        if lengths.contains(&pin.len()) {
            Ok(())
        } else {
            Err(not_sent("pad PinLength"))
        }
    }

    /// The host sees nothing of it. A card that keeps to the policy itself looks at
    /// the new PIN, so that the old one may be older than the policy.
    fn change_on_pad(
        &mut self,
        old: Press,
        new: Press,
        again: Press,
        last: LastTry,
    ) -> Result<(), End> {
        self.blocked_is_not_sent()?;
        self.may_try(last)?;
        let policy = if self.enforces() {
            Policy::DELIVERY
        } else {
            self.policy.clone()
        };
        let mut typed = Vec::new();
        for press in [old, new, again] {
            let pin = self.on_pad(press)?;
            self.fits_pad(&pin, &policy)?;
            typed.push(pin);
        }
        if typed[1] != typed[2] {
            return Err(not_sent("pad NewPinsDiffer"));
        }
        if !self.card_takes(&typed[1]) {
            return Err("refused".to_owned());
        }
        self.compare(&typed[0])?;
        self.set_pin(&typed[1]);
        self.lock();
        self.policy.force_change = false;
        Ok(())
    }

    /// The code is that of the challenge that the token always gives, for which it
    /// is asked before.
    fn unblock_with_code(&mut self, key: Key, new: Given) -> Result<(), End> {
        let (key, new) = (self.key(key), self.pin(new));
        self.has_admin_key()?;
        let fixed = self.policy.challenge == ChallengeType::Static;
        if fixed {
            self.begin();
        }
        self.new_pin(&new)?;
        if !fixed {
            return Err(not_sent("no fixed challenge"));
        }
        self.admin_unblocks(&key, &new)
            .map_err(|end| end.replace("wrong AdminKey", "wrong UnlockCode"))
    }

    fn respond(&mut self, meanwhile: Meanwhile, key: Key, new: Given) -> Result<(), End> {
        let (key, new) = (self.key(key), self.pin(new));
        self.has_admin_key()?;
        self.begin();
        if meanwhile == Meanwhile::Reset {
            self.reset();
        }
        self.new_pin(&new)?;
        match meanwhile {
            Meanwhile::Nothing => self.admin_unblocks(&key, &new),
            Meanwhile::Reset => Err(not_sent("challenge lost")),
            Meanwhile::SelectPiv => {
                // The session leaves it to the card what the PIN is now.
                self.seen_blocked = false;
                Err("refused".to_owned())
            }
        }
    }

    fn set_policy(&mut self, pin: Given, new: &Named, last: LastTry) -> Result<(), End> {
        let (pin, new) = (self.pin(pin), &new.1);
        if new.minimum > new.maximum {
            return Err(not_sent("policy"));
        }
        if self.policy == *new {
            return Ok(());
        }
        if new.challenge == ChallengeType::Static && !self.enforces() {
            return Err("unavailable".to_owned());
        }
        self.may_present(&pin)?;
        if !new.force_change {
            let before = std::mem::replace(&mut self.policy, new.clone());
            let lengths = usize::from(new.minimum)..=usize::from(new.maximum);
            let keeps = lengths.contains(&pin.len()) && self.can_become(&pin);
            self.policy = before;
            if !keeps {
                return Err(not_sent("policy"));
            }
        }
        self.verify(&pin, last)?;
        self.policy = new.clone();
        self.erased = false;
        Ok(())
    }

    fn reset(&mut self) {
        self.open = false;
        self.was_reset = true;
    }

    /// What is not an action.
    fn others(&mut self, step: &Step) {
        let closed = self.enforces() && self.policy.force_change;
        match *step {
            Step::Reload => {
                self.was_reset = true;
                self.reset_here = false;
                self.begin();
                self.look();
            }
            Step::Reopen => {
                self.reset();
                self.reset_here = false;
                self.begin();
                self.look();
            }
            Step::ForgetRecordAndReopen => {
                self.seen_puk = None;
                self.kept.place = None;
                self.kept.puk_outdated = false;
                self.erased = false;
                if !self.enforces() {
                    self.policy = Policy::DELIVERY;
                    self.personalized = false;
                }
                self.reset();
                self.reset_here = false;
                self.begin();
                self.look();
            }
            Step::OtherResets => self.reset(),
            Step::OtherVerifiesRight if self.tries > 0 && !closed => {
                self.tries = self.limit();
                self.open = true;
            }
            Step::OtherVerifiesWrong if self.tries > 0 && !closed => {
                assert_ne!(self.pin, NEVER.as_bytes());
                self.open = false;
                self.tries -= 1;
            }
            Step::OtherUnblocks(new) => {
                let new = self.pin(new);
                let takes = self.card_takes(&new);
                let limit = self.limit();
                if let Some((_, tries)) = &mut self.puk
                    && *tries > 0
                    && takes
                {
                    *tries = limit;
                    // The host knows nothing of it.
                    let erased = self.erased;
                    self.set_pin(&new);
                    self.erased = erased;
                }
            }
            _ => {}
        }
    }
}
