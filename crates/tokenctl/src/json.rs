//! The documents that `--json` writes. Every key is described in
//! docs/json.md, and a test checks that none is missing there.
//!
//! A key is always present; what is unknown or does not apply is null. Within
//! a version, keys and values may be added, and none changes its meaning or
//! goes away.

mod administer;
mod otp;
mod pairing_code;

use serde::Serialize;

pub(crate) use administer::{
    AdminKeySet, KeyCheck, Personalize, Plan, PlanFate, PlanStep, PolicyRule, PolicySet,
    PolicyShow, PukResult, PukShow, Recycle, StepOutcome,
};

pub(crate) use otp::{OtpCode, OtpList, OtpSlot};

pub(crate) use pairing_code::{CardName, PairingCodeList, PairingCodeResult, PairingCodeShow};

/// What a kind of document is called.
pub(crate) trait Schema: Serialize {
    /// The name after `tokenctl/`, in full.
    const SCHEMA: &'static str;
    /// Counted up when a key changes its meaning or goes away.
    const VERSION: u32 = 1;
}

/// A document: schema, version, and the keys of its body.
#[derive(Debug, Serialize)]
pub(crate) struct Document<T> {
    schema: &'static str,
    version: u32,
    #[serde(flatten)]
    body: T,
}

impl<T: Schema> Document<T> {
    /// Puts the schema's name and version before the body.
    pub(crate) fn new(body: T) -> Self {
        Document {
            schema: T::SCHEMA,
            version: T::VERSION,
            body,
        }
    }
}

/// Names the schema of each body.
macro_rules! schemas {
    ($($body:ty => $name:literal,)*) => {
        $(impl Schema for $body {
            const SCHEMA: &'static str = concat!("tokenctl/", $name);
        })*
    };
}

schemas! {
    ErrorReport => "error",
    List => "list",
    Show => "show",
    Watch => "watch",
    CertList => "cert-list",
    CertExport => "cert-export",
    Apdu => "apdu",
    CacheShow => "cache-show",
    CacheClear => "cache-clear",
    HelpdeskRespond => "helpdesk-respond",
    HelpdeskNewKeyFile => "helpdesk-new-key-file",
    VirtualCreate => "virtual-create",
    VirtualList => "virtual-list",
    VirtualRemove => "virtual-remove",
    VirtualMove => "virtual-move",
    VirtualAuthority => "virtual-authority",
    VirtualServe => "virtual-serve",
    Doctor => "doctor",
    Completions => "completions",
    Man => "man",
    PinStatus => "pin-status",
    PinResult => "pin-result",
    FidoPinStatus => "fido-pin-status",
    FidoPinResult => "fido-pin-result",
    PinChallenge => "pin-challenge",
    PukShow<'_> => "puk-show",
    PukResult => "puk-result",
    PairingCodeShow<'_> => "pairing-code-show",
    PairingCodeList<'_> => "pairing-code-list",
    PairingCodeResult<'_> => "pairing-code-result",
    OtpList => "otp-list",
    OtpCode<'_> => "otp-code",
    PolicyShow => "policy",
    PolicySet => "policy-set",
    Plan => "plan",
    KeyCheck => "key-check",
    AdminKeySet => "admin-key-set",
    Recycle => "recycle",
    Personalize => "personalize",
}

/// A status word as four hexadecimal digits.
pub(crate) fn status_word(status: u16) -> String {
    format!("{status:04X}")
}

// ---- error

/// Why a command failed; written to stderr.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorReport {
    pub(crate) error: ErrorBody,
}

/// A failure.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ErrorBody {
    pub(crate) kind: &'static str,
    pub(crate) exit_code: u8,
    pub(crate) message: String,
    pub(crate) next: Option<String>,
    pub(crate) reader: Option<String>,
    pub(crate) status_word: Option<String>,
    pub(crate) tries_left: Option<u8>,
    pub(crate) aftermath: Option<&'static str>,
    pub(crate) tokens: Vec<TokenName>,
}

/// A token that can be named with `--token`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TokenName {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) reader: String,
}

// ---- list

/// All tokens, in short.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    pub(crate) tokens: Vec<Summary>,
    pub(crate) failed: Vec<ErrorBody>,
}

/// A token in short.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) family: &'static str,
    pub(crate) serial: Option<String>,
    pub(crate) guid: Option<String>,
    pub(crate) reader: String,
    pub(crate) interface: &'static str,
    pub(crate) pin: Pin,
    pub(crate) certificates: usize,
    pub(crate) unfinished: Option<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) remembered: Option<Remembered>,
}

