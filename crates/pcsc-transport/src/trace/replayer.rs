//! Plays the card's part of a trace.

use std::collections::VecDeque;
use std::fmt;

use piv_apdu::apdu::Command;
use piv_apdu::atr::Atr;
use zeroize::Zeroizing;

use super::describe::describe;
use super::format::{self, MAGIC, Masked};
use super::policy::Policy;
use crate::error::LinkError;
use crate::link::{CardLink, Continuity, ExtendedLength, Interface, Leave, LinkInfo, Protocol};
use crate::pin_pad::{PinModify, PinPadFeatures, PinVerify};

/// A trace cannot be read, or what was asked of it is not what it holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A line is not understood.
    #[error("trace line {line}: {reason}")]
    Syntax {
        /// The line's number, from 1.
        line: usize,
        /// What was expected there.
        reason: &'static str,
    },
    /// The trace has another step here.
    #[error("trace line {line}: {mismatch}")]
    Mismatch {
        /// The line's number, from 1.
        line: usize,
        /// The two steps; data that is not public is not in it.
        mismatch: Box<Mismatch>,
    },
    /// The trace is over.
    #[error("the trace is over, and there was another {got}")]
    Exhausted {
        /// What was asked of it; data that is not public is not in it.
        got: String,
    },
    /// The answer's data was redacted when the trace was recorded.
    #[error(
        "trace line {line}: the answer was redacted when it was recorded; allow it to be filled up, or test this step another way"
    )]
    Redacted {
        /// The line's number, from 1.
        line: usize,
    },
}

/// What a trace holds and what was asked of it instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The step in the trace.
    pub expected: String,
    /// The step that was asked for.
    pub got: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the trace has {}, and what came was {}",
            self.expected, self.got
        )
    }
}

#[derive(Debug)]
enum Step {
    Begin(Result<Continuity, LinkError>),
    Exchange {
        /// `>`, or one for a PIN pad.
        mark: &'static str,
        command: Masked,
        outcome: Result<Masked, LinkError>,
        answer_line: usize,
    },
    End(Leave, Option<LinkError>),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Begin(_) => f.write_str("begin"),
            Step::Exchange {
                mark: format::COMMAND,
                command,
                ..
            } => write!(f, "the command {command}"),
            Step::Exchange { command, .. } => {
                write!(f, "the command {command} on the reader's PIN pad")
            }
            Step::End(leave, _) => write!(f, "end {}", format::leave(*leave)),
        }
    }
}

/// A link that answers from a trace, step by step. Every step must come as it
/// was recorded; a redacted command matches by header and length.
///
/// ```
/// use pcsc_transport::trace::Replayer;
/// use pcsc_transport::Card;
///
/// let trace = "\
/// trace 1
/// reader Test reader
/// atr 3BD596FF8191FE1FC34332333030CC
/// link contact T=1 extended=no
/// begin shared
/// > 00A40400 05 A000000308 00
/// < 6A82
/// end as-is
/// ";
/// let mut card = Card::new(Box::new(Replayer::new(trace)?));
/// let mut transaction = card.begin()?;
/// let answer = transaction.select(&[0xA0, 0x00, 0x00, 0x03, 0x08])?;
/// assert_eq!(answer.status().get(), 0x6A82);
/// transaction.end()?;
/// card.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Replayer {
    info: LinkInfo,
    steps: VecDeque<(usize, Step)>,
    pin_pad: PinPadFeatures,
    fill: Option<u8>,
}

impl Replayer {
    /// Reads a trace.
    ///
    /// # Errors
    ///
    /// [`ReplayError::Syntax`] with the first line that is not understood.
    pub fn new(trace: &str) -> Result<Self, ReplayError> {
        Parser::new(trace).parse()
    }

    /// Gives redacted data of answers as so many bytes of this value, instead
    /// of [`ReplayError::Redacted`].
    #[must_use]
    pub fn fill_redacted(mut self, byte: u8) -> Self {
        self.fill = Some(byte);
        self
    }

    /// How many steps are left.
    pub fn remaining(&self) -> usize {
        self.steps.len()
    }

