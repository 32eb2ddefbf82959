//! What talks to tokens: a thread a reader, so that a slow card keeps nobody waiting, least
//! of all the window.
//!
//! The window hands over closures, each of which does something with a
//! [`Session`], and looks at each frame whether an answer is there ([`Task`]). A session is opened
//! for the first of them and closed when the window says that it is done with the token: a
//! token that nobody works with is left to other programs.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use eframe::egui;
use piv_apdu::secret::Pin;
use token_manager::{
    ActionError, Authenticated, Freshness, LastTry, LoadOptions, Manager, NotSent, PinEntry, Plan,
    RecoverySecret, Session, StepReport, Token, TokenIdentity,
};

use crate::suspend::Told;

/// A token as a thread last saw it, with what only a session tells of it.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The token.
    pub(crate) token: Token,
    /// What a person types to have it erased.
    pub(crate) confirmation: String,
    /// Where a recovery secret can be kept.
    pub(crate) places: Vec<token_manager::RecoveryPlace>,
    /// The rules for its PIN, one by one.
    pub(crate) rules: Vec<token_manager::PolicyRule>,
    /// The same as one value, to be changed.
    pub(crate) policy: token_manager::token_profile::Policy,
    /// What erasing it would do; `None` if it can't be erased.
    pub(crate) erasure: Option<Plan>,
}

impl Snapshot {
    fn of(session: &Session) -> Box<Self> {
        Box::new(Self {
            token: session.token().clone(),
            confirmation: session.confirmation(),
            places: session.recovery_places(),
            rules: session.rules(),
            policy: session.managed_policy(),
            erasure: session.plan_recycle().ok(),
        })
    }
}

/// What a thread tells the window without being asked.
#[derive(Debug)]
pub(crate) enum News {
    /// It begins to read the token.
    Reading,
    /// The token as it stands now.
    Seen(Box<Snapshot>),
    /// The token could not be read.
    Unreadable(ActionError),
    /// The PIN is in, and the token is held open.
    Unlocked,
    /// The token is locked.
    Locked,
}

/// How a thread reaches the window.
#[derive(Clone)]
pub(crate) struct Window {
    context: egui::Context,
    news: Sender<(u64, News)>,
}

impl Window {
    pub(crate) fn new(context: egui::Context) -> (Self, Receiver<(u64, News)>) {
        let (news, receiver) = mpsc::channel();
        (Self { context, news }, receiver)
    }

    pub(crate) fn context(&self) -> &egui::Context {
        &self.context
    }
}

/// Waits until the threads are gone that had this receiver's senders, and have locked their
/// tokens; not for longer than a person would.
pub(crate) fn wait_for_threads(news: &Receiver<(u64, News)>) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match news.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("a token has not answered in time to be locked");
                return;
            }
        }
    }
}

/// Does something that takes no token, on a thread of its own: a file may be far away.
pub(crate) struct Aside<T>(Receiver<T>);

impl<T: Send + 'static> Aside<T> {
    /// Begins.
    pub(crate) fn begin(context: &egui::Context, act: impl FnOnce() -> T + Send + 'static) -> Self {
        let (sender, result) = mpsc::channel();
        let context = context.clone();
        let work = move || {
            // Without a window nobody waits for it.
            let _ = sender.send(act());
            context.request_repaint();
        };
        if let Err(error) = thread::Builder::new().name("aside".into()).spawn(work) {
            tracing::error!(%error, "no thread for a file");
        }
        Self(result)
    }

    /// Its result, once it is there; an error if it will never be.
    pub(crate) fn poll(&self) -> Option<Result<T, NoThread>> {
        match self.0.try_recv() {
            Ok(result) => Some(Ok(result)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(NoThread)),
        }
    }
}

/// The system had no thread to do it on.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this computer is out of threads. Close other programs, and try again")]
pub(crate) struct NoThread;

/// What comes of something that a thread does, as far as it has come.
pub(crate) struct Task<T> {
    answers: Receiver<Message<T>>,
    claim: Claim,
    /// The steps that are over.
    pub(crate) steps: Vec<StepReport>,
    asked: Option<Question>,
}

