//! A whole command to a whole response: the four cases of ISO 7816-4, command
//! chaining, 61xx and GET RESPONSE, 6Cxx, extended length with its fall-back.
//!
//! Everything is bounded: one exchange takes at most [`MAX_STEPS`] round-trips
//! and returns at most [`MAX_RESPONSE`] bytes, whatever the card answers.
//!
//! # What is sent twice, and what never is
//!
//! A command is repeated in three places only, each of which gives the card no
//! second chance to act on it:
//!
//! - after 6Cxx, once, with the Le that the card asked for: a checking error,
//!   the command was not carried out (ISO 7816-4, 5.6). Commands that spend a
//!   try of a PIN have no Le and are not repeated even then;
//! - after 6700 to the extended form, once, in the short form: a checking error
//!   too, with the same exception;
//! - after a *reader's* error to the extended form, once, in the short form, and
//!   only if the command reads and nothing else: here nobody knows whether the
//!   card acted. Any other command fails with the reader's error; the reader is
//!   remembered, so that the caller's next attempt goes the short way.
//!
//! A command under secure messaging is repeated in none of them: it is good for once.
//!
//! A link that failed otherwise, a reset among them, is reported at once.

use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::TypedCommand;
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use crate::error::{LinkError, SendError, TransportError};
use crate::link::{CardLink, ExtendedLength, Protocol};

/// The most bytes of response data that one exchange returns: what one extended
/// response can hold (ISO 7816-4, 5.1), five times the largest PIV object.
pub const MAX_RESPONSE: usize = 65_536;

/// The most round-trips that one exchange takes: four times those of
/// [`MAX_RESPONSE`] bytes in pieces of 256.
pub const MAX_STEPS: usize = 1_024;

/// The most bytes of data in a short command (Lc of one byte).
const SHORT_DATA: usize = 255;

/// The command chaining bit of CLA (ISO 7816-4, 5.4.1).
const CHAINING: u8 = 0x10;

/// Takes a command to a card and brings the response back.
///
/// A [`Transaction`](crate::Transaction) does it, in the clear or
/// [secured](crate::Transaction::secure).
pub trait Exchange {
    /// Sends a command of any length, as many APDUs as it takes, and returns
    /// the whole response with the last status word.
    ///
    /// # Errors
    ///
    /// [`TransportError`]. A status word that says no is not an error here.
    fn exchange(&mut self, command: &Command) -> Result<Response, TransportError>;

    /// Sends a typed command and decodes its answer.
    ///
    /// # Errors
    ///
    /// [`SendError::Transport`] if the exchange failed, [`SendError::Answer`]
    /// if the card refused or its answer is malformed.
    fn send<C: TypedCommand>(&mut self, command: &C) -> Result<C::Answer, SendError>
    where
        Self: Sized,
    {
        let response = self.exchange(&command.to_command())?;
        Ok(C::decode_answer(&response)?)
    }
}

impl<E: Exchange + ?Sized> Exchange for &mut E {
    fn exchange(&mut self, command: &Command) -> Result<Response, TransportError> {
        (**self).exchange(command)
    }
}

/// One exchange over a link.
pub(crate) struct Exchanger<'a> {
    link: &'a mut dyn CardLink,
    round_trips: &'a mut u64,
    steps: usize,
}

impl<'a> Exchanger<'a> {
    /// `round_trips` is increased by one for each APDU that is handed to the
    /// link.
    pub(crate) fn new(link: &'a mut dyn CardLink, round_trips: &'a mut u64) -> Self {
        Exchanger {
            link,
            round_trips,
            steps: 0,
        }
    }

    /// Runs the exchange.
    pub(crate) fn run(mut self, command: &Command) -> Result<Response, TransportError> {
        let first = match self.extended_form(command) {
            Some(extended) => self.send_extended(&extended, command)?,
            None => self.send_short(command)?,
        };
        self.collect(command.cla(), first)
    }

    /// Sends the command once, in the short form, and leaves the rest of a long
    /// answer where it is: the status word then is 61xx.
    pub(crate) fn run_first(mut self, command: &Command) -> Result<Response, TransportError> {
        let first = self.send_short(command)?;
        match first.status().more_data() {
            // With T=0 the first block is announced before it comes.
            Some(available) if first.data().is_empty() => {
                self.get_response(command.cla(), available)
            }
            _ => Ok(first),
        }
    }