/// That a token is shown as it was remembered.
#[derive(Debug, Serialize)]
pub(crate) struct Remembered {
    pub(crate) since: String,
    pub(crate) seconds: u64,
    pub(crate) check: &'static str,
}

/// A PIN's state.
#[derive(Debug, Serialize)]
pub(crate) struct Pin {
    pub(crate) state: &'static str,
    pub(crate) tries_left: Option<u8>,
    pub(crate) detail: Option<String>,
}

// ---- show

/// Everything on a token.
#[derive(Debug, Serialize)]
pub(crate) struct Show {
    pub(crate) token: TokenBody,
}

/// A token with all its content.
#[derive(Debug, Serialize)]
pub(crate) struct TokenBody {
    #[serde(flatten)]
    pub(crate) summary: Summary,
    pub(crate) form: Option<&'static str>,
    pub(crate) fips: Option<bool>,
    pub(crate) atr: String,
    pub(crate) application_label: Option<String>,
    pub(crate) applet_version: Option<String>,
    pub(crate) vci: Vci,
    pub(crate) pin_policy: PinPolicy,
    pub(crate) keys: Vec<Key>,
    pub(crate) certificate_slots: Vec<CertificateSlot>,
    pub(crate) objects: Vec<Object>,
    pub(crate) oath_slots: Vec<OathSlot>,
    pub(crate) fido: Fido,
    pub(crate) capabilities: Vec<Capability>,
    pub(crate) problems: Vec<String>,
    pub(crate) round_trips: u64,
}

/// How the virtual contact interface stands.
#[derive(Debug, Serialize)]
pub(crate) struct Vci {
    pub(crate) state: &'static str,
    pub(crate) suite: Option<&'static str>,
    pub(crate) vouched: Option<bool>,
    pub(crate) detail: Option<String>,
}

/// Which PINs the token takes.
#[derive(Debug, Serialize)]
pub(crate) struct PinPolicy {
    pub(crate) minimum: u8,
    pub(crate) maximum: u8,
    pub(crate) alphabet: &'static str,
    pub(crate) decided_by: &'static str,
    pub(crate) evidence: Option<&'static str>,
    pub(crate) notes: Vec<String>,
}

/// A private key's place.
#[derive(Debug, Serialize)]
pub(crate) struct Key {
    pub(crate) slot: String,
    pub(crate) name: String,
    pub(crate) algorithm: Option<String>,
    pub(crate) algorithm_source: &'static str,
    pub(crate) origin: &'static str,
    pub(crate) filled: Option<bool>,
    pub(crate) certificate_object: Option<String>,
}

/// A place for a certificate.
#[derive(Debug, Serialize)]
pub(crate) struct CertificateSlot {
    pub(crate) slot: Option<String>,
    pub(crate) object: String,
    pub(crate) state: &'static str,
    pub(crate) detail: Option<String>,
    pub(crate) certificate: Option<Certificate>,
}

/// A certificate.
#[derive(Debug, Serialize)]
pub(crate) struct Certificate {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) self_issued: bool,
    pub(crate) serial: String,
    pub(crate) not_before: String,
    pub(crate) not_after: String,
    pub(crate) validity: &'static str,
    pub(crate) concerns: Vec<Reason>,
    pub(crate) key_usage: Option<Vec<&'static str>>,
    pub(crate) extended_key_usage: Option<Vec<Purpose>>,
    pub(crate) public_key: String,
    pub(crate) signature_algorithm: String,
    pub(crate) sha256: String,
    pub(crate) compressed: bool,
    pub(crate) pem: String,
}

/// A purpose in an extended key usage.
#[derive(Debug, Serialize)]
pub(crate) struct Purpose {
    pub(crate) oid: String,
    pub(crate) name: Option<&'static str>,
}

/// A data object.
#[derive(Debug, Serialize)]
pub(crate) struct Object {
    pub(crate) tag: String,
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) detail: Option<String>,
    pub(crate) size: Option<usize>,
    pub(crate) content: Option<ObjectContent>,
}

/// What is in a data object.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum ObjectContent {
    /// 5FC102.
    Chuid {
        guid: String,
        fasc_n: Option<String>,
        fasc_n_fields: Option<String>,
        expiry: Option<String>,
        cardholder_uuid: Option<String>,
        signed: bool,
    },
    /// 5FC107.
    CardCapabilityContainer {
        card_identifier: String,
        data_model: Option<u8>,
    },
    /// 7E.
    Discovery {
        aid: String,
        pin_usage_policy: String,
        piv_pin: bool,
        global_pin: bool,
        global_pin_preferred: bool,
        on_card_comparison: bool,
        virtual_contact_interface: bool,
        pairing_code_needed: bool,
    },
    /// 5FC10C.
    KeyHistory {
        on_card: u8,
        off_card: u8,
        url: Option<String>,
    },
    /// 5FC106.
    SecurityObject {
        containers: Vec<String>,
        signature_size: usize,
    },
    /// Any other.
    Raw { hex: String },
}

