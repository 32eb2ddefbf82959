//! `apdu`: raw commands, for experts.
//!
//! Commands given as arguments, or in a file or pipe, are checked before the
//! first is sent and run in one transaction. Typed at a terminal, each is a
//! transaction of its own: none is held while a person thinks.

use std::io::{self, BufRead, IsTerminal as _, Write};

use pcsc_transport::trace::describe;
use pcsc_transport::{Card, Continuity, Transaction};
use piv_apdu::apdu::{Command, Response};
use piv_apdu::key::KeyReference;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{Reader, Tag};
use token_manager::about_to_send;
use token_manager::token_cache::Cache;
use zeroize::Zeroizing;

use crate::cli::{ApduArgs, Applet};
use crate::error::{Failure, Kind, Report, Result};
use crate::hex;
use crate::json;
use crate::output::{self, Output};
use crate::source::{Source, refused, transport_failed};
use crate::text::{BAD, BOLD, DIM, GOOD, NAME, Text, WARNING};

/// The longest line of stdin: the hexadecimal digits of an extended APDU, with
/// a blank after each byte.
const LONGEST_LINE: usize = 3 * (65_535 + 10);

/// Bytes on a line of the trace.
const BYTES_A_LINE: usize = 32;

/// How deep an answer's TLV structure is followed, and how many nodes are shown.
const DEPTH: usize = 4;
const NODES: usize = 64;

/// Sends the commands and shows what went to and fro.
pub(crate) fn run(
    arguments: &ApduArgs,
    source: impl Fn() -> Result<Source>,
    output: &Output,
) -> Result {
    let stdin = io::stdin();
    if arguments.commands.is_empty() && stdin.is_terminal() && !output.json {
        let source = source()?;
        let mut card = source.connect_one(output)?;
        return shell(&mut card, arguments, source.cache(), output);
    }
    let commands = if arguments.commands.is_empty() {
        from_lines(&mut stdin.lock())?
    } else {
        from_arguments(&arguments.commands)?
    };
    let source = source()?;
    let cache = source.cache();
    let mut card = source.connect_one(output)?;
    let mut exchanges = Vec::new();
    let result = batch(
        &mut card,
        &commands,
        arguments,
        cache,
        output,
        &mut exchanges,
    );
    let all_accepted = exchanges
        .iter()
        .all(|exchange| exchange.status_word == "9000");
    if output.json {
        let body = json::Apdu {
            reader: card.info().reader.clone(),
            applet: match &arguments.applet {
                Applet::None => None,
                Applet::Aid(aid) => Some(hex::encode(aid)),
            },
            exchanges,
        };
        output::document(&json::Document::new(body))?;
    }
    output.detail(format!("{} commands to the card", card.round_trips()));
    result?;
    if all_accepted {
        Ok(())
    } else {
        Err(Failure::Reported(Kind::CardRefused))
    }
}

/// Runs all commands in one transaction.
fn batch(
    card: &mut Card,
    commands: &[Apdu],
    arguments: &ApduArgs,
    cache: &Cache,
    output: &Output,
    exchanges: &mut Vec<json::Exchange>,
) -> Result {
    let reader = card.info().reader.clone();
    let mut transaction = card
        .begin()
        .map_err(|error| transport_failed(&error, &reader))?;
    if let Applet::Aid(aid) = &arguments.applet {
        select(&mut transaction, aid, output)?;
    }
    for command in commands {
        let answer = send(&mut transaction, command, arguments.raw, cache)
            .map_err(|error| transport_failed(&error, &reader))?;
        if !output.json {
            print(command, &answer, output)?;
        }
        exchanges.push(exchange(command, &answer));
    }
    Ok(())
}

