//! From bytes to commands and back: class byte, lengths, chaining, GET RESPONSE.
//! ISO 7816-4, 5.1 to 5.4.

use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use super::{Applet, Card};
use crate::profile::Protocol;
use crate::secure_messaging;

const INS_GET_RESPONSE: u8 = 0xC0;
const CHAINED: u8 = 0x10;

/// The longest command data, chained or in one piece. The largest object of SP 800-73
/// (a facial image, 12,710 bytes) fits.
const MAX_COMMAND_DATA: usize = 16 * 1024;

/// What is under way between two APDUs.
#[derive(Default)]
pub(crate) struct Transmission {
    chain: Option<Chain>,
    outgoing: Option<Outgoing>,
}

/// The parts of a chained command so far.
struct Chain {
    header: [u8; 4],
    data: Zeroizing<Vec<u8>>,
}

/// An answer of which a part is still to be fetched.
struct Outgoing {
    data: Zeroizing<Vec<u8>>,
    sent: usize,
    /// The command that was answered 6Cxx, which fetches it when sent again with that Le.
    again: Option<[u8; 4]>,
}

impl Outgoing {
    fn left(&self) -> usize {
        self.data.len() - self.sent
    }
}

impl Transmission {
    /// One command APDU in, one response APDU out.
    pub(crate) fn process(&mut self, card: &mut Card, bytes: &[u8]) -> Zeroizing<Vec<u8>> {
        let response = self.exchange(card, bytes).unwrap_or_else(|status| {
            // SP 800-73-5 Part 2, 4.3: whatever is wrong with a command under secure
            // messaging ends the session.
            if bytes
                .first()
                .copied()
                .is_some_and(secure_messaging::is_asked_for)
            {
                card.session = None;
            }
            Response::from_status(status)
        });
        response.encode()
    }

    fn exchange(&mut self, card: &mut Card, bytes: &[u8]) -> Result<Response, StatusWord> {
        let chain = self.chain.take();
        let outgoing = self.outgoing.take();
        let command = decode(bytes, card.state.extended_length)?;
        check_class(card, command.cla())?;

        if is_get_response(card, &command) {
            let outgoing = outgoing.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)?;
            return self.get_response(card.protocol(), &command, outgoing);
        }
        if let Some(outgoing) = outgoing
            && outgoing.again == Some(header(&command))
            && command.data().is_empty()
            && is_le(&command, outgoing.left())
        {
            return Ok(self.send(outgoing, usize::MAX));
        }

        let Some(command) = self.gather(command, chain)? else {
            return Ok(Response::from_status(StatusWord::SUCCESS));
        };
        let data = card.execute(&command)?;
        let outgoing = Outgoing {
            data,
            sent: 0,
            again: None,
        };
        Ok(match card.protocol() {
            Protocol::T1 => self.send(outgoing, expected(&command)),
            Protocol::T0 => self.send_t0(outgoing, &command),
        })
    }

    /// Adds a part to a chain; gives the command when it is whole. A command that does
    /// not go on with the chain ends it, and is a command of its own.
    fn gather(
        &mut self,
        part: Command,
        chain: Option<Chain>,
    ) -> Result<Option<Command>, StatusWord> {
        let last = part.cla() & CHAINED == 0;
        let header = header(&part);
        let mut chain = match chain.filter(|chain| chain.header == header) {
            None if last => return Ok(Some(part)),
            None => Chain {
                header,
                data: Zeroizing::new(Vec::new()),
            },
            Some(chain) => chain,
        };
        if chain.data.len() + part.data().len() > MAX_COMMAND_DATA {
            return Err(StatusWord::WRONG_LENGTH);
        }
        chain.append(part.data());
        if !last {
            self.chain = Some(chain);
            return Ok(None);
        }
        let [cla, ins, p1, p2] = chain.header;
        let whole = Command::new(cla, ins, p1, p2).with_data(&chain.data);
        Ok(Some(match part.le() {
            Some(le) => whole.with_le(le),
            None => whole,
        }))
    }

    /// T=1: at most as many bytes as are wanted, and 61xx about the rest.
    fn send(&mut self, mut outgoing: Outgoing, wanted: usize) -> Response {
        let part = wanted.min(outgoing.left());
        let start = outgoing.sent;
        outgoing.sent += part;
        let left = outgoing.left();
        let status = if left == 0 {
            StatusWord::SUCCESS
        } else {
            StatusWord::more_data_available(left)
        };
        let response = Response::new(&outgoing.data[start..outgoing.sent], status);
        if left > 0 {
            self.outgoing = Some(outgoing);
        }
        response
    }

    /// T=0: a command with data (or without Le) has its answer fetched; one without is
    /// told the right Le if it has another.
    fn send_t0(&mut self, mut outgoing: Outgoing, command: &Command) -> Response {
        let length = outgoing.left();
        if length == 0 || !command.data().is_empty() || command.le().is_none() {
            return self.send(outgoing, 0);
        }
        if length > 256 || is_le(command, length) {
            return self.send(outgoing, 256);
        }
        outgoing.again = Some(header(command));
        self.ask_again(outgoing)
    }

    fn get_response(
        &mut self,
        protocol: Protocol,
        command: &Command,
        outgoing: Outgoing,
    ) -> Result<Response, StatusWord> {
        if (command.p1(), command.p2()) != (0x00, 0x00) {
            return Err(StatusWord::INCORRECT_P1P2);
        }
        if !command.data().is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let wanted = expected(command);
        if protocol == Protocol::T0 && wanted > outgoing.left() {
            return Ok(self.ask_again(outgoing));
        }
        Ok(self.send(outgoing, wanted))
    }

    /// 6Cxx, with the answer kept.
    fn ask_again(&mut self, outgoing: Outgoing) -> Response {
        let le = u32::try_from(outgoing.left()).ok().and_then(Le::new);
        self.outgoing = Some(outgoing);
        Response::from_status(le.map_or(StatusWord::NO_PRECISE_DIAGNOSIS, StatusWord::wrong_le))
    }
}