enum Message<T> {
    Step(StepReport),
    Ask(Question),
    Done(Result<T, ActionError>),
}

/// A secret that a token is about to get, and waits for the person's word that it was taken
/// over.
pub(crate) struct Question {
    /// The secret.
    pub(crate) secret: RecoverySecret,
    answer: Sender<bool>,
}

impl Question {
    /// Lets the thread go on, or stops it before the token gets the secret.
    pub(crate) fn answer(self, taken: bool) {
        // A thread that is gone has stopped already.
        let _ = self.answer.send(taken);
    }
}

impl<T> Task<T> {
    fn new(claim: Claim, answers: Receiver<Message<T>>) -> Self {
        Self {
            answers,
            claim,
            steps: Vec::new(),
            asked: None,
        }
    }

    /// Whether it has not begun: the token is being read first, or others are before it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.claim.0.is_waiting()
    }

    /// Gives it up, with what was typed for it. `false` if it has begun.
    pub(crate) fn give_up(&self) -> bool {
        self.claim.0.give_up()
    }

    /// The result, once it is there.
    pub(crate) fn poll(&mut self) -> Option<Result<T, ActionError>> {
        loop {
            match self.answers.try_recv() {
                Ok(Message::Step(report)) => self.steps.push(report),
                Ok(Message::Ask(question)) => self.asked = Some(question),
                Ok(Message::Done(result)) => return Some(result),
                Err(TryRecvError::Empty) => return None,
                // The thread ends with its token, and has not come to this.
                Err(TryRecvError::Disconnected) => {
                    return Some(Err(ActionError::AuthenticationLost));
                }
            }
        }
    }

    /// The secret that waits to be taken over.
    pub(crate) fn question(&self) -> Option<&Question> {
        self.asked.as_ref()
    }

    /// The same, to be answered.
    pub(crate) fn take_question(&mut self) -> Option<Question> {
        self.asked.take()
    }
}

/// How something that is being done tells of itself.
pub(crate) struct Teller<T> {
    answers: Sender<Message<T>>,
    context: egui::Context,
}

impl<T> Clone for Teller<T> {
    fn clone(&self) -> Self {
        Self {
            answers: self.answers.clone(),
            context: self.context.clone(),
        }
    }
}

impl<T> Teller<T> {
    fn tell(&self, message: Message<T>) -> bool {
        let told = self.answers.send(message).is_ok();
        self.context.request_repaint();
        told
    }

    /// Tells that a step is over.
    pub(crate) fn step(&self, report: &StepReport) {
        self.tell(Message::Step(report.clone()));
    }

    /// Shows a new secret and waits until it was taken over; `false` if it was not, or if
    /// nobody is there any more.
    pub(crate) fn hand_over(&self, secret: &RecoverySecret) -> bool {
        let (answer, answered) = mpsc::channel();
        let question = Question {
            secret: secret.clone(),
            answer,
        };
        self.tell(Message::Ask(question)) && answered.recv().unwrap_or(false)
    }
}

type Work = Box<dyn FnOnce(Result<&mut Session, ActionError>) + Send>;

enum Order {
    Look(Freshness),
    /// What needs a session.
    Ask(Slot),
    /// What is held is let go when the token is locked.
    Lock(Option<Hold>),
    Release,
}

/// Something that waits until all tokens are locked.
pub(crate) type Hold = Arc<Told>;

/// What was asked for, until its turn comes or it is given up.
#[derive(Clone)]
struct Slot {
    asked: Arc<Mutex<Option<Asked>>>,
    /// Stops the opening of a session for it, before the next command.
    is_given_up: Arc<AtomicBool>,
}

