//! OpenSC's programs, from Debian's package, on our software tokens.

use e2e::{
    Inserted, OpenSc, Pcscd, READERS,
    programs::{Finished, run, tokenctl},
    tokens,
};
use virtual_token::{KeyAlgorithm, Profile, SharedToken};

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn piv_tool_takes_it_for_a_piv_card() {
    let pcscd = Pcscd::start("opensc-piv-tool");
    let token = tokens::personal(Profile::Piv);
    let _inserted = Inserted::new(&pcscd, 0, &token);

    let _ = run("piv-tool", &["--name"])
        .success()
        .says("Personal Identity Verification Card")
        .complains(READERS[0]);
    let atr: Vec<_> = token
        .atr()
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let _ = run("opensc-tool", &["--atr"])
        .success()
        .says(&atr.join(":"));
    // Raw APDUs: SELECT PIV, then the tries that are left.
    let _ = run("piv-tool", &["--send-apdu", "00:20:00:80"])
        .success()
        .says("SW1=0x63, SW2=0xC3");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn pkcs15_tool_dumps_what_is_on_it() {
    let pcscd = Pcscd::start("opensc-dump");
    let token = tokens::personal(Profile::Piv);
    let _inserted = Inserted::new(&pcscd, 0, &token);

    let dump = run("pkcs15-tool", &["--dump"]).success();
    for expected in [
        "PKCS#15 Card [",
        "PIN [PIN]",
        "PIN [PIV PUK]",
        "Private RSA Key [PIV AUTH key]",
        "Private EC Key [SIGN key]",
        "Private EC Key [KEY MAN key]",
        "Private EC Key [CARD AUTH key]",
        "X.509 Certificate [Certificate for PIV Authentication]",
        "X.509 Certificate [Certificate for Digital Signature]",
        "X.509 Certificate [Certificate for Key Management]",
        "X.509 Certificate [Certificate for Card Authentication]",
        "Card Holder Unique Identifier",
        "Card Capability Container",
        "Discovery Object",
        "Key History Object",
    ] {
        assert!(dump.stdout.contains(expected), "{expected:?} in {dump}");
    }
    // It takes the card's serial number from the GUID in the CHUID.
    let shown = tokenctl(&["show", "--json"]).success().json();
    let guid = shown["token"]["guid"]
        .as_str()
        .unwrap_or_else(|| panic!("a GUID in {shown}"));
    let _ = dump.says(&guid.replace('-', "").to_lowercase());
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn pkcs15_tool_reads_the_certificates_that_we_read() {
    let pcscd = Pcscd::start("opensc-certificates");
    for profile in Profile::ALL {
        let inserted = Inserted::new(&pcscd, 0, &tokens::personal(profile));
        let list = tokenctl(&["cert", "list", "--json"]).success().json();
        let slots: Vec<_> = list["certificates"]
            .as_array()
            .unwrap_or_else(|| panic!("certificates in {list}"))
            .iter()
            .map(|entry| entry["slot"].as_str().unwrap().to_lowercase())
            .collect();
        assert!(!slots.is_empty(), "{profile} has certificates");
        for slot in slots {
            let Some(id) = opensc_id(&slot) else { continue };
            let theirs = run("pkcs15-tool", &["--read-certificate", id]).success();
            let ours = tokenctl(&["cert", "export", "--slot", &slot]).success();
            assert_eq!(pem(&theirs), pem(&ours), "certificate {slot} of {profile}");
        }
        inserted.eject();
    }
}

/// The id under which OpenSC's PIV driver has a slot's certificate; it reads
/// retired ones only if the key history says that they are on the card.
fn opensc_id(slot: &str) -> Option<&'static str> {
    match slot {
        "9a" => Some("01"),
        "9c" => Some("02"),
        "9d" => Some("03"),
        "9e" => Some("04"),
        "82" => Some("05"),
        _ => None,
    }
}

fn pem(output: &Finished) -> String {
    let begin = output.stdout.find("-----BEGIN CERTIFICATE-----");
    let begin = begin.unwrap_or_else(|| panic!("a certificate in {output}"));
    output.stdout[begin..].trim().to_owned()
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn pkcs11_tool_logs_in_and_signs_with_rsa() {
    let pcscd = Pcscd::start("opensc-rsa");
    let token = tokens::personal(Profile::Piv);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    OpenSc::of_debian().sign_and_verify("123456", &["--mechanism", "SHA256-RSA-PKCS"]);
    OpenSc::of_debian().sign_and_verify("123456", &["--mechanism", "SHA384-RSA-PKCS"]);
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn pkcs11_tool_logs_in_and_signs_with_elliptic_curves() {
    let pcscd = Pcscd::start("opensc-ec");
    for algorithm in [KeyAlgorithm::EccP256, KeyAlgorithm::EccP384] {
        let inserted = Inserted::new(&pcscd, 0, &tokens::piv_for_yubico(algorithm));
        let mechanism = match algorithm {
            KeyAlgorithm::EccP256 => "ECDSA-SHA256",
            _ => "ECDSA-SHA384",
        };
        OpenSc::of_debian().sign_and_verify(
            "123456",
            &["--mechanism", mechanism, "--signature-format", "openssl"],
        );
        inserted.eject();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn pkcs11_tool_signs_with_a_crescendo() {
    let pcscd = Pcscd::start("opensc-crescendo");
    for (profile, mechanism) in [
        (
            Profile::Crescendo2300,
            &["--mechanism", "SHA256-RSA-PKCS"][..],
        ),
        (Profile::Crescendo4000, &["--mechanism", "SHA256-RSA-PKCS"]),
        (
            Profile::CrescendoKey,
            &[
                "--mechanism",
                "ECDSA-SHA256",
                "--signature-format",
                "openssl",
            ],
        ),
    ] {
        let inserted = Inserted::new(&pcscd, 0, &tokens::personal(profile));
        let pin = std::str::from_utf8(profile.factory_pin()).unwrap();
        OpenSc::of_debian().sign_and_verify(pin, mechanism);
        inserted.eject();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_wrong_pin_costs_pkcs11_tool_a_try() {
    let pcscd = Pcscd::start("opensc-wrong-pin");
    let token = tokens::personal(Profile::Piv);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let login = |pin| {
        OpenSc::of_debian().pkcs11_tool(&[
            "--login",
            "--pin",
            pin,
            "--list-objects",
            "--type",
            "privkey",
        ])
    };

    let wrong = login("654321");
    assert_ne!(wrong.code, 0, "{wrong}");
    let _ = wrong.complains("CKR_PIN_INCORRECT");
    tries_left(&token, "2 tries left");
    let _ = login("123456").success().says("PIV AUTH key");
    tries_left(&token, "3 tries left");
}

fn tries_left(token: &SharedToken, expected: &str) {
    // Whatever other programs left verified must not answer for the PIN.
    token.reset();
    let _ = tokenctl(&["show"]).success().says(expected);
}