impl Chain {
    /// Appends without leaving a copy behind in memory that a growing vector gives up.
    fn append(&mut self, part: &[u8]) {
        let mut whole = Zeroizing::new(Vec::with_capacity(self.data.len() + part.len()));
        whole.extend_from_slice(&self.data);
        whole.extend_from_slice(part);
        self.data = whole;
    }
}

fn decode(bytes: &[u8], extended_length: bool) -> Result<Command, StatusWord> {
    // Extended length fields begin with a zero where a short Lc cannot have one.
    let extended = bytes.len() > 5 && bytes[4] == 0;
    if extended && !extended_length {
        return Err(StatusWord::WRONG_LENGTH);
    }
    let command = Command::decode(bytes).map_err(|_| StatusWord::WRONG_LENGTH)?;
    if command.data().len() > MAX_COMMAND_DATA {
        return Err(StatusWord::WRONG_LENGTH);
    }
    Ok(command)
}

/// Interindustry (0x) and proprietary (8x) classes, on the basic logical channel, in
/// the clear or (0x alone) under secure messaging. Which applet takes which instruction
/// under which of the two is its own affair.
fn check_class(card: &Card, cla: u8) -> Result<(), StatusWord> {
    match cla {
        // First interindustry values: channels 1 to 3, and secure messaging.
        0x00..=0x1F | 0x80..=0x9F if cla & 0x03 != 0 => {
            Err(StatusWord::LOGICAL_CHANNEL_NOT_SUPPORTED)
        }
        _ if secure_messaging::is_asked_for(cla) => secure_messaging::check_class(card, cla),
        0x80..=0x9F if cla & 0x0C != 0 => Err(StatusWord::SM_NOT_SUPPORTED),
        0x00..=0x1F | 0x80..=0x9F => Ok(()),
        // Further interindustry values: channels 4 to 19.
        0x40..=0x7F => Err(StatusWord::LOGICAL_CHANNEL_NOT_SUPPORTED),
        _ => Err(StatusWord::CLA_NOT_SUPPORTED),
    }
}

/// GET RESPONSE; hosts send it in the proprietary class to a FIDO applet, as they send what
/// it answers.
fn is_get_response(card: &Card, command: &Command) -> bool {
    let classes: &[u8] = match card.selected {
        Applet::Fido => &[0x00, 0x80],
        _ => &[0x00],
    };
    command.ins() == INS_GET_RESPONSE && classes.contains(&command.cla())
}

/// The header without the chaining bit.
fn header(command: &Command) -> [u8; 4] {
    [
        command.cla() & !CHAINED,
        command.ins(),
        command.p1(),
        command.p2(),
    ]
}

/// How many bytes the host wants. Over T=1 hosts forget Le where a standard has one,
/// and cards answer all the same.
fn expected(command: &Command) -> usize {
    let le = command.le().unwrap_or(Le::SHORT_MAX).get();
    usize::try_from(le).unwrap_or(usize::MAX)
}

fn is_le(command: &Command, length: usize) -> bool {
    command.le().is_some() && expected(command) == length
}
