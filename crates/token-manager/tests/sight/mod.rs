//! What a software token really holds, looked at past every command: what a host
//! says of it is held against this.

#![allow(dead_code, reason = "each test file uses a part")]

use serde_json::Value;
use virtual_token::SharedToken;

/// A PIN or PUK, and its tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// Without its padding.
    pub(crate) value: Vec<u8>,
    pub(crate) tries: u8,
}

/// The secrets of a token and their counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) pin: Held,
    pub(crate) puk: Option<Held>,
    /// The admin key in hexadecimal, and the unlocks that it has left.
    pub(crate) admin: Option<(String, u8)>,
    pub(crate) force_change: bool,
    pub(crate) personalized: bool,
    /// What is in the object that the PIN protects, in hexadecimal: a recovery
    /// secret, or another's content.
    pub(crate) protected: Option<String>,
}

impl Sight {
    pub(crate) fn of(card: &SharedToken) -> Self {
        let state = card.with(|token| serde_json::to_value(token.to_state()).unwrap());
        let xauth = &state["xauth"];
        Self {
            pin: Held::read(&state["pin"]).unwrap(),
            puk: Held::read(&state["puk"]),
            admin: xauth.is_object().then(|| {
                let key = xauth["key"]["key"].as_str().unwrap_or_default();
                (key.to_owned(), number(&xauth["unlocks_left"]))
            }),
            force_change: state["management"]["force_change"] == true,
            personalized: state["management"]["personalized"] == true,
            protected: state["objects"]["5FC109"]["content"]
                .as_str()
                .map(str::to_owned),
        }
    }
}

impl Held {
    fn read(state: &Value) -> Option<Self> {
        let text = state["value"].as_str()?;
        let bytes = (0..text.len()).step_by(2);
        let bytes = bytes.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap());
        Some(Self {
            value: bytes.filter(|byte| *byte != 0xFF).collect(),
            tries: number(&state["tries_left"]),
        })
    }
}

fn number(value: &Value) -> u8 {
    u8::try_from(value.as_u64().unwrap()).unwrap()
}

const SELECT_PIV: &[u8] = b"\x00\xA4\x04\x00\x0B\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00\x00";

/// Whether the PIN is verified on the card, as any other program finds it that
/// comes next.
pub(crate) fn is_open(card: &SharedToken) -> bool {
    use pcsc_transport::CardLink;
    let mut other = card.link("Other program");
    other.begin().unwrap();
    let selected = other.transmit(SELECT_PIV).unwrap();
    assert!(selected.ends_with(&[0x90, 0x00]));
    let answer = other.transmit(b"\x00\x20\x00\x80").unwrap();
    *answer == [0x90, 0x00]
}
