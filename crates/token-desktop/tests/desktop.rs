//! What programs share on a person's computer, through the public interface: files in a
//! directory of the test's own, software tokens, and stores in memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pcsc_transport::Backend;
use piv_apdu::object::Guid;
use piv_apdu::secret::{PairingCode, Pin};
use piv_apdu::sm::{CipherSuite, TrustAnchor};
use token_desktop::{
    AnchorFault, Desktop, PairingCodes, SecretFile, SecretFileError, trust_in_files,
};
use token_manager::token_cache::Cache;
use token_manager::token_profile::RecoveryKind;
use token_manager::{
    ActionError, CardTrust, LastTry, Manager, MemoryPairingCodes, Overrides, PairingCodeStore,
    PinEntry, Reason, RecoverySecret, Session, VciError,
};
use virtual_token::{
    Content, CreateOptions, LinkOptions, MemoryBackend, Profile, SharedToken, Vci, VirtualToken,
};

fn readers() -> Arc<dyn Backend> {
    let card = VirtualToken::create(Profile::Crescendo2300, &CreateOptions::default()).unwrap();
    let readers = MemoryBackend::new();
    readers.insert("Desk", &SharedToken::new(card)).unwrap();
    Arc::new(readers)
}

/// Without anything of the person who runs the tests.
fn desktop(folder: &Path) -> Desktop {
    Desktop::new()
        .with_records(folder)
        .with_secrets(None)
        .with_cache(Cache::off().with_memory())
        .with_pairing_codes(PairingCodes::with_kept(None))
}

fn puk(value: &str) -> RecoverySecret {
    RecoverySecret::new(RecoveryKind::Puk, value.as_bytes()).unwrap()
}

#[test]
fn a_manager_keeps_its_records_where_the_desktop_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records");
    let desktop = desktop(&records);
    let backend = readers();
    let pin = |session: &token_manager::Session| session.managed_policy().force_change;

    let risks = Overrides::default().allow_managed(true);
    let manager = desktop.manager(backend.clone(), risks);
    let mut session = manager.unwrap().open("Desk").unwrap();
    assert!(!records.exists(), "looking at a token keeps nothing");
    let mut policy = session.managed_policy();
    policy.force_change = !policy.force_change;
    let wanted = policy.force_change;
    let given = piv_apdu::secret::Pin::new(b"00000000").unwrap();
    let entry = token_manager::PinEntry::Typed(&given);
    session.set_policy(entry, LastTry::Spare, &policy).unwrap();
    drop(session);
    assert!(records.is_dir());

    let again = desktop.manager(backend.clone(), Overrides::default());
    assert_eq!(pin(&again.unwrap().open("Desk").unwrap()), wanted);
    let without = desktop.manager_without_records(backend, Overrides::default());
    assert_eq!(pin(&without.open("Desk").unwrap()), !wanted);
}

#[test]
fn secrets_are_saved_a_line_each_below_what_they_are_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.txt");
    let manager = desktop(folder.path()).manager(readers(), Overrides::default());
    let session = manager.unwrap().open("Desk").unwrap();

    let mut file = SecretFile::new(&path, "a test").unwrap();
    file.name(session.token());
    assert!(!path.exists(), "nothing is there before the first secret");
    file.save(&puk("24681357")).unwrap();
    file.save(&puk("13572468")).unwrap();

    let text = fs::read_to_string(&path).unwrap();
    let serial = session.token().identity.serial.clone().unwrap();
    assert!(text.starts_with("# Secrets of a security token, saved by a test at "));
    assert!(text.contains(&format!("# serial number: {serial}\n")));
    assert_eq!(text.matches("# Secrets of").count(), 1);
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["puk: 24681357", "puk: 13572468"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn no_file_is_written_over_and_one_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets.txt");
    let mut late = SecretFile::new(&path, "a test").unwrap();
    fs::write(&path, "mine").unwrap();
    // Both before anything is asked, and if it came between.
    let early = SecretFile::new(&path, "a test").unwrap_err();
    let meanwhile = late.save(&puk("24681357")).unwrap_err();
    for error in [early, meanwhile] {
        assert!(matches!(error, SecretFileError::Exists { .. }), "{error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");

    let nowhere = folder.path().join("no-such-directory").join("secrets.txt");
    let mut file = SecretFile::new(nowhere, "a test").unwrap();
    let error = file.save(&puk("24681357")).unwrap_err();
    assert!(matches!(error, SecretFileError::Write { .. }), "{error}");
    assert!(!error.to_string().contains("24681357"));
}

#[test]
fn certificates_to_trust_are_pem_bundles_or_der() {
    const DER: &[u8] = include_bytes!("../../token-manager/tests/data/piv_authentication.der");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let pem = der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, DER).unwrap();
    let bundle = file("bundle.pem", format!("one\n{pem}two\n{pem}").as_bytes());
    let single = file("single.der", DER);
    let CardTrust::Anchors(anchors) = trust_in_files([&bundle, &single]).unwrap() else {
        panic!("certificates are trusted");
    };
    assert_eq!(anchors.len(), 3);

    let unended = file("unended.pem", &pem.as_bytes()[..pem.len() - 10]);
    let garbled = file("garbled.pem", pem.replacen("MII", "M*I", 1).as_bytes());
    let other = file("other.der", b"no certificate");
    let missing = folder.path().join("missing.pem");
    for (bad, is_told) in [
        (
            &unended,
            (|fault| matches!(fault, AnchorFault::Unended)) as fn(&_) -> _,
        ),
        (&garbled, |fault| matches!(fault, AnchorFault::Pem(_))),
        (&other, |fault| matches!(fault, AnchorFault::Certificate(_))),
        (&missing, |fault| matches!(fault, AnchorFault::Read(_))),
    ] {
        let error = trust_in_files([&single, bad]).err().unwrap();
        assert!(is_told(&error.fault), "{error}");
        assert_eq!(&error.file, bad);
        assert!(error.to_string().contains(&bad.display().to_string()));
    }
}