/// Reads commands from a terminal and answers them one by one.
fn shell(card: &mut Card, arguments: &ApduArgs, cache: &Cache, output: &Output) -> Result {
    let reader = card.info().reader.clone();
    output.remark(&Text::styled(
        format!("Commands in hexadecimal for the card in {reader}; an empty line or Ctrl-D ends."),
        DIM,
    ));
    let mut selected = match &arguments.applet {
        Applet::None => None,
        Applet::Aid(aid) => Some(aid.clone()),
    };
    let mut first = true;
    let mut refused = false;
    loop {
        prompt(output);
        let Some(line) = read_line(&mut io::stdin().lock())? else {
            // Ctrl-D leaves the cursor behind the prompt.
            output.remark(&Text::new());
            break;
        };
        if line.trim().is_empty() {
            break;
        }
        let command = match Apdu::parse(&line) {
            Ok(command) => command,
            Err(error) => {
                output.remark(&Text::styled(error, WARNING));
                continue;
            }
        };
        let mut transaction = card
            .begin()
            .map_err(|error| transport_failed(&error, &reader))?;
        if !first && transaction.continuity() == Continuity::Lost {
            output.warning("the card was reset: nothing is verified or selected any more");
        }
        if let Some(aid) = &selected {
            select(&mut transaction, aid, output)?;
        }
        first = false;
        let answer = send(&mut transaction, &command, arguments.raw, cache)
            .map_err(|error| transport_failed(&error, &reader))?;
        // What the person selected is what the next line is for.
        selected = transaction.selected().map(<[u8]>::to_vec).or(selected);
        transaction
            .end()
            .map_err(|error| transport_failed(&error, &reader))?;
        print(&command, &answer, output)?;
        refused |= !answer.status().is_success();
    }
    if refused {
        Err(Failure::Reported(Kind::CardRefused))
    } else {
        Ok(())
    }
}

fn prompt(output: &Output) {
    output.prompt(&Text::styled("apdu> ", BOLD));
}

/// Selects an applet if that is needed, and says so.
fn select(transaction: &mut Transaction<'_>, aid: &[u8], output: &Output) -> Result {
    let reader = transaction.info().reader.clone();
    let answer = transaction
        .ensure_selected(aid)
        .map_err(|error| transport_failed(&error, &reader))?;
    if let Some(answer) = answer {
        let name = applet_name(aid);
        if !answer.status().is_success() {
            let what = format!("the card refused to select {name}");
            return Err(refused(&what, answer.status(), &reader)
                .next("--applet none sends commands to whatever is selected")
                .into());
        }
        output.remark(&Text::styled(format!("# selected {name}"), DIM));
    }
    Ok(())
}

fn applet_name(aid: &[u8]) -> String {
    let name = if aid == piv_apdu::aid::PIV {
        "PIV"
    } else if aid == crescendo_ext::aid::ACA {
        "the access control applet"
    } else if aid == crescendo_ext::aid::ISD {
        "the issuer security domain"
    } else {
        return format!("applet {}", hex::encode(aid));
    };
    format!("{name} ({})", hex::encode(aid))
}

fn send(
    transaction: &mut Transaction<'_>,
    command: &Apdu,
    raw: bool,
    cache: &Cache,
) -> std::result::Result<Response, pcsc_transport::TransportError> {
    about_to_send(cache, &transaction.info().atr, &command.decoded);
    if !raw {
        return transaction.exchange(&command.decoded);
    }
    let answer = transaction.raw(&command.bytes)?;
    Response::decode(&answer)
        .map_err(|_| pcsc_transport::TransportError::MalformedResponse { len: answer.len() })
}

/// A command as it was written and as it is understood.
struct Apdu {
    bytes: Zeroizing<Vec<u8>>,
    decoded: Command,
}

