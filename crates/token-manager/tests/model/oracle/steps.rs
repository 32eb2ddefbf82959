//! What each step does to the model.

use token_manager::LastTry;
use token_manager::token_profile::{ChallengeType, Policy};

use super::{End, Model, may_be_puk, not_sent};
use crate::script::{Given, Key, Meanwhile, NEVER, Named, Step};

impl Model {
    /// What the step does to the model, and how it ends.
    pub(crate) fn step(&mut self, step: &Step) -> End {
        self.run(step).unwrap_or_else(|end| end)
    }

    fn run(&mut self, step: &Step) -> Result<End, End> {
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
                self.admin.ok_or("unavailable")?;
                self.new_pin(&new)?;
                self.authenticate_admin(key)?;
                self.unlock(&new)?;
            }
            Step::UnblockWithResponse(meanwhile, key, new) => {
                self.respond(meanwhile, key, new)?;
            }
            Step::CheckAdminKey(key) => {
                let key = self.key(key);
                self.admin.ok_or("unavailable")?;
                self.authenticate_admin(key)?;
            }
            Step::SetAdminKeyByPin(pin, new, last) => {
                let (pin, new) = (self.pin(pin), self.key(new));
                let (_, unlocks) = self.admin.ok_or("unavailable")?;
                self.may_present(&pin)?;
                if new == 0 {
                    return Err(not_sent("delivery key"));
                }
                self.begin();
                self.verify(&pin, last)?;
                self.admin = Some((new, unlocks));
            }
            Step::SetAdminKeyByKey(old, new) => {
                let (old, new) = (self.key(old), self.key(new));
                let (_, unlocks) = self.admin.ok_or("unavailable")?;
                if new == 0 {
                    return Err(not_sent("delivery key"));
                }
                if old == new {
                    return Err(not_sent("same AdminKey"));
                }
                self.authenticate_admin(old)?;
                self.admin = Some((new, unlocks));
            }
            Step::SetPolicy(pin, ref policy, last) => self.set_policy(pin, policy, last)?,
            Step::RefreshPinStatus => {
                self.begin();
                return Ok(self.look());
            }
            _ => self.others(step),
        }
        Ok(done)
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

    fn respond(&mut self, meanwhile: Meanwhile, key: Key, new: Given) -> Result<(), End> {
        let (key, new) = (self.key(key), self.pin(new));
        self.admin.ok_or("unavailable")?;
        self.begin();
        if meanwhile == Meanwhile::Reset {
            self.reset();
        }
        self.new_pin(&new)?;
        match meanwhile {
            Meanwhile::Nothing => {
                self.authenticate_admin(key)?;
                self.unlock(&new)
            }
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
                if !self.enforces() {
                    self.policy = Policy::DELIVERY;
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
                // The card knows nothing of a policy that the host keeps.
                let takes = if self.enforces() {
                    self.can_become(&new)
                } else {
                    self.can_be(&new)
                };
                let limit = self.limit();
                if let Some((_, tries)) = &mut self.puk
                    && *tries > 0
                    && takes
                {
                    *tries = limit;
                    self.set_pin(&new);
                }
            }
            _ => {}
        }
    }
}
