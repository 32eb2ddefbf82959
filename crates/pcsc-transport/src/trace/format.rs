//! The lines of a trace, both ways.

use std::fmt::{self, Write as _};

use crate::error::LinkError;
use crate::link::{Continuity, ExtendedLength, Interface, Leave, Protocol};
use crate::pin_pad::PinPadFeatures;

/// The first line.
pub(super) const MAGIC: &str = "trace 1";

/// What a command to the card begins with.
pub(super) const COMMAND: &str = ">";

/// What a command begins with that the reader completes, to verify a PIN.
pub(super) const PAD_VERIFY: &str = "pad-verify >";

/// What a command begins with that the reader completes, to change a PIN.
pub(super) const PAD_MODIFY: &str = "pad-modify >";

/// Bytes as upper-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// Hexadecimal digits, blanks between them allowed, as bytes.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    Some(digits.chunks_exact(2).map(|p| p[0] << 4 | p[1]).collect())
}

/// Bytes of which some, in the middle or all, may be hidden.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Masked {
    /// What comes before the hidden part.
    pub(super) head: Vec<u8>,
    /// How many bytes are hidden.
    pub(super) hidden: usize,
    /// What comes after it.
    pub(super) tail: Vec<u8>,
}

impl Masked {
    pub(super) fn open(bytes: &[u8]) -> Self {
        Masked {
            head: bytes.to_vec(),
            hidden: 0,
            tail: Vec::new(),
        }
    }

    /// A command with all after its header hidden; all of it, if it has none.
    pub(super) fn command(bytes: &[u8]) -> Self {
        match bytes.split_first_chunk::<4>() {
            Some((header, body)) if piv_apdu::apdu::Command::decode(bytes).is_ok() => Masked {
                head: header.to_vec(),
                hidden: body.len(),
                tail: Vec::new(),
            },
            _ => Masked {
                head: Vec::new(),
                hidden: bytes.len(),
                tail: Vec::new(),
            },
        }
    }

    /// An answer with all but its status word hidden.
    pub(super) fn answer(bytes: &[u8]) -> Self {
        match bytes.split_last_chunk::<2>() {
            Some((data, status)) => Masked {
                head: Vec::new(),
                hidden: data.len(),
                tail: status.to_vec(),
            },
            None => Masked {
                head: Vec::new(),
                hidden: bytes.len(),
                tail: Vec::new(),
            },
        }
    }

    pub(super) fn len(&self) -> usize {
        self.head.len() + self.hidden + self.tail.len()
    }

