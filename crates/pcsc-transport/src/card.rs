//! A card and what is known about its state.

use std::fmt;

use piv_apdu::aid;
use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::TypedCommand;
use piv_apdu::sm::SecureMessaging;
use piv_apdu::tlv::{self, Tag};
use zeroize::Zeroizing;

use crate::error::{LinkError, SendError, TransportError};
use crate::exchange::{self, Exchange, Exchanger};
use crate::link::{CardLink, Continuity, Insertion, Leave, LinkInfo};
use crate::pin_pad::{PinModify, PinPadError, PinPadFeatures, PinVerify};
use crate::secure::{Layer, Way};

/// A card in a reader.
///
/// All commands go through a [`Transaction`]. Between transactions others may
/// use the card; what they may have changed is known at the next
/// [`begin`](Card::begin).
///
/// # Leaving
///
/// [`close`](Card::close), and dropping, leave the card as it was, except for
/// what was unlocked through this value. A PIN that was verified in the PIV
/// application and not logged out is logged out there with VERIFY, P1 = FF
/// (SP 800-73-4 part 2, 3.2.1), and asked for with an empty VERIFY, which must
/// not answer "verified" any more. Where that fails, and for a PIN of any other
/// application and everything else that was authenticated, for which there is
/// no such command, the card is reset.
pub struct Card {
    link: Box<dyn CardLink>,
    state: CardState,
    secure: Layer,
    round_trips: u64,
    losses: u64,
    /// This value has reset the card itself, and has not begun anew since.
    reset_here: bool,
    open: bool,
}

impl Card {
    /// A card over a link of a [`Backend`](crate::Backend). Sends nothing.
    pub fn new(link: Box<dyn CardLink>) -> Self {
        Card {
            link,
            state: CardState::default(),
            secure: Layer::default(),
            round_trips: 0,
            losses: 0,
            reset_here: false,
            open: false,
        }
    }

    /// Reader, ATR, interface, and what the link carries.
    pub fn info(&self) -> &LinkInfo {
        self.link.info()
    }

    /// How many APDUs were handed to the link so far, GET RESPONSE and the
    /// blocks of a chain included.
    pub fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// How often the card was found reset or exchanged ([`Continuity::Lost`]) when
    /// a transaction began, other than by a reset that this value made itself.
    /// Whoever knows something of the card knows it of the card that was there
    /// when this was the same.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// What the reader's own PIN pad can do. Asks the reader at most once, and
    /// sends nothing to the card.
    pub fn pin_pad(&mut self) -> PinPadFeatures {
        self.link.pin_pad()
    }

