//! A token that several parties use at once: programs' links, a virtual reader,
//! and the test that counts what arrives at the card.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use pcsc_transport::Interface;
use piv_apdu::atr::Atr;
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use crate::VirtualToken;
use crate::fault::{Fault, Faults, MAX_ANSWER, is_extended};

/// The number of commands [`SharedToken::log`] goes back.
pub const LOG_LENGTH: usize = 65_536;

/// The status word of a card whose memory fails (ISO 7816-4, table 6), given when
/// a change of state could not be saved.
const MEMORY_FAILURE: [u8; 2] = [0x65, 0x81];

/// Saves the token's state; see [`SharedToken::with_persistence`].
pub type Persist = Box<dyn FnMut(&VirtualToken) -> io::Result<()> + Send>;

/// What runs once when the card is pulled out.
pub(crate) type OnRemoval = Box<dyn FnOnce() + Send>;

/// A [`VirtualToken`] that can be handed around: clones are the same card.
///
/// It counts and logs the commands at the card (headers and lengths, never data),
/// makes [faults](crate::fault) happen, delays answers, and saves every change of
/// state before the answer to the command that made it leaves.
///
/// A new one is a card in a reader of its own: [`SharedToken::link`] reaches it.
/// Putting it into a [`MemoryBackend`](crate::MemoryBackend) or a virtual reader
/// takes it out of where it was. The card is powered on when the first link comes
/// and powered off when the last one goes, so no security state is left to the
/// next one.
///
/// ```
/// use virtual_token::{CreateOptions, Profile, SharedToken, VirtualToken};
///
/// let token = SharedToken::new(VirtualToken::create(Profile::Piv, &CreateOptions::default())?);
/// let link = token.link("Virtual reader");
/// assert_eq!(token.commands(), 0);
/// # drop(link);
/// # Ok::<(), virtual_token::CreateError>(())
/// ```
#[derive(Clone)]
pub struct SharedToken {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    token: VirtualToken,
    saving: Saving,
    faults: Faults,
    latency: Duration,
    commands: u64,
    log: VecDeque<CommandHeader>,
    present: bool,
    /// Counts insertions and removals: a session belongs to one insertion.
    insertion: u64,
    on_removal: Option<OnRemoval>,
    sessions: usize,
    exclusive: bool,
    next_session: u64,
    transaction: Option<u64>,
    /// A command is being answered, outside the lock.
    busy: bool,
    /// Commands from anybody, other programs' included.
    spoken: u64,
    /// Resets and power cycles.
    resets: u64,
}

/// How the state is kept.
struct Saving {
    persist: Option<Persist>,
    /// A change has not been saved yet.
    unsaved: bool,
    error: Option<String>,
}

impl Saving {
    /// False if something is left unsaved.
    fn save(&mut self, token: &VirtualToken, changed: bool) -> bool {
        self.unsaved |= changed;
        if !self.unsaved {
            return true;
        }
        let result = match &mut self.persist {
            Some(persist) => persist(token),
            None => Ok(()),
        };
        self.error = result.err().map(|error| error.to_string());
        self.unsaved = self.error.is_some();
        !self.unsaved
    }
}

/// One command as it arrived at the card: its header and lengths, never its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandHeader {
    /// Class byte.
    pub cla: u8,
    /// Instruction byte.
    pub ins: u8,
    /// First parameter byte.
    pub p1: u8,
    /// Second parameter byte.
    pub p2: u8,
    /// Length of the whole command APDU, in bytes.
    pub length: usize,
    /// Length of the command's data field, in bytes.
    pub lc: usize,
    /// Length of the answer's data field, in bytes.
    pub answered: usize,
    /// The status word answered; none if the answer had not even two bytes.
    pub status: Option<StatusWord>,
}