impl Apdu {
    /// Reads a command from hexadecimal. What is wrong is said without showing
    /// any of it.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let bytes = hex::decode(text).map_err(|error| error.to_string())?;
        let decoded =
            Command::decode(&bytes).map_err(|error| format!("this is no command APDU: {error}"))?;
        Ok(Apdu { bytes, decoded })
    }

    /// Whether its data may be a PIN, a PUK, a key or something that opens a
    /// card. Goes by the instruction, whatever the class, and takes for public
    /// only what is known to be: a PIN goes with VERIFY as well as with ENABLE
    /// VERIFICATION REQUIREMENT, and vendors' instructions import keys. All but
    /// the last piece of a chain cannot be judged.
    fn is_secret(&self) -> bool {
        let command = &self.decoded;
        if command.data().is_empty() {
            return false;
        }
        if command.cla() & 0x10 != 0 {
            return true;
        }
        match command.ins() {
            // MANAGE SECURITY ENVIRONMENT, PERFORM SECURITY OPERATION, GENERATE,
            // Crescendo's properties, MANAGE CHANNEL, GET CHALLENGE, INTERNAL
            // AUTHENTICATE (also a TOTP's time), SELECT, READ, GET RESPONSE, GET DATA.
            0x22
            | 0x2A
            | 0x46
            | 0x47
            | 0x56
            | 0x70
            | 0x84
            | 0x88
            | 0xA4
            | 0xB0..=0xB3
            | 0xC0
            | 0xCA
            | 0xCB => false,
            // GENERAL AUTHENTICATE: what opens the card with its management key.
            0x86 | 0x87 => command.p2() == KeyReference::CARD_MANAGEMENT.get(),
            0xDA | 0xDB => !puts_public_object(command.data()),
            _ => true,
        }
    }

    /// The bytes, or the header alone if the rest is secret.
    fn shown(&self) -> Text {
        if self.is_secret() {
            let header = &self.bytes[..self.bytes.len().min(4)];
            Text::styled(hex::spaced(header), BOLD).then(
                format!(" [{} bytes redacted]", self.bytes.len() - header.len()),
                WARNING,
            )
        } else {
            Text::styled(lines(&self.bytes), BOLD)
        }
    }
}

/// Whether PUT DATA's field (`5C L tag 53 …`) names an object that anybody may
/// read (SP 800-73 Part 1, Table 3).
fn puts_public_object(data: &[u8]) -> bool {
    use piv_apdu::object::{ObjectTag, ReadAccess};

    let Some(Ok(list)) = Reader::new(data).next() else {
        return false;
    };
    // 7E and 7F61 come bare, without a tag list.
    let tag = if list.tag == Tag::new(0x5C) {
        ObjectTag::from_bytes(list.value)
    } else {
        ObjectTag::from_bytes(&list.tag.to_bytes())
    };
    tag.is_some_and(|tag| ObjectTag::ALL.contains(&tag) && tag.read_access() == ReadAccess::Always)
}

/// Reads commands from arguments, and refuses those that carry a secret.
fn from_arguments(arguments: &[String]) -> Result<Vec<Apdu>> {
    let mut commands = Vec::new();
    for (index, argument) in arguments.iter().enumerate() {
        let place = format!("command {}", index + 1);
        let command = Apdu::parse(argument)
            .map_err(|error| Report::new(Kind::Usage, format!("{place}: {error}")))?;
        if command.is_secret() {
            let message = format!(
                "{place} ({}) carries what may be a secret, and other users can see arguments; nothing was sent",
                describe(&command.decoded)
            );
            return Err(Report::new(Kind::Usage, message)
                .next(
                    "Give it on stdin, where it is not seen: run tokenctl apdu without a \
                     command, or `tokenctl apdu < FILE`",
                )
                .into());
        }
        commands.push(command);
    }
    Ok(commands)
}

/// Reads commands from lines; `#` begins a comment.
fn from_lines(input: &mut dyn BufRead) -> Result<Vec<Apdu>> {
    let mut commands = Vec::new();
    let mut number = 0_usize;
    while let Some(line) = read_line(input)? {
        number += 1;
        let text = line.split('#').next().unwrap_or_default();
        if text.trim().is_empty() {
            continue;
        }
        let command = Apdu::parse(text).map_err(|error| {
            Report::new(
                Kind::Usage,
                format!("line {number}: {error}; nothing was sent"),
            )
        })?;
        commands.push(command);
    }
    Ok(commands)
}

/// Reads a line into a buffer that never moves, and so leaves no copy of a PIN.
fn read_line(input: &mut dyn BufRead) -> Result<Option<Zeroizing<String>>> {
    let failed =
        |error: &io::Error| Report::new(Kind::Other, format!("stdin could not be read: {error}"));
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE + 1));
    let mut limited = io::Read::take(input, LONGEST_LINE as u64 + 1);
    limited
        .read_until(b'\n', &mut line)
        .map_err(|error| failed(&error))?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > LONGEST_LINE {
        return Err(Report::new(Kind::Usage, "a line is longer than any command APDU").into());
    }
    let text = std::str::from_utf8(&line)
        .map_err(|_| Report::new(Kind::Usage, "a line is not text; nothing was sent"))?;
    // Of exact size: the copy is wiped as well.
    Ok(Some(Zeroizing::new(text.to_owned())))
}