impl Slot {
    fn new(asked: Asked) -> Self {
        Self {
            asked: Arc::new(Mutex::new(Some(asked))),
            is_given_up: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_waiting(&self) -> bool {
        self.lock().is_some()
    }

    /// Whether it had not begun.
    fn give_up(&self) -> bool {
        let is_waiting = self.lock().take().is_some();
        if is_waiting {
            self.is_given_up.store(true, Ordering::Relaxed);
        }
        is_waiting
    }
}

/// What was asked for, from the window's side: dropping it gives it up, since nobody waits for
/// it any more.
pub(crate) struct Claim(Slot);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

enum Asked {
    Work(Work),
    Unlock(Unlock),
}

impl Asked {
    /// There is no session for it.
    fn fail(self, error: ActionError) {
        match self {
            Self::Work(work) => work(Err(error)),
            Self::Unlock(unlock) => {
                unlock.teller.tell(Message::Done(Err(error)));
            }
        }
    }
}

struct Unlock {
    pin: Box<Pin>,
    last_try: LastTry,
    teller: Teller<()>,
}

/// The thread of one reader, from the window's side. Dropping it locks the token and ends the
/// thread, once what is under way is done.
pub(crate) struct Worker {
    orders: Sender<Order>,
    /// Stops what is being read for the page, before the next command.
    cancel: Arc<AtomicBool>,
    context: egui::Context,
}

impl Worker {
    /// A thread for the token in a reader. It begins by reading the token: as it is
    /// remembered, and then held against that.
    pub(crate) fn start(manager: Manager, reader: &str, stay: u64, window: &Window) -> Self {
        let (orders, received) = mpsc::channel();
        let cancel = Arc::new(AtomicBool::new(false));
        let desk = Desk {
            cancel: Arc::clone(&cancel),
            manager,
            reader: reader.to_owned(),
            stay,
            identity: RefCell::default(),
            window: window.clone(),
        };
        let started = thread::Builder::new()
            .name(format!("token in {reader}"))
            .spawn(move || desk.serve(&received));
        if let Err(error) = started {
            tracing::error!(%error, "no thread for a token");
        }
        let worker = Self {
            orders,
            cancel,
            context: window.context.clone(),
        };
        worker.order(Order::Look(Freshness::Quick));
        worker
    }

    /// That nobody is there to take it is told by whoever waits for the answer.
    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Reads the token again, past all that is remembered.
    pub(crate) fn read_again(&self) {
        self.cancel.store(false, Ordering::Relaxed);
        self.order(Order::Look(Freshness::Fresh));
    }

    /// Stops reading the token, before the next command.
    pub(crate) fn cancel_reading(&self) {
        self.cancel.store(true, Ordering::Relaxed);
    }

    /// Has this done as soon as there is a session.
    fn ask(&self, asked: Asked) -> Claim {
        let slot = Slot::new(asked);
        self.order(Order::Ask(slot.clone()));
        Claim(slot)
    }

    /// Has something done in a session with the token.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Session, &Teller<T>) -> Result<T, ActionError> + Send + 'static,
    ) -> Task<T> {
        let (teller, answers) = self.channel();
        let work: Work = Box::new(move |session| {
            let result = session.and_then(|session| {
                let steps = teller.clone();
                session.watch_steps(move |report| steps.step(report));
                act(session, &teller)
            });
            teller.tell(Message::Done(result));
        });
        Task::new(self.ask(Asked::Work(work)), answers)
    }

    /// Verifies the PIN and holds the token open until it is locked.
    pub(crate) fn unlock(&self, pin: Box<Pin>, last_try: LastTry) -> Task<()> {
        let (teller, answers) = self.channel();
        let unlock = Unlock {
            pin,
            last_try,
            teller,
        };
        Task::new(self.ask(Asked::Unlock(unlock)), answers)
    }

    /// Locks the token; also one that a PIN is on its way to.
    pub(crate) fn lock(&self, hold: Option<Hold>) {
        self.order(Order::Lock(hold));
    }

    /// Opens a session, so that what is asked next has it already.
    pub(crate) fn prepare(&self) -> Claim {
        self.ask(Asked::Work(Box::new(|_| ())))
    }

    /// Nothing more is asked for now: the session is closed, unless the token is held open.
    pub(crate) fn release(&self) {
        self.order(Order::Release);
    }

    fn channel<T>(&self) -> (Teller<T>, Receiver<Message<T>>) {
        let (answers, received) = mpsc::channel();
        let context = self.context.clone();
        (Teller { answers, context }, received)
    }
}

impl Drop for Worker {
    /// Whoever waits for the thread does not wait for a slow card to be read.
    fn drop(&mut self) {
        self.cancel_reading();
    }
}

/// What becomes of the session after a token was open.
enum Then {
    /// Something in the window needs it.
    Keep,
    /// Nothing does.
    Release,
    /// The window is gone.
    End,
}

/// What the thread has.
struct Desk {
    manager: Manager,
    cancel: Arc<AtomicBool>,
    reader: String,
    /// Which stay of a token in the reader this is: news of one that is gone are dropped.
    stay: u64,
    /// As it was last seen.
    identity: RefCell<Option<TokenIdentity>>,
    window: Window,
}

impl Desk {
    fn serve(&self, orders: &Receiver<Order>) {
        let mut held = None;
        while let Ok(order) = orders.recv() {
            match order {
                Order::Look(freshness) => self.look(freshness, held.as_mut()),
                Order::Ask(slot) => match self.ask(&slot, &mut held, orders) {
                    Then::Keep => {}
                    Then::Release => held = None,
                    Then::End => return,
                },
                Order::Lock(_) => self.tell(News::Locked),
                Order::Release => held = None,
            }
        }
    }

