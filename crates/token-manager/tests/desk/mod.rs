//! A software token on a desk: inserted, opened for actions, pulled out at a
//! chosen command, and looked at again.

#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;

use piv_apdu::management::{ManagementAlgorithm, ManagementKey};
use piv_apdu::secret::Pin;
use token_manager::{
    Manager, MemorySecretStore, MemoryStore, Overrides, PinStatus, SecretStore, Session,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{
    Content, CreateOptions, Keypad, LinkOptions, MemoryBackend, Profile, SharedToken, TokenState,
    VirtualToken,
};

pub(crate) const SELECT: u8 = 0xA4;
pub(crate) const VERIFY: u8 = 0x20;
pub(crate) const GET_DATA: u8 = 0xCB;
pub(crate) const PUT_DATA: u8 = 0xDB;
pub(crate) const GENERAL_AUTHENTICATE: u8 = 0x87;

/// A card, and what the host keeps about it.
pub(crate) struct Desk {
    pub(crate) card: SharedToken,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) secrets: Option<Arc<MemorySecretStore>>,
    pub(crate) overrides: Overrides,
    /// The reader's own.
    pub(crate) pad: Keypad,
}

impl Desk {
    pub(crate) fn new(profile: Profile, content: Content) -> Self {
        let options = CreateOptions::default()
            .seed(profile as u64)
            .content(content);
        Self::with_state(VirtualToken::create(profile, &options).unwrap().to_state())
    }

    pub(crate) fn with_state(state: TokenState) -> Self {
        Self {
            card: SharedToken::new(VirtualToken::from_state(state).unwrap()),
            store: Arc::new(MemoryStore::new()),
            secrets: Some(Arc::new(MemorySecretStore::new())),
            overrides: Overrides::default(),
            pad: Keypad::new(),
        }
    }

    /// A token whose holder takes every risk.
    pub(crate) fn daring(mut self) -> Self {
        self.overrides = self.overrides.allow_managed(true).allow_unverified(true);
        self
    }

    pub(crate) fn state(&self) -> TokenState {
        self.card.with(|token| token.to_state())
    }

    /// The card's state as text, to see whether anything was changed.
    pub(crate) fn picture(&self) -> String {
        serde_json::to_string(&self.state()).unwrap()
    }

    /// Inserts the card and opens it; its log begins with the action.
    pub(crate) fn open(&self) -> Session {
        self.card.disarm();
        let readers = MemoryBackend::new();
        readers.add_reader(LinkOptions::new("Desk").pin_pad(&self.pad));
        readers.insert("Desk", &self.card).unwrap();
        let mut manager = Manager::new(Arc::new(readers))
            .with_store(self.store.clone())
            .with_overrides(self.overrides);
        if let Some(secrets) = &self.secrets {
            manager = manager.with_secrets(Arc::clone(secrets) as Arc<dyn SecretStore>);
        }
        let session = manager.open("Desk").unwrap();
        self.card.clear_log();
        session
    }

    /// As `open`, with a fault at the `k`-th command of the action.
    pub(crate) fn open_with(&self, k: u64, fault: Fault) -> Session {
        let session = self.open();
        self.card.arm(Faults::new().at(k, fault));
        session
    }

    /// The instructions that the card was sent, in order.
    pub(crate) fn sent(&self) -> Vec<u8> {
        let sent = self.card.log().iter().map(|header| header.ins).collect();
        self.card.clear_log();
        sent
    }

    /// The PIN's tries, read afresh.
    pub(crate) fn tries(&self) -> PinStatus {
        self.open().token().pin.status.clone()
    }
}

pub(crate) fn factory(profile: Profile) -> Pin {
    Pin::new(profile.factory_pin()).unwrap()
}

pub(crate) fn pin(text: &str) -> Pin {
    Pin::new(text.as_bytes()).unwrap()
}

pub(crate) fn limit(profile: Profile) -> u8 {
    if profile == Profile::Piv { 3 } else { 6 }
}

/// That of the software PIV card.
pub(crate) fn management_key() -> ManagementKey {
    let bytes: Vec<u8> = (1..=8).cycle().take(32).collect();
    ManagementKey::new(ManagementAlgorithm::Aes256, &bytes).unwrap()
}

/// Each way to lose a card.
pub(crate) const LOSSES: [Fault; 3] = [Fault::VanishBefore, Fault::VanishAfter, Fault::Reset];