impl CommandHeader {
    fn new(command: &[u8], answer: &[u8]) -> Self {
        let byte = |index: usize| command.get(index).copied().unwrap_or(0);
        let lc = match command.len() {
            0..=5 => 0,
            7 if is_extended(command) => 0,
            _ if is_extended(command) => usize::from(u16::from_be_bytes([byte(5), byte(6)])),
            _ => usize::from(byte(4)),
        };
        Self {
            cla: byte(0),
            ins: byte(1),
            p1: byte(2),
            p2: byte(3),
            length: command.len(),
            lc,
            answered: answer.len().saturating_sub(2),
            status: answer
                .last_chunk()
                .map(|status| StatusWord::new(u16::from_be_bytes(*status))),
        }
    }
}

impl SharedToken {
    /// A token whose state lives in memory only.
    pub fn new(token: VirtualToken) -> Self {
        Self::build(token, None)
    }

    /// A token whose changes of state are saved by `persist`, called before the
    /// answer to the command that made them leaves.
    ///
    /// When `persist` fails, the command's answer is replaced by the status word
    /// `65 81` (memory failure), and so is every later one until a save succeeds:
    /// no answer leaves a card that would forget it. [`SharedToken::save_error`]
    /// has the reason. `persist` runs between two commands and must not use this
    /// token.
    pub fn with_persistence(token: VirtualToken, persist: Persist) -> Self {
        Self::build(token, Some(persist))
    }

    fn build(token: VirtualToken, persist: Option<Persist>) -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(State {
                    token,
                    saving: Saving {
                        persist,
                        unsaved: false,
                        error: None,
                    },
                    faults: Faults::new(),
                    latency: Duration::ZERO,
                    commands: 0,
                    log: VecDeque::new(),
                    present: true,
                    insertion: 1,
                    on_removal: None,
                    sessions: 0,
                    exclusive: false,
                    next_session: 1,
                    transaction: None,
                    busy: false,
                    spoken: 0,
                    resets: 0,
                }),
                changed: Condvar::new(),
            }),
        }
    }

    /// The card's answer to reset.
    pub fn atr(&self) -> Atr {
        self.lock().token.atr()
    }

    /// The interface that the card lies on.
    pub fn interface(&self) -> Interface {
        self.lock().token.interface()
    }

    /// Pulls the card out of its reader and puts it on another interface, where it is a
    /// card in a reader of its own again. Every link to it is dead from now on. Does
    /// nothing if it is in a reader of that interface already.
    pub fn set_interface(&self, interface: Interface) {
        let mut state = self.lock();
        if state.present && state.token.interface() == interface {
            return;
        }
        let removed = state.remove();
        state.token.set_interface(interface);
        state.save();
        state.present = true;
        state.insertion += 1;
        drop(state);
        self.tell(removed);
    }

    /// Number of commands that the card has received, GET RESPONSE and the links of
    /// command chains included.
    pub fn commands(&self) -> u64 {
        self.lock().commands
    }

    /// The last [`LOG_LENGTH`] commands that the card has received, oldest first.
    pub fn log(&self) -> Vec<CommandHeader> {
        self.lock().log.iter().copied().collect()
    }

    /// Empties the log and sets the count of commands to zero.
    pub fn clear_log(&self) {
        let mut state = self.lock();
        state.log.clear();
        state.commands = 0;
    }

    /// Number of resets and power cycles so far.
    pub fn resets(&self) -> u64 {
        self.lock().resets
    }

    /// Is the card in a reader? It is until it is pulled out.
    pub fn is_present(&self) -> bool {
        self.lock().present
    }

    /// Why the last attempt to save the state failed; none when it is saved.
    pub fn save_error(&self) -> Option<String> {
        self.lock().saving.error.clone()
    }

    /// Arms a script of faults in place of the one before; the next command is its
    /// number 1.
    pub fn arm(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Ends all faults.
    pub fn disarm(&self) {
        self.arm(Faults::new());
    }

    /// Delays the answer to each command by this long. The card is busy meanwhile,
    /// and can be pulled out.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Runs `act` on the card itself, between commands, and saves what it changed.
    pub fn with<R>(&self, act: impl FnOnce(&mut VirtualToken) -> R) -> R {
        let mut state = self.lock();
        let result = act(&mut state.token);
        state.save();
        result
    }

    /// Resets the card, as another program would: its security state is gone, and
    /// each link learns of it.
    pub fn reset(&self) {
        self.lock().reset();
    }

    /// Pulls the card out of its reader. Every link to it is dead from now on, a
    /// command that is being answered included. Returns false if it was not in one.
    pub fn eject(&self) -> bool {
        let removed = self.lock().remove();
        self.tell(removed)
    }

    /// As [`SharedToken::eject`], if the card has not been moved since this insertion.
    pub(crate) fn eject_insertion(&self, insertion: u64) -> bool {
        let mut state = self.lock();
        let removed = if state.insertion == insertion {
            state.remove()
        } else {
            None
        };
        drop(state);
        self.tell(removed)
    }

    /// Puts the card into a reader of this interface; `on_removal` runs once when it is pulled out,
    /// without any lock of this token held. Gives the insertion's number, or `on_removal`
    /// back if the card is in a reader already.
    pub(crate) fn insert(
        &self,
        interface: Interface,
        on_removal: OnRemoval,
    ) -> Result<u64, OnRemoval> {
        let mut state = self.lock();
        if state.present {
            return Err(on_removal);
        }
        state.token.set_interface(interface);
        state.save();
        state.present = true;
        state.insertion += 1;
        state.on_removal = Some(on_removal);
        Ok(state.insertion)
    }

    /// Takes the card out of the reader it is in and puts it into another of the same
    /// interface.
    pub(crate) fn move_to(&self, mut on_removal: OnRemoval) -> u64 {
        loop {
            self.eject();
            // Another thread may have put it somewhere in between.
            match self.insert(self.interface(), on_removal) {
                Ok(insertion) => return insertion,
                Err(again) => on_removal = again,
            }
        }
    }

    /// Does what follows a removal. The lock must not be held.
    fn tell(&self, removed: Option<Removed>) -> bool {
        let Some(Removed(on_removal)) = removed else {
            return false;
        };
        self.inner.changed.notify_all();
        if let Some(on_removal) = on_removal {
            on_removal();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.lock()
    }

    /// For a map that must not keep the token open.
    pub(crate) fn downgrade(&self) -> WeakToken {
        WeakToken(Arc::downgrade(&self.inner))
    }
}

/// A reference that does not keep the token open.
pub(crate) struct WeakToken(Weak<Inner>);

impl fmt::Debug for WeakToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakToken(..)")
    }
}