    /// The command as it goes out in extended form, or `None` if it goes out
    /// short: because it fits, or because reader or card cannot.
    fn extended_form(&self, command: &Command) -> Option<Command> {
        let le = command.le().map_or(0, Le::get);
        let all_available = command.le() == Some(Le::SHORT_MAX) && reads_objects(command);
        if command.data().len() <= SHORT_DATA && le <= Le::SHORT_MAX.get() && !all_available {
            return None;
        }
        let info = self.link.info();
        // T=0 carries extended commands only in ENVELOPE, which few cards know.
        if info.protocol == Protocol::T0 || info.extended_memory.verdict() == Some(false) {
            return None;
        }
        if !info.atr.card_capabilities()?.extended_length {
            return None;
        }
        let max_response = match info.extended {
            ExtendedLength::No => return None,
            ExtendedLength::Yes {
                max_command,
                max_response,
            } => {
                if command.data().len() > max_command || max_response <= 256 {
                    return None;
                }
                max_response
            }
            // What may not be repeated is not what a reader is tried out with.
            ExtendedLength::Untested => {
                if info.extended_memory.verdict().is_none() && !reads_only(command) {
                    return None;
                }
                MAX_RESPONSE
            }
        };
        let mut extended = command.clone();
        if le >= Le::SHORT_MAX.get() {
            let wanted = if le == Le::SHORT_MAX.get() {
                Le::EXTENDED_MAX.get()
            } else {
                le
            };
            let limit = u32::try_from(max_response).unwrap_or(Le::EXTENDED_MAX.get());
            extended = extended.with_le(Le::new(wanted.min(limit))?);
        }
        Some(extended)
    }

