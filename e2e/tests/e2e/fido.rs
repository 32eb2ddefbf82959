//! python-fido2, from Debian's package, on the FIDO2 applet of our Crescendos, over PC/SC.

use e2e::{
    Inserted, Pcscd, READERS,
    programs::{Finished, finish_with_input, limited, tokenctl_command},
    tokens,
};
use serde_json::{Value, json};
use virtual_token::{Profile, SharedToken};

/// The interpreter that Debian's packages are for.
const PYTHON: &str = "/usr/bin/python3";
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/fido_client.py");

/// The client's `action` on the token in slot 0, with these PINs.
fn fido(action: &str, pins: &[&str]) -> Finished {
    let mut command = limited(PYTHON);
    finish_with_input(command.args([CLIENT, READERS[0], action]), pins)
}

#[track_caller]
fn done(action: &str, pins: &[&str]) -> Value {
    fido(action, pins).success().json()
}

#[track_caller]
fn refused(action: &str, pins: &[&str], why: &str) {
    let answer = fido(action, pins).failure(1).json();
    assert_eq!(answer, json!({ "refused": why }));
}

/// Registers and authenticates, with a credential of either kind.
#[track_caller]
fn registers(pins: &[&str]) {
    let verified = !pins.is_empty();
    let expected = json!({
        "resident": { "user": "ada", "verified": verified },
        "by_identifier": { "user": null, "verified": verified },
    });
    assert_eq!(done("register", pins), expected);
}

fn tokenctl(arguments: &[&str], pins: &[&str]) -> Finished {
    finish_with_input(&mut tokenctl_command(arguments), pins)
}

fn verify_piv(pin: &str) -> Finished {
    tokenctl(&["pin", "verify", "--pin-fd", "0"], &[pin])
}

fn change_piv(old: &str, new: &str) -> Finished {
    let arguments = ["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"];
    tokenctl(&arguments, &[old, new])
}

/// Sets a token up that is as delivered, with this PIN for PIV and FIDO.
#[track_caller]
fn personalize_with_shared_pin(pin: &str) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("secrets");
    let secrets = ["--save", file.to_str().unwrap(), "--saved-is-taken"];
    let delivered = ["--delivery-pin", "--new-pin-fd", "0", "--keep", "token"];
    let policy = ["--fido-shared-pin"];
    let arguments = [&["personalize"], &secrets[..], &delivered, &policy].concat();
    let _ = tokenctl(&arguments, &[pin]).success();
}

/// A Crescendo 4000 as delivered, whose PIN is 000000.
fn delivered() -> SharedToken {
    tokens::empty(Profile::Crescendo4000)
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn python_fido2_registers_and_authenticates() {
    let pcscd = Pcscd::start("fido-register");
    for profile in [Profile::Crescendo4000, Profile::CrescendoKey] {
        let inserted = Inserted::new(&pcscd, 0, &tokens::empty(profile));
        let info = done("info", &[]);
        assert_eq!(info["versions"], json!(["FIDO_2_0"]));
        assert_eq!(info["options"]["clientPin"], false);
        registers(&[]);

        done("set-pin", &["2718"]);
        assert_eq!(done("info", &[])["options"]["clientPin"], true);
        registers(&["2718"]);
        inserted.eject();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn its_pin_is_changed_and_wrong_ones_are_counted() {
    let pcscd = Pcscd::start("fido-pin");
    let _inserted = Inserted::new(&pcscd, 0, &delivered());
    done("set-pin", &["2718"]);
    done("change-pin", &["2718", "a longer one"]);
    refused("pin", &["2718"], "PIN_INVALID");
    assert_eq!(done("info", &[])["retries"], 7);
    done("pin", &["a longer one"]);
    assert_eq!(done("info", &[])["retries"], 8);

    // The PIV PIN is another one.
    let _ = verify_piv("000000").success();
    let _ = change_piv("000000", "314159").success();
    done("pin", &["a longer one"]);
    registers(&["a longer one"]);
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn a_shared_pin_is_one_on_both_sides() {
    let pcscd = Pcscd::start("fido-shared-pin");
    let _inserted = Inserted::new(&pcscd, 0, &delivered());
    personalize_with_shared_pin("602214");
    assert_eq!(done("info", &[])["options"]["clientPin"], true);
    refused("set-pin", &["271828"], "PIN_AUTH_INVALID");

    done("change-pin", &["602214", "271828"]);
    let _ = verify_piv("271828").success();
    refused(
        "change-pin",
        &["271828", "more than eight"],
        "PIN_POLICY_VIOLATION",
    );

    let _ = change_piv("271828", "314159").success();
    refused("pin", &["271828"], "PIN_INVALID");
    done("pin", &["314159"]);
    registers(&["314159"]);
}