    /// Begins a transaction: nobody else gets at the card until it ends. Keep it
    /// short, and never hold one while a person is asked something: everybody
    /// else waits, and Windows resets a card whose transaction idles for five
    /// seconds. Sends no APDU.
    ///
    /// # Errors
    ///
    /// [`TransportError::Link`].
    pub fn begin(&mut self) -> Result<Transaction<'_>, TransportError> {
        let continuity = self.begin_link()?;
        Ok(Transaction {
            card: self,
            continuity,
        })
    }

    fn begin_link(&mut self) -> Result<Continuity, LinkError> {
        if self.open {
            // A transaction that was forgotten instead of dropped.
            self.end_link(Leave::AsIs)?;
        }
        match self.link.begin() {
            Ok(continuity) => {
                self.open = true;
                let reset_here = std::mem::take(&mut self.reset_here);
                if continuity == Continuity::Lost && !reset_here {
                    self.losses += 1;
                }
                self.state.came_back(continuity);
                if continuity != Continuity::Unbroken {
                    self.secure.end();
                }
                Ok(continuity)
            }
            Err(error) => {
                self.state.failed(&error);
                Err(error)
            }
        }
    }

    fn end_link(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.open = false;
        let result = self.link.end(leave);
        match &result {
            // Nothing survives a reset, but only one that took place.
            Ok(()) if leave == Leave::Reset => {
                self.reset_here = true;
                self.state = CardState::default();
                self.secure.end();
            }
            Ok(()) => {}
            Err(error) => self.state.failed(error),
        }
        result
    }

    fn exchange(&mut self, command: &Command) -> Result<Response, TransportError> {
        tracing::trace!(
            cla = command.cla(),
            ins = command.ins(),
            p1 = command.p1(),
            p2 = command.p2(),
            bytes = command.data().len(),
            "command"
        );
        self.state.sending(command);
        let way = way(&*self.link, &self.state);
        let exchanger = Exchanger::new(&mut *self.link, &mut self.round_trips);
        let result = self.secure.exchange(command, way, exchanger);
        self.learn(command, &result);
        result
    }

    fn exchange_first(&mut self, command: &Command) -> Result<Response, TransportError> {
        if self.secure.is_there() {
            // Only a whole answer can be checked.
            return self.exchange(command);
        }
        way(&*self.link, &self.state).may_go_in_the_clear(command)?;
        self.state.sending(command);
        let result = Exchanger::new(&mut *self.link, &mut self.round_trips).run_first(command);
        self.learn(command, &result);
        result
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, TransportError> {
        way(&*self.link, &self.state).may_go_raw(bytes)?;
        let command = Command::decode(bytes).ok();
        if let Some(command) = &command {
            self.state.sending(command);
        }
        // What it did to a session only its sender knows.
        self.secure.end();
        self.round_trips += 1;
        let answer = match self.link.transmit(bytes) {
            Ok(answer) => answer,
            Err(error) => {
                self.state.failed(&error);
                return Err(error.into());
            }
        };
        match (&command, exchange::response(&answer)) {
            (Some(command), Ok(response)) => self.state.answered(command, &response),
            _ => self.state.misbehaved(),
        }
        Ok(answer)
    }

    /// An exchange in which the reader completes the command, `template`, with
    /// what is typed on it. What that unlocks is known as if it was typed here.
    fn on_pin_pad(
        &mut self,
        template: &Command,
        ask: impl FnOnce(&mut dyn CardLink) -> Result<Zeroizing<Vec<u8>>, LinkError>,
    ) -> Result<Response, PinPadError> {
        tracing::trace!(
            ins = template.ins(),
            p2 = template.p2(),
            "PIN asked for on the reader"
        );
        // A pad knows nothing of secure messaging.
        way(&*self.link, &self.state)
            .may_go_in_the_clear(template)
            .map_err(PinPadError::Transport)?;
        self.state.sending(template);
        let result = ask(&mut *self.link);
        if let Err(LinkError::NoPinPad) = result {
            self.state.not_sent();
            return Err(PinPadError::NoPinPad);
        }
        self.round_trips += 1;
        let result = result
            .map_err(TransportError::Link)
            .and_then(|answer| exchange::response(&answer));
        self.learn(template, &result);
        let response = result?;
        match PinPadError::from_status(response.status()) {
            Some(refusal) => Err(refusal),
            None => Ok(response),
        }
    }

    fn learn(&mut self, command: &Command, result: &Result<Response, TransportError>) {
        match result {
            Ok(response) => self.state.answered(command, response),
            Err(TransportError::Link(error)) => self.state.failed(error),
            Err(TransportError::InTheClear) => self.state.not_sent(),
            // Nothing was sent, or the card misbehaved half-way.
            Err(_) => self.state.misbehaved(),
        }
    }

    fn select(&mut self, aid: &[u8]) -> Result<Response, TransportError> {
        let command = Command::new(0x00, 0xA4, 0x04, 0x00)
            .with_data(aid)
            .with_le(Le::SHORT_MAX);
        self.exchange(&command)
    }

    /// Closes the card, and leaves it as the type's documentation says.
    ///
    /// # Errors
    ///
    /// [`TransportError::Link`] if what was unlocked could not be locked again.
    /// A card that is gone, or was reset, is locked: no error.
    pub fn close(mut self) -> Result<(), TransportError> {
        Ok(self.leave()?)
    }

    /// Locks what was unlocked through this value, as [`close`](Card::close)
    /// does, and stays open. Sends nothing if nothing was.
    ///
    /// # Errors
    ///
    /// [`TransportError::Link`] if it could not be locked again. A card that is
    /// gone, or was reset, is locked: no error.
    pub fn lock(&mut self) -> Result<(), TransportError> {
        Ok(self.leave()?)
    }

    /// Locks what was unlocked and ends the transaction, so that nobody gets at
    /// the card in between.
    fn end_locked(&mut self) -> Result<(), LinkError> {
        let unlocked = std::mem::take(&mut self.state.unlocked);
        let leave = if self.log_out(&unlocked) {
            Leave::AsIs
        } else {
            Leave::Reset
        };
        match self.end_link(leave) {
            Err(error) if !error.is_session_lost() => {
                // For whoever locks next.
                self.state.unlocked.extend(unlocked);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn leave(&mut self) -> Result<(), LinkError> {
        if self.open {
            self.end_link(Leave::AsIs)?;
        }
        if !self.state.is_unlocked() {
            return Ok(());
        }
        let unlocked = std::mem::take(&mut self.state.unlocked);
        let leave = match self.begin_link() {
            // A reset has locked it.
            Ok(Continuity::Lost) => Leave::AsIs,
            Ok(_) if self.log_out(&unlocked) => Leave::AsIs,
            Ok(_) => Leave::Reset,
            Err(error) if error.is_session_lost() => return Ok(()),
            Err(error) => return Err(error),
        };
        match self.end_link(leave) {
            Err(error) if !error.is_session_lost() => Err(error),
            _ => Ok(()),
        }
    }

    /// Logs out what was verified; true if the card confirmed all of it.
    fn log_out(&mut self, unlocked: &[Unlocked]) -> bool {
        if unlocked.contains(&Unlocked::Other) {
            return false;
        }
        for what in unlocked {
            let Unlocked::Pin { applet, reference } = what else {
                return false;
            };
            if self.state.selected.as_ref() != Some(applet)
                && !self.select(applet).is_ok_and(|r| r.status().is_success())
            {
                return false;
            }
            let log_out = Command::new(0x00, 0x20, 0xFF, *reference);
            if !self
                .exchange(&log_out)
                .is_ok_and(|r| r.status().is_success())
            {
                return false;
            }
            // A card that does not look at P1 takes it for a question, and
            // 9000 then means that the PIN still is verified.
            let query = Command::new(0x00, 0x20, 0x00, *reference);
            if !self
                .exchange(&query)
                .is_ok_and(|r| !r.status().is_success())
            {
                return false;
            }
        }
        true
    }
}

impl Drop for Card {
    fn drop(&mut self) {
        if let Err(error) = self.leave() {
            tracing::warn!(%error, "the card could not be left locked");
        }
    }
}

impl fmt::Debug for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card")
            .field("info", self.link.info())
            .field("round_trips", &self.round_trips)
            .finish_non_exhaustive()
    }
}

/// Sole use of a card for the time of one job. Ends, leaving the card as it is,
/// when it is dropped.
///
/// After an error of the link ([`TransportError::Link`]) nothing is known about
/// the card's state: end the transaction and begin anew.
#[derive(Debug)]
pub struct Transaction<'c> {
    card: &'c mut Card,
    continuity: Continuity,
}

