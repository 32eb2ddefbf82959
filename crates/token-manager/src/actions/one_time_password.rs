//! One-time passwords of a Crescendo Key's OATH slots: HOTP (RFC 4226) and TOTP
//! (RFC 6238).

use core::ops::ControlFlow;
use std::time::SystemTime;

use crescendo_ext::oath::{
    HotpAuthenticate, OneTimePassword, SelectOathSlot, TotpAuthenticate, WAITING_FOR_BUTTON,
};
use piv_apdu::command::TypedCommand;

use super::entry::PinEntry;
use crate::capability::{Action, Reason};
use crate::content::OathState;
use crate::failure::{ActionError, Aftermath, NotSent};
use crate::session::{Job, LastTry, Session};

impl Session {
    /// The next HOTP of a slot, 1 to 3. It moves the slot's counter on, so that no code
    /// is given twice.
    ///
    /// Sends SELECT of the slot, then `80 88 00 00 00` until the button is pressed. As long
    /// as it is not, `waiting` is called after each: it lets some time pass (a quarter of a
    /// second, say) and says whether to ask again. The token is held from other programs
    /// meanwhile, since the press is for the slot that is selected; so `waiting` must come
    /// to an end. No PIN is sent.
    ///
    /// Source: the vendor's LL/hotp-authenticate. Which kind of code a slot gives is not
    /// told by any known answer: the vendor's texts have HOTP in slot 1, and either in the
    /// others.
    ///
    /// # Errors
    /// [`ActionError::Unavailable`] with [`Reason::NotAnnounced`] if the token has no such
    /// slot, and others; [`ActionError::ButtonNotPressed`] once `waiting` has given up;
    /// [`ActionError::Refused`] by a slot that is empty or of the other kind;
    /// [`ActionError::Malformed`]; [`ActionError::Interrupted`], with
    /// [`Aftermath::CodeUsedOrNot`].
    pub fn hotp(
        &mut self,
        slot: u8,
        waiting: impl FnMut() -> ControlFlow<()>,
    ) -> Result<OneTimePassword, ActionError> {
        let slot = self.oath_slot(slot)?;
        let mut job = self.job(Action::Otp)?;
        let ask = || Ok(HotpAuthenticate);
        let code = code(&mut job, slot, Aftermath::CodeUsedOrNot, ask, waiting);
        job.end();
        code
    }

    /// The TOTP of a slot, 1 to 3, for the time that `clock` tells when the button is
    /// pressed. The token has no clock; it knows how long a code holds.
    ///
    /// VERIFY as [`authenticate`](Self::authenticate) does; then SELECT of the slot and
    /// `80 88 11 00 04 time` until the button is pressed, each time with the time that it
    /// is then; `waiting` is as for [`hotp`](Self::hotp). Changes nothing on the token,
    /// which is locked after.
    ///
    /// Source: the vendor's LL/totp-authenticate and LL/oath-usage-sequences.
    ///
    /// # Errors
    /// As [`hotp`](Self::hotp); [`ActionError::NotSent`] with [`NotSent::Clock`] before
    /// anything is sent if `clock` tells a time before 1970 or after 2106; those of the
    /// PIN: [`ActionError::NotSent`], [`ActionError::Wrong`], [`ActionError::Blocked`],
    /// [`ActionError::PinPad`].
    pub fn totp(
        &mut self,
        slot: u8,
        pin: PinEntry<'_>,
        last_try: LastTry,
        clock: impl Fn() -> SystemTime,
        waiting: impl FnMut() -> ControlFlow<()>,
    ) -> Result<OneTimePassword, ActionError> {
        let slot = self.oath_slot(slot)?;
        let ask = || seconds(clock()).map(|time| TotpAuthenticate { time });
        ask()?;
        self.with_pin(Action::Otp, pin, last_try, |job| {
            code(job, slot, Aftermath::Unchanged, ask, waiting)
        })
    }

    /// The slot of this number, if the token gives codes and has it.
    fn oath_slot(&self, number: u8) -> Result<SelectOathSlot, ActionError> {
        self.ensure(Action::Otp)?;
        let is_there = self
            .token
            .oath_slots
            .iter()
            .any(|slot| slot.number == number && slot.state == OathState::Present);
        let slot = SelectOathSlot::new(number).filter(|_| is_there);
        slot.ok_or(ActionError::Unavailable {
            action: Action::Otp,
            reason: Reason::NotAnnounced,
        })
    }
}

/// Selects the slot and asks it until the button is pressed. `lost` is what it means if
/// the connection is lost with a command on its way.
fn code<C: TypedCommand<Answer = OneTimePassword>>(
    job: &mut Job<'_>,
    slot: SelectOathSlot,
    lost: Aftermath,
    ask: impl Fn() -> Result<C, ActionError>,
    mut waiting: impl FnMut() -> ControlFlow<()>,
) -> Result<OneTimePassword, ActionError> {
    job.at("select-slot", Aftermath::Unchanged);
    job.demand(&slot)?;
    loop {
        job.at("one-time-password", lost);
        match job.send(&ask()?)? {
            Ok(code) => return Ok(code),
            Err(WAITING_FOR_BUTTON) => {}
            Err(status) => return Err(job.refused(status)),
        }
        if waiting().is_break() {
            return Err(ActionError::ButtonNotPressed);
        }
    }
}

/// Seconds since 1970, of which the command has four bytes.
fn seconds(time: SystemTime) -> Result<u32, ActionError> {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| u32::try_from(since.as_secs()).ok())
        .ok_or(NotSent::Clock.into())
}
