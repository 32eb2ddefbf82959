//! The same token on a contact and on a contactless reader, through pcscd: its pairing
//! code is retrieved and kept, then it is used through the air; whatever speaks against
//! that is refused with its own sentence; and the wire is read for what must not be on it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use e2e::{
    Inserted, Pcscd, READERS,
    programs::{Finished, finish, finish_with_input, limited, tokenctl_command},
    tokens,
};
use p256::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _};
use pcsc::Disposition;
use pcsc_transport::{Interface, LinkError, pcsc::PcscBackend};
use piv_apdu::{
    key::{Algorithm, KeyReference},
    secret::{PairingCode, Pin},
    sm::{CipherSuite, TrustAnchor},
};
use serde_json::Value;
use tempfile::TempDir;
use token_manager::{
    ActionError, Aftermath, CardTrust, LastTry, LoadOptions, Manager, MemoryPairingCodes,
    PairingCodeStore as _, PinEntry,
};
use virtual_token::{Profile, SharedToken, Vci, VirtualToken};

use crate::{pairing_code::settle, support::other_program};

pub(crate) const PIN: &str = "123456";
const NEW_PIN: &str = "864209";
pub(crate) const SUITES: [(CipherSuite, &str); 2] =
    [(CipherSuite::Cs2, "CS2"), (CipherSuite::Cs7, "CS7")];

/// A token, a reader of each kind, and a folder with the certificate to trust.
pub(crate) struct Desk {
    pub(crate) pcscd: Pcscd,
    token: SharedToken,
    inserted: Option<Inserted>,
    folder: TempDir,
}

impl Desk {
    pub(crate) fn new(name: &str, vci: Vci) -> Self {
        let token = tokens::with_vci(Profile::Piv, vci, 41);
        let folder = tempfile::tempdir().unwrap();
        trust(&token, &folder.path().join("authority.der"));
        Self {
            pcscd: Pcscd::start(name),
            token,
            inserted: None,
            folder,
        }
    }

    pub(crate) fn move_to(&mut self, interface: Interface) {
        if let Some(inserted) = self.inserted.take() {
            inserted.eject();
        }
        self.token.with(|token| {
            token.set_interface(interface);
        });
        self.inserted = Some(Inserted::new(&self.pcscd, 0, &self.token));
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.der")
    }

    /// `tokenctl`, that believes what the token's authority vouches for.
    pub(crate) fn tokenctl(&self, arguments: &[&str], lines: &[&str]) -> Finished {
        let mut command = tokenctl_command(arguments);
        command.env("TOKENCTL_TRUST_ANCHORS", self.authority());
        finish_with_input(&mut command, lines)
    }

    fn shown(&self, code: &str) -> Value {
        let arguments = ["show", "--json", "--pairing-code-fd", "0"];
        let mut document = self.tokenctl(&arguments, &[code]).success().json();
        document["token"].take()
    }

    /// The pairing code, on contact.
    pub(crate) fn pairing_code(&mut self) -> String {
        self.move_to(Interface::Contact);
        let arguments = ["pairing-code", "show", "--show", "--pin-fd", "0"];
        let shown = self.tokenctl(&arguments, &[PIN]).success();
        shown.stdout.trim().to_owned()
    }

    /// `pin verify` through the air is refused with this sentence and spends no try.
    #[track_caller]
    fn refuses_the_pin(&self, code: &str, exit: i32, sentence: &str) {
        let before = self.tries();
        let arguments = ["pin", "verify", "--pairing-code-fd", "0", "--pin-fd", "0"];
        let refused = self.tokenctl(&arguments, &[code, PIN]).failure(exit);
        let _ = refused.complains(sentence);
        assert_eq!(self.tries(), before);
    }

    /// What the card itself knows.
    fn tries(&self) -> Value {
        let state = self
            .token
            .with(|token| serde_json::to_value(token.to_state()));
        state.unwrap()["pin"]["tries_left"].take()
    }

    /// `pin verify` through the air goes well.
    #[track_caller]
    fn takes_the_pin(&self, code: &str) {
        let arguments = ["pin", "verify", "--pairing-code-fd", "0", "--pin-fd", "0"];
        let _ = self.tokenctl(&arguments, &[code, PIN]).success();
    }

