//! Asking a card: one command at a time, within the limits, with what ends a
//! load told apart from what spoils one answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ctap_apdu::framing::{Message, Progress};
use ctap_apdu::{CtapCommand, CtapError};
use pcsc_transport::{Card, LinkError, Transaction, TransportError};
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{AnswerError, TypedCommand};
use piv_apdu::status::StatusWord;
use token_cache::Item;

use crate::error::{LoadError, Part, Problem, Unreadable};
use crate::options::LoadOptions;

use super::memory::{Came, Memory, Recalled, begins_alike, is_whole};

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
    cancelled: Vec<Arc<AtomicBool>>,
}

impl Limits {
    pub(crate) fn of(options: &LoadOptions) -> Self {
        Self {
            timeout: options.timeout.unwrap_or_default(),
            deadline: deadline(options),
            cancelled: options.cancel.iter().cloned().collect(),
        }
    }

    pub(crate) fn cancelled_by(mut self, flag: &Arc<AtomicBool>) -> Self {
        self.cancelled.push(Arc::clone(flag));
        self
    }

    pub(super) fn check(&self) -> Result<(), Stop> {
        if self
            .cancelled
            .iter()
            .any(|flag| flag.load(Ordering::Relaxed))
        {
            return Err(Stop::Cancelled);
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
    Cancelled,
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
            Self::Cancelled => LoadError::Cancelled { reader },
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

/// The card in a transaction, asked politely, and only what is not remembered.
pub(super) struct Asking<'c> {
    pub(super) transaction: Transaction<'c>,
    pub(super) limits: &'c Limits,
    pub(super) problems: Vec<Problem>,
    pub(super) memory: Memory,
    /// The application whose SELECT was answered from memory, and that has to be
    /// selected before the next command.
    wanted: Option<Vec<u8>>,
}

impl<'c> Asking<'c> {
    pub(super) fn new(transaction: Transaction<'c>, limits: &'c Limits, memory: Memory) -> Self {
        Self {
            transaction,
            limits,
            problems: Vec::new(),
            memory,
            wanted: None,
        }
    }

    /// The answer to a command that selects an application, or reads `item` in
    /// the one that was selected last.
    pub(super) fn ask<C: TypedCommand>(
        &mut self,
        item: Option<Item>,
        command: &C,
    ) -> Asked<C::Answer> {
        self.limits.check()?;
        let command = command.to_command();
        let answer = match item {
            Some(item) => self.recall_or_ask(item, &command)?,
            None => self.exchange(&command)?,
        };
        Ok(answer.and_then(|response| C::decode_answer(&response).map_err(refusal)))
    }

    fn recall_or_ask(&mut self, item: Item, command: &Command) -> Asked<Response> {
        let answer = match self.memory.recall(item) {
            Recalled::Answer(response) => {
                if is_select(command) {
                    self.wanted = Some(command.data().to_vec());
                }
                return Ok(Ok(response));
            }
            Recalled::IfItBeginsAs(known) => match self.begins_as(&known, command)? {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) => self.exchange(command)?.map(whole),
                Err(why) => Err(why),
            },
            Recalled::Nothing => self.exchange(command)?.map(whole),
        };
        Ok(answer.map(|(response, came)| {
            self.memory.learn(item, &response, came);
            response
        }))
    }

    /// What is known, if the card's answer still begins like it; what the card
    /// says now, if that came in one piece; or else nothing.
    fn begins_as(
        &mut self,
        known: &Response,
        command: &Command,
    ) -> Asked<Option<(Response, Came)>> {
        let first = match self.first_block(command)? {
            Ok(first) => first,
            Err(why) => return Ok(Err(why)),
        };
        let answer = if begins_alike(&first, known) {
            Some((known.clone(), Came::with(&first)))
        } else if is_whole(&first) {
            Some(whole(first))
        } else {
            None
        };
        Ok(Ok(answer))
    }

    /// The answer to a CTAP command in the FIDO application, which was selected last.
    /// An authenticator that is not done at once is not waited for.
    pub(super) fn ask_fido<C: CtapCommand>(
        &mut self,
        item: Option<Item>,
        command: &C,
    ) -> Asked<C::Answer> {
        let answer = match self.ask(item, &Message::new(command))? {
            Ok(Progress::Done(answer)) => command.read_answer(&answer),
            Ok(_) => Err(CtapError::StillProcessing { asked: 0 }),
            Err(why) => return Ok(Err(why)),
        };
        Ok(answer.map_err(unreadable))
    }

    /// The answer to a command that is sent in any case, kept for whoever asks for
    /// it next; nothing if there is none that can be understood.
    pub(super) fn give<C: TypedCommand>(
        &mut self,
        item: Item,
        command: &C,
    ) -> Result<Option<C::Answer>, Stop> {
        self.limits.check()?;
        let Ok(response) = self.exchange(&command.to_command())? else {
            return Ok(None);
        };
        let answer = C::decode_answer(&response).ok();
        self.memory.was_given(item, response, Came::Whole);
        Ok(answer)
    }

    /// The answer to a command that is sent in any case, kept for whoever asks for it
    /// next; not sent again if it is kept already.
    pub(super) fn peek<C: TypedCommand>(&mut self, item: Item, command: &C) -> Asked<C::Answer> {
        self.limits.check()?;
        let response = match self.memory.given(item) {
            Some(response) => response,
            None => match self.exchange(&command.to_command())? {
                Ok(response) => {
                    let kept = response.clone();
                    self.memory.was_given(item, kept, Came::Whole);
                    response
                }
                Err(why) => return Ok(Err(why)),
            },
        };
        Ok(C::decode_answer(&response).map_err(refusal))
    }

    /// Selects the application that is wanted, if its SELECT was answered from memory.
    pub(super) fn select_now(&mut self) -> Asked<()> {
        self.select_wanted()
    }

    /// The first block of an answer, at most 256 bytes.
    pub(super) fn first_block(&mut self, command: &Command) -> Asked<Response> {
        self.limits.check()?;
        if let Err(why) = self.select_wanted()? {
            return Ok(Err(why));
        }
        sent(self.transaction.exchange_first(command))
    }

    fn exchange(&mut self, command: &Command) -> Asked<Response> {
        if is_select(command) {
            self.wanted = None;
        } else if let Err(why) = self.select_wanted()? {
            return Ok(Err(why));
        }
        sent(self.transaction.exchange(command))
    }

    fn select_wanted(&mut self) -> Asked<()> {
        let Some(aid) = &self.wanted else {
            return Ok(Ok(()));
        };
        match self.transaction.ensure_selected(aid) {
            Ok(Some(answer)) if !answer.status().is_success() => {
                Ok(Err(Unreadable::Refused(answer.status())))
            }
            Ok(_) => {
                self.wanted = None;
                Ok(Ok(()))
            }
            Err(error) => given_up(error).map(Err),
        }
    }

    /// Notes a problem and goes on without the answer.
    pub(super) fn note<T>(&mut self, part: Part, asked: Result<T, Unreadable>) -> Option<T> {
        asked
            .map_err(|why| self.problems.push(Problem::new(part, why)))
            .ok()
    }
}

fn whole(response: Response) -> (Response, Came) {
    (response, Came::Whole)
}

fn is_select(command: &Command) -> bool {
    command.ins() == 0xA4
}

fn sent(result: Result<Response, TransportError>) -> Asked<Response> {
    match result {
        Ok(response) => Ok(Ok(response)),
        Err(error) => given_up(error).map(Err),
    }
}

fn refusal(error: AnswerError) -> Unreadable {
    match error {
        AnswerError::Status(status) => Unreadable::Refused(status),
        other => Unreadable::Malformed(other.to_string()),
    }
}

/// Why a CTAP command told nothing.
fn unreadable(error: CtapError) -> Unreadable {
    match error {
        CtapError::Status(status) => Unreadable::Ctap(status),
        CtapError::Card(status) => Unreadable::Refused(status),
        CtapError::Malformed(error) => Unreadable::Malformed(error.to_string()),
        other => Unreadable::GivenUp(other.to_string()),
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
