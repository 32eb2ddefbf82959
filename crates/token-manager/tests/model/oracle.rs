//! The simple model: what a token is, what a session knows, and how each step
//! has to end. It shares no code with the library.

mod administer;
mod recovery;
mod steps;

use token_manager::LastTry;
use token_manager::token_profile::{Alphabet, Policy};
use virtual_token::Profile;

pub(crate) use self::recovery::{Kept, Secret};
use crate::script::{Given, Key, Press};

/// The admin key of a Crescendo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admin {
    /// `None` after an erasure.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) unlocks: u8,
}

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Model {
    profile: Profile,
    pub(crate) pin: Vec<u8>,
    pub(crate) tries: u8,
    pub(crate) puk: Option<(Vec<u8>, u8)>,
    pub(crate) admin: Option<Admin>,
    /// The policy that the token, or else this host, keeps.
    pub(crate) policy: Policy,
    pub(crate) personalized: bool,
    /// The recovery secret that is kept.
    pub(crate) kept: Kept,
    /// A personalization that was not finished has erased the token, and this host
    /// has changed nothing since: it is not erased again.
    erased: bool,
    /// The PIN is verified.
    pub(crate) open: bool,
    /// The card was reset, and the session has not used it since.
    was_reset: bool,
    /// The session has reset the card itself, and not used it since. It does not
    /// tell another's reset from its own then.
    reset_here: bool,
    /// The session holds the PIN to be blocked.
    seen_blocked: bool,
    /// The PUK's tries that the host remembers.
    seen_puk: Option<u8>,
}

/// How a step ends, as text; what the card was not asked begins with `!`.
pub(crate) type End = String;

fn not_sent(why: &str) -> End {
    format!("! {why}")
}

impl Model {
    pub(crate) fn new(profile: Profile) -> Self {
        let limit = if profile == Profile::Piv { 3 } else { 6 };
        Self {
            profile,
            pin: profile.factory_pin().to_vec(),
            tries: limit,
            puk: profile.factory_puk().map(|puk| (puk.to_vec(), limit)),
            admin: (profile != Profile::Piv).then(|| Admin {
                key: Some(vec![0; 24]),
                unlocks: 10,
            }),
            policy: Policy::DELIVERY,
            personalized: false,
            kept: Kept::default(),
            erased: false,
            open: false,
            was_reset: false,
            reset_here: false,
            seen_blocked: false,
            seen_puk: None,
        }
    }

    fn limit(&self) -> u8 {
        if self.is_piv() { 3 } else { 6 }
    }

    fn is_piv(&self) -> bool {
        self.profile == Profile::Piv
    }

    pub(crate) fn enforces(&self) -> bool {
        self.profile == Profile::Crescendo4000
    }

    pub(crate) fn pin(&self, given: Given) -> Vec<u8> {
        match given {
            Given::Present => self.pin.clone(),
            Given::Text(text) => text.into(),
        }
    }

    pub(crate) fn puk(&self, given: Given) -> Vec<u8> {
        match (given, &self.puk) {
            (Given::Text(text), _) => text.into(),
            (Given::Present, Some((puk, _))) => puk.clone(),
            (Given::Present, None) => b"12345678".to_vec(),
        }
    }

    pub(crate) fn key(&self, key: Key) -> Vec<u8> {
        let present = self.admin.as_ref().and_then(|admin| admin.key.clone());
        match (key, present) {
            (Key::Present, Some(key)) => key,
            (Key::Present, None) => vec![0; 24],
            (Key::Of(byte), _) => vec![byte; 24],
        }
    }

    /// What the keys of a PIN pad make of it.
    fn on_pad(&self, press: Press) -> Result<Vec<u8>, End> {
        match press {
            Press::Cancel => Err(not_sent("pad Cancelled")),
            Press::Keys(pin) => {
                let mut pin = self.pin(pin);
                pin.retain(u8::is_ascii_digit);
                Ok(pin)
            }
        }
    }

    /// Whether it can be a PIN of such a card at all.
    fn can_be(&self, pin: &[u8]) -> bool {
        if self.is_piv() {
            (6..=8).contains(&pin.len()) && pin.iter().all(u8::is_ascii_digit)
        } else {
            (4..=8).contains(&pin.len())
        }
    }

    fn can_become(&self, pin: &[u8]) -> bool {
        self.can_be_under(&self.policy, pin)
    }

    fn can_be_under(&self, policy: &Policy, pin: &[u8]) -> bool {
        let range = usize::from(policy.minimum)..=usize::from(policy.maximum);
        let digits = policy.alphabet == Alphabet::Digits;
        self.can_be(pin)
            && range.contains(&pin.len())
            && (!digits || pin.iter().all(u8::is_ascii_digit))
            && !(policy.refuse_weak && is_regular(pin))
    }

    /// What the card itself takes for a new PIN. It knows nothing of a policy that
    /// the host keeps.
    fn card_takes(&self, pin: &[u8]) -> bool {
        if self.enforces() {
            self.can_become(pin)
        } else {
            self.can_be(pin)
        }
    }

