//! The content of a token.

use std::time::{Duration, SystemTime};

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use pcsc_transport::{Backend as _, Card, Sharing};
use piv_apdu::aid;
use piv_apdu::command::{GetData, PutData, Verify};
use piv_apdu::key::KeyReference;
use piv_apdu::object::{CertificateObject, ObjectTag};
use piv_apdu::secret::Pin;
use virtual_token::{CreateOptions, MemoryBackend, Profile, SharedToken};

use crate::desk::{Desk, FAMILIES, empty, pin, token};

const DAY: Duration = Duration::from_hours(24);

/// For how long the certificates of a software token are valid.
const VALID: Duration = DAY.saturating_mul(3 * 365);

fn content_of(profile: Profile, options: &CreateOptions) -> Desk {
    content_on(&token(profile, options))
}

fn content_on(token: &SharedToken) -> Desk {
    let mut desk = Desk::new();
    desk.readers.insert("Desk", token).unwrap();
    desk.sees("ID ");
    let button = desk.word("Content of");
    desk.press(&button);
    desk.sees("Certificates");
    desk
}

#[test]
fn certificates_keys_and_objects_are_shown_on_each_family() {
    for profile in Profile::ALL {
        let desk = content_of(profile, &CreateOptions::default());
        for text in [
            "9A PIV authentication key",
            "CN=Alex Example,O=Example",
            "CN=Test CA,O=Example",
            "digitalSignature",
            "Keys",
            "Data objects",
            "card holder unique identifier",
        ] {
            assert!(desk.shows(text), "{}: {text}", profile.name());
        }
        let has_fido = matches!(profile, Profile::Crescendo4000 | Profile::CrescendoKey);
        assert_eq!(desk.shows("FIDO_2_0"), has_fido, "{}", profile.name());
        let has_slots = profile == Profile::CrescendoKey;
        assert_eq!(desk.shows("Slot 1"), has_slots, "{}", profile.name());
    }
}

#[test]
fn an_empty_token_says_so() {
    let desk = content_of(Profile::Crescendo2300, &empty());
    assert!(desk.shows("There is no certificate on it."));
}

#[test]
fn a_certificate_is_exported_and_no_file_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nine-a.pem");
    let mut desk = content_of(Profile::Piv, &CreateOptions::default());
    for expected in ["It is in", "can't be written"] {
        let export = desk.window.get_all_by_label("Export…").next().unwrap();
        export.click();
        desk.window.step();
        desk.sees("Export certificate");
        desk.replace("File", file.to_str().unwrap());
        desk.press("Export");
        desk.until(expected, |desk| {
            desk.words().iter().any(|word| word.contains(expected))
        });
        desk.key(eframe::egui::Key::Escape);
    }
    let pem = std::fs::read_to_string(&file).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
    let der = desk.certificate("Desk", piv_apdu::key::KeyReference::PIV_AUTHENTICATION);
    let (label, written) = der::pem::decode_vec(pem.as_bytes()).unwrap();
    assert_eq!((label, written), ("CERTIFICATE", der));
}

/// How many certificates have this said of them.
fn count(desk: &Desk, concern: &str) -> usize {
    let words = desk.words();
    words
        .iter()
        .filter(|word| word.starts_with(concern))
        .count()
}

const EXPIRED: &str = "The certificate has expired";
const SOON: &str = "The certificate expires within 30 days";
const WEAK: &str = "The certificate's key is too short for today";

#[test]
fn a_certificate_that_has_expired_or_will_soon_says_so_on_each_family() {
    for profile in FAMILIES {
        for (left, said, not_said) in [(-10, EXPIRED, SOON), (10, SOON, EXPIRED), (40, "", "")] {
            let now = SystemTime::now();
            let created = match u32::try_from(left) {
                Ok(days) => now - VALID + DAY * days,
                Err(_) => now - VALID - 10 * DAY,
            };
            let desk = content_of(profile, &CreateOptions::default().created(created));
            let name = profile.name();
            let certificates = count(&desk, "Export…");
            assert!(certificates > 0, "{name}");
            if said.is_empty() {
                assert_eq!(count(&desk, EXPIRED) + count(&desk, SOON), 0, "{name}");
                continue;
            }
            assert_eq!(count(&desk, said), certificates, "{name}: {said}");
            assert_eq!(count(&desk, not_said), 0, "{name}: {not_said}");
            let words = desk.words();
            let validity = if left < 0 { "(expired)" } else { "(valid)" };
            assert!(words.iter().any(|word| word.ends_with(validity)), "{name}");
        }
    }
}

/// Puts this certificate in the place of one on a Crescendo, behind the window's back.
fn put(card: &SharedToken, slot: KeyReference, certificate: Vec<u8>) {
    let pin = Pin::new(pin(card.with(|card| card.profile())).as_bytes()).unwrap();
    let mut card = Card::new(Box::new(card.link("Aside")));
    let mut transaction = card.begin().unwrap();
    transaction.ensure_selected(aid::PIV).unwrap();
    let verify = Verify::check(KeyReference::PIV_PIN, pin.padded());
    transaction.send(&verify).unwrap();
    let object = CertificateObject {
        certificate,
        compressed: false,
    };
    let tag = slot.certificate_object().unwrap();
    transaction
        .send(&PutData::new(tag, &object.encode()))
        .unwrap();
}

/// What is in this object, read from the card itself.
fn object(readers: &MemoryBackend, tag: ObjectTag) -> Vec<u8> {
    let mut card = Card::new(readers.connect("Desk", Sharing::Shared).unwrap());
    let mut transaction = card.begin().unwrap();
    transaction.ensure_selected(aid::PIV).unwrap();
    transaction.send(&GetData::new(tag)).unwrap().to_vec()
}

