//! A command in words.

use std::fmt::Write as _;

use piv_apdu::apdu::Command;
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;

use super::format::hex;
use super::policy::Policy;

/// Says what a command is: its name, what it is about, and the length of data
/// that is not public. Never shows such data; see the [module](super) for what
/// counts as public.
///
/// ```
/// use pcsc_transport::trace::describe;
/// use piv_apdu::apdu::Command;
///
/// let verify = Command::new(0x00, 0x20, 0x00, 0x80).with_data(b"123456\xFF\xFF");
/// assert_eq!(describe(&verify), "VERIFY PIV PIN, 8 bytes");
/// ```
pub fn describe(command: &Command) -> String {
    let mut text = name(command);
    if command.cla() & 0x10 != 0 && command.cla() < 0xA0 {
        text.push_str(" (to be continued)");
    }
    if command.cla() & 0x0C == 0x0C && command.cla() < 0x40 {
        text.push_str(" (secure messaging)");
    }
    let public = command
        .encode_extended()
        .is_ok_and(|bytes| Policy::default().command(&bytes).request);
    if !public {
        let len = command.data().len();
        let unit = if len == 1 { "byte" } else { "bytes" };
        let _ = write!(text, ", {len} {unit}");
    }
    text
}

fn name(command: &Command) -> String {
    let (p1, p2) = (command.p1(), command.p2());
    let key = || key_name(p2);
    if command.cla() >= 0x80 {
        return match (command.ins(), p1, p2) {
            (0x56, 0x00, 0x00) => "GET PIV PROPERTIES".into(),
            (0xCA, 0x9F, 0x7F) => "GET DATA card production life cycle".into(),
            (ins, ..) => format!("proprietary instruction {ins:02X}"),
        };
    }
    match command.ins() {
        0x20 if p1 == 0xFF => format!("VERIFY {}, log out", key()),
        0x20 if command.data().is_empty() => format!("VERIFY {}, query", key()),
        0x20 => format!("VERIFY {}", key()),
        0x24 => format!("CHANGE REFERENCE DATA {}", key()),
        0x2C => format!("RESET RETRY COUNTER {}", key()),
        0x38 => "RESET CARD".into(),
        0x47 => format!("GENERATE ASYMMETRIC KEY PAIR {}", key()),
        0x56 => "GET PIN PROPERTIES".into(),
        0x82 => "EXTERNAL AUTHENTICATE".into(),
        0x84 => "GET CHALLENGE".into(),
        0x87 => {
            let algorithm = Algorithm::from_u8(p1).name();
            format!("GENERAL AUTHENTICATE {}, {algorithm}", key())
        }
        0xA4 if p1 == 0x04 && (5..=16).contains(&command.data().len()) => {
            format!("SELECT {}", hex(command.data()))
        }
        0xA4 => "SELECT".into(),
        0xC0 => "GET RESPONSE".into(),
        0xCB => format!("GET DATA {}", object_name(command.data())),
        0xDB => "PUT DATA".into(),
        ins => format!("instruction {ins:02X}"),
    }
}

fn key_name(reference: u8) -> String {
    KeyReference(reference).name().to_owned()
}

/// The name of a data object, if the request is well-formed and the standard
/// has it: a malformed one may hold anything.
fn object_name(request: &[u8]) -> &'static str {
    match request {
        [0x5C, 3, 0xFF, 0xFF, 0x7F] => "PIV properties",
        [0x5C, length, tag @ ..] if usize::from(*length) == tag.len() => ObjectTag::from_bytes(tag)
            .filter(|tag| ObjectTag::ALL.contains(tag))
            .map_or("of an object", ObjectTag::name),
        _ => "of an object",
    }
}
