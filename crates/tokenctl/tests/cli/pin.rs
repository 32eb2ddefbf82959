//! `pin`: which PINs are sent to which card.

use virtual_token::Profile;

use crate::tool::Tool;

/// Cards exist whose PIN has letters, and which can't say so.
#[test]
fn a_pin_that_no_piv_card_should_have_is_sent_by_consent_only() {
    let tool = Tool::with(Profile::Piv);
    tool.edit("one", |token| {
        token["state"]["pin_format"]["numeric_only"] = false.into();
        token["state"]["pin_format"]["minimum"] = 4.into();
    });
    let verify = ["pin", "verify", "--pin-fd", "0"];
    let ran = tool.run_with_input(&verify, "kale\n").code(12);
    assert!(ran.stderr.contains("--allow-any-pin"), "{ran:#?}");
    let any = [&verify[..], &["--allow-any-pin"]].concat();
    tool.run_with_input(&any, "kale\n").code(10);
    let change = [
        "pin",
        "change",
        "--pin-fd",
        "0",
        "--new-pin-fd",
        "0",
        "--allow-any-pin",
    ];
    tool.run_with_input(&change, "123456\nkale\n").code(0);
    tool.run_with_input(&any, "kale\n").code(0);
    let status = tool.run(&["pin", "status", "--json", "--allow-any-pin"]);
    assert_eq!(status.ok().json()["policy"]["decided_by"], "nobody");
}
