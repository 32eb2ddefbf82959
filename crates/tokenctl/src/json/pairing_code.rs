//! Documents of `pairing-code`.

use serde::Serialize;

use super::TokenName;

/// A card as a pairing code is kept for it.
#[derive(Debug, Serialize)]
pub(crate) struct CardName {
    pub(crate) id: String,
    pub(crate) guid: String,
}

/// The pairing code; written only if it was asked for.
#[derive(Serialize)]
pub(crate) struct PairingCodeShow<'a> {
    pub(crate) token: TokenName,
    pub(crate) value: &'a str,
}

/// What was kept, or forgotten.
#[derive(Debug, Serialize)]
pub(crate) struct PairingCodeResult<'a> {
    pub(crate) action: &'static str,
    pub(crate) cards: Vec<CardName>,
    pub(crate) place: Option<&'a str>,
    pub(crate) until: Option<&'static str>,
}

/// For which cards one is kept.
#[derive(Debug, Serialize)]
pub(crate) struct PairingCodeList<'a> {
    pub(crate) cards: Vec<CardName>,
    pub(crate) place: Option<&'a str>,
    pub(crate) until: Option<&'static str>,
    pub(crate) reason: Option<String>,
}