/// Bytes for the trace, on as many lines as they need.
fn lines(bytes: &[u8]) -> String {
    if bytes.len() <= BYTES_A_LINE {
        return hex::spaced(bytes);
    }
    let shown = hex::spaced(&bytes[..BYTES_A_LINE]);
    format!("{shown} … {} bytes in all", bytes.len())
}

/// Writes a command and its answer with what they mean.
fn print(command: &Apdu, answer: &Response, output: &Output) -> Result {
    let mut out = output.stdout();
    write(command, answer, &mut out)?;
    out.flush()?;
    Ok(())
}

fn write(command: &Apdu, answer: &Response, out: &mut dyn Write) -> io::Result<()> {
    let sent = Text::styled("> ", NAME).and(command.shown());
    writeln!(out, "{sent}")?;
    writeln!(out, "  {}", Text::styled(describe(&command.decoded), DIM))?;
    for (index, row) in answer.data().chunks(BYTES_A_LINE).enumerate() {
        let mark = if index == 0 { "< " } else { "  " };
        let row = Text::styled(mark, NAME).plain(hex::spaced(row));
        writeln!(out, "{row}")?;
    }
    write_structure(answer.data(), out)?;
    let status = answer.status();
    let mark = if answer.data().is_empty() { "< " } else { "  " };
    let line = Text::styled(mark, NAME).then(status.to_string(), status_style(status));
    writeln!(out, "{line}\n")
}

fn status_style(status: StatusWord) -> anstyle::Style {
    if status.is_success() {
        GOOD
    } else if status.more_data().is_some() || status.correct_le().is_some() {
        WARNING
    } else {
        BAD
    }
}

/// Writes the BER-TLV structure of an answer, if it has one.
fn write_structure(data: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut rows = Vec::new();
    if data.is_empty() || !structure(data, 0, &mut rows) {
        return Ok(());
    }
    for row in rows.iter().take(NODES) {
        writeln!(out, "    {}", Text::styled(row, DIM))?;
    }
    if rows.len() > NODES {
        let rest = format!("… and {} more", rows.len() - NODES);
        writeln!(out, "    {}", Text::styled(rest, DIM))?;
    }
    Ok(())
}

/// Adds a row for each data object; false if this is no BER-TLV.
fn structure(data: &[u8], depth: usize, rows: &mut Vec<String>) -> bool {
    let start = rows.len();
    for tlv in Reader::new(data) {
        let Ok(tlv) = tlv else {
            rows.truncate(start);
            return false;
        };
        let indent = 2 * depth;
        let tag = hex::encode(&tlv.tag.to_bytes());
        let place = rows.len();
        rows.push(format!("{:indent$}{tag}  {} bytes", "", tlv.value.len()));
        // 53 wraps PIV's data objects, and its tag does not say so.
        let nests = tlv.tag.is_constructed() || tlv.tag == Tag::new(0x53);
        let opened = nests
            && depth + 1 < DEPTH
            && rows.len() <= NODES
            && !tlv.value.is_empty()
            && structure(tlv.value, depth + 1, rows);
        if !opened && tlv.value.len() <= BYTES_A_LINE {
            rows[place] = format!("{:indent$}{tag}  {}", "", hex::spaced(tlv.value));
        }
    }
    true
}

