//! A token's whole life by `tokenctl`, through pcscd: each step is a process of
//! its own, and so is the helpdesk. Secrets go through file descriptors only.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::Stdio,
};

use e2e::{
    Inserted, Pcscd,
    programs::{Finished, finish_with_input, tokenctl_command},
    tokens,
};
use serde_json::Value;
use tempfile::TempDir;
use virtual_token::{KeyAlgorithm, Profile};

/// A PIN that no token here has.
const WRONG: &str = "975318";

/// `tokenctl --json` with these lines in file descriptor 0.
fn tokenctl(arguments: &[&str], lines: &[&str]) -> Finished {
    let arguments = [&["--json"], arguments].concat();
    finish_with_input(&mut tokenctl_command(&arguments), lines)
}

/// The document that it wrote, which has this schema.
#[track_caller]
fn done(finished: Finished, schema: &str) -> Value {
    let document = finished.success().json();
    assert_eq!(document["schema"], schema, "{document}");
    document
}

/// The error that it wrote instead, with this exit code.
#[track_caller]
fn refused(finished: Finished, code: i32) -> Value {
    let finished = finished.failure(code);
    let error = serde_json::from_str::<Value>(&finished.stderr);
    error.unwrap_or_else(|error| panic!("{error} in {finished}"))["error"].clone()
}

/// Refused, with this in the message.
#[track_caller]
fn refused_since(finished: Finished, code: i32, why: &str) {
    let error = refused(finished, code);
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(why), "{why:?} in {error}");
}

/// What a person has saved of a token: PUK, admin key, unlock code.
struct Saved {
    place: TempDir,
    file: PathBuf,
}

impl Saved {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("secrets");
        Self { place, file }
    }

    /// `personalize` with these options, which saves what is new.
    #[track_caller]
    fn personalize(&self, options: &[&str], lines: &[&str]) -> Value {
        assert!(self.place.path().is_dir());
        let save = ["--save", self.file.to_str().unwrap(), "--saved-is-taken"];
        let arguments = [&["personalize"], &save[..], options].concat();
        let document = done(tokenctl(&arguments, lines), "tokenctl/personalize");
        assert_eq!(document["completed"], true, "{document}");
        document
    }

    fn get(&self, kind: &str) -> Option<String> {
        let text = fs::read_to_string(&self.file).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{kind}: ")));
        line.map(str::to_owned)
    }
}

#[track_caller]
fn verify(pin: &str) {
    let verified = tokenctl(&["pin", "verify", "--pin-fd", "0"], &[pin]);
    done(verified, "tokenctl/pin-result");
}

fn change(old: &str, new: &str) -> Finished {
    let arguments = ["pin", "change", "--pin-fd", "0", "--new-pin-fd", "0"];
    tokenctl(&arguments, &[old, new])
}

/// Wrong PINs until there is no try left. The last one takes an option.
#[track_caller]
fn block(limit: u8) {
    let arguments = ["pin", "verify", "--pin-fd", "0"];
    for left in (1..limit).rev() {
        let error = refused(tokenctl(&arguments, &[WRONG]), 10);
        assert_eq!(error["tries_left"], left, "{error}");
    }
    let spared = refused(tokenctl(&arguments, &[WRONG]), 12);
    assert_eq!(spared["tries_left"], 1, "{spared}");
    let last = [&arguments[..], &["--last-try"]].concat();
    refused(tokenctl(&last, &[WRONG]), 11);
    let status = done(tokenctl(&["pin", "status"], &[]), "tokenctl/pin-status");
    assert_eq!(status["pin"]["state"], "blocked", "{status}");
}

fn unblock_with_puk(puk: &str, new: &str) -> Finished {
    let arguments = ["pin", "unblock", "--puk-fd", "0", "--new-pin-fd", "0"];
    tokenctl(&arguments, &[puk, new])
}

/// The holder's process gives a challenge and waits; the helpdesk's process
/// answers it.
#[track_caller]
fn unblock_by_challenge(key: &str, new: &str) {
    let mut holder = tokenctl_command(&[
        "--json",
        "pin",
        "unblock",
        "--challenge",
        "--new-pin-fd",
        "0",
        "--response-fd",
        "0",
    ])
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut input = holder.stdin.take().unwrap();
    let mut output = BufReader::new(holder.stdout.take().unwrap());
    writeln!(input, "{new}").unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let asked: Value = serde_json::from_str(&line).unwrap();
    let challenge = asked["challenge"].as_str().unwrap();

    let respond = ["helpdesk", "respond", challenge, "--key-fd", "0"];
    let answered = done(tokenctl(&respond, &[key]), "tokenctl/helpdesk-respond");
    writeln!(input, "{}", answered["response"].as_str().unwrap()).unwrap();
    drop(input);

    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(holder.wait().unwrap().success(), "{rest}");
    let unblocked: Value = serde_json::from_str(&rest).unwrap();
    assert_eq!(unblocked["action"], "unblock-with-challenge-response");
}