    fn tell(&self, news: News) {
        // Without a window the orders end, too.
        let _ = self.window.news.send((self.stay, news));
        self.window.context.request_repaint();
    }

    fn seen(&self, session: &Session) {
        *self.identity.borrow_mut() = Some(session.token().identity.clone());
        self.tell(News::Seen(Snapshot::of(session)));
    }

    /// Whether this is another token than the one that was here: it was exchanged, and the
    /// window has not been told yet.
    fn is_another(&self, session: &Session) -> bool {
        let before = self.identity.borrow();
        before.as_ref().is_some_and(|before| {
            before.id().is_some() && !is_same(&session.token().identity, before)
        })
    }

    /// How tokens are read.
    fn options(&self, freshness: Freshness) -> LoadOptions {
        self.manager.options().clone().with_freshness(freshness)
    }

    /// Opens a session, reading the token so.
    fn open(&self, options: LoadOptions) -> Result<Session, ActionError> {
        self.manager
            .clone()
            .with_options(options)
            .open(&self.reader)
    }

    fn look(&self, freshness: Freshness, held: Option<&mut Session>) {
        self.tell(News::Reading);
        if let Some(session) = held {
            return match session.reload() {
                Ok(()) => self.seen(session),
                Err(error) => self.tell(News::Unreadable(error)),
            };
        }
        let options = self
            .options(freshness)
            .with_cancel(Arc::clone(&self.cancel));
        match self.open(options) {
            Ok(session) => {
                let is_remembered = session.token().remembered.is_some();
                self.seen(&session);
                drop(session);
                if is_remembered && freshness == Freshness::Quick {
                    self.look(Freshness::Checked, None);
                }
            }
            Err(error) => self.tell(News::Unreadable(error)),
        }
    }

