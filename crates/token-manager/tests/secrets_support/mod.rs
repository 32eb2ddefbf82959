//! A software token whose side of the link is not looked at.

pub(crate) mod log;

use std::fmt::Write as _;
use std::sync::Arc;

use crescendo_ext::aca::{ChangePin, PutXauthKey, SelectAca, VerifyPin};
use crescendo_ext::xauth::XauthKey;
use pcsc_transport::trace::{Recorder, TraceBuffer};
use pcsc_transport::{
    Backend, CardLink, Continuity, Leave, LinkError, LinkInfo, ReaderState, Sharing, Watcher,
};
use piv_apdu::Zeroizing;
use piv_apdu::command::{ChangeReferenceData, Select, TypedCommand};
use piv_apdu::key::KeyReference;
use piv_apdu::management::{ManagementAlgorithm, ManagementKey};
use piv_apdu::object::{DataObject as _, PairingCodeObject};
use piv_apdu::secret::{PairingCode, Pin, Puk};
use secret_scan::apart;
use token_manager::{
    FileStore, Manager, MemoryPairingCodes, MemorySecretStore, Overrides, Session,
};
use virtual_token::{
    Content, CreateOptions, MemoryBackend, OathCredential, Profile, SharedToken, VirtualToken,
};

/// That of RFC 4226 and RFC 6238, which say what codes it gives.
const OATH_SECRET: &[u8] = b"12345678901234567890";

/// A card, and what the host keeps about it.
pub(crate) struct Desk {
    readers: MemoryBackend,
    trace: TraceBuffer,
    folder: tempfile::TempDir,
    pub(crate) codes: Arc<MemoryPairingCodes>,
}

impl Desk {
    /// A token with these secrets in place of those of its delivery.
    pub(crate) fn new(
        profile: Profile,
        content: Content,
        pin: &[u8],
        puk: &[u8],
        admin_key: &[u8],
        code: &[u8],
    ) -> Self {
        let seed = 10 * (profile as u64) + u64::from(content == Content::Empty);
        let made_with_code = profile == Profile::Piv && content == Content::Personal;
        let mut options = CreateOptions::default()
            .seed(seed)
            .content(content)
            .pairing_code(made_with_code);
        if profile == Profile::CrescendoKey {
            options = options
                .oath_slot(1, OathCredential::hotp(OATH_SECRET).digits(8))
                .oath_slot(2, OathCredential::totp(OATH_SECRET).digits(8));
        }
        let token = VirtualToken::create(profile, &options).unwrap();
        let mut token = with_code(&token, code);
        token.power_on();
        set_pin(&mut token, pin);
        if let Some(factory) = token.factory_puk() {
            let change = ChangeReferenceData {
                reference: KeyReference::PUK,
                old: Puk::new(factory).unwrap().padded(),
                new: Puk::new(puk).unwrap().padded(),
            };
            process(&mut token, &Select::piv());
            process(&mut token, &change);
        }
        if profile != Profile::Piv {
            let pin = Pin::new(pin).unwrap().padded();
            let key = XauthKey::from_slice(admin_key).unwrap();
            process(&mut token, &SelectAca);
            process(&mut token, &VerifyPin { pin });
            process(&mut token, &PutXauthKey { key });
        }
        token.power_off();
        let readers = MemoryBackend::new();
        readers.insert("Desk", &SharedToken::new(token)).unwrap();
        Self {
            readers,
            trace: TraceBuffer::default(),
            folder: tempfile::tempdir().unwrap(),
            codes: Arc::default(),
        }
    }

    /// Opens the token, with every risk agreed to.
    pub(crate) fn open(&self) -> Session {
        let overrides = Overrides::default()
            .allow_managed(true)
            .allow_unverified(true);
        let table = Table {
            readers: self.readers.clone(),
            trace: self.trace.clone(),
        };
        Manager::new(Arc::new(table))
            .with_store(Arc::new(FileStore::new(self.folder.path())))
            .with_secrets(Arc::new(MemorySecretStore::new()))
            .with_pairing_codes(self.codes.clone())
            .with_overrides(overrides)
            .open("Desk")
            .unwrap()
    }

    /// What went over the link, as the trace has it.
    pub(crate) fn trace(&self) -> String {
        self.trace.text()
    }

    /// All that the host has written to its files.
    pub(crate) fn records(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect()
    }
}

/// The token with this pairing code: a plain PIV card has to announce it, and a
/// Crescendo lists it.
fn with_code(token: &VirtualToken, code: &[u8]) -> VirtualToken {
    let code = PairingCode::new(code).unwrap();
    let content = PairingCodeObject { code }.encode();
    let content = content.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    });
    let mut state = serde_json::to_value(token.to_state()).unwrap();
    state["objects"]["5FC123"] = serde_json::json!({ "capacity": 12, "content": content });
    VirtualToken::from_state(serde_json::from_value(state).unwrap()).unwrap()
}

/// That of the software PIV card.
pub(crate) fn management_key() -> ManagementKey {
    let bytes = Zeroizing::new((1..=8).cycle().take(32).collect::<Vec<u8>>());
    ManagementKey::new(ManagementAlgorithm::Aes256, &bytes).unwrap()
}

fn set_pin(token: &mut VirtualToken, pin: &[u8]) {
    let old = Pin::new(token.factory_pin()).unwrap().padded();
    let new = Pin::new(pin).unwrap().padded();
    if token.profile() == Profile::Piv {
        let reference = KeyReference::PIV_PIN;
        process(token, &Select::piv());
        process(
            token,
            &ChangeReferenceData {
                reference,
                old,
                new,
            },
        );
    } else {
        process(token, &SelectAca);
        process(token, &ChangePin { old, new });
    }
}

fn process<C: TypedCommand>(token: &mut VirtualToken, command: &C) {
    let answer = token.process(&command.to_command().encode_short().unwrap());
    assert!(answer.ends_with(&[0x90, 0x00]), "{:02X?}", &**answer);
}

/// The reader: a recorder, and behind it the card.
struct Table {
    readers: MemoryBackend,
    trace: TraceBuffer,
}

impl Backend for Table {
    fn name(&self) -> &str {
        self.readers.name()
    }

    fn readers(&self) -> Result<Vec<ReaderState>, LinkError> {
        self.readers.readers()
    }

    fn connect(&self, reader: &str, sharing: Sharing) -> Result<Box<dyn CardLink>, LinkError> {
        let card = Apart(apart(|| self.readers.connect(reader, sharing))?);
        let recorder = Recorder::new(Box::new(card), self.trace.clone()).unwrap();
        Ok(Box::new(recorder))
    }

    fn watch(&self) -> Result<Watcher, LinkError> {
        self.readers.watch()
    }
}

/// A link whose other end is not looked at. It carries what it is given, and
/// what it gives back is the host's.
struct Apart(Box<dyn CardLink>);

impl CardLink for Apart {
    fn info(&self) -> &LinkInfo {
        self.0.info()
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        apart(|| self.0.begin())
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        apart(|| self.0.transmit(command))
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        apart(|| self.0.end(leave))
    }
}