/// Sets a rule, which has this enforcer.
#[track_caller]
fn set(pin: &str, rule: &[&str], enforcer: &str) {
    let arguments = [&["policy", "set", "--pin-fd", "0"], rule].concat();
    let set = done(tokenctl(&arguments, &[pin]), "tokenctl/policy-set");
    let changed = set["changed"].as_array().unwrap();
    assert_eq!(changed.len(), 1, "{set}");
    let rules = set["rules"].as_array().unwrap();
    let one = rules.iter().find(|one| one["rule"] == changed[0]).unwrap();
    assert_eq!(one["enforced_by"], enforcer, "{one}");
}

/// Commands straight to the access control applet.
fn past_the_host(command: &str) -> Finished {
    tokenctl(&["apdu", "--applet", "aca"], &[command])
}

/// CHANGE PIN past all that knows a policy: the card refuses the new PIN.
#[track_caller]
fn refused_by_the_card(old: &str, new: &str) {
    let command = format!("0024010010{}{}", block_of(old), block_of(new));
    let _ = past_the_host(&command).failure(8).says("6A80");
}

/// A PIN as it goes to the card, in hexadecimal.
fn block_of(pin: &str) -> String {
    let mut digits = String::new();
    for byte in pin.bytes() {
        write!(digits, "{byte:02X}").unwrap();
    }
    format!("{digits:F<16}")
}

/// What the host refuses, before the card sees it.
#[track_caller]
fn refused_on_the_host(old: &str, new: &str, why: &str) {
    refused_since(change(old, new), 12, why);
}

/// The rules for a new PIN, each with one that breaks it.
const RULES: [(&[&str], &str, &str); 4] = [
    (&["--min", "6"], "27182", "at least 6 characters"),
    (&["--max", "7"], "27182818", "at most 7 characters"),
    (&["--digits"], "2718ab", "digits only"),
    (&["--refuse-weak"], "123456", "no regular sequence"),
];

