//! What a trace may show: the one place that decides.

use piv_apdu::apdu::Command;
use piv_apdu::object::{ObjectTag, ReadAccess};
use piv_apdu::status::StatusWord;

/// What may be shown of one command and its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// The command's data field.
    pub(super) request: bool,
    /// The answer's data field.
    pub(super) answer: bool,
}

impl Shown {
    const NOTHING: Shown = Shown {
        request: false,
        answer: false,
    };
    const REQUEST: Shown = Shown {
        request: true,
        answer: false,
    };
    const BOTH: Shown = Shown {
        request: true,
        answer: true,
    };
}

/// Follows a conversation and says of each command what may be shown.
#[derive(Debug, Default)]
pub(super) struct Policy {
    current: Shown,
    /// The class byte of a public answer that goes on with GET RESPONSE.
    continues: Option<u8>,
}

impl Policy {
    /// Another transaction: whatever an answer began, it is over.
    pub(super) fn interrupted(&mut self) {
        *self = Policy::default();
    }

    /// Judges the next command.
    pub(super) fn command(&mut self, bytes: &[u8]) -> Shown {
        let continues = self.continues.take();
        self.current = match Command::decode(bytes) {
            Ok(command) => judge(&command, continues),
            Err(_) => Shown::NOTHING,
        };
        if self.current.answer {
            self.continues = bytes.first().copied();
        }
        self.current
    }

    /// Says whether the data of the answer to that command may be shown.
    pub(super) fn answer(&mut self, status: StatusWord, data: &[u8]) -> bool {
        let shown = self.current.answer;
        let more = status.more_data().is_some();
        let other_le = status.correct_le().is_some() && data.is_empty();
        if !(more || other_le) {
            self.continues = None;
        }
        shown
    }
}

fn judge(command: &Command, continues: Option<u8>) -> Shown {
    let header = (command.cla(), command.ins(), command.p1(), command.p2());
    let data = command.data();
    match header {
        // SELECT by identifier (ISO 7816-4, 7.1.1); 5 to 16 bytes are an AID.
        (0x00..=0x03, 0xA4, 0x04, _) if (5..=16).contains(&data.len()) => Shown::BOTH,
        // GET DATA (SP 800-73 part 2, 3.1.2).
        (0x00..=0x03, 0xCB, 0x3F, 0xFF) => get_data(data),
        // GET PIV PROPERTIES of a C4000, GET DATA of the CPLC.
        (0x80, 0x56, 0x00, 0x00) | (0x80, 0xCA, 0x9F, 0x7F) if data.is_empty() => Shown::BOTH,
        // GET PIN PROPERTIES.
        (0x00, 0x56, 0x02, 0x00) if data == [0x31] => Shown::BOTH,
        // GET RESPONSE (ISO 7816-4, 7.6.1) on the channel of a public answer.
        (cla @ 0x00..=0x03, 0xC0, 0x00, 0x00) if data.is_empty() => Shown {
            request: true,
            answer: continues == Some(cla) || (cla == 0 && continues == Some(0x80)),
        },
        // Nothing there to hide, also in an empty VERIFY. What it answers may be.
        _ if data.is_empty() => Shown::REQUEST,
        _ => Shown::NOTHING,
    }
}

/// GET DATA's data field names an object: `5C length tag` and no more.
fn get_data(data: &[u8]) -> Shown {
    let [0x5C, length, tag @ ..] = data else {
        return Shown::NOTHING;
    };
    if usize::from(*length) != tag.len() {
        return Shown::NOTHING;
    }
    if tag == [0xFF, 0xFF, 0x7F] {
        // GET PIV PROPERTIES of a C2300.
        return Shown::BOTH;
    }
    match ObjectTag::from_bytes(tag).filter(|tag| ObjectTag::ALL.contains(tag)) {
        Some(tag) if tag.read_access() == ReadAccess::Always => Shown::BOTH,
        Some(_) => Shown::REQUEST,
        None => Shown::NOTHING,
    }
}
