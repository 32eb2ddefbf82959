//! A secret in the clipboard for a short while, on a thread of its own.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use eframe::egui::{self, Ui};
use token_desktop::{Clipboard, ClipboardError, Lent, lend};
use zeroize::Zeroizing;

use crate::widgets::{Notice, live, notice, quiet, sentence};

/// How long it is shown what became of a secret that was lent.
const OUTCOME: Duration = Duration::from_secs(10);

/// Opens a clipboard, on the thread that uses it.
pub type OpenClipboard = Arc<dyn Fn() -> Result<Box<dyn Clipboard>, ClipboardError> + Send + Sync>;

/// Which clipboard secrets are copied to, and for how long.
#[derive(Clone)]
pub struct Lending {
    /// The clipboard.
    pub open: OpenClipboard,
    /// After how long a secret is taken out of it again.
    pub time: Duration,
}

impl Default for Lending {
    /// The desktop's clipboard, for 30 seconds.
    fn default() -> Self {
        Self {
            open: Arc::new(token_desktop::clipboard),
            time: Duration::from_secs(30),
        }
    }
}

/// Lends secrets to the clipboard, one at a time, whatever becomes of the dialog that showed
/// them. Dropped, it takes out what is in there and waits until that is done.
pub(crate) struct Lender {
    how: Lending,
    context: egui::Context,
    loan: RefCell<Option<Loan>>,
}

/// One secret that is lent, or was.
struct Loan {
    name: &'static str,
    told: Receiver<Told>,
    last: Told,
    /// Set once it is in the clipboard.
    was_in: Arc<AtomicBool>,
    over_since: Option<Instant>,
    /// Dropped, it ends the loan.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
enum Told {
    /// It is being put in.
    Begun,
    /// It is in for so many more seconds.
    Left(u64),
    /// It is out, or never came in.
    Over(Result<Lent, ClipboardError>),
}

impl Lender {
    pub(crate) fn new(how: Lending, context: &egui::Context) -> Self {
        Self {
            how,
            context: context.clone(),
            loan: RefCell::new(None),
        }
    }

    /// Lends a secret of this name, instead of what is lent so far. Gives what is set once
    /// it is in the clipboard, as far as [`is_lending`](Self::is_lending) has seen.
    pub(crate) fn lend(&self, name: &'static str, secret: &str) -> Arc<AtomicBool> {
        let mut loan = self.loan.borrow_mut();
        let previous = loan.take();
        let new = self.begin(name, Zeroizing::new(secret.to_owned()), previous);
        let was_in = Arc::clone(&new.was_in);
        *loan = Some(new);
        was_in
    }

    fn begin(&self, name: &'static str, secret: Zeroizing<String>, previous: Option<Loan>) -> Loan {
        let (stop, stopped) = mpsc::channel();
        let (teller, told) = mpsc::channel();
        let Lending { open, time } = self.how.clone();
        let context = self.context.clone();
        let tell = move |what| {
            // A window that is gone has nobody to tell it to.
            let _ = teller.send(what);
            context.request_repaint();
        };
        let work = move || {
            // It must not take out what is put in now.
            drop(previous);
            let outcome = open().and_then(|mut clipboard| {
                let tick = |left| tell(Told::Left(left));
                lend(&mut *clipboard, &secret, time, &stopped, tick)
            });
            tell(Told::Over(outcome));
        };
        let thread = thread::Builder::new().name("clipboard".into()).spawn(work);
        let last = match &thread {
            Ok(_) => Told::Begun,
            Err(error) => Told::Over(Err(ClipboardError::System(error.to_string()))),
        };
        Loan {
            name,
            told,
            last,
            was_in: Arc::default(),
            over_since: None,
            stop: Some(stop),
            thread: thread.ok(),
        }
    }

    /// Takes out what is lent, at once.
    pub(crate) fn stop(&self) {
        if let Some(loan) = &mut *self.loan.borrow_mut() {
            loan.stop = None;
        }
    }

    /// Whether there is anything to show.
    pub(crate) fn is_lending(&self) -> bool {
        let mut loan = self.loan.borrow_mut();
        if let Some(lent) = &mut *loan
            && let Some(left) = lent.catch_up()
        {
            if left.is_zero() {
                *loan = None;
            } else {
                self.context.request_repaint_after(left);
            }
        }
        loan.is_some()
    }

    /// Shows how it stands with what is lent.
    pub(crate) fn ui(&self, ui: &mut Ui) {
        if self.is_lending()
            && let Some(loan) = &mut *self.loan.borrow_mut()
        {
            loan.ui(ui);
        }
    }
}

impl Loan {
    /// Takes in what the thread has told since. For how long the outcome is still shown, if
    /// there is one.
    fn catch_up(&mut self) -> Option<Duration> {
        while let Ok(told) = self.told.try_recv() {
            if matches!(told, Told::Left(_)) {
                self.was_in.store(true, Ordering::Relaxed);
            }
            self.last = told;
        }
        matches!(self.last, Told::Over(_)).then(|| {
            let since = self.over_since.get_or_insert_with(Instant::now);
            OUTCOME.saturating_sub(since.elapsed())
        })
    }

    fn ui(&mut self, ui: &mut Ui) {
        let left = match &self.last {
            Told::Begun => "The clipboard is asked to take it.".to_owned(),
            Told::Left(1) => self.is_in("1 more second"),
            Told::Left(seconds) => self.is_in(&format!("{seconds} more seconds")),
            Told::Over(Ok(lent)) => return self::live(ui, lent.sentence()),
            Told::Over(Err(error)) => {
                let next = if self.was_in.load(Ordering::Relaxed) {
                    "It may still be in the clipboard: copy something else over it."
                } else {
                    "It was not copied. Show it, and type it where it is wanted."
                };
                notice(ui, Notice::Bad, &sentence(&error.to_string()), Some(next));
                return;
            }
        };
        ui.horizontal_wrapped(|ui| {
            quiet(ui, left);
            if ui
                .add_enabled(self.stop.is_some(), egui::Button::new("Clear now"))
                .clicked()
            {
                self.stop = None;
            }
        });
    }

    fn is_in(&self, time: &str) -> String {
        let name = self.name;
        format!("The {name} is in the clipboard for {time}.")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // One that has failed has told so on its own.
            let _ = thread.join();
        }
    }
}