impl WeakToken {
    pub(crate) fn upgrade(&self) -> Option<SharedToken> {
        self.0.upgrade().map(|inner| SharedToken { inner })
    }
}

impl fmt::Debug for SharedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("SharedToken")
            .field("present", &state.present)
            .field("sessions", &state.sessions)
            .field("commands", &state.commands)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The card's state is whole after any panic: `process` has none, and what
        // a hook of the caller's did is its own.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while<'a>(
        &self,
        state: MutexGuard<'a, State>,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        self.changed
            .wait_while(state, condition)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while_until<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Instant,
        condition: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.changed
            .wait_timeout_while(state, left, condition)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

/// The card was in a reader and is no longer; what is to be told.
struct Removed(Option<OnRemoval>);

impl State {
    fn reset(&mut self) {
        self.token.reset();
        self.resets += 1;
    }

    fn power_on(&mut self) {
        self.token.power_on();
        self.resets += 1;
    }

    fn power_off(&mut self) {
        self.token.power_off();
        self.resets += 1;
    }

    fn remove(&mut self) -> Option<Removed> {
        if !self.present {
            return None;
        }
        self.power_off();
        self.present = false;
        self.insertion += 1;
        self.sessions = 0;
        self.exclusive = false;
        self.transaction = None;
        self.busy = false;
        Some(Removed(self.on_removal.take()))
    }

    /// Saves what has changed. False if something is left unsaved.
    fn save(&mut self) -> bool {
        let changed = self.token.take_dirty();
        self.saving.save(&self.token, changed)
    }

    /// The card executes a command.
    fn execute(&mut self, command: &[u8]) -> Zeroizing<Vec<u8>> {
        let answer = self.token.process(command);
        if self.save() {
            answer
        } else {
            Zeroizing::new(MEMORY_FAILURE.to_vec())
        }
    }