#[test]
fn a_pairing_code_that_was_given_comes_before_one_that_is_kept_and_is_not_kept_by_itself() {
    let card = Guid([7; 16]);
    let code = |digits: &str| PairingCode::new(digits.as_bytes()).unwrap();
    let kept = Arc::new(MemoryPairingCodes::new());
    kept.put(&card, &code("11111111")).unwrap();
    let codes = PairingCodes::with_kept(Some(kept.clone()));
    let found = |codes: &PairingCodes| {
        let is = codes.get(&card).unwrap()?;
        [code("11111111"), code("22222222")]
            .iter()
            .position(|it| *it == is)
    };
    assert_eq!(found(&codes), Some(0));
    codes.put(&card, &code("22222222")).unwrap();
    assert_eq!(found(&codes), Some(1));
    assert_eq!(codes.list().unwrap(), [card]);
    assert!(
        kept.get(&card)
            .unwrap()
            .is_some_and(|it| it == code("11111111"))
    );
    assert!(codes.forget(&card).unwrap());
    assert_eq!(found(&codes), None);
    assert!(kept.get(&card).unwrap().is_none());
}

/// A PIV card that opens a secure session to whoever has its pairing code, lying on a
/// contactless reader, and that code.
fn through_the_air() -> (Arc<dyn Backend>, SharedToken, PairingCode) {
    let options = CreateOptions::default()
        .content(Content::Personal)
        .vci(Vci::new(CipherSuite::Cs2));
    let profile = Profile::Piv;
    let card = SharedToken::new(VirtualToken::create(profile, &options).unwrap());
    let slot = MemoryBackend::new();
    slot.insert("Slot", &card).unwrap();
    let pin = Pin::new(profile.factory_pin()).unwrap();
    let mut session = Manager::new(Arc::new(slot)).open("Slot").unwrap();
    let code = session
        .retrieve_pairing_code(PinEntry::Typed(&pin), LastTry::Spare)
        .unwrap();
    let readers = MemoryBackend::new();
    readers.add_reader(LinkOptions::new("Pad").contactless());
    readers.insert("Pad", &card).unwrap();
    (Arc::new(readers), card, code)
}

/// Its issuer's word counts.
fn anchor(card: &SharedToken) -> CardTrust {
    let issuer = card.with(|token| token.issuer_certificate().unwrap().to_vec());
    CardTrust::Anchors(Arc::new([TrustAnchor::from_der(&issuer).unwrap()]))
}

#[test]
fn a_code_that_is_entered_opens_the_session_and_a_wrong_one_is_given_no_more() {
    let (readers, card, right) = through_the_air();
    let wrong = PairingCode::new(b"00000000").unwrap();
    for (trust, vouched) in [(anchor(&card), true), (CardTrust::AnyCard, false)] {
        let folder = tempfile::tempdir().unwrap();
        let kept = Arc::new(MemoryPairingCodes::new());
        let desktop = desktop(folder.path())
            .with_pairing_codes(PairingCodes::with_kept(Some(kept.clone())))
            .with_trust(trust);
        let codes = desktop.pairing_codes();
        let manager = desktop.manager(readers.clone(), Overrides::default());
        let mut session = manager.unwrap().open("Pad").unwrap();
        let wanted = |session: &Session| {
            let (card, why) = session.token().wants_pairing_code()?;
            Some((card, why.clone()))
        };
        let (card, why) = wanted(&session).unwrap();
        assert_eq!(why, VciError::NoPairingCode);
        assert!(!codes.forget_refused(session.token()).unwrap());

        // It is not asked for again, and one that is kept counts again.
        let refused = VciError::WrongPairingCode { vouched };
        let entered = codes.enter(&mut session, &wrong).unwrap();
        assert_eq!(entered, Err(refused.clone()));
        assert!(codes.given().get(&card).unwrap().is_none());

        // Only who is certain that it is this card forgets what is kept for it.
        kept.put(&card, &wrong).unwrap();
        session.reload().unwrap();
        assert_eq!(wanted(&session), Some((card, refused)));
        let entered = codes.enter(&mut session, &right).unwrap();
        assert_eq!(entered, Ok(card));
        assert_eq!(kept.get(&card).unwrap().is_none(), vouched);
        assert!(
            codes
                .given()
                .get(&card)
                .unwrap()
                .is_some_and(|it| it == right)
        );
        assert_eq!(wanted(&session), None);
        assert!(session.token().vci.allows_contact());
    }
}

#[test]
fn a_code_is_kept_for_a_guid_and_a_card_without_one_gets_none() {
    let right = PairingCode::new(b"12345678").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let desktop = desktop(folder.path());
    let codes = desktop.pairing_codes();
    let other = MemoryBackend::new();
    let options = CreateOptions::default().content(Content::Empty);
    let nameless = VirtualToken::create(Profile::Piv, &options).unwrap();
    other.insert("Desk", &SharedToken::new(nameless)).unwrap();
    let manager = desktop.manager_without_records(Arc::new(other), Overrides::default());
    let mut session = manager.open("Desk").unwrap();
    assert!(session.token().identity.guid.is_none());
    let error = codes.enter(&mut session, &right).unwrap_err();
    let reason = match error {
        ActionError::Unavailable { reason, .. } => reason,
        other => panic!("{other}"),
    };
    assert_eq!(reason, Reason::NoGuid);
    assert!(codes.list().unwrap().is_empty());
}