impl Transaction<'_> {
    /// Reader, ATR, interface, and what the link carries.
    pub fn info(&self) -> &LinkInfo {
        self.card.info()
    }

    /// How many APDUs were handed to the link so far, since the card was
    /// opened.
    pub fn round_trips(&self) -> u64 {
        self.card.round_trips
    }

    /// As [`Card::losses`], this transaction's beginning included.
    pub fn losses(&self) -> u64 {
        self.card.losses
    }

    /// What may have happened to the card since the transaction before.
    pub fn continuity(&self) -> Continuity {
        self.continuity
    }

    /// Sends a command of any length and returns the whole response: chaining,
    /// GET RESPONSE, 6Cxx and extended length are taken care of.
    ///
    /// # Errors
    ///
    /// [`TransportError`]; nothing that a card might already have acted on is
    /// sent again.
    pub fn exchange(&mut self, command: &Command) -> Result<Response, TransportError> {
        self.card.exchange(command)
    }

    /// Sends a command that reads something, in the short form, and returns the
    /// first block of the answer: at most 256 bytes, and status word 61xx if
    /// there is more, which is not fetched. One APDU (two with T=0) to see
    /// whether a long object still begins as it did.
    ///
    /// # Errors
    ///
    /// [`TransportError`].
    pub fn exchange_first(&mut self, command: &Command) -> Result<Response, TransportError> {
        self.card.exchange_first(command)
    }

    /// Sends a typed command and decodes its answer.
    ///
    /// # Errors
    ///
    /// [`SendError::Transport`] if the exchange failed, [`SendError::Answer`] if
    /// the card refused or its answer is malformed.
    pub fn send<C: TypedCommand>(&mut self, command: &C) -> Result<C::Answer, SendError> {
        Exchange::send(self, command)
    }

    /// Selects an application by its identifier: `00 A4 04 00 Lc aid 00`
    /// (ISO 7816-4, 7.1.1). Sends in any case; drops the security state of the
    /// application that was selected, and on many cards that of the same one.
    ///
    /// # Errors
    ///
    /// [`TransportError`]. A card that has no such application answers 6A82.
    pub fn select(&mut self, aid: &[u8]) -> Result<Response, TransportError> {
        self.card.select(aid)
    }

    /// Selects an application, if it is not certain that it is selected: after
    /// a reset, another program, another application, or an error. `None` if
    /// nothing had to be sent.
    ///
    /// # Errors
    ///
    /// [`TransportError`]. A card that has no such application answers 6A82.
    pub fn ensure_selected(&mut self, aid: &[u8]) -> Result<Option<Response>, TransportError> {
        if self.selected() == Some(aid) {
            return Ok(None);
        }
        self.select(aid).map(Some)
    }

    /// The application that is certainly selected, by the identifier it was
    /// selected with.
    pub fn selected(&self) -> Option<&[u8]> {
        self.card.state.selected.as_deref()
    }

    /// Speaks to the card in this session of secure messaging from here on: GET DATA,
    /// VERIFY, CHANGE REFERENCE DATA and GENERAL AUTHENTICATE are wrapped, their
    /// responses unwrapped (SP 800-73-5 Part 2, 4.2); every other command goes in
    /// the clear. The session has to have been established in this transaction, with
    /// the application selected that is selected now.
    ///
    /// It ends with a SELECT, a reset, [`raw`](Transaction::raw), the first failure
    /// in it ([`TransportError::Secure`]), and with the transaction, if others can
    /// use the card in between.
    pub fn secure(&mut self, session: SecureMessaging) {
        self.card.secure.begin(session);
    }

    /// Gives the session up: what comes next goes in the clear.
    pub fn end_secure(&mut self) {
        self.card.secure.end();
    }

    /// Whether the card is spoken to in a session of secure messaging.
    pub fn is_secured(&self) -> bool {
        self.card.secure.is_open()
    }

    /// Which stay of the card in the reader this is, where that is certain; `None`
    /// elsewhere. Equal to what another process was told: it is the same card, and it
    /// was never out in between. Sends nothing to the card.
    pub fn insertion(&mut self) -> Option<Insertion> {
        self.card.link.insertion()
    }

    /// Says that the application must be selected anew before it is used,
    /// because of a command whose effect only the caller knows.
    pub fn forget_selected(&mut self) {
        self.card.state.selected = None;
    }

    /// Sends one APDU as it is and returns what comes: for experts. Nothing is
    /// chained, fetched or repeated; the effect on selection and PINs is
    /// noticed all the same.
    ///
    /// # Errors
    ///
    /// [`TransportError::Link`].
    pub fn raw(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, TransportError> {
        self.card.raw(command)
    }

    /// What the reader's own PIN pad can do. Asks the reader at most once, and
    /// sends nothing to the card.
    pub fn pin_pad(&mut self) -> PinPadFeatures {
        self.card.pin_pad()
    }

    /// Has a PIN typed on the reader's PIN pad and verified by the card: one
    /// round-trip, `CLA INS P1 P2 08` and the PIN that only the reader knows. The
    /// response is the card's: 9000, 63Cx, 6983 and so on.
    ///
    /// The application must be selected. Blocks while the person types, at most as
    /// long as the request says; the transaction is held for that time, as it has
    /// to be. A wrong PIN spends a try: look first how many are left. An accepted
    /// PIN is locked again when the card is closed, as a typed one is.
    ///
    /// # Errors
    ///
    /// [`PinPadError`], which says whether the card has seen anything.
    pub fn verify_on_pin_pad(&mut self, request: &PinVerify) -> Result<Response, PinPadError> {
        self.card
            .on_pin_pad(&request.command(), |link| link.verify_on_pin_pad(request))
    }

    /// Has the old PIN and, twice, the new one typed on the reader's PIN pad and
    /// changed by the card: one round-trip, `CLA INS P1 P2 10` and the PINs that
    /// only the reader knows. Else as
    /// [`verify_on_pin_pad`](Transaction::verify_on_pin_pad).
    ///
    /// # Errors
    ///
    /// [`PinPadError`], which says whether the card has seen anything.
    pub fn modify_on_pin_pad(&mut self, request: &PinModify) -> Result<Response, PinPadError> {
        self.card
            .on_pin_pad(&request.command(), |link| link.modify_on_pin_pad(request))
    }

    /// Ends the transaction and leaves the card as it is: the PIN stays
    /// verified for the next transaction, and for other programs.
    ///
    /// # Errors
    ///
    /// [`TransportError::Link`]; the transaction is over all the same.
    pub fn end(self) -> Result<(), TransportError> {
        Ok(self.card.end_link(Leave::AsIs)?)
    }

    /// Locks what was unlocked through this card, as [`Card::lock`] does, and
    /// ends the transaction: nobody finds the card unlocked in between. Sends
    /// nothing if nothing was unlocked. If that fails, it is tried once more in a
    /// transaction of its own.
    ///
    /// # Errors
    ///
    /// [`TransportError::Link`] if it could not be locked; the transaction is
    /// over all the same. A card that is gone, or was reset, is locked: no error.
    pub fn end_locked(self) -> Result<(), TransportError> {
        Ok(self.card.end_locked().or_else(|_| self.card.leave())?)
    }

    /// Ends the transaction and resets the card: nothing is selected or
    /// verified any more, for anybody.
    ///
    /// # Errors
    ///
    /// [`TransportError::Link`]; the transaction is over all the same.
    pub fn reset(self) -> Result<(), TransportError> {
        Ok(self.card.end_link(Leave::Reset)?)
    }
}