fn exchange(command: &Apdu, answer: &Response) -> json::Exchange {
    let redacted = command.is_secret();
    json::Exchange {
        command: (!redacted).then(|| hex::encode(&command.bytes)),
        header: hex::encode(&command.bytes[..command.bytes.len().min(4)]),
        name: describe(&command.decoded),
        redacted,
        data: hex::encode(answer.data()),
        status_word: json::status_word(answer.status().get()),
        meaning: answer.status().to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )]

    use super::*;

    fn parse(text: &str) -> Apdu {
        Apdu::parse(text).unwrap()
    }

    #[test]
    fn commands_with_secrets_are_known() {
        for secret in [
            "00200080 08 313233343536FFFF",
            "10200080 08 313233343536FFFF",
            "0C200080 08 313233343536FFFF",
            "80200080 08 313233343536FFFF",
            "00200080 000008 313233343536FFFF",
            "00240080 10 313233343536FFFF313233343536FFFF",
            "002C0080 10 313233343536FFFF313233343536FFFF",
            "00820001 08 0000000000000000",
            "00D80100 02 0000",
            "00DB3FFF 0A 5C035FC1235303990100",
            "00DB3FFF 0A 5C035FFFFF5303990100",
            "10DB3FFF 02 0000",
            "10870000 01 00",
            "90DB3FFF 09 5C035FC1025302FE00",
            "0087089B 0C 7C0A82081122334455667788",
            "00260080 08 313233343536FFFF",
            "00280080 08 313233343536FFFF",
            "80E80000 01 00",
            "FFFFFFFF 01 00",
        ] {
            assert!(parse(secret).is_secret(), "{secret}");
        }
    }

    #[test]
    fn commands_without_secrets_are_known() {
        for open in [
            "00A4040009A00000030800001000",
            "00CB3FFF055C035FC10200",
            "00CB3FFF055C035FC12300",
            "00200080",
            "0020FF80",
            "00380000",
            "00DB3FFF 09 5C035FC1025302FE00",
            "0087119A 04 7C02820000",
            "00560200013100",
            "8088110004 00000000",
            "0087089B",
        ] {
            assert!(!parse(open).is_secret(), "{open}");
        }
    }

    #[test]
    fn secrets_are_neither_shown_nor_in_json() {
        let command = parse("0020008008313233343536FFFF");
        let answer = Response::from_status(StatusWord::SUCCESS);
        let mut out = Vec::new();
        write(&command, &answer, &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        let json = serde_json::to_string(&exchange(&command, &answer)).unwrap();
        for text in [&shown, &json] {
            assert!(!text.contains("3132") && !text.contains("31 32"), "{text}");
        }
        assert!(shown.contains("9 bytes redacted"));
    }

    #[test]
    fn an_argument_with_a_secret_is_refused() {
        let arguments = [
            "00200080".to_owned(),
            "0020008008313233343536FFFF".to_owned(),
        ];
        assert!(from_arguments(&arguments[..1]).is_ok());
        let Err(Failure::Failed(report)) = from_arguments(&arguments) else {
            panic!("not refused")
        };
        assert_eq!(report.kind, Kind::Usage);
        assert!(report.message.contains("VERIFY"), "{}", report.message);
        assert!(!report.message.contains("3132"));
    }

    #[test]
    fn lines_are_read_with_comments() {
        let mut input = &b"# a comment\n\n00A40400 # another\r\n00 20 00 80"[..];
        let commands = from_lines(&mut input).unwrap();
        let bytes: Vec<Vec<u8>> = commands.iter().map(|c| c.bytes.to_vec()).collect();
        assert_eq!(bytes, [[0x00, 0xA4, 0x04, 0x00], [0x00, 0x20, 0x00, 0x80]]);
    }

    #[test]
    fn a_bad_line_is_named_and_not_shown() {
        let mut input = &b"00A40400\n002000800831323334353X"[..];
        let Err(Failure::Failed(report)) = from_lines(&mut input) else {
            panic!("not refused")
        };
        assert!(report.message.starts_with("line 2:"), "{}", report.message);
        assert!(!report.message.contains("3132"));
        let long = vec![b'0'; LONGEST_LINE + 2];
        assert!(from_lines(&mut &long[..]).is_err());
    }

    #[test]
    fn structure_is_shown_where_there_is_one() {
        let mut rows = Vec::new();
        assert!(structure(
            &[0x53, 0x04, 0x30, 0x02, 0xAB, 0xCD],
            0,
            &mut rows
        ));
        assert_eq!(rows, ["53  4 bytes", "  30  AB CD"], "AB CD is no TLV");
    }

    #[test]
    fn structure_of_a_hostile_answer_is_bounded() {
        let mut rows = Vec::new();
        // Two thousand empty objects, and nesting without end.
        structure(&[0x81, 0x00].repeat(2000), 0, &mut rows);
        let mut out = Vec::new();
        write_structure(&[0x81, 0x00].repeat(2000), &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().lines().count() <= NODES + 1);
        let mut nested = Vec::new();
        for _ in 0..60 {
            let mut outer = vec![0x30, u8::try_from(nested.len()).unwrap()];
            outer.append(&mut nested);
            nested = outer;
        }
        rows.clear();
        structure(&nested, 0, &mut rows);
        assert!(rows.len() <= DEPTH);
    }
}