    pub(crate) fn shown_on_contact(&mut self) -> Value {
        self.move_to(Interface::Contact);
        self.tokenctl(&["show", "--json"], &[]).success().json()["token"].take()
    }
}

fn trust(token: &SharedToken, file: &Path) {
    let issuer = token.with(|token| token.issuer_certificate().unwrap().to_vec());
    fs::write(file, issuer).unwrap();
}

pub(crate) fn another(code: &str) -> &'static str {
    if code == "00000000" {
        "11111111"
    } else {
        "00000000"
    }
}

/// Its state with this changed, as whoever makes a false card might.
fn changed(token: &SharedToken, change: impl FnOnce(&mut Value)) {
    token.with(|token| {
        let mut state = serde_json::to_value(token.to_state()).unwrap();
        change(&mut state);
        *token = VirtualToken::from_state(serde_json::from_value(state).unwrap()).unwrap();
    });
}

pub(crate) fn spaced(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    digits.join(" ")
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_token_is_used_through_the_air_as_on_contact() {
    for (suite, name) in SUITES {
        let mut desk = Desk::new(&format!("contactless-{name}"), Vci::new(suite));
        let code = desk.pairing_code();
        let on_contact = desk.shown(&code);
        let export = ["cert", "export", "--slot", "9a", "--pairing-code-fd", "0"];
        let certificate = desk.tokenctl(&export, &[&code]).success().stdout;
        desk.move_to(Interface::Contactless);
        let wire_before = desk.pcscd.log().len();

        let through_air = desk.shown(&code);
        assert_eq!(through_air["interface"], "contactless");
        assert_eq!(
            through_air["vci"]["state"], "open",
            "{}",
            through_air["vci"]
        );
        assert_eq!(through_air["vci"]["suite"], name);
        assert_eq!(through_air["vci"]["vouched"], true);
        for part in ["guid", "pin", "keys", "certificate_slots", "objects"] {
            assert_eq!(through_air[part], on_contact[part], "{part}");
        }

        let exported = desk.tokenctl(&export, &[&code]).success().stdout;
        assert_eq!(exported, certificate);

        let change = [
            "pin",
            "change",
            "--pairing-code-fd",
            "0",
            "--pin-fd",
            "0",
            "--new-pin-fd",
            "0",
        ];
        let _ = desk.tokenctl(&change, &[&code, PIN, NEW_PIN]).success();
        let verify = ["pin", "verify", "--pairing-code-fd", "0", "--pin-fd", "0"];
        let _ = desk.tokenctl(&verify, &[&code, NEW_PIN]).success();
        let _ = desk.tokenctl(&verify, &[&code, PIN]).failure(10);
        let protected = signs(&desk, &code);

        // What stays on contact says so.
        let unblock = ["pin", "unblock", "--puk-fd", "0", "--new-pin-fd", "0"];
        let lines = [code.as_str(), "12345678", PIN];
        let with_code = [&unblock[..], &["--pairing-code-fd", "0"]].concat();
        let _ = desk
            .tokenctl(&with_code, &lines)
            .failure(13)
            .complains("only on the contact interface");

        let wire = &desk.pcscd.log()[wire_before..];
        assert!(wire.contains("0C 24 00 80"), "a change in a secure session");
        let guid = on_contact["guid"].as_str().unwrap().replace('-', "");
        let guid = piv_apdu::secret::from_hex(&guid).unwrap();
        assert!(
            wire.contains(&spaced(&guid)),
            "what is public is there to read"
        );
        for secret in [PIN, NEW_PIN, &code] {
            assert!(!wire.contains(&spaced(secret.as_bytes())), "{secret}");
        }
        // Nor what the card gives in a session only.
        assert!(!wire.contains(&spaced(&protected)));
        // It is the same token, whichever way one comes to it.
        desk.move_to(Interface::Contact);
        let _ = desk
            .tokenctl(&["pin", "verify", "--pin-fd", "0"], &[NEW_PIN])
            .success();
    }
}

/// With the library, since `tokenctl` has no command that signs. Returns a part of the
/// certificate in 9A: its key.
fn signs(desk: &Desk, code: &str) -> Vec<u8> {
    let anchor = TrustAnchor::from_der(&fs::read(desk.authority()).unwrap()).unwrap();
    let codes = Arc::new(MemoryPairingCodes::new());
    let manager = Manager::new(Arc::new(PcscBackend::new()))
        .with_options(LoadOptions::new().with_card_trust(CardTrust::Anchors([anchor].into())))
        .with_pairing_codes(Arc::clone(&codes) as Arc<_>);
    let guid = manager
        .open(READERS[0])
        .unwrap()
        .token()
        .identity
        .guid
        .unwrap();
    codes
        .put(&guid, &PairingCode::new(code.as_bytes()).unwrap())
        .unwrap();
    let mut session = manager.open(READERS[0]).unwrap();
    assert!(session.token().vci.allows_contact());
    let slot = KeyReference::PIV_AUTHENTICATION;
    let info = session
        .token()
        .certificate(slot)
        .unwrap()
        .certificate()
        .unwrap();
    // A BIT STRING with an uncompressed point, which the certificate has once.
    let head = [0x03, 0x42, 0x00, 0x04];
    let at = info.der.windows(4).position(|part| part == head).unwrap() + 3;
    let point = info.der[at..at + 65].to_vec();
    let digest = [0x5A; 32];
    let pin = Pin::new(NEW_PIN.as_bytes()).unwrap();
    let signature = session
        .use_key(&pin, LastTry::Spare, slot, Algorithm::EccP256, &digest)
        .unwrap();
    let key = VerifyingKey::from_sec1_bytes(&point).unwrap();
    key.verify_prehash(&digest, &Signature::from_der(&signature).unwrap())
        .unwrap();
    point
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn whatever_speaks_against_it_is_refused_with_its_own_sentence() {
    let mut desk = Desk::new("contactless-refused", Vci::new(CipherSuite::Cs2));
    let code = desk.pairing_code();
    let with = ["pin", "verify", "--pin-fd", "0"];
    desk.move_to(Interface::Contactless);

    let _ = desk
        .tokenctl(&with, &[PIN])
        .failure(12)
        .complains("it takes the card's pairing code, and none is kept");
    desk.refuses_the_pin(another(&code), 10, "the pairing code is not this card's");
    desk.refuses_the_pin("1234", 12, "a pairing code is eight digits");

    // Whom to trust was not said, or is another authority.
    let refused = finish_with_input(&mut tokenctl_command(&with), &[PIN]);
    let _ = refused
        .failure(12)
        .complains("it was not said who is trusted to vouch for cards");
    let stranger = tokens::with_vci(Profile::Piv, Vci::new(CipherSuite::Cs2), 42);
    trust(&stranger, &desk.authority());
    desk.refuses_the_pin(&code, 12, "is not from the authority that it names");
    trust(&desk.token, &desk.authority());
    desk.takes_the_pin(&code);

    // The card's certificate is tampered with.
    changed(&desk.token, |state| {
        let cvc = &mut state["secure_messaging"]["cvc"];
        let text = cvc.as_str().unwrap();
        let other = if text.ends_with('0') { "1" } else { "0" };
        *cvc = format!("{}{other}", &text[..text.len() - 1]).into();
    });
    desk.move_to(Interface::Contactless);
    desk.refuses_the_pin(&code, 12, "its signature is not its issuer's");

    // Another card's certificate, which is in order, on a card with this one's CHUID.
    let chuid = desk
        .token
        .with(|token| serde_json::to_value(token.to_state()).unwrap()["objects"]["5FC102"].take());
    changed(&stranger, |state| state["objects"]["5FC102"] = chuid);
    trust(&stranger, &desk.authority());
    desk.token = stranger;
    desk.move_to(Interface::Contactless);
    desk.refuses_the_pin(&code, 12, "it was exchanged, or is a fake");

    // Another card: its pairing code is not known.
    desk.token = tokens::with_vci(Profile::Piv, Vci::new(CipherSuite::Cs2), 43);
    trust(&desk.token, &desk.authority());
    desk.move_to(Interface::Contactless);
    desk.refuses_the_pin(&code, 10, "the pairing code is not this card's");
    assert_eq!(desk.tries(), 3, "no try was spent");
}

/// The reader's service says only that the card was reset: what the connection says of the
/// card is not true any more, and a PIN would go through the air in the clear.
#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_card_that_a_reset_brings_back_on_another_interface_is_gone() {
    let reset_by_others = || {
        let other = other_program();
        let ended = other.disconnect(Disposition::ResetCard);
        ended.map_err(|(_, error)| error).unwrap();
    };
    let mut desk = Desk::new("contactless-reset", Vci::new(CipherSuite::Cs2));
    desk.move_to(Interface::Contact);
    let manager = Manager::new(Arc::new(PcscBackend::new()));
    let mut session = manager.open(READERS[0]).unwrap();
    let pin = Pin::new(PIN.as_bytes()).unwrap();
    let mut verified = || {
        session
            .authenticate(PinEntry::Typed(&pin), LastTry::Spare)
            .map(drop)
    };
    // On the same interface it is the same card.
    reset_by_others();
    verified().unwrap();

    desk.token
        .with(|token| token.set_interface(Interface::Contactless));
    reset_by_others();
    desk.token.clear_log();
    for _ in 0..2 {
        let error = verified().unwrap_err();
        let is_gone = matches!(
            error,
            ActionError::Interrupted {
                aftermath: Aftermath::Unchanged,
                source: LinkError::Removed,
                ..
            }
        );
        assert!(is_gone, "{error:?}");
    }
    assert!(desk.token.log().is_empty(), "nothing was sent to it");
    // Whoever opens it again sees where it is.
    let session = manager.open(READERS[0]).unwrap();
    assert_eq!(session.token().interface, Interface::Contactless);
}

/// In a login session with a keyring of its own: kept on contact, used through the air
/// without being asked for, and gone when it has expired.
#[test]
#[ignore = "needs pcscd, vpcd and keyctl: cargo xtask test"]
fn a_pairing_code_that_is_kept_opens_the_token_without_being_asked_for() {
    let allowed = e2e::programs::run("keyctl", &["session", "-", "true"]);
    if allowed.code != 0 {
        eprintln!("SKIPPED: the kernel gives no session keyring here: {allowed}");
        return;
    }
    let mut desk = Desk::new("contactless-kept", Vci::new(CipherSuite::Cs2));
    let shown = desk.shown_on_contact();
    let guid = shown["guid"].as_str().unwrap();
    let mut command = limited("keyctl");
    settle(&tokenctl_command(&[]), &mut command);
    command
        .env("TOKENCTL_TRUST_ANCHORS", desk.authority())
        .args(["session", "-", "sh", "-c"])
        .arg(
            "set -e; echo 123456 | \"$0\" pairing-code cache --pin-fd 0; touch kept; \
             while [ ! -e moved ]; do sleep 0.05; done; \
             \"$0\" show --json; echo 123456 | \"$0\" pin verify --pin-fd 0; \
             keyctl timeout $(keyctl search @s user piv:pairing-code:\"$1\") 1; sleep 1.5; \
             echo 123456 | \"$0\" pin verify --pin-fd 0 || echo \"exit $?\"",
        )
        .arg(std::env::var_os("E2E_TOKENCTL").unwrap())
        .arg(guid)
        .current_dir(desk.folder.path());
    let session = start(command);
    while !desk.folder.path().join("kept").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    desk.move_to(Interface::Contactless);
    fs::write(desk.folder.path().join("moved"), "").unwrap();
    let finished = session.join().unwrap().success();
    assert!(
        finished.stdout.contains("\"state\": \"open\"")
            || finished.stdout.contains("\"state\":\"open\""),
        "{finished}"
    );
    assert!(finished.stdout.contains("exit 12"), "{finished}");
    let _ = finished.complains("it takes the card's pairing code, and none is kept");
}

fn start(mut command: Command) -> std::thread::JoinHandle<Finished> {
    std::thread::spawn(move || finish(&mut command))
}