impl Exchange for Transaction<'_> {
    fn exchange(&mut self, command: &Command) -> Result<Response, TransportError> {
        self.card.exchange(command)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.card.open
            && let Err(error) = self.card.end_link(Leave::AsIs)
        {
            tracing::debug!(%error, "the transaction did not end in order");
        }
    }
}

/// Where a command goes that no secure session carries.
fn way<'a>(link: &dyn CardLink, state: &'a CardState) -> Way<'a> {
    Way {
        interface: link.info().interface,
        selected: state.selected.as_deref(),
    }
}

/// Something that was unlocked through us.
#[derive(Debug, PartialEq, Eq)]
enum Unlocked {
    /// A PIN verified in the PIV application, selected by this identifier.
    Pin { applet: Vec<u8>, reference: u8 },
    /// What there is no documented command for that locks it again: the PIN of
    /// another application, a key.
    Other,
}

/// What is known about the card from the commands that went through.
#[derive(Debug, Default)]
struct CardState {
    selected: Option<Vec<u8>>,
    unlocked: Vec<Unlocked>,
    /// What the command on its way unlocks if it succeeds.
    pending: Option<Unlocked>,
}

impl CardState {
    fn is_unlocked(&self) -> bool {
        !self.unlocked.is_empty()
    }

    fn came_back(&mut self, continuity: Continuity) {
        match continuity {
            Continuity::Unbroken => {}
            Continuity::Shared => self.selected = None,
            Continuity::Lost => *self = CardState::default(),
        }
    }