    fn next(
        &mut self,
        got: impl Fn() -> String,
        fits: impl Fn(&Step) -> bool,
    ) -> Result<(usize, Step), ReplayError> {
        let Some((line, step)) = self.steps.front() else {
            return Err(ReplayError::Exhausted { got: got() });
        };
        if !fits(step) {
            return Err(ReplayError::Mismatch {
                line: *line,
                mismatch: Box::new(Mismatch {
                    expected: step.to_string(),
                    got: got(),
                }),
            });
        }
        self.steps
            .pop_front()
            .ok_or_else(|| ReplayError::Exhausted { got: got() })
    }

    fn exchange(
        &mut self,
        wanted: &'static str,
        sent: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        let got = || shown(wanted, sent);
        let (_, step) = self.next(got, |step| {
            matches!(step, Step::Exchange { mark, command, .. }
                if *mark == wanted && command.matches(sent))
        })?;
        let Step::Exchange {
            outcome,
            answer_line,
            ..
        } = step
        else {
            return Err(ReplayError::Exhausted { got: got() }.into());
        };
        let answer = outcome?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(answer.len()));
        bytes.extend_from_slice(&answer.head);
        if answer.hidden > 0 {
            let fill = self
                .fill
                .ok_or(ReplayError::Redacted { line: answer_line })?;
            bytes.resize(answer.head.len() + answer.hidden, fill);
        }
        bytes.extend_from_slice(&answer.tail);
        Ok(bytes)
    }
}

impl CardLink for Replayer {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        match self.next(|| "begin".into(), |step| matches!(step, Step::Begin(_)))? {
            (_, Step::Begin(result)) => result,
            _ => Ok(Continuity::Shared),
        }
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.exchange(format::COMMAND, command)
    }

    fn pin_pad(&mut self) -> PinPadFeatures {
        self.pin_pad
    }

    fn verify_on_pin_pad(&mut self, request: &PinVerify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.exchange(format::PAD_VERIFY, &request.template())
    }

    fn modify_on_pin_pad(&mut self, request: &PinModify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.exchange(format::PAD_MODIFY, &request.template())
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        let got = || format!("end {}", format::leave(leave));
        match self.next(got, |step| matches!(step, Step::End(l, _) if *l == leave))? {
            (_, Step::End(_, Some(error))) => Err(error),
            _ => Ok(()),
        }
    }
}

/// A command as a message may show it.
fn shown(mark: &str, bytes: &[u8]) -> String {
    let on_pad = mark != format::COMMAND;
    let masked = if on_pad || Policy::default().command(bytes).request {
        Masked::open(bytes)
    } else {
        Masked::command(bytes)
    };
    match Command::decode(bytes) {
        Ok(command) => {
            let place = if on_pad {
                " on the reader's PIN pad"
            } else {
                ""
            };
            format!("the command {masked} ({}){place}", describe(&command))
        }
        Err(_) => format!("{masked}, which is no command"),
    }
}

struct Parser<'t> {
    lines: Vec<(usize, &'t str)>,
    at: usize,
}

impl<'t> Parser<'t> {
    fn new(trace: &'t str) -> Self {
        let lines = trace
            .lines()
            .enumerate()
            .map(|(index, line)| {
                let code = line.split_once('#').map_or(line, |(code, _)| code);
                (index + 1, code.trim())
            })
            .filter(|(_, line)| !line.is_empty())
            .collect();
        Parser { lines, at: 0 }
    }

    fn peek(&self) -> Option<(usize, &'t str)> {
        self.lines.get(self.at).copied()
    }

