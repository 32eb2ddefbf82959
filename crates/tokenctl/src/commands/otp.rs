//! `otp`: the slots for one-time passwords, and a code.

use std::cell::Cell;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use token_manager::{Action, Aftermath, OathState, utc};
use zeroize::Zeroizing;

use crate::cli::{OtpCodeArgs, OtpCommand, OtpKind};
use crate::commands::pin;
use crate::describe;
use crate::error::{Failure, Kind, Report, Result};
use crate::json;
use crate::manage::{self, RiskArgs};
use crate::output::{self, Output};
use crate::signal;
use crate::source::{self, Source};
use crate::stdout::Stdout;
use crate::table::Table;
use crate::text::{DIM, NAME, Text};

/// How long the token is left alone while it waits for its button.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Does what was asked.
pub(crate) fn run(command: &OtpCommand, source: &Source, output: &Output) -> Result {
    match command {
        OtpCommand::List => list(source, output),
        OtpCommand::Code(arguments) => code(arguments, source, output),
    }
}

fn list(source: &Source, output: &Output) -> Result {
    let session = manage::open_to_read(source, |_| None, output)?;
    let token = session.token();
    let reason = token.capabilities.get(Action::Otp).reason();
    if token.oath_slots.is_empty() {
        pin::ready(&session, Action::Otp)?;
    }
    let kinds = |number| {
        let kinds = OtpKind::of_slot(number).iter();
        kinds.map(|kind| kind.name()).collect::<Vec<_>>()
    };
    if output.json {
        let slots = token.oath_slots.iter().map(|slot| json::OtpSlot {
            number: slot.number,
            state: describe::oath_slot(slot).state,
            kinds: kinds(slot.number),
        });
        let body = json::OtpList {
            token: source::token_name(token),
            slots: slots.collect(),
            reason: reason.map(describe::reason),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    let mut table = Table::new(&["SLOT", "STATE", "MAY GIVE"]);
    for slot in &token.oath_slots {
        let is_there = slot.state == OathState::Present;
        table.row([
            Text::styled(slot.number.to_string(), NAME),
            Text::from(describe::oath_slot(slot).state),
            Text::from(if is_there {
                kinds(slot.number).join(" or ").to_uppercase()
            } else {
                String::new()
            }),
        ]);
    }
    let mut out = output.stdout();
    table.write(&mut out)?;
    out.flush()?;
    if let Some(reason) = reason {
        let remark = format!("No code can be had of them here: {reason}.");
        output.remark(&Text::styled(remark, DIM));
    }
    Ok(())
}

fn code(arguments: &OtpCodeArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, RiskArgs::default(), Action::Otp, output)?;
    pin::ready(&session, Action::Otp)?;
    let mut out = Stdout::open()?;
    let slot = arguments.slot;
    let kind = arguments
        .kind
        .or_else(|| OtpKind::of_slot(slot).first().copied())
        .unwrap_or(OtpKind::Hotp);
    let mut wait = Wait::new(arguments.timeout, output);
    let time = Cell::new(None);
    let code = match kind {
        OtpKind::Hotp => {
            let code = session.hotp(slot, || wait.ask_again());
            code.map_err(|error| manage::action_failed(&error, &session.token().reader).into())
        }
        OtpKind::Totp => {
            let pin = arguments.pin.read(&mut session, output)?;
            let clock = || {
                let now = SystemTime::now();
                time.set(Some(now));
                now
            };
            pin.attempt(&mut session, output, |session, pin, last_try| {
                session.totp(slot, pin, last_try, clock, || wait.ask_again())
            })
        }
    };
    let code = code.map_err(|failure| wait.explain(failure))?;
    output.detail(format!("{} commands to the card", session.round_trips()));
    let written = if output.json {
        let body = json::OtpCode {
            token: source::token_name(session.token()),
            slot,
            kind: kind.name(),
            value: code.digits(),
            time: time.get().map(utc),
        };
        output::document_to(&mut out, &json::Document::new(body))
    } else {
        let line = [code.digits().as_bytes(), b"\n"].concat();
        out.write_all(&Zeroizing::new(line))
    };
    Ok(written.map_err(|error| lost(kind, &error))?)
}

/// A code that did not get out. It can't be had again, so that this is a failure also if
/// it is the reader of the output that went away.
fn lost(kind: OtpKind, error: &io::Error) -> Report {
    let message = format!("the token gave a code, which could not be written and is lost: {error}");
    let report = Report::new(Kind::Other, message);
    match kind {
        OtpKind::Hotp => Report {
            aftermath: Some(Aftermath::CodeUsedOrNot.id()),
            ..report.next(
                "The slot's counter has moved on: ask for the next code, which servers allow for",
            )
        },
        OtpKind::Totp => report.next("A TOTP moves no counter: ask again"),
    }
}

/// The wait for the button. It begins when the token first says that it waits, so that
/// the time in which a PIN is typed does not count.
struct Wait<'a> {
    timeout: Duration,
    output: &'a Output,
    /// None until the token waits.
    until: Option<Instant>,
    /// The process was asked to end.
    stopped: Arc<AtomicBool>,
}

impl<'a> Wait<'a> {
    fn new(seconds: u16, output: &'a Output) -> Self {
        Wait {
            timeout: Duration::from_secs(seconds.into()),
            output,
            until: None,
            stopped: Arc::default(),
        }
    }

    /// Lets some time pass, unless it is over.
    fn ask_again(&mut self) -> ControlFlow<()> {
        let now = Instant::now();
        let until = match self.until {
            Some(until) => until,
            None => self.begin(now),
        };
        if now >= until || self.stopped.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        thread::sleep(BETWEEN_LOOKS.min(until - now));
        ControlFlow::Continue(())
    }

    /// That the wait was stopped is another thing than that its time was over.
    fn explain(&self, mut failure: Failure) -> Failure {
        if let Failure::Failed(report) = &mut failure
            && report.kind == Kind::NotPressed
            && self.stopped.load(Ordering::Relaxed)
        {
            "stopped: the button was not pressed yet".clone_into(&mut report.message);
            report.next = Some("The token gave no code and used none up".to_owned());
        }
        failure
    }

    fn begin(&mut self, now: Instant) -> Instant {
        let stopped = Arc::clone(&self.stopped);
        // So that Ctrl-C leaves the token locked; where it can't be waited for, the process
        // ends as it always did.
        let _ = signal::on_interrupt(move || stopped.store(true, Ordering::Relaxed));
        let seconds = self.timeout.as_secs();
        let prompt = format!("Press the token's button while its light blinks ({seconds} s).");
        self.output.remark(&Text::from(prompt));
        let until = now + self.timeout;
        self.until = Some(until);
        until
    }
}