    /// Another program selects its applet.
    fn select_other(&mut self, aid: &[u8]) {
        let mut command = vec![0x00, 0xA4, 0x04, 0x00];
        command.push(u8::try_from(aid.len()).unwrap_or(u8::MAX));
        command.extend(aid.iter().take(usize::from(u8::MAX)));
        command.push(0x00);
        self.execute(&command);
        self.spoken += 1;
    }

    fn record(&mut self, command: &[u8], answer: &[u8]) {
        self.commands += 1;
        if self.log.len() == LOG_LENGTH {
            self.log.pop_front();
        }
        self.log.push_back(CommandHeader::new(command, answer));
    }
}

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The card is in no reader.
    Absent,
    /// Another session excludes this one.
    InUse,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The card was pulled out.
    Removed,
    /// The card was reset by another; nothing was executed.
    Reset,
    /// The card was reset and did not respond; nothing was executed.
    Unresponsive,
    /// The reader failed; nothing was executed.
    Reader,
}

/// What the other parties did since this session's last transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Nothing,
    OthersSpoke,
    WasReset,
}

/// Who tells the host that the card was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResetNotice {
    /// The session: it refuses commands until the next transaction.
    Session,
    /// Nobody: the other end keeps its own account.
    None,
}

/// One party's connection to the card.
pub(crate) struct Session {
    token: SharedToken,
    id: u64,
    insertion: u64,
    notice: ResetNotice,
    spoken: u64,
    resets: u64,
}

impl Session {
    pub(crate) fn open(
        token: &SharedToken,
        exclusive: bool,
        notice: ResetNotice,
        interface: Option<Interface>,
    ) -> Result<Self, Refusal> {
        let mut state = token.lock();
        if !state.present {
            return Err(Refusal::Absent);
        }
        let elsewhere = interface.is_some_and(|wanted| wanted != state.token.interface());
        if state.exclusive || ((exclusive || elsewhere) && state.sessions > 0) {
            return Err(Refusal::InUse);
        }
        if let Some(interface) = interface {
            state.token.set_interface(interface);
            state.save();
        }
        if state.sessions == 0 {
            state.power_on();
        }
        state.sessions += 1;
        state.exclusive = exclusive;
        let id = state.next_session;
        state.next_session += 1;
        Ok(Self {
            token: token.clone(),
            id,
            insertion: state.insertion,
            notice,
            spoken: state.spoken,
            resets: state.resets,
        })
    }

    /// A session with a card that is not there.
    pub(crate) fn dead(token: &SharedToken) -> Self {
        Self {
            token: token.clone(),
            id: 0,
            insertion: 0,
            notice: ResetNotice::Session,
            spoken: 0,
            resets: 0,
        }
    }

    fn is_live(&self, state: &State) -> bool {
        state.present && state.insertion == self.insertion
    }

    /// Waits until no other session holds a transaction, and takes it.
    pub(crate) fn begin(&mut self) -> Result<Since, Failure> {
        let inner = &*self.token.inner;
        let mut state = inner.wait_while(inner.lock(), |state| {
            self.is_live(state) && state.transaction.is_some_and(|holder| holder != self.id)
        });
        if !self.is_live(&state) {
            return Err(Failure::Removed);
        }
        match state.faults.strike_between() {
            Some(Fault::OtherApplet(aid)) => state.select_other(&aid),
            Some(_) => state.reset(),
            None => {}
        }
        state.transaction = Some(self.id);
        let since = if state.resets != self.resets {
            Since::WasReset
        } else if state.spoken != self.spoken {
            Since::OthersSpoke
        } else {
            Since::Nothing
        };
        self.resets = state.resets;
        self.spoken = state.spoken;
        Ok(since)
    }

    /// Ends the transaction. False if there was none.
    pub(crate) fn end(&mut self, reset: bool) -> Result<bool, Failure> {
        let mut state = self.token.inner.lock();
        if !self.is_live(&state) {
            return Err(Failure::Removed);
        }
        if state.transaction != Some(self.id) {
            return Ok(false);
        }
        state.transaction = None;
        if reset {
            state.reset();
        }
        drop(state);
        self.token.inner.changed.notify_all();
        Ok(true)
    }