    /// The session uses the card. After a reset it sees first whether it still is
    /// the same one, and a Crescendo's serial number is behind a SELECT that locks
    /// it.
    fn begin(&mut self) {
        self.open &= self.is_piv() || !self.was_reset || self.reset_here;
        self.was_reset = false;
        self.reset_here = false;
    }

    /// The session locks what it has opened in the access control applet, or in
    /// PIV: there is a command for it there only.
    fn lock(&mut self) {
        self.open = false;
        self.reset_here = !self.is_piv();
    }

    /// What a session finds when it asks the card for the PIN's state.
    fn look(&mut self) -> End {
        self.seen_blocked = self.tries == 0;
        if self.tries == 0 {
            "blocked".to_owned()
        } else if self.open {
            "verified".to_owned()
        } else {
            format!("{} left", self.tries)
        }
    }

    fn may_present(&self, pin: &[u8]) -> Result<(), End> {
        if self.seen_blocked {
            return Err(not_sent("blocked Pin"));
        }
        if !self.can_be(pin) {
            return Err(not_sent("cannot be Pin"));
        }
        Ok(())
    }

    /// Empty VERIFY, and whether a try may be used.
    fn may_try(&mut self, last: LastTry) -> Result<(), End> {
        self.begin();
        self.look();
        if self.tries == 0 {
            return Err(not_sent("blocked Pin"));
        }
        if self.tries == 1 && !self.open && last == LastTry::Spare {
            return Err(not_sent("last try Pin"));
        }
        Ok(())
    }

    /// The card compares the PIN.
    fn compare(&mut self, pin: &[u8]) -> Result<(), End> {
        if self.pin == pin {
            self.tries = self.limit();
            return Ok(());
        }
        self.open = false;
        self.tries -= 1;
        if self.tries == 0 {
            self.seen_blocked = true;
            return Err("blocked Pin".to_owned());
        }
        Err(format!("wrong Pin {}", self.tries))
    }

    /// Verifies the PIN and locks the token again.
    fn verify(&mut self, pin: &[u8], last: LastTry) -> Result<(), End> {
        self.may_try(last)?;
        self.present(pin)
    }

    fn present(&mut self, pin: &[u8]) -> Result<(), End> {
        if self.enforces() && self.policy.force_change {
            return Err(not_sent("change first"));
        }
        self.compare(pin)?;
        self.lock();
        Ok(())
    }

    fn present_puk(&mut self, puk: &[u8]) -> Result<(), End> {
        self.begin();
        let limit = self.limit();
        let (right, tries) = self.puk.as_mut().unwrap();
        let result = if *tries == 0 {
            Err("blocked Puk".to_owned())
        } else if right == puk {
            *tries = limit;
            Ok(())
        } else {
            *tries -= 1;
            Err(match *tries {
                0 => "blocked Puk".to_owned(),
                left => format!("wrong Puk {left}"),
            })
        };
        self.seen_puk = result.is_err().then_some(*tries);
        result
    }

    fn may_try_puk(&self, last: LastTry) -> Result<(), End> {
        match (self.seen_puk, last) {
            (Some(0), LastTry::Spare) => Err(not_sent("blocked Puk")),
            (Some(1), LastTry::Spare) => Err(not_sent("last try Puk")),
            _ => Ok(()),
        }
    }

    fn set_pin(&mut self, new: &[u8]) {
        self.pin = new.to_vec();
        self.tries = self.limit();
        self.erased = false;
    }

    fn has_admin_key(&self) -> Result<(), End> {
        self.admin
            .as_ref()
            .map(drop)
            .ok_or("unavailable".to_owned())
    }

    fn set_admin(&mut self, key: Vec<u8>) {
        self.admin.as_mut().unwrap().key = Some(key);
        self.erased = false;
    }

    fn authenticate_admin(&mut self, key: &[u8]) -> Result<(), End> {
        self.begin();
        match &self.admin.as_ref().unwrap().key {
            Some(right) if right == key => {}
            Some(_) => return Err("wrong AdminKey".to_owned()),
            None => return Err("refused".to_owned()),
        }
        self.lock();
        Ok(())
    }

    /// After a refusal the session leaves it to the card what the PIN is now.
    fn admin_unblocks(&mut self, key: &[u8], new: &[u8]) -> Result<(), End> {
        let result = self.authenticate_admin(key);
        self.seen_blocked &= result.as_ref().err().is_none_or(|end| end != "refused");
        result?;
        self.unlock(new)
    }

    fn unlock(&mut self, new: &[u8]) -> Result<(), End> {
        let admin = self.admin.as_mut().unwrap();
        if admin.unlocks == 0 {
            return Err("blocked AdminKey".to_owned());
        }
        admin.unlocks -= 1;
        self.set_pin(new);
        // The session asks for the tries.
        self.begin();
        self.look();
        Ok(())
    }
}

fn may_be_puk(puk: &[u8]) -> Result<(), End> {
    if puk.len() < 6 {
        return Err(not_sent("cannot be Puk"));
    }
    Ok(())
}

/// Each character is as far from the next.
fn is_regular(pin: &[u8]) -> bool {
    let mut steps = pin
        .windows(2)
        .map(|pair| i16::from(pair[1]) - i16::from(pair[0]));
    let first = steps.next();
    steps.all(|step| Some(step) == first)
}