    fn failed(&mut self, error: &LinkError) {
        self.selected = None;
        // The answer is lost: the PIN may be verified.
        self.unlocked.extend(self.pending.take());
        if error.is_session_lost() {
            self.unlocked.clear();
        }
    }

    fn misbehaved(&mut self) {
        self.selected = None;
        self.unlocked.extend(self.pending.take());
    }

    /// Before a command whose answer may never arrive.
    fn sending(&mut self, command: &Command) {
        if is_select(command) || is_card_reset(command) {
            self.selected = None;
        }
        self.pending = self
            .would_unlock(command)
            .filter(|unlocks| !self.unlocked.contains(unlocks));
    }

    /// The command did not leave this computer.
    fn not_sent(&mut self) {
        self.pending = None;
    }

    fn answered(&mut self, command: &Command, response: &Response) {
        let status = response.status();
        // 61xx is normal processing too; it is seen here after `raw`.
        let success = status.is_success() || status.more_data().is_some();
        // P2, low bits: the first or only occurrence of the identifier.
        let first_occurrence = matches!(command.p2() & 0x03, 0x00);
        if success && is_select(command) && first_occurrence {
            self.selected = Some(command.data().to_vec());
        }
        let unlocks = self.pending.take();
        if success {
            self.unlocked.extend(unlocks);
        }
        let logs_out = command.ins() == 0x20 && command.p1() == 0xFF && command.data().is_empty();
        if success && logs_out && on_basic_channel(command) {
            let applet = self.selected.clone().unwrap_or_default();
            let logged_out = Unlocked::Pin {
                applet,
                reference: command.p2(),
            };
            self.unlocked.retain(|u| *u != logged_out);
        }
    }