fn confirmation() -> String {
    let list = done(tokenctl(&["list"], &[]), "tokenctl/list");
    list["tokens"][0]["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn recycle(pin: &str) {
    let id = confirmation();
    let other = ["recycle", "--confirm", "another", "--pin-fd", "0"];
    refused(tokenctl(&other, &[pin]), 12);
    let arguments = ["recycle", "--confirm", &id, "--pin-fd", "0"];
    let recycled = done(tokenctl(&arguments, &[pin]), "tokenctl/recycle");
    assert_eq!(recycled["completed"], true, "{recycled}");
}

#[track_caller]
fn shown_is(pin: &str, kind: &str, saved: &str) {
    let arguments = ["puk", "show", "--show", "--pin-fd", "0"];
    let shown = done(tokenctl(&arguments, &[pin]), "tokenctl/puk-show");
    assert_eq!(shown["kind"], kind, "{shown}");
    assert_eq!(shown["value"], saved, "{shown}");
}

const AS_DELIVERED: [&str; 5] = ["--delivery-pin", "--new-pin-fd", "0", "--keep", "token"];

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn of_a_crescendo_2300() {
    let pcscd = Pcscd::start("life-tokenctl-2300");
    let _inserted = Inserted::new(&pcscd, 0, &tokens::empty(Profile::Crescendo2300));

    let saved = Saved::new();
    saved.personalize(&AS_DELIVERED, &["481516"]);
    verify("481516");
    done(change("481516", "234281"), "tokenctl/pin-result");
    verify("234281");

    block(6);
    let by_puk = unblock_with_puk("12345678", "108642");
    refused_since(by_puk, 13, "no public document says");
    let key = saved.get("admin-key").unwrap();
    unblock_by_challenge(&key, "108642");
    verify("108642");
    shown_is("108642", "admin-key", &key);

    for (rule, pin, why) in RULES {
        set("108642", rule, "host");
        refused_on_the_host("108642", pin, why);
    }
    set("108642", &["--force-change"], "prompt");
    let status = done(tokenctl(&["pin", "status"], &[]), "tokenctl/pin-status");
    assert_eq!(status["change_wanted"], true, "{status}");
    done(change("108642", "271828"), "tokenctl/pin-result");
    let status = done(tokenctl(&["pin", "status"], &[]), "tokenctl/pin-status");
    assert_eq!(status["change_wanted"], false, "{status}");
    for (rule, why) in [
        (&["--challenge", "static"][..], "no public document says"),
        (&["--fido-shared-pin"], "tokens of this kind do not have it"),
    ] {
        let arguments = [&["policy", "set", "--pin-fd", "0"], rule].concat();
        refused_since(tokenctl(&arguments, &["271828"]), 13, why);
    }

    recycle("271828");
    let second = Saved::new();
    second.personalize(&AS_DELIVERED, &["602214"]);
    verify("602214");
    assert_ne!(second.get("admin-key").unwrap(), key);
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn of_a_crescendo_4000() {
    let pcscd = Pcscd::start("life-tokenctl-4000");
    let _inserted = Inserted::new(&pcscd, 0, &tokens::empty(Profile::Crescendo4000));

    let saved = Saved::new();
    saved.personalize(&AS_DELIVERED, &["481516"]);
    verify("481516");
    done(change("481516", "234281"), "tokenctl/pin-result");
    verify("234281");

    block(6);
    let puk = saved.get("puk").unwrap();
    done(unblock_with_puk(&puk, "108642"), "tokenctl/pin-result");
    block(6);
    unblock_by_challenge(&saved.get("admin-key").unwrap(), "314159");
    verify("314159");
    shown_is("314159", "puk", &puk);

    for (rule, pin, why) in RULES {
        set("314159", rule, "card");
        refused_on_the_host("314159", pin, why);
        refused_by_the_card("314159", pin);
    }
    set("314159", &["--force-change"], "card");
    let verified = tokenctl(&["pin", "verify", "--pin-fd", "0"], &["314159"]);
    refused_since(verified, 12, "PIN changed before anything else");
    let command = format!("0020000008{}", block_of("314159"));
    let _ = past_the_host(&command).failure(8).says("6985");
    done(change("314159", "271828"), "tokenctl/pin-result");
    verify("271828");
    set("271828", &["--challenge", "static"], "card");
    let shared = ["policy", "set", "--pin-fd", "0", "--fido-shared-pin"];
    refused_since(
        tokenctl(&shared, &["271828"]),
        12,
        "decided when the token is personalized",
    );

    recycle("271828");
    let second = Saved::new();
    let policy = [
        "--fido-shared-pin",
        "--challenge",
        "static",
        "--refuse-weak",
    ];
    second.personalize(&[&AS_DELIVERED[..], &policy].concat(), &["602214"]);
    block(6);
    let code = second.get("unlock-code").unwrap();
    let unblock = ["pin", "unblock", "--code-fd", "0", "--new-pin-fd", "0"];
    let unblocked = tokenctl(&unblock, &[&code, "662607"]);
    done(unblocked, "tokenctl/pin-result");
    verify("662607");
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn of_a_plain_piv_card() {
    let pcscd = Pcscd::start("life-tokenctl-piv");
    let token = tokens::piv_for_yubico(KeyAlgorithm::EccP256);
    let _inserted = Inserted::new(&pcscd, 0, &token);
    let present = ["--pin-fd", "0", "--puk-fd", "0", "--new-pin-fd", "0"];

    let unasked = [&["personalize", "--dry-run"], &present[..]].concat();
    refused_since(
        tokenctl(&unasked, &[]),
        13,
        "it cannot be told whether an issuer administers this token",
    );
    let agreed = [&present[..], &["--allow-managed"]].concat();
    let saved = Saved::new();
    saved.personalize(&agreed, &["123456", "12345678", "481516"]);
    verify("481516");
    done(change("481516", "234281"), "tokenctl/pin-result");

    block(3);
    let puk = saved.get("puk").unwrap();
    done(unblock_with_puk(&puk, "1086420"), "tokenctl/pin-result");
    verify("1086420");
    crate::life::others_take_the_pin("1086420", "234281");

    set("1086420", &["--max", "7"], "host");
    refused_on_the_host("1086420", "27182818", "at most 7 characters");
    set("1086420", &["--force-change"], "prompt");
    done(change("1086420", "2718281"), "tokenctl/pin-result");

    let not_its_kind = "tokens of this kind do not have it";
    let policy = ["policy", "set", "--pin-fd", "0"];
    let shared = [&policy[..], &["--fido-shared-pin"]].concat();
    let fixed = [&policy[..], &["--challenge", "static"]].concat();
    let by_challenge = ["pin", "unblock", "--challenge", "--new-pin-fd", "0"];
    for lacking in [
        &shared[..],
        &fixed,
        &by_challenge,
        &["recycle", "--dry-run"],
    ] {
        refused_since(tokenctl(lacking, &["2718281"]), 13, not_its_kind);
    }
    let key = ["admin-key", "set", "--delivery", "--yes", "--pin-fd", "0"];
    let key = tokenctl(&key, &["2718281"]);
    refused_since(key, 13, "the standard leaves it to each vendor");
    let show = ["puk", "show", "--show", "--pin-fd", "0"];
    refused_since(tokenctl(&show, &["2718281"]), 13, "keep it nowhere");

    let second = Saved::new();
    second.personalize(&agreed, &["2718281", &puk, "602214"]);
    verify("602214");
}
