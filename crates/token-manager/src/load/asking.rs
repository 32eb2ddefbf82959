//! Asking a card: one command at a time, within the limits, with what ends a
//! load told apart from what spoils one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pcsc_transport::{Card, LinkError, SendError, Transaction, TransportError};
use piv_apdu::command::{AnswerError, TypedCommand};
use piv_apdu::status::StatusWord;

use crate::error::{LoadError, Part, Problem, Unreadable};
use crate::options::LoadOptions;

/// When the time of a load that begins now is over; never, if that is further away
/// than the clock can tell.
pub(crate) fn deadline(options: &LoadOptions) -> Option<Instant> {
    Instant::now().checked_add(options.timeout?)
}

/// When to give up.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    timeout: Duration,
    deadline: Option<Instant>,
    cancelled: Option<Arc<AtomicBool>>,
}

impl Limits {
    pub(crate) fn of(options: &LoadOptions) -> Self {
        Self {
            timeout: options.timeout.unwrap_or_default(),
            deadline: deadline(options),
            cancelled: None,
        }
    }

    pub(crate) fn cancelled_by(mut self, flag: &Arc<AtomicBool>) -> Self {
        self.cancelled = Some(Arc::clone(flag));
        self
    }

    pub(super) fn check(&self) -> Result<(), Stop> {
        if self
            .cancelled
            .as_ref()
            .is_some_and(|flag| flag.load(Ordering::Relaxed))
        {
            return Err(Stop::Link(LinkError::Cancelled));
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stop::Timeout),
            _ => Ok(()),
        }
    }
}

/// What ends a load.
pub(super) enum Stop {
    Link(LinkError),
    ResetAgain,
    Timeout,
    NotAPivCard(StatusWord),
    NoSelectAnswer(String),
}

impl Stop {
    pub(super) fn into_error(self, card: &Card, limits: &Limits) -> LoadError {
        let reader = card.info().reader.clone();
        match self {
            Self::Link(source) => LoadError::Link { reader, source },
            Self::ResetAgain => LoadError::ResetAgain { reader },
            Self::Timeout => LoadError::Timeout {
                reader,
                after: limits.timeout,
            },
            Self::NotAPivCard(status) => LoadError::NotAPivCard {
                reader,
                atr: card.info().atr,
                status,
            },
            Self::NoSelectAnswer(detail) => LoadError::NoSelectAnswer { reader, detail },
        }
    }
}

/// An answer, or why there is none; what ends the load is outside of it.
pub(super) type Asked<T> = Result<Result<T, Unreadable>, Stop>;

/// The card in a transaction, asked politely.
pub(super) struct Asking<'c> {
    pub(super) transaction: Transaction<'c>,
    pub(super) limits: &'c Limits,
    pub(super) problems: Vec<Problem>,
}

impl Asking<'_> {
    pub(super) fn ask<C: TypedCommand>(&mut self, command: &C) -> Asked<C::Answer> {
        self.limits.check()?;
        match self.transaction.send(command) {
            Ok(answer) => Ok(Ok(answer)),
            Err(SendError::Answer(error)) => Ok(Err(refusal(error))),
            Err(SendError::Transport(error)) => given_up(error).map(Err),
            Err(other) => Ok(Err(Unreadable::GivenUp(other.to_string()))),
        }
    }

    /// Notes a problem and goes on without the answer.
    pub(super) fn note<T>(&mut self, part: Part, asked: Result<T, Unreadable>) -> Option<T> {
        asked
            .map_err(|why| self.problems.push(Problem::new(part, why)))
            .ok()
    }
}

fn refusal(error: AnswerError) -> Unreadable {
    match error {
        AnswerError::Status(status) => Unreadable::Refused(status),
        other => Unreadable::Malformed(other.to_string()),
    }
}

/// A failed link ends the load; a card that breaks the rules of the protocol
/// spoils one answer.
fn given_up(error: TransportError) -> Result<Unreadable, Stop> {
    match error {
        TransportError::Link(error) => Err(Stop::Link(error)),
        other => Ok(Unreadable::GivenUp(other.to_string())),
    }
}
