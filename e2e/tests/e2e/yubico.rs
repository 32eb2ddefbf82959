//! Yubico's `yubico-piv-tool`, from Debian's package, on our plain PIV token.

use e2e::{
    Inserted, Pcscd,
    programs::{Finished, run, tokenctl},
    tokens,
};
use virtual_token::{KeyAlgorithm, Profile, SharedToken};

fn yubico_piv_tool(arguments: &[&str]) -> Finished {
    run(
        "yubico-piv-tool",
        &[&["--reader", "Virtual"], arguments].concat(),
    )
}

fn token() -> SharedToken {
    tokens::piv_for_yubico(KeyAlgorithm::EccP256)
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn status_shows_what_is_on_it() {
    let pcscd = Pcscd::start("yubico-status");
    let _inserted = Inserted::new(&pcscd, 0, &token());

    let status = yubico_piv_tool(&["--action", "status"]).success();
    for expected in [
        "Slot 9a",
        "Slot 9c",
        "Slot 9d",
        "Slot 9e",
        "PIN tries left:\t3",
    ] {
        assert!(status.stdout.contains(expected), "{expected:?} in {status}");
    }
    assert!(!status.stdout.contains("CHUID:\tNo data"), "{status}");
    assert!(!status.stdout.contains("CCC:\tNo data"), "{status}");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn it_reads_the_certificates_that_we_read() {
    let pcscd = Pcscd::start("yubico-certificates");
    let _inserted = Inserted::new(&pcscd, 0, &token());
    for slot in ["9a", "9c", "9d", "9e"] {
        let theirs = yubico_piv_tool(&["--action", "read-certificate", "--slot", slot]).success();
        let ours = tokenctl(&["cert", "export", "--slot", slot]).success();
        assert_eq!(
            theirs.stdout.trim(),
            ours.stdout.trim(),
            "certificate {slot}"
        );
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn the_pin_is_verified_changed_and_unblocked() {
    let pcscd = Pcscd::start("yubico-pin");
    let token = token();
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let verify = |pin| yubico_piv_tool(&["--action", "verify-pin", "--pin", pin]);
    let refuses = |output: Finished| assert_ne!(output.code, 0, "{output}");
    let tries_left = |expected| {
        token.reset();
        let _ = tokenctl(&["show"]).success().says(expected);
    };

    let _ = verify("123456")
        .success()
        .complains("Successfully verified PIN.");
    refuses(verify("111111"));
    tries_left("2 tries left");

    let change = [
        "--action",
        "change-pin",
        "--pin",
        "123456",
        "--new-pin",
        "75318642",
    ];
    let _ = yubico_piv_tool(&change).success();
    refuses(verify("123456"));
    let _ = verify("75318642").success();
    tries_left("3 tries left");

    for _ in 0..3 {
        refuses(verify("111111"));
    }
    tries_left("blocked");
    refuses(verify("75318642"));

    let unblock = [
        "--action",
        "unblock-pin",
        "--pin",
        "12345678",
        "--new-pin",
        "864209",
    ];
    let _ = yubico_piv_tool(&unblock).success();
    let _ = verify("864209").success();
    tries_left("3 tries left");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn without_the_option_it_is_no_yubikey() {
    let pcscd = Pcscd::start("yubico-refused");
    let _inserted = Inserted::new(&pcscd, 0, &tokens::empty(Profile::Piv));
    let output = yubico_piv_tool(&["--action", "status"]);
    assert_ne!(output.code, 0, "{output}");
}