    /// The session, opened if there is none.
    fn session<'a>(
        &self,
        held: &'a mut Option<Session>,
        cancel: &Arc<AtomicBool>,
    ) -> Result<&'a mut Session, ActionError> {
        if held.is_none() {
            let options = self.options(Freshness::Fresh);
            let session = self.open(options.with_cancel(Arc::clone(cancel)))?;
            let is_another = self.is_another(&session);
            self.seen(&session);
            if is_another {
                return Err(NotSent::OtherToken.into());
            }
            *held = Some(session);
        }
        held.as_mut().ok_or(ActionError::AuthenticationLost)
    }

    /// Does what was asked for, unless it is given up before there is a session.
    fn ask(&self, slot: &Slot, held: &mut Option<Session>, orders: &Receiver<Order>) -> Then {
        if !slot.is_waiting() {
            return Then::Keep;
        }
        let was_held = held.is_some();
        let session = self.session(held, &slot.is_given_up);
        // Taken out in a statement of its own: the window looks into it while it is done.
        let asked = slot.lock().take();
        match (asked, session) {
            // A session that was opened for it can be stopped, and is of no use to others.
            (None, _) if !was_held => *held = None,
            (None, _) => {}
            (Some(asked), Err(error)) => asked.fail(error),
            (Some(Asked::Unlock(unlock)), Ok(session)) => {
                return self.unlock(unlock, session, orders);
            }
            (Some(Asked::Work(work)), Ok(session)) => {
                work(Ok(session));
                self.seen(session);
            }
        }
        Then::Keep
    }

    fn unlock(&self, unlock: Unlock, session: &mut Session, orders: &Receiver<Order>) -> Then {
        let Unlock {
            pin,
            last_try,
            teller,
        } = unlock;
        let then = match session.authenticate(PinEntry::Typed(&pin), last_try) {
            Ok(mut guard) => {
                drop(pin);
                self.seen(guard.session());
                self.tell(News::Unlocked);
                teller.tell(Message::Done(Ok(())));
                let (then, hold) = self.serve_open(&mut guard, orders);
                if let Err(error) = guard.lock() {
                    tracing::warn!(%error, "the token could not be locked");
                }
                drop(hold);
                then
            }
            Err(error) => {
                teller.tell(Message::Done(Err(error)));
                Then::Keep
            }
        };
        self.seen(session);
        self.tell(News::Locked);
        then
    }

    /// Serves while the token is held open. With what waits until it is locked.
    fn serve_open(
        &self,
        guard: &mut Authenticated<'_>,
        orders: &Receiver<Order>,
    ) -> (Then, Option<Hold>) {
        let mut then = Then::Keep;
        loop {
            match orders.recv() {
                Ok(Order::Look(_)) => self.look(Freshness::Fresh, Some(guard.session())),
                Ok(Order::Ask(slot)) => {
                    let asked = slot.lock().take();
                    // The window does not ask for what it has; a PIN is not verified unasked.
                    let Some(Asked::Work(work)) = asked else {
                        continue;
                    };
                    then = Then::Keep;
                    work(Ok(guard.session()));
                }
                // It holds when the token is locked.
                Ok(Order::Release) => {
                    then = Then::Release;
                    continue;
                }
                Ok(Order::Lock(hold)) => return (then, hold),
                Err(_) => return (Then::End, None),
            }
            self.seen(guard.session());
            // Actions that lock, a reset by another program, a card that is gone.
            if !guard.is_still_verified().unwrap_or(false) {
                return (then, None);
            }
        }
    }
}

/// Whether one identity is the other's. Nothing tells the same token from another without one.
pub(crate) fn is_same(one: &TokenIdentity, other: &TokenIdentity) -> bool {
    // Erasing a token takes its GUID away.
    let is_same = one.is(other) || one.serial.is_some() && one.serial == other.serial;
    one.id().is_some() && is_same
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

    use pcsc_transport::Backend;
    use virtual_token::{CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};

    use super::*;

    fn card() -> SharedToken {
        let made = VirtualToken::create(Profile::Crescendo2300, &CreateOptions::default());
        SharedToken::new(made.unwrap())
    }

    /// A PIN that waits never goes to another card, also before the window has seen that the
    /// card was exchanged.
    #[test]
    fn what_was_asked_of_one_token_is_not_done_to_another() {
        let readers = MemoryBackend::new();
        readers.insert("Desk", &card()).unwrap();
        let backend: Arc<dyn Backend> = Arc::new(readers.clone());
        let (window, news) = Window::new(egui::Context::default());
        let worker = Worker::start(Manager::new(backend), "Desk", 1, &window);
        while !matches!(news.recv().unwrap().1, News::Seen(_)) {}
        let mut same = worker.run(|session, _| Ok(session.confirmation()));
        while same.poll().is_none() {}
        worker.release();
        readers.eject("Desk");
        readers.insert("Desk", &card()).unwrap();
        let mut other = worker.run(|session, _| Ok(session.confirmation()));
        let result = loop {
            if let Some(result) = other.poll() {
                break result;
            }
        };
        assert!(
            matches!(result, Err(ActionError::NotSent(NotSent::OtherToken))),
            "{result:?}"
        );
    }
}
