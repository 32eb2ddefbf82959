//! Counting APDUs where they arrive: at the card.

use std::fmt;

use pcsc_transport::Card;
use token_manager::{LoadOptions, Token};
use virtual_token::{CommandHeader, SharedToken};

use crate::programs::{finish, tokenctl_command};

/// How many APDUs a card received, by instruction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// SELECT (A4).
    pub select: usize,
    /// GET DATA (CB, and CA in the card manager).
    pub get_data: usize,
    /// GET RESPONSE (C0).
    pub get_response: usize,
    /// All others.
    pub other: usize,
}

impl Count {
    /// What the card received since its log was cleared.
    #[must_use]
    pub fn of(token: &SharedToken) -> Self {
        let log = token.log();
        let count = |wanted: &[u8]| {
            log.iter()
                .filter(|header| wanted.contains(&header.ins))
                .count()
        };
        let mut count = Self {
            select: count(&[0xA4]),
            get_data: count(&[0xCA, 0xCB]),
            get_response: count(&[0xC0]),
            other: 0,
        };
        count.other = log.len() - count.total();
        count
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> usize {
        self.select + self.get_data + self.get_response + self.other
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            select,
            get_data,
            get_response,
            other,
        } = self;
        write!(
            f,
            "{} | {select} / {get_data} / {get_response} / {other}",
            self.total()
        )
    }
}

/// A cold load in this process, without PC/SC: what was read and what the card
/// received, one APDU a line.
#[must_use]
pub fn load_in_process(token: &SharedToken) -> (Token, Vec<CommandHeader>) {
    token.clear_log();
    let mut card = Card::new(Box::new(token.link("in-process")));
    let loaded = token_manager::load(&mut card, &LoadOptions::new()).unwrap();
    let log = token.log();
    drop(card);
    (loaded, log)
}

/// How many APDUs a token in a reader receives while it gets known: from `tokenctl show`,
/// cold; from `show` again, checked; and from `list`, quick. Each is a process of its own,
/// and they share a new folder. The card is reset before each.
#[must_use]
pub fn as_it_gets_known(token: &SharedToken) -> [usize; 3] {
    let cache = tempfile::tempdir().unwrap();
    ["show", "show", "list"].map(|command| {
        token.reset();
        token.clear_log();
        let mut command = tokenctl_command(&[command]);
        command.env("TOKENCTL_CACHE_DIR", cache.path());
        let _ = finish(&mut command).success();
        token.log().len()
    })
}
