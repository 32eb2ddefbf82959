//! The content of a token.

use egui_kittest::kittest::Queryable as _;
use virtual_token::{CreateOptions, Profile};

use crate::desk::{Desk, empty, token};

fn content_of(profile: Profile, options: &CreateOptions) -> Desk {
    let mut desk = Desk::new();
    let token = token(profile, options);
    desk.readers.insert("Desk", &token).unwrap();
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