/// The FIDO application.
#[derive(Debug, Serialize)]
pub(crate) struct Fido {
    pub(crate) state: &'static str,
    pub(crate) detail: Option<String>,
    pub(crate) versions: Option<Vec<String>>,
    pub(crate) aaguid: Option<String>,
    pub(crate) pin: Option<FidoPin>,
    pub(crate) remaining_credentials: Option<u64>,
}

/// A FIDO PIN's state.
#[derive(Debug, Serialize)]
pub(crate) struct FidoPinState {
    pub(crate) state: &'static str,
    pub(crate) tries_left: Option<u8>,
    pub(crate) detail: Option<String>,
}

/// A FIDO PIN's state and rules.
#[derive(Debug, Serialize)]
pub(crate) struct FidoPin {
    #[serde(flatten)]
    pub(crate) state: FidoPinState,
    pub(crate) shared_with_piv: Option<bool>,
    pub(crate) piv: Option<Pin>,
    pub(crate) change_wanted: Option<bool>,
    pub(crate) minimum_characters: usize,
    pub(crate) maximum_bytes: usize,
}

/// A one-time-password slot.
#[derive(Debug, Serialize)]
pub(crate) struct OathSlot {
    pub(crate) number: u8,
    pub(crate) aid: String,
    pub(crate) state: &'static str,
    pub(crate) detail: Option<String>,
}

/// Whether an action is possible: by this program, and by the token itself.
#[derive(Debug, Serialize)]
pub(crate) struct Capability {
    pub(crate) action: &'static str,
    pub(crate) name: &'static str,
    pub(crate) state: &'static str,
    pub(crate) reason: Option<Reason>,
    pub(crate) token_state: &'static str,
    pub(crate) token_reason: Option<Reason>,
    pub(crate) evidence: Option<&'static str>,
}

/// Why not, or why it is not known.
#[derive(Debug, Serialize)]
pub(crate) struct Reason {
    pub(crate) id: &'static str,
    pub(crate) sentence: &'static str,
}

// ---- watch

/// An event, one document a line.
#[derive(Debug, Serialize)]
pub(crate) struct Watch {
    pub(crate) time: String,
    pub(crate) event: &'static str,
    pub(crate) reader: Option<String>,
    pub(crate) atr: Option<String>,
    pub(crate) name: Option<String>,
}

// ---- cert

/// The certificates of a token.
#[derive(Debug, Serialize)]
pub(crate) struct CertList {
    pub(crate) token: TokenName,
    pub(crate) remembered: Option<Remembered>,
    pub(crate) certificates: Vec<CertificateSlot>,
}

/// A certificate that was exported.
#[derive(Debug, Serialize)]
pub(crate) struct CertExport {
    pub(crate) reader: String,
    pub(crate) slot: String,
    pub(crate) object: String,
    pub(crate) format: &'static str,
    pub(crate) size: usize,
    pub(crate) output: Option<String>,
    pub(crate) pem: Option<String>,
    pub(crate) der: Option<String>,
}

// ---- apdu

/// An exchange of raw commands.
#[derive(Debug, Serialize)]
pub(crate) struct Apdu {
    pub(crate) reader: String,
    pub(crate) applet: Option<String>,
    pub(crate) exchanges: Vec<Exchange>,
}

/// A command and its answer.
#[derive(Debug, Serialize)]
pub(crate) struct Exchange {
    pub(crate) command: Option<String>,
    pub(crate) header: String,
    pub(crate) name: String,
    pub(crate) redacted: bool,
    pub(crate) data: String,
    pub(crate) status_word: String,
    pub(crate) meaning: String,
}

// ---- helpdesk

/// The response to a challenge.
#[derive(Debug, Serialize)]
pub(crate) struct HelpdeskRespond {
    pub(crate) algorithm: &'static str,
    pub(crate) challenge: String,
    pub(crate) response: String,
}

/// A key file that was made.
#[derive(Debug, Serialize)]
pub(crate) struct HelpdeskNewKeyFile {
    pub(crate) file: String,
    pub(crate) algorithm: &'static str,
}

// ---- virtual

/// A software token that was made.
#[derive(Debug, Serialize)]
pub(crate) struct VirtualCreate {
    pub(crate) token: VirtualToken,
    pub(crate) pin: String,
    pub(crate) puk: Option<String>,
}

