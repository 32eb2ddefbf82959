//! Who has been authenticated: what the card forgets with its power.
//!
//! On a Crescendo access is card-wide (GSC-IS): a PIN verified or an XAUTH key
//! authenticated in the access control applet opens the PIV instance too, and it stays
//! open while a host goes from one of the card's own instances to another. The same
//! sources say that "a SELECT drops security state", about the issuer security domain.
//! Read together: selecting an instance that belongs to the access control applet's
//! domain (ACA, PIV, OATH) keeps the state, selecting anything outside it (the issuer
//! security domain, FIDO) drops it. No real card was there to ask.
//!
//! A PIV card follows SP 800-73: selecting PIV again keeps the state, selecting another
//! application drops it. A 9B authentication belongs to the PIV instance on every card.

use zeroize::Zeroizing;

use super::Applet;

/// The security state.
#[derive(Default)]
pub(crate) struct Access {
    pin: Pin,
    /// XAUTH key 1 has been authenticated.
    pub(crate) xauth: bool,
    /// The card management key 9B has been authenticated.
    pub(crate) management: bool,
    /// The pairing code has been verified. It opens nothing by itself: see
    /// [`Card::has_contact`](super::Card::has_contact).
    pub(crate) pairing_code: bool,
    /// What the next authentication has to answer.
    pub(crate) challenge: Option<Challenge>,
}

/// Whether the PIN has been verified, and how long ago in commands.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Pin {
    #[default]
    Unverified,
    /// By the command being executed.
    ByThisCommand,
    /// By the one before it.
    ByPreviousCommand,
    Earlier,
}

/// A challenge that waits for its response.
pub(crate) enum Challenge {
    /// Of GET CHALLENGE in the ACA.
    Xauth(Zeroizing<Vec<u8>>),
    /// 9B, single: this was sent, and is to come back encrypted.
    Management(Zeroizing<Vec<u8>>),
    /// 9B, mutual: this was sent encrypted, and is to come back in the clear.
    Witness(Zeroizing<Vec<u8>>),
}

impl Access {
    /// Before each command.
    pub(crate) fn begin_command(&mut self) {
        self.pin = match self.pin {
            Pin::Unverified => Pin::Unverified,
            Pin::ByThisCommand => Pin::ByPreviousCommand,
            Pin::ByPreviousCommand | Pin::Earlier => Pin::Earlier,
        };
    }

    /// The PIN was right.
    pub(crate) fn verified(&mut self) {
        self.pin = Pin::ByThisCommand;
    }

    /// The PIN was wrong, was changed over, or is logged out.
    pub(crate) fn drop_pin(&mut self) {
        self.pin = Pin::Unverified;
    }

    /// Whether the PIN has been verified.
    pub(crate) fn pin(&self) -> bool {
        self.pin != Pin::Unverified
    }

    /// Whether the PIN was verified by the command right before this one: what a key
    /// with the PIN policy "always" wants.
    pub(crate) fn pin_just_verified(&self) -> bool {
        self.pin == Pin::ByPreviousCommand
    }

    /// Whether the holder or an administrator is there, which is what management on a
    /// Crescendo wants.
    pub(crate) fn pin_or_xauth(&self) -> bool {
        self.pin() || self.xauth
    }

    /// What selecting `next` while `current` is selected leaves.
    pub(crate) fn select(&mut self, current: Applet, next: Applet, card_wide: bool) {
        if current == next && next == Applet::Piv {
            // SP 800-73: "security status indicators … shall be unchanged".
            return;
        }
        let kept = card_wide && !matches!(next, Applet::Isd | Applet::Fido);
        let Access { pin, xauth, .. } = core::mem::take(self);
        if kept {
            self.pin = pin;
            self.xauth = xauth;
        }
    }
}
