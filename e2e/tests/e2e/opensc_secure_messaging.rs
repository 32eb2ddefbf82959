//! OpenSC's own secure messaging for PIV cards, of a version that has it, on our
//! software tokens: contactless, with the pairing code, and on contact, where it is told
//! to use it always.

use e2e::OpenSc;
use pcsc_transport::Interface;
use piv_apdu::sm::CipherSuite;
use virtual_token::Vci;

use crate::contactless::{Desk, PIN, SUITES, another, spaced};

/// What OpenSSL verifies.
const ECDSA: [&str; 4] = [
    "--mechanism",
    "ECDSA-SHA256",
    "--signature-format",
    "openssl",
];

/// The version with secure messaging; says so where there is none.
fn opensc() -> Option<OpenSc> {
    let found = OpenSc::with_secure_messaging();
    if found.is_none() {
        eprintln!("SKIPPED: no archive of Debian's to take OpenSC's source from");
    }
    found
}

/// Reads the certificate in 9A, which is as `ours`, has the PIN verified and signs; no
/// command of these goes out in the clear.
#[track_caller]
fn uses_the_token(opensc: &OpenSc, desk: &Desk, ours: &str, secrets: &[&str]) {
    let before = desk.pcscd.log().len();
    let read = opensc.run("pkcs15-tool", &["--read-certificate", "01"]);
    assert_eq!(read.success().stdout.trim(), ours.trim());
    opensc.sign_and_verify(PIN, &ECDSA);
    let wire = &desk.pcscd.log()[before..];
    for (in_session, in_the_clear) in [
        ("0C 20 00 80", "00 20 00 80 08"),
        ("0C 87 11 9A", "00 87 11 9A"),
    ] {
        assert!(wire.contains(in_session), "{in_session}");
        assert!(!wire.contains(in_the_clear), "{in_the_clear}");
    }
    for secret in secrets {
        assert!(!wire.contains(&spaced(secret.as_bytes())), "{secret}");
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn it_uses_a_token_through_the_air_and_on_contact() {
    let Some(opensc) = opensc() else { return };
    for (suite, name) in SUITES {
        let mut desk = Desk::new(&format!("opensc-{name}"), Vci::new(suite));
        let code = desk.pairing_code();
        let export = ["cert", "export", "--slot", "9a"];
        let ours = desk.tokenctl(&export, &[]).success().stdout;

        let always = opensc.setting("PIV_USE_SM", "always");
        uses_the_token(&always, &desk, &ours, &[PIN]);

        desk.move_to(Interface::Contactless);
        let through_air = opensc.setting("PIV_PAIRING_CODE", &code);
        uses_the_token(&through_air, &desk, &ours, &[PIN, &code]);
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn without_the_pairing_code_it_gets_nowhere_and_spends_no_try() {
    let Some(opensc) = opensc() else { return };
    let mut desk = Desk::new("opensc-pairing-code", Vci::new(CipherSuite::Cs2));
    let code = desk.pairing_code();
    desk.move_to(Interface::Contactless);
    let login = ["--login", "--pin", PIN, "--list-objects"];
    let wrong = opensc.setting("PIV_PAIRING_CODE", another(&code));
    for opensc in [wrong, opensc] {
        let refused = opensc.pkcs11_tool(&login);
        assert_ne!(refused.code, 0, "{refused}");
    }
    assert_eq!(desk.shown_on_contact()["pin"]["tries_left"], 3);
}

/// It adds no padding to data that fill their last block, where SP 800-73 always has
/// some: what our card can't take is refused, and the PIN stays as it was.
#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_pin_change_that_is_not_padded_is_refused_and_changes_nothing() {
    let Some(opensc) = opensc() else { return };
    let mut desk = Desk::new("opensc-change", Vci::new(CipherSuite::Cs2));
    let code = desk.pairing_code();
    desk.move_to(Interface::Contactless);
    let before = desk.pcscd.log().len();
    let opensc = opensc.setting("PIV_PAIRING_CODE", &code);
    let change = [
        "--login",
        "--pin",
        PIN,
        "--change-pin",
        "--new-pin",
        "864209",
    ];
    let refused = opensc.pkcs11_tool(&change);
    assert_ne!(refused.code, 0, "{refused}");
    // One block of the cipher: two are due.
    let wire = &desk.pcscd.log()[before..];
    assert!(wire.contains("0C 24 00 80 1D 87 11"), "{refused}");
    assert!(!wire.contains(&spaced(b"864209")));
    desk.move_to(Interface::Contact);
    let verify = ["pin", "verify", "--pin-fd", "0"];
    let _ = desk.tokenctl(&verify, &[PIN]).success();
}