    /// What the command unlocks if it succeeds.
    fn would_unlock(&self, command: &Command) -> Option<Unlocked> {
        let pin = || match &self.selected {
            Some(applet) if is_piv(applet) && on_basic_channel(command) => Unlocked::Pin {
                applet: applet.clone(),
                reference: command.p2(),
            },
            // Nobody knows where to log it out, or how.
            _ => Unlocked::Other,
        };
        match command.ins() {
            // A pairing code, which opens a contactless card for whoever comes next:
            // a reset costs no command there, and logging out takes a secure session.
            0x20 if command.p2() == 0x98 && !command.data().is_empty() => Some(Unlocked::Other),
            0x20 if !command.data().is_empty() => Some(pin()),
            // CHANGE REFERENCE DATA leaves the PIN verified; a PUK (81) unlocks
            // nothing.
            0x24 if command.p2() != 0x81 => Some(pin()),
            // VERIFY with the data in a template, EXTERNAL AUTHENTICATE.
            0x21 | 0x82 if !command.data().is_empty() => Some(Unlocked::Other),
            // GENERAL AUTHENTICATE with the card management key.
            0x87 if command.p2() == 0x9B && answers_challenge(command.data()) => {
                Some(Unlocked::Other)
            }
            _ => None,
        }
    }
}

/// True if a dynamic authentication template holds a response (82) or a
/// decrypted witness (80) with content: the step that authenticates.
fn answers_challenge(template: &[u8]) -> bool {
    let Ok(Some(inner)) = tlv::find(template, Tag::new(0x7C)) else {
        // Secure messaging, or not a template: better one reset too many.
        return true;
    };
    [0x80, 0x82].into_iter().any(|tag| {
        tlv::find(inner, Tag::new(tag)).is_ok_and(|value| value.is_some_and(|v| !v.is_empty()))
    })
}

/// The PIV application by its identifier, with or without the version: the only
/// one whose VERIFY is documented to log out with P1 = FF.
fn is_piv(applet: &[u8]) -> bool {
    applet.starts_with(aid::PIV_TRUNCATED)
}

/// A class of ISO 7816-4 on the basic logical channel; chained or under secure
/// messaging it may be.
fn on_basic_channel(command: &Command) -> bool {
    command.cla() & 0xE3 == 0x00
}

/// SELECT by identifier on the basic logical channel.
fn is_select(command: &Command) -> bool {
    let basic_channel = command.cla() & 0x43 == 0x00;
    basic_channel && command.ins() == 0xA4 && command.p1() == 0x04
}

/// RESET CARD of a Crescendo (`00 38 00 00`): the selected application's state
/// does not survive it.
fn is_card_reset(command: &Command) -> bool {
    command.ins() == 0x38
}