    fn parse(mut self) -> Result<Replayer, ReplayError> {
        let (line, first) = self.take("the line `trace 1`")?;
        if first != MAGIC {
            return Err(syntax(line, "the first line must be `trace 1`"));
        }
        let (line, reader) = self.field("reader", "`reader` and the reader's name")?;
        let reader = format::unescape(reader)
            .ok_or_else(|| syntax(line, "the reader's name has a wrong escape"))?;
        let (line, atr) = self.field("atr", "`atr` and the answer to reset")?;
        let atr = format::unhex(atr)
            .and_then(|bytes| Atr::parse(&bytes).ok())
            .ok_or_else(|| syntax(line, "this is no ATR"))?;
        let (line, carries) = self.field("link", "`link` and what it carries")?;
        let (interface, protocol, extended): (Interface, Protocol, ExtendedLength) =
            format::parse_link(carries)
                .ok_or_else(|| syntax(line, "expected such as `link contact T=1 extended=no`"))?;
        let info = LinkInfo::new(reader, atr)
            .with_interface(interface)
            .with_protocol(protocol)
            .with_extended(extended);
        let mut steps = VecDeque::new();
        let mut pin_pad = PinPadFeatures::NONE;
        while let Some((line, text)) = self.peek() {
            if let Some(words) = text.strip_prefix("pin-pad ") {
                self.at += 1;
                pin_pad = format::parse_pin_pad(words)
                    .ok_or_else(|| syntax(line, "expected such as `pin-pad verify min=4 max=8`"))?;
            } else {
                steps.push_back((line, self.step()?));
            }
        }
        Ok(Replayer {
            info,
            steps,
            pin_pad,
            fill: None,
        })
    }

    fn take(&mut self, expected: &'static str) -> Result<(usize, &'t str), ReplayError> {
        let found = self.peek().ok_or_else(|| {
            let last = self.lines.last().map_or(0, |(line, _)| *line);
            syntax(last + 1, expected)
        })?;
        self.at += 1;
        Ok(found)
    }

    fn field(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<(usize, &'t str), ReplayError> {
        let (line, text) = self.take(expected)?;
        let value = text
            .strip_prefix(name)
            .filter(|value| value.is_empty() || value.starts_with(' '))
            .ok_or_else(|| syntax(line, expected))?;
        Ok((line, value.trim()))
    }

    fn step(&mut self) -> Result<Step, ReplayError> {
        let (line, text) = self.take("a step")?;
        for mark in [format::COMMAND, format::PAD_VERIFY, format::PAD_MODIFY] {
            if let Some(command) = text.strip_prefix(mark) {
                return self.exchange(line, mark, command);
            }
        }
        if let Some(rest) = text.strip_prefix("begin ") {
            let result = match failure(line, rest)? {
                (_, Some(error)) => Err(error),
                (word, None) => Ok(format::parse_continuity(word)
                    .ok_or_else(|| syntax(line, "expected unbroken, shared or lost"))?),
            };
            return Ok(Step::Begin(result));
        }
        if let Some(rest) = text.strip_prefix("end ") {
            let (word, error) = failure(line, rest)?;
            let leave =
                format::parse_leave(word).ok_or_else(|| syntax(line, "expected as-is or reset"))?;
            return Ok(Step::End(leave, error));
        }
        Err(syntax(line, "expected begin, end or a command after `>`"))
    }

    fn exchange(
        &mut self,
        line: usize,
        mark: &'static str,
        command: &str,
    ) -> Result<Step, ReplayError> {
        let command = Masked::parse(command.trim())
            .ok_or_else(|| syntax(line, "this is no command in hexadecimal digits"))?;
        let expected = "an answer after `<` or a failure after `!`";
        let (answer_line, text) = self.take(expected)?;
        let outcome = if let Some(answer) = text.strip_prefix('<') {
            Ok(Masked::parse(answer.trim())
                .ok_or_else(|| syntax(answer_line, "this is no answer in hexadecimal digits"))?)
        } else {
            match failure(answer_line, text)? {
                ("", Some(error)) => Err(error),
                _ => return Err(syntax(answer_line, expected)),
            }
        };
        Ok(Step::Exchange {
            mark,
            command,
            outcome,
            answer_line,
        })
    }
}

/// Splits `word ! failure`.
fn failure(line: usize, text: &str) -> Result<(&str, Option<LinkError>), ReplayError> {
    let Some((word, failure)) = text.split_once('!') else {
        return Ok((text.trim(), None));
    };
    let error = format::parse_failure(failure.trim())
        .ok_or_else(|| syntax(line, "this failure of the link is not known"))?;
    Ok((word.trim(), Some(error)))
}

fn syntax(line: usize, reason: &'static str) -> ReplayError {
    ReplayError::Syntax { line, reason }
}
