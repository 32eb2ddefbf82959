//! The recovery secret: kept on the token or on the host, shown, forgotten.

use token_manager::{LastTry, RecoveryPlace};

use super::{End, Model, not_sent};
use crate::script::{Given, Keep};

/// A secret that unblocks a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Puk(Vec<u8>),
    Key(Vec<u8>),
}

/// What is kept, and where the host believes that it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) place: Option<RecoveryPlace>,
    pub(crate) token: Option<Secret>,
    pub(crate) host: Option<Secret>,
    /// The PUK was changed since, and nobody could follow.
    pub(crate) puk_outdated: bool,
}

impl Kept {
    fn note(&mut self, place: RecoveryPlace) {
        self.place = Some(place);
        self.puk_outdated = false;
    }

    /// The host follows in its own store.
    pub(crate) fn puk_was_changed(&mut self, new: &[u8]) {
        match self.place {
            Some(RecoveryPlace::Nowhere) => {}
            Some(RecoveryPlace::Host) => {
                if let Some(Secret::Puk(kept)) = &mut self.host {
                    *kept = new.to_vec();
                }
                self.puk_outdated = false;
            }
            _ => self.puk_outdated = true,
        }
    }

    /// A key on the token can be replaced behind the PIN only; what can't be is
    /// not shown any more.
    pub(crate) fn key_was_changed(&mut self, new: &[u8], by_pin: bool, profile: bool) {
        match self.place {
            Some(RecoveryPlace::Host) => {
                if let Some(Secret::Key(kept)) = &mut self.host {
                    *kept = new.to_vec();
                }
            }
            Some(RecoveryPlace::Token) if by_pin => {
                if let Some(Secret::Key(kept)) = &mut self.token {
                    *kept = new.to_vec();
                }
            }
            Some(RecoveryPlace::Token) if !profile => self.note(RecoveryPlace::Nowhere),
            _ => {}
        }
    }
}

impl Model {
    /// The holder, by the PIN.
    fn holder(&mut self, pin: Given, last: LastTry) -> Result<(), End> {
        let pin = self.pin(pin);
        self.may_present(&pin)?;
        self.verify(&pin, last)
    }

    pub(super) fn keep_recovery(
        &mut self,
        pin: Given,
        place: RecoveryPlace,
        keep: Keep,
        last: LastTry,
    ) -> Result<(), End> {
        let secret = match keep {
            Keep::Puk(puk) => Secret::Puk(self.puk(puk)),
            Keep::Key(key) => Secret::Key(self.key(key)),
        };
        if place == RecoveryPlace::Nowhere {
            return self.forget_recovery(pin, last);
        }
        self.holder(pin, last)?;
        self.erased = false;
        if place == RecoveryPlace::Token {
            self.kept.token = Some(secret);
            if self.kept.place == Some(RecoveryPlace::Host) {
                self.kept.host = None;
            }
        } else {
            // Looked for where it may be.
            if matches!(self.kept.place, None | Some(RecoveryPlace::Token)) {
                self.kept.token = None;
            }
            self.kept.host = Some(secret);
        }
        self.kept.note(place);
        Ok(())
    }

    /// Whether there may be one.
    fn may_be_kept(&self) -> Result<(), End> {
        match self.kept.place {
            Some(RecoveryPlace::Nowhere) => Err("unavailable".to_owned()),
            _ if self.seen_blocked => Err(not_sent("blocked Pin")),
            _ => Ok(()),
        }
    }

    pub(super) fn view_puk(&mut self, pin: Given, last: LastTry) -> Result<End, End> {
        self.may_be_kept()?;
        self.holder(pin, last)?;
        let on_host = self.kept.place == Some(RecoveryPlace::Host);
        let secret = if on_host {
            &self.kept.host
        } else {
            &self.kept.token
        };
        let secret = secret.clone().ok_or("unavailable")?;
        if on_host {
            // What speaks against it is asked of the token.
            self.begin();
        }
        let holds = match &secret {
            Secret::Puk(_) => !self.kept.puk_outdated,
            // Nobody can ask a plain PIV card.
            Secret::Key(_) if self.is_piv() => true,
            Secret::Key(key) => self.key(crate::script::Key::Present) == *key && self.has_key(),
        };
        if !holds {
            return Err("unavailable".to_owned());
        }
        if matches!(secret, Secret::Key(_)) {
            self.lock();
        }
        if !on_host {
            self.kept.place = Some(RecoveryPlace::Token);
        }
        Ok(format!("shown {secret:?}"))
    }

    fn has_key(&self) -> bool {
        self.admin.as_ref().is_some_and(|admin| admin.key.is_some())
    }

    pub(super) fn forget_recovery(&mut self, pin: Given, last: LastTry) -> Result<(), End> {
        self.may_be_kept()?;
        self.holder(pin, last)?;
        let nothing_known = self.kept.place.is_none() && self.kept.token.is_none();
        if nothing_known {
            return Err("unavailable".to_owned());
        }
        self.kept = Kept::default();
        self.kept.note(RecoveryPlace::Nowhere);
        self.erased = false;
        Ok(())
    }
}