#[test]
fn a_certificate_with_a_short_key_says_so() {
    const P256: [u8; 10] = [6, 8, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 3, 1, 7];
    let card = token(Profile::Crescendo2300, &CreateOptions::default());
    let desk = content_on(&card);
    assert_eq!(count(&desk, WEAK), 0);
    let slot = KeyReference::DIGITAL_SIGNATURE;
    let mut certificate = desk.certificate("Desk", slot);
    drop(desk);
    let place = certificate.windows(10).position(|it| it == P256).unwrap();
    // The same one as if it were on P-192.
    certificate[place + 9] = 1;
    put(&card, slot, certificate);
    let mut desk = content_on(&card);
    assert_eq!(count(&desk, WEAK), 1);
    desk.press("Back to all tokens");
    desk.sees("Certificate 9C has a weak key");
}

/// Opens the dialog that exports the certificate in the slot of this name.
fn export(desk: &mut Desk, slot: &str) {
    let is_its = |word: Option<String>| word.is_some_and(|word| word.contains(slot));
    let buttons: Vec<_> = desk.window.query_all_by_label("Export…").collect();
    let mut buttons = buttons.iter();
    let button = buttons.find(|it| is_its(it.accesskit_node().description()));
    button.unwrap().click_accesskit();
    desk.sees("Export certificate");
}

#[test]
fn a_certificate_is_exported_as_the_bytes_that_the_card_has() {
    let folder = tempfile::tempdir().unwrap();
    for profile in FAMILIES {
        let mut desk = content_of(profile, &CreateOptions::default());
        let key = KeyReference::PIV_AUTHENTICATION;
        let file = folder.path().join(format!("{}.pem", profile.name()));
        export(&mut desk, "certificate 9A ");
        desk.replace("File", file.to_str().unwrap());
        desk.set("Binary (DER) instead of text (PEM)");
        let file = file.with_extension("der");
        desk.press("Export");
        desk.sees(&format!("It is in {}.", file.display()));
        let written = std::fs::read(file).unwrap();
        let tag = key.certificate_object().unwrap();
        let on_card = CertificateObject::decode(&object(&desk.readers, tag)).unwrap();
        assert!(written == on_card.certificate, "{}", profile.name());
    }
}

/// A card keeps old certificates compressed, which nobody else would read.
#[test]
fn a_compressed_certificate_is_exported_as_it_was_issued() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("old.der");
    let mut desk = content_of(Profile::Crescendo2300, &CreateOptions::default());
    export(&mut desk, "certificate 82 ");
    desk.set("Binary (DER) instead of text (PEM)");
    desk.replace("File", file.to_str().unwrap());
    desk.press("Export");
    desk.sees("It is in ");
    let written = std::fs::read(file).unwrap();
    assert_eq!(written, desk.certificate("Desk", KeyReference(0x82)));
    let tag = KeyReference(0x82).certificate_object().unwrap();
    let kept = object(&desk.readers, tag);
    assert!(
        !kept.windows(9).any(|it| written.starts_with(it)),
        "it is compressed"
    );
}

/// The text in the field of this name.
fn value(desk: &Desk, field: &str) -> String {
    let role = eframe::egui::accesskit::Role::TextInput;
    let field = desk.window.get_by_role_and_label(role, field);
    field.accesskit_node().value().unwrap()
}

#[test]
fn the_dialog_of_a_certificate_is_over_when_its_token_is_taken_out() {
    let mut desk = Desk::new();
    for (reader, profile) in [("A", Profile::Crescendo2300), ("B", Profile::Piv)] {
        let token = token(profile, &CreateOptions::default());
        desk.readers.insert(reader, &token).unwrap();
    }
    let content = |desk: &mut Desk, reader: &str| {
        let ending = format!(" in {reader}");
        let is_its = move |word: &String| word.starts_with("Content of") && word.ends_with(&ending);
        desk.until(reader, |desk| desk.words().iter().any(&is_its));
        let button = desk.words().into_iter().find(is_its).unwrap();
        desk.press(&button);
        desk.sees(&format!("{reader} (contact)"));
    };
    content(&mut desk, "A");
    export(&mut desk, "certificate 9A ");
    desk.readers.eject("A");
    desk.until("the end of it", |desk| !desk.shows("Export certificate"));
    content(&mut desk, "B");
    for _ in 0..3 {
        desk.window.step();
    }
    assert!(!desk.shows("Export certificate"));
    export(&mut desk, "certificate 9A ");
    desk.sees("Export certificate");
}

#[test]
fn the_dialog_of_a_certificate_and_the_file_say_which_token_it_is_from() {
    let mut proposals = Vec::new();
    for profile in [Profile::Crescendo4000, Profile::Piv] {
        let mut desk = content_of(profile, &CreateOptions::default());
        let token =
            token_manager::load_reader(&desk.readers, "Desk", &token_manager::LoadOptions::new());
        let id = token.unwrap().identity.id().unwrap();
        export(&mut desk, "certificate 9A ");
        let about = format!("  {id}  in Desk");
        assert!(
            desk.words().iter().any(|it| it.ends_with(&about)),
            "{about}"
        );
        let file = value(&desk, "File");
        assert!(
            file.ends_with(&format!("certificate-{id}-9A.pem")),
            "{file}"
        );
        proposals.push(file);
    }
    assert_ne!(proposals[0], proposals[1]);
}