    /// One command, one answer: any bytes both ways.
    pub(crate) fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let inner = &*self.token.inner;
        let mut state = inner.wait_while(inner.lock(), |state| {
            self.is_live(state)
                && (state.busy || state.transaction.is_some_and(|holder| holder != self.id))
        });
        if !self.is_live(&state) {
            return Err(Failure::Removed);
        }
        let notices = self.notice == ResetNotice::Session;
        if notices && state.resets != self.resets {
            return Err(Failure::Reset);
        }

        let answer = match state.faults.strike(command) {
            None => state.execute(command),
            Some(Fault::VanishBefore) => {
                let removed = state.remove();
                drop(state);
                self.token.tell(removed);
                return Err(Failure::Removed);
            }
            Some(Fault::VanishAfter) => {
                let answer = state.execute(command);
                state.record(command, &answer);
                let removed = state.remove();
                drop(state);
                self.token.tell(removed);
                return Err(Failure::Removed);
            }
            Some(fault @ (Fault::Reset | Fault::Unresponsive)) => {
                state.reset();
                if notices {
                    return Err(match fault {
                        Fault::Reset => Failure::Reset,
                        _ => Failure::Unresponsive,
                    });
                }
                state.execute(command)
            }
            Some(Fault::OtherApplet(aid)) => {
                state.select_other(&aid);
                state.execute(command)
            }
            Some(Fault::Status(status)) => Zeroizing::new(status.get().to_be_bytes().to_vec()),
            Some(Fault::Answer(mut bytes)) => {
                bytes.truncate(MAX_ANSWER);
                Zeroizing::new(bytes)
            }
            Some(Fault::Truncate(length)) => {
                let mut answer = state.execute(command);
                answer.truncate(length);
                answer
            }
            Some(Fault::Garbage(length)) => state.faults.garbage(length),
            Some(Fault::Endless) => endless(),
            Some(Fault::ExtendedRefused) => wrong_length(),
            Some(Fault::ExtendedError) if !notices => wrong_length(),
            Some(Fault::ExtendedError | Fault::ReaderError) => return Err(Failure::Reader),
        };
        state.record(command, &answer);
        state.spoken += 1;
        // Another program that spoke within this transaction is still news for the
        // next one: only one's own command is accounted for.
        self.spoken += 1;

        if state.latency > Duration::ZERO {
            let deadline = Instant::now() + state.latency;
            state.busy = true;
            state = inner.wait_while_until(state, deadline, |state| self.is_live(state));
            if !self.is_live(&state) {
                return Err(Failure::Removed);
            }
            state.busy = false;
            drop(state);
            inner.changed.notify_all();
        }
        Ok(answer)
    }

    /// Powers the card on, off, or resets it, as a reader does.
    pub(crate) fn power(&mut self, power: Power) {
        let mut state = self.token.inner.lock();
        if self.is_live(&state) {
            match power {
                Power::On => state.power_on(),
                Power::Off => state.power_off(),
                Power::Reset => state.reset(),
            }
        }
    }

    /// Is the card still where this session met it?
    pub(crate) fn is_in(&self) -> bool {
        self.is_live(&self.token.lock())
    }

    pub(crate) fn token(&self) -> &SharedToken {
        &self.token
    }
}

/// What a reader does to the card's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    Off,
    Reset,
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.token.inner.lock();
        if !self.is_live(&state) {
            return;
        }
        if state.transaction == Some(self.id) {
            state.transaction = None;
        }
        state.sessions = state.sessions.saturating_sub(1);
        state.exclusive = false;
        if state.sessions == 0 {
            state.power_off();
        }
        drop(state);
        self.token.inner.changed.notify_all();
    }
}

/// 256 bytes and "there is more".
fn endless() -> Zeroizing<Vec<u8>> {
    let mut answer = vec![0xA5; 258];
    answer.splice(256.., [0x61, 0x00]);
    Zeroizing::new(answer)
}

pub(crate) fn wrong_length() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(StatusWord::WRONG_LENGTH.get().to_be_bytes().to_vec())
}