    /// True if `bytes` may be these: the same length, and equal where they are
    /// not hidden.
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.len() && bytes.starts_with(&self.head) && bytes.ends_with(&self.tail)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let Some((head, rest)) = text.split_once('[') else {
            return Some(Masked::open(&unhex(text)?));
        };
        let (hidden, tail) = rest.split_once(']')?;
        let count = hidden
            .strip_suffix(" bytes redacted")
            .or_else(|| hidden.strip_suffix(" byte redacted"))?;
        Some(Masked {
            head: unhex(head)?,
            hidden: count.trim().parse().ok().filter(|n| *n <= 1 << 20)?,
            tail: unhex(tail)?,
        })
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.head))?;
        if self.hidden > 0 {
            let gap = if self.head.is_empty() { "" } else { " " };
            let unit = if self.hidden == 1 { "byte" } else { "bytes" };
            write!(f, "{gap}[{} {unit} redacted]", self.hidden)?;
        }
        if !self.tail.is_empty() {
            let gap = if self.head.is_empty() && self.hidden == 0 {
                ""
            } else {
                " "
            };
            write!(f, "{gap}{}", hex(&self.tail))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A reader's name on one line: control characters, `#` and `%` as %XX.
pub(super) fn escape(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() || matches!(c, '#' | '%') {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                let _ = write!(text, "%{byte:02X}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

pub(super) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            bytes.extend(unhex(std::str::from_utf8(digits).ok()?)?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// `link contact T=1 extended=65535/65536`, without the first word.
pub(super) fn link(interface: Interface, protocol: Protocol, extended: ExtendedLength) -> String {
    let interface = match interface {
        Interface::Contact => "contact",
        Interface::Contactless => "contactless",
    };
    let protocol = match protocol {
        Protocol::T0 => "T=0",
        Protocol::T1 => "T=1",
        Protocol::Other => "other",
    };
    let extended = match extended {
        ExtendedLength::No => "no".to_owned(),
        ExtendedLength::Untested => "untested".to_owned(),
        ExtendedLength::Yes {
            max_command,
            max_response,
        } => format!("{max_command}/{max_response}"),
    };
    format!("{interface} {protocol} extended={extended}")
}

pub(super) fn parse_link(text: &str) -> Option<(Interface, Protocol, ExtendedLength)> {
    let mut words = text.split_ascii_whitespace();
    let interface = match words.next()? {
        "contact" => Interface::Contact,
        "contactless" => Interface::Contactless,
        _ => return None,
    };
    let protocol = match words.next()? {
        "T=0" => Protocol::T0,
        "T=1" => Protocol::T1,
        "other" => Protocol::Other,
        _ => return None,
    };
    let extended = match words.next()?.strip_prefix("extended=")? {
        "no" => ExtendedLength::No,
        "untested" => ExtendedLength::Untested,
        limits => {
            let (command, response) = limits.split_once('/')?;
            ExtendedLength::Yes {
                max_command: command.parse().ok()?,
                max_response: response.parse().ok()?,
            }
        }
    };
    words
        .next()
        .is_none()
        .then_some((interface, protocol, extended))
}

/// `pin-pad verify modify display min=4 max=8`, without the first word.
pub(super) fn pin_pad(pad: PinPadFeatures) -> String {
    let mut words: Vec<String> = [
        (pad.verify, "verify"),
        (pad.modify, "modify"),
        (pad.display, "display"),
    ]
    .iter()
    .filter(|(there, _)| *there)
    .map(|(_, word)| (*word).to_owned())
    .collect();
    words.extend(pad.min_digits.map(|min| format!("min={min}")));
    words.extend(pad.max_digits.map(|max| format!("max={max}")));
    if words.is_empty() {
        words.push("none".to_owned());
    }
    words.join(" ")
}

pub(super) fn parse_pin_pad(text: &str) -> Option<PinPadFeatures> {
    let mut pad = PinPadFeatures::NONE;
    for word in text.split_ascii_whitespace() {
        match word.split_once('=') {
            None if word == "none" => {}
            None if word == "verify" => pad.verify = true,
            None if word == "modify" => pad.modify = true,
            None if word == "display" => pad.display = true,
            Some(("min", min)) => pad.min_digits = Some(min.parse().ok()?),
            Some(("max", max)) => pad.max_digits = Some(max.parse().ok()?),
            _ => return None,
        }
    }
    Some(pad)
}

pub(super) fn continuity(continuity: Continuity) -> &'static str {
    match continuity {
        Continuity::Unbroken => "unbroken",
        Continuity::Shared => "shared",
        Continuity::Lost => "lost",
    }
}

pub(super) fn parse_continuity(word: &str) -> Option<Continuity> {
    Some(match word {
        "unbroken" => Continuity::Unbroken,
        "shared" => Continuity::Shared,
        "lost" => Continuity::Lost,
        _ => return None,
    })
}

pub(super) fn leave(leave: Leave) -> &'static str {
    match leave {
        Leave::AsIs => "as-is",
        Leave::Reset => "reset",
    }
}

pub(super) fn parse_leave(word: &str) -> Option<Leave> {
    Some(match word {
        "as-is" => Leave::AsIs,
        "reset" => Leave::Reset,
        _ => return None,
    })
}

/// The word for a failure of the link.
pub(super) fn failure(error: &LinkError) -> String {
    match error {
        LinkError::ServiceUnavailable => "service-unavailable".into(),
        LinkError::ServiceStopped => "service-stopped".into(),
        LinkError::Removed => "removed".into(),
        LinkError::Reset => "reset".into(),
        LinkError::Unresponsive => "unresponsive".into(),
        LinkError::AccessDenied => "access-denied".into(),
        LinkError::NotTransacted => "not-transacted".into(),
        LinkError::Timeout => "timeout".into(),
        LinkError::NoPinPad => "no-pin-pad".into(),
        LinkError::Cancelled => "cancelled".into(),
        LinkError::Pcsc { code, .. } => format!("pcsc-{code:08X}"),
        _ => "other".into(),
    }
}

pub(super) fn parse_failure(word: &str) -> Option<LinkError> {
    Some(match word {
        "service-unavailable" => LinkError::ServiceUnavailable,
        "service-stopped" => LinkError::ServiceStopped,
        "removed" => LinkError::Removed,
        "reset" => LinkError::Reset,
        "unresponsive" => LinkError::Unresponsive,
        "access-denied" => LinkError::AccessDenied,
        "not-transacted" => LinkError::NotTransacted,
        "timeout" => LinkError::Timeout,
        "no-pin-pad" => LinkError::NoPinPad,
        "cancelled" => LinkError::Cancelled,
        "other" => LinkError::Backend("the link failed in the recorded trace".into()),
        code => LinkError::Pcsc {
            code: u32::from_str_radix(code.strip_prefix("pcsc-")?, 16).ok()?,
            message: "recorded failure".into(),
        },
    })
}
