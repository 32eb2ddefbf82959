//! The simple model: what a token is, what a session knows, and how each step
//! has to end. It shares no code with the library.

mod steps;

use token_manager::LastTry;
use token_manager::token_profile::{Alphabet, Policy};
use virtual_token::Profile;

use crate::script::{Given, Key};

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Model {
    profile: Profile,
    pub(crate) pin: Vec<u8>,
    pub(crate) tries: u8,
    pub(crate) puk: Option<(Vec<u8>, u8)>,
    /// The admin key's byte, and the unlocks that are left.
    pub(crate) admin: Option<(u8, u8)>,
    /// The policy that the token, or else this host, keeps.
    pub(crate) policy: Policy,
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
            admin: (profile != Profile::Piv).then_some((0, 10)),
            policy: Policy::DELIVERY,
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

    pub(crate) fn key(&self, key: Key) -> u8 {
        match (key, self.admin) {
            (Key::Of(byte), _) | (Key::Present, Some((byte, _))) => byte,
            (Key::Present, None) => 0,
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
        let Policy {
            minimum, maximum, ..
        } = self.policy;
        let range = usize::from(minimum)..=usize::from(maximum);
        let digits = self.policy.alphabet == Alphabet::Digits;
        self.can_be(pin)
            && range.contains(&pin.len())
            && (!digits || pin.iter().all(u8::is_ascii_digit))
            && !(self.policy.refuse_weak && is_regular(pin))
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
    }

    fn authenticate_admin(&mut self, key: u8) -> Result<(), End> {
        self.begin();
        if self.admin.unwrap().0 != key {
            return Err("wrong AdminKey".to_owned());
        }
        self.lock();
        Ok(())
    }

    fn unlock(&mut self, new: &[u8]) -> Result<(), End> {
        let (_, unlocks) = self.admin.as_mut().unwrap();
        if *unlocks == 0 {
            return Err("blocked AdminKey".to_owned());
        }
        *unlocks -= 1;
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