    /// Sends the extended form, and the short form after a refusal that leaves
    /// it harmless.
    fn send_extended(
        &mut self,
        extended: &Command,
        command: &Command,
    ) -> Result<Response, TransportError> {
        let memory = self.link.info().extended_memory.clone();
        match self.transmit(&extended.encode_extended()?) {
            Ok(answer)
                if answer.status() == StatusWord::WRONG_LENGTH
                    && !spends_a_try(command)
                    && !is_wrapped(command) =>
            {
                let answer = self.send_short(command)?;
                // If the short form is too long as well, the length was not the
                // form's fault.
                if answer.status() != StatusWord::WRONG_LENGTH {
                    memory.refused();
                }
                Ok(answer)
            }
            Ok(answer) => {
                if answer.status().is_success() || answer.status().more_data().is_some() {
                    memory.works();
                }
                self.follow_6c(command, answer)
            }
            Err(TransportError::Link(error)) if is_readers_refusal(&error) => {
                if !reads_only(command) {
                    memory.refused();
                    return Err(error.into());
                }
                tracing::debug!(%error, "extended length failed, falling back to short APDUs");
                let answer = self.send_short(command)?;
                // If the short form fails as well, it was not the form's fault.
                memory.refused();
                Ok(answer)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the command in one short APDU, or in a chain of them.
    fn send_short(&mut self, command: &Command) -> Result<Response, TransportError> {
        let mut blocks = command.data().chunks(SHORT_DATA).peekable();
        while let Some(block) = blocks.next_if(|_| command.data().len() > SHORT_DATA) {
            if blocks.peek().is_none() {
                return self.transmit_short(command, command.cla(), block, command.le());
            }
            let answer = self.transmit_short(command, command.cla() | CHAINING, block, None)?;
            if !answer.status().is_success() {
                return Ok(answer);
            }
        }
        let answer = self.transmit_short(command, command.cla(), command.data(), command.le())?;
        self.follow_6c(command, answer)
    }

    /// Repeats a command once that was refused for its Le (6Cxx).
    fn follow_6c(
        &mut self,
        command: &Command,
        answer: Response,
    ) -> Result<Response, TransportError> {
        let Some(le) = answer.status().correct_le() else {
            return Ok(answer);
        };
        let has_data = !command.data().is_empty();
        let has_le = match self.link.info().protocol {
            // A command without Lc has an Le, whether it says so or not; one
            // with data never has, and would go out as it was.
            Protocol::T0 => !has_data,
            _ => command.le().is_some(),
        };
        let long = command.data().len() > SHORT_DATA;
        if !has_le || is_good_for_once(command) || is_wrapped(command) || long {
            return Ok(answer);
        }
        self.transmit_short(command, command.cla(), command.data(), Some(le))
    }

    /// Fetches what the card has announced with 61xx.
    fn collect(&mut self, cla: u8, first: Response) -> Result<Response, TransportError> {
        let mut status = first.status();
        if status.more_data().is_none() {
            return Ok(first);
        }
        let mut data = first.into_data();
        while let Some(available) = status.more_data() {
            let piece = self.get_response(cla, available)?;
            status = piece.status();
            if piece.data().is_empty() && status.more_data().is_some() {
                return Err(TransportError::NoProgress { status });
            }
            append(&mut data, piece.data())?;
        }
        Ok(Response::from_owned(data, status))
    }

    /// GET RESPONSE (ISO 7816-4, 7.6.1) on the logical channel of the command,
    /// repeated once if the card wants another Le.
    fn get_response(&mut self, cla: u8, available: usize) -> Result<Response, TransportError> {
        let command = Command::new(get_response_class(cla), 0xC0, 0x00, 0x00);
        let le = u32::try_from(available)
            .ok()
            .and_then(Le::new)
            .filter(|le| *le <= Le::SHORT_MAX)
            .unwrap_or(Le::SHORT_MAX);
        let answer = self.transmit(&command.clone().with_le(le).encode_short()?)?;
        let Some(le) = answer.status().correct_le() else {
            return Ok(answer);
        };
        let answer = self.transmit(&command.with_le(le).encode_short()?)?;
        if answer.status().correct_le().is_some() {
            return Err(TransportError::NoProgress {
                status: answer.status(),
            });
        }
        Ok(answer)
    }

    /// One short APDU with the header of `command`.
    fn transmit_short(
        &mut self,
        command: &Command,
        cla: u8,
        data: &[u8],
        le: Option<Le>,
    ) -> Result<Response, TransportError> {
        let mut short =
            Command::new(cla, command.ins(), command.p1(), command.p2()).with_data(data);
        let t0 = self.link.info().protocol == Protocol::T0;
        if t0 && !data.is_empty() {
            // ISO 7816-3, 12.2: the data goes without Le, the card answers 61xx.
        } else if let Some(le) = le {
            short = short.with_le(le.min(Le::SHORT_MAX));
        } else if t0 {
            // ISO 7816-3, 12.2.1: without data and Le, P3 is 00.
            short = short.with_le(Le::SHORT_MAX);
        }
        self.transmit(&short.encode_short()?)
    }

    fn transmit(&mut self, bytes: &[u8]) -> Result<Response, TransportError> {
        if self.steps == MAX_STEPS {
            return Err(TransportError::TooManySteps { limit: MAX_STEPS });
        }
        self.steps += 1;
        *self.round_trips += 1;
        let answer = self.link.transmit(bytes)?;
        response(&answer)
    }
}

/// Splits data and status word.
pub(crate) fn response(answer: &[u8]) -> Result<Response, TransportError> {
    if answer.len() > MAX_RESPONSE + 2 {
        return Err(TransportError::ResponseTooLong {
            limit: MAX_RESPONSE,
        });
    }
    let response = Response::decode(answer)
        .map_err(|_| TransportError::MalformedResponse { len: answer.len() })?;
    // Never data, nor anything else that may be secret.
    tracing::trace!(bytes = response.data().len(), status = %response.status(), "answer");
    Ok(response)
}

/// Appends without leaving copies of the old content in freed memory.
fn append(data: &mut Zeroizing<Vec<u8>>, piece: &[u8]) -> Result<(), TransportError> {
    let len = data.len() + piece.len();
    if len > MAX_RESPONSE {
        return Err(TransportError::ResponseTooLong {
            limit: MAX_RESPONSE,
        });
    }
    if len > data.capacity() {
        // A new, larger buffer; the old one is wiped when it is dropped.
        let mut larger = Zeroizing::new(Vec::with_capacity(len.max(2 * data.capacity())));
        larger.extend_from_slice(data);
        *data = larger;
    }
    data.extend_from_slice(piece);
    Ok(())
}

/// The class of GET RESPONSE: that of the command, on its logical channel,
/// without chaining and secure messaging (ISO 7816-4, 5.4.1).
fn get_response_class(cla: u8) -> u8 {
    match cla {
        // Further interindustry values: 4 bits of channel.
        0x40..=0x7F => cla & 0x4F,
        // First interindustry values, and proprietary ones, which cards answer
        // to in the interindustry class: 2 bits of channel.
        _ => cla & 0x03,
    }
}

/// Commands that read a data object, which may be longer than a short answer.
fn reads_objects(command: &Command) -> bool {
    // READ BINARY, GET DATA (ISO 7816-4, 7.2.3 and 7.4.2).
    matches!(command.ins(), 0xB0 | 0xB1 | 0xCA | 0xCB)
}

/// Commands that read and change nothing on the card, so that it is harmless
/// to carry them out twice.
fn reads_only(command: &Command) -> bool {
    reads_objects(command) && !is_wrapped(command)
}

/// Commands under secure messaging (ISO 7816-4, 5.4.1): each is good for once, since both
/// sides count.
fn is_wrapped(command: &Command) -> bool {
    matches!(command.cla(), 0x0C..=0x0F | 0x1C..=0x1F)
}

/// Commands that can spend a try of a PIN, PUK or key: VERIFY, CHANGE REFERENCE
/// DATA, RESET RETRY COUNTER, EXTERNAL AUTHENTICATE. Also without data: in T=0
/// the length that is asked for would be read as that of a PIN to come.
fn spends_a_try(command: &Command) -> bool {
    matches!(command.ins(), 0x20 | 0x21 | 0x24 | 0x2C | 0x82)
}

/// Commands that do something each time that they come: those, and of their own class a
/// CTAP message, which may have a PIN in it, and the vendor's HOTP, which moves a counter
/// on.
fn is_good_for_once(command: &Command) -> bool {
    let own = (command.cla(), command.ins());
    spends_a_try(command) || matches!(own, (0x80 | 0x90, 0x10) | (0x80, 0x88))
}

/// What readers that know short APDUs only, or their drivers, answer to an
/// extended one.
fn is_readers_refusal(error: &LinkError) -> bool {
    matches!(error, LinkError::NotTransacted | LinkError::Pcsc { .. })
}
