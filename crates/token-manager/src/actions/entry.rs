//! Where a PIN comes from, and the rules that it can be held against before
//! anything is sent.

use piv_apdu::secret::{Pin, Puk};
use token_profile::Rule;

use crate::failure::{ActionError, NotSent, Secret};
use crate::pin::{PinPolicy, PinStatus, PolicySource};
use crate::session::LastTry;

/// Where the PIN comes from.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum PinEntry<'a> {
    /// Typed on the host.
    Typed(&'a Pin),
    /// To be typed on the reader's own PIN pad: the host never sees it.
    PinPad,
}

/// Where the old and the new PIN come from.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum PinChangeEntry<'a> {
    /// Typed on the host.
    Typed {
        /// The PIN so far.
        old: &'a Pin,
        /// The PIN from now on.
        new: &'a Pin,
    },
    /// To be typed on the reader's own PIN pad: the host never sees them, and
    /// checks nothing but the length.
    PinPad,
}

/// Refuses what can't be the PIN of this token whatever it is: it breaks the
/// rule that the card itself, or the standard, has for every PIN.
pub(crate) fn may_be_pin(policy: &PinPolicy, pin: &Pin) -> Result<(), NotSent> {
    match policy.any_pin_breaks(pin.as_bytes()) {
        Some((rule, whose)) => Err(NotSent::CannotBe {
            secret: Secret::Pin,
            rule,
            whose,
        }),
        None => Ok(()),
    }
}

/// Refuses a new PIN that breaks the policy in force.
pub(crate) fn may_become_pin(policy: &PinPolicy, pin: &Pin) -> Result<(), NotSent> {
    let broken = policy
        .rules(pin.as_bytes())
        .into_iter()
        .find(|state| !state.met);
    match broken {
        Some(state) => Err(NotSent::NewPin { rule: state.rule }),
        None => Ok(()),
    }
}

/// Refuses a PUK of a length that no PUK has: SP 800-73 has eight bytes, and
/// cards that take fewer pad from six.
pub(crate) fn may_be_puk(puk: &Puk) -> Result<(), NotSent> {
    let length = puk.padded().unpadded().len();
    if length < usize::from(SHORTEST_PUK) {
        return Err(NotSent::CannotBe {
            secret: Secret::Puk,
            rule: Rule::AtLeast(SHORTEST_PUK),
            whose: PolicySource::Standard,
        });
    }
    Ok(())
}

const SHORTEST_PUK: u8 = 6;

/// Refuses to present what is blocked or not there, or to use unasked what is or may
/// be the last try. Cards exist that do not tell the tries: from before SP 800-73-3,
/// or with another status word for them.
pub(crate) fn may_try(
    secret: Secret,
    status: &PinStatus,
    last_try: LastTry,
) -> Result<(), ActionError> {
    match status {
        PinStatus::Blocked => Err(NotSent::Blocked { secret }.into()),
        PinStatus::TriesLeft(1) if last_try == LastTry::Spare => {
            Err(NotSent::LastTry { secret }.into())
        }
        PinStatus::NotSet => Err(NotSent::NoPin.into()),
        PinStatus::Unknown(why) if last_try == LastTry::Spare => {
            let why = why.clone();
            Err(NotSent::TriesUnknown { secret, why }.into())
        }
        _ => Ok(()),
    }
}
