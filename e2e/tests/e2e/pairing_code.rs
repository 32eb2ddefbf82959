//! A pairing code over PC/SC, kept in the kernel's session keyring.

use std::process::Command;

use e2e::{
    Inserted, Pcscd,
    programs::{Finished, finish, limited, run, tokenctl_command},
    tokens,
};

/// Begins the session; in the scripts `ctl` is tokenctl.
const CTL: &str = "ctl() { \"$0\" \"$@\"; }; set -e; ";

/// Runs a script in a session with a keyring of its own.
fn in_a_session(script: &str) -> Finished {
    let tokenctl = tokenctl_command(&[]);
    let mut command = limited("keyctl");
    settle(&tokenctl, &mut command);
    let program = std::env::var("E2E_TOKENCTL").unwrap();
    finish(command.args([
        "session",
        "-",
        "sh",
        "-c",
        &[CTL, script].concat(),
        &program,
    ]))
}

/// The environment of the one for the other, with the stores for secrets on.
pub(crate) fn settle(one: &Command, other: &mut Command) {
    for (name, value) in one.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other.env_remove("TOKENCTL_SECRET_STORE");
}

#[test]
#[ignore = "needs pcscd, vpcd and keyctl: cargo xtask test"]
fn a_pairing_code_is_kept_for_the_session_and_no_longer() {
    let allowed = run("keyctl", &["session", "-", "true"]);
    if allowed.code != 0 {
        eprintln!("SKIPPED: the kernel gives no session keyring here: {allowed}");
        return;
    }
    let pcscd = Pcscd::start("pairing-code");
    let inserted = Inserted::new(&pcscd, 0, &tokens::piv_with_pairing_code());
    let shown = in_a_session("echo 123456 | ctl pairing-code show --show --pin-fd 0").success();
    let code = shown.stdout.trim();
    assert!(
        code.len() == 8 && code.bytes().all(|byte| byte.is_ascii_digit()),
        "{shown}"
    );
    // Another program of the session finds it, another session does not.
    let kept = in_a_session(
        "echo 123456 | ctl pairing-code cache --pin-fd 0; ctl pairing-code list --json; \
         keyctl pipe $(keyctl search @s user piv:pairing-code:$(ctl pairing-code list \
            | sed -n 's/^[^ ]* *//; 2p')); echo; \
         keyctl session - \"$0\" pairing-code list --json",
    )
    .success()
    .complains("until you log out");
    let documents: Vec<_> = kept.stdout.split(code).collect();
    let [inside, outside] = documents[..] else {
        panic!("{kept}")
    };
    assert!(inside.contains("\"guid\""), "{kept}");
    assert!(!outside.contains("\"guid\""), "{kept}");
    assert!(!kept.stderr.contains(code), "{kept}");
    let _ = in_a_session("ctl pairing-code list").complains("No pairing code is kept");
    inserted.eject();
}
