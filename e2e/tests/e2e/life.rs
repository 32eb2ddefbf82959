//! A token's whole life, from the factory to its second owner, through pcscd:
//! with the programs in `examples/`, and with `tokenctl`.

use e2e::{
    Inserted, OpenSc, Pcscd, READERS, independent,
    programs::{Finished, example_command, finish_with_input, run},
    tokens,
};
use virtual_token::{KeyAlgorithm, Profile, SharedToken};

use crate::support::{open, refusal, send, verify};

/// Runs the example on the token in the first reader.
fn live(example: &str, lines: &[&str]) -> Finished {
    let arguments = ["--pcsc", READERS[0], "--yes-erase-this-token"];
    finish_with_input(&mut example_command(example, &arguments), lines).success()
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn of_a_crescendo_2300() {
    let pcscd = Pcscd::start("life-2300");
    let token = tokens::empty(Profile::Crescendo2300);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let _ = live("life_of_a_crescendo_2300", &[])
        .says("by challenge/response, PIN: 6 tries left")
        .says("Its second life begins");
    only_its_pin_opens(&token, "602214", "00000000");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn of_a_crescendo_4000() {
    let pcscd = Pcscd::start("life-4000");
    let token = tokens::empty(Profile::Crescendo4000);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let _ = live("life_of_a_crescendo_4000", &[])
        .says("by challenge/response, PIN: 6 tries left")
        .says("CHANGE PIN past the host's check: 6A80")
        .says("VERIFY past the host's check: 6985")
        .says("Its second life begins");
    only_its_pin_opens(&token, "662607", "602214");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn of_a_plain_piv_card() {
    let pcscd = Pcscd::start("life-piv");
    let token = tokens::piv_for_yubico(KeyAlgorithm::EccP256);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let lived = live("life_of_a_piv_card", &["123456", "12345678"]);
    for lacking in [
        "unblock PIN by challenge/response: tokens of this kind do not have it",
        "update challenge type: tokens of this kind do not have it",
        "update FIDO shared PIN: tokens of this kind do not have it",
        "change admin key: the standard leaves it to each vendor",
        "recycle: tokens of this kind do not have it",
    ] {
        assert!(lived.stdout.contains(lacking), "{lacking:?} in {lived}");
    }
    let _ = lived.says("Its second life begins");
    only_its_pin_opens(&token, "602214", "123456");
    others_take_the_pin("602214", "123456");
}

/// A card that no one here wrote lives the same life.
#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn of_the_independent_piv_card() {
    let pcscd = Pcscd::start("life-independent");
    let _card = independent::insert(&pcscd);
    let pin = str::from_utf8(independent::PIN).unwrap();
    let puk = str::from_utf8(independent::PUK).unwrap();
    let _ = live("life_of_a_piv_card", &[pin, puk])
        .says("with the PUK, PIN: 3 tries left")
        .says("Its second life begins");
}

/// The card takes this PIN, and not that one.
fn only_its_pin_opens(token: &SharedToken, pin: &str, other: &str) {
    token.reset();
    let mut card = open(0);
    let wrong = refusal(send(&mut card, &verify(other.as_bytes())));
    assert!(wrong.tries_left().is_some(), "{wrong}");
    send(&mut card, &verify(pin.as_bytes())).unwrap();
    card.close().unwrap();
}

/// OpenSC and Yubico's program take the new PIN of a plain PIV card, and not the
/// one that it had.
pub(crate) fn others_take_the_pin(pin: &str, other: &str) {
    let opensc = |pin| {
        let objects = ["--list-objects", "--type", "privkey"];
        OpenSc::of_debian().pkcs11_tool(&[&["--login", "--pin", pin][..], &objects].concat())
    };
    let yubico = |pin| {
        let verify = ["--action", "verify-pin", "--pin", pin];
        run(
            "yubico-piv-tool",
            &[&["--reader", "Virtual"][..], &verify].concat(),
        )
    };
    let refuses = |output: Finished| assert_ne!(output.code, 0, "{output}");
    refuses(opensc(other));
    let _ = opensc(pin).success();
    refuses(yubico(other));
    let _ = yubico(pin).success();
}