/// A software token.
#[derive(Debug, Serialize)]
pub(crate) struct VirtualToken {
    pub(crate) name: String,
    pub(crate) profile: Option<&'static str>,
    pub(crate) interface: Option<&'static str>,
    pub(crate) atr: Option<String>,
    pub(crate) path: String,
    pub(crate) error: Option<String>,
}

/// The software tokens.
#[derive(Debug, Serialize)]
pub(crate) struct VirtualList {
    pub(crate) directory: String,
    pub(crate) tokens: Vec<VirtualToken>,
}

/// A software token that was removed.
#[derive(Debug, Serialize)]
pub(crate) struct VirtualRemove {
    pub(crate) name: String,
}

/// A software token that was put on an interface.
#[derive(Debug, Serialize)]
pub(crate) struct VirtualMove {
    pub(crate) token: VirtualToken,
}

/// Who vouches for a software token.
#[derive(Debug, Serialize)]
pub(crate) struct VirtualAuthority {
    pub(crate) name: String,
    pub(crate) output: Option<String>,
    pub(crate) pem: Option<String>,
}

/// A software token in a virtual reader, one document a line.
#[derive(Debug, Serialize)]
pub(crate) struct VirtualServe {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) event: &'static str,
}

// ---- doctor

/// What was looked at, and what was found.
#[derive(Debug, Serialize)]
pub(crate) struct Doctor {
    pub(crate) findings: Vec<Finding>,
}

/// A finding.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) id: &'static str,
    pub(crate) area: &'static str,
    pub(crate) level: &'static str,
    pub(crate) message: String,
    pub(crate) next: Option<String>,
}

// ---- pin

/// The FIDO PIN's state and rules.
#[derive(Debug, Serialize)]
pub(crate) struct FidoPinStatus {
    pub(crate) token: TokenName,
    pub(crate) pin: FidoPin,
}

/// How an action on the FIDO PIN went.
#[derive(Debug, Serialize)]
pub(crate) struct FidoPinResult {
    pub(crate) token: TokenName,
    pub(crate) action: &'static str,
    pub(crate) completed: bool,
    pub(crate) steps: Vec<StepOutcome>,
    pub(crate) before: FidoPinState,
    pub(crate) after: Option<FidoPinState>,
}

/// The PIN's state and rules.
#[derive(Debug, Serialize)]
pub(crate) struct PinStatus {
    pub(crate) token: TokenName,
    pub(crate) pin: Pin,
    pub(crate) policy: PinPolicy,
    pub(crate) change_wanted: bool,
    pub(crate) unblock: Vec<&'static str>,
    pub(crate) fido: Option<FidoPinState>,
}

/// How an action on the PIN went.
#[derive(Debug, Serialize)]
pub(crate) struct PinResult {
    pub(crate) token: TokenName,
    pub(crate) action: &'static str,
    pub(crate) completed: bool,
    pub(crate) steps: Vec<StepOutcome>,
    pub(crate) before: Pin,
    pub(crate) after: Option<Pin>,
}

/// A challenge for whoever has the admin key.
#[derive(Debug, Serialize)]
pub(crate) struct PinChallenge {
    pub(crate) token: TokenName,
    pub(crate) challenge: String,
    pub(crate) algorithm: &'static str,
}

// ---- completions, man

/// A completion script.
#[derive(Debug, Serialize)]
pub(crate) struct Completions {
    pub(crate) shell: String,
    pub(crate) script: String,
}

/// Manual pages.
#[derive(Debug, Serialize)]
pub(crate) struct Man {
    pub(crate) pages: Vec<ManPage>,
}

/// A manual page.
#[derive(Debug, Serialize)]
pub(crate) struct ManPage {
    pub(crate) name: String,
    pub(crate) path: Option<String>,
    pub(crate) roff: Option<String>,
}

// ---- cache

/// What is remembered.
#[derive(Debug, Serialize)]
pub(crate) struct CacheShow {
    pub(crate) tokens: Vec<CacheToken>,
}

/// What is remembered of one token.
#[derive(Debug, Serialize)]
pub(crate) struct CacheToken {
    pub(crate) id: Option<String>,
    pub(crate) atr: String,
    pub(crate) guid: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) checked_at: String,
    pub(crate) size: usize,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) places: Vec<String>,
    pub(crate) items: Vec<CacheItem>,
}

/// One answer that is remembered.
#[derive(Debug, Serialize)]
pub(crate) struct CacheItem {
    pub(crate) item: String,
    pub(crate) read_at: String,
    pub(crate) size: usize,
    pub(crate) status_word: String,
}

/// What is forgotten.
#[derive(Debug, Serialize)]
pub(crate) struct CacheClear {
    pub(crate) tokens: Vec<TokenName>,
    pub(crate) cleared: usize,
}
