//! What other programs change behind the back of what is remembered, and which look
//! at the token notices it: the lines of the tables in docs/cache.md.

use std::{
    fmt::{self, Write as _},
    fs, mem,
    path::Path,
};

use e2e::{
    Inserted, OpenSc, Pcscd,
    programs::{finish, run, tokenctl_command},
    tokens,
};
use serde_json::{Map, Value};
use tempfile::TempDir;
use virtual_token::{KeyAlgorithm, Profile, SharedToken};

const CRESCENDO: [Profile; 3] = [
    Profile::Crescendo2300,
    Profile::Crescendo4000,
    Profile::CrescendoKey,
];

const CHUID: &str = "5FC102";
/// The certificate for PIV authentication.
const CERTIFICATE: &str = "5FC105";
const SELECT_PIV: &str = "00A40400 09 A00000030800001000 00";

/// All that `tokenctl show` says of a token, but for how old that is and what it cost.
#[derive(PartialEq)]
struct Look(Map<String, Value>);

/// Short enough to be read in a failed test.
impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.0 {
            let value: String = value.to_string().chars().take(400).collect();
            writeln!(f, "{name}: {value}")?;
        }
        Ok(())
    }
}

/// A token in the reader, and a folder of the test's own for what is remembered of it.
struct Desk {
    token: SharedToken,
    folder: TempDir,
    inserted: Option<Inserted>,
}

impl Desk {
    fn new(pcscd: &Pcscd, token: SharedToken) -> Self {
        Self {
            inserted: Some(Inserted::new(pcscd, 0, &token)),
            folder: tempfile::tempdir().unwrap(),
            token,
        }
    }

    /// Puts another token into the reader.
    fn swap(&mut self, pcscd: &Pcscd, token: SharedToken) {
        self.inserted.take().unwrap().eject();
        self.inserted = Some(Inserted::new(pcscd, 0, &token));
        self.token = token;
    }

    /// Takes the token out of the reader, for the next one.
    fn clear(mut self) {
        self.inserted.take().unwrap().eject();
    }

    /// What `tokenctl show` says of the token.
    #[track_caller]
    fn look(&self, freshness: &str) -> Look {
        // Whatever other programs left verified must not answer for the PIN.
        self.token.reset();
        let mut command = tokenctl_command(&["--json", "show", freshness]);
        command.env("TOKENCTL_CACHE_DIR", self.folder.path().join("cache"));
        let mut document = finish(&mut command).success().json();
        let token = document["token"].as_object_mut().unwrap();
        token.remove("remembered");
        token.remove("round_trips");
        // Said by a fresh look only.
        let fido = token["fido"].as_object_mut().unwrap();
        fido.remove("pin");
        fido.remove("remaining_credentials");
        Look(mem::take(token))
    }

    /// The change is seen by the next look, whichever it is.
    #[track_caller]
    fn is_noticed_at_once(&self, change: impl FnOnce()) {
        let before = self.look("--fresh");
        change();
        let quick = self.look("--quick");
        assert_ne!(quick, before, "a quick look sees it");
        assert_eq!(quick, self.look("--fresh"), "and sees all of it");
    }

    /// The change is not seen by a quick look until another one has seen it.
    #[track_caller]
    fn is_noticed_late(&self, change: impl FnOnce()) {
        let before = self.look("--fresh");
        change();
        assert_eq!(self.look("--quick"), before, "a quick look is late");
        let checked = self.look("--checked");
        assert_ne!(checked, before, "a checked look sees it");
        assert_eq!(
            self.look("--quick"),
            checked,
            "and from then on a quick one"
        );
        assert_eq!(self.look("--fresh"), checked, "and sees all of it");
    }

    /// The change is not seen by anything but a fresh look.
    #[track_caller]
    fn is_not_noticed(&self, change: impl FnOnce()) {
        let before = self.look("--fresh");
        change();
        assert_eq!(self.look("--quick"), before);
        assert_eq!(
            self.look("--checked"),
            before,
            "nor does a checked look see it"
        );
        let fresh = self.look("--fresh");
        assert_ne!(fresh, before);
        assert_eq!(self.look("--quick"), fresh, "from then on a quick one does");
    }

    fn pin(&self) -> String {
        let pin = self.token.with(|token| token.profile().factory_pin());
        String::from_utf8(pin.to_vec()).unwrap()
    }

    /// The hexadecimal content of one of the token's objects.
    fn object(&self, tag: &str) -> String {
        let state = self
            .token
            .with(|token| serde_json::to_value(token.to_state()));
        let content = state.unwrap()["objects"][tag]["content"].take();
        content.as_str().unwrap().to_owned()
    }

    /// A program that is not ours sends these commands, after the PIN.
    #[track_caller]
    fn sends(&self, commands: &[String]) {
        let mut pin = self.pin().into_bytes();
        pin.resize(8, 0xFF);
        let mut arguments = vec!["--card-driver".to_owned(), "default".to_owned()];
        let before = [SELECT_PIV.to_owned(), format!("00200080 08 {}", hex(&pin))];
        for command in before.iter().chain(commands) {
            arguments.push("--send-apdu".to_owned());
            arguments.push(command.replace(' ', ""));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let sent = run("opensc-tool", &arguments).success();
        let done = sent.stdout.matches("SW1=0x90, SW2=0x00").count();
        assert_eq!(done, commands.len() + 2, "{sent}");
    }

    /// PUT DATA by a program that is not ours.
    #[track_caller]
    fn puts(&self, tag: &str, content: &str) {
        let length = content.len() / 2;
        let data = format!("5C03{tag}53{}{content}", ber_length(length));
        let blocks: Vec<&[u8]> = data.as_bytes().chunks(2 * 255).collect();
        let last = blocks.len() - 1;
        let commands = blocks.iter().enumerate().map(|(at, block)| {
            let class = if at == last { "00" } else { "10" };
            let block = std::str::from_utf8(block).unwrap();
            format!("{class}DB3FFF {:02X} {block}", block.len() / 2)
        });
        self.sends(&commands.collect::<Vec<_>>());
    }

    fn changes_the_pin(&self, new: &str) {
        let pin = self.pin();
        let change = ["--login", "--pin", &pin, "--change-pin", "--new-pin", new];
        let _ = OpenSc::of_debian().pkcs11_tool(&change).success();
    }
}

fn guess_the_pin() {
    let login = ["--login", "--pin", "975318", "--list-objects"];
    let _ = OpenSc::of_debian()
        .pkcs11_tool(&login)
        .complains("CKR_PIN_INCORRECT");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn ber_length(length: usize) -> String {
    match length {
        0..0x80 => format!("{length:02X}"),
        0x80..0x100 => format!("81{length:02X}"),
        _ => format!("82{length:04X}"),
    }
}

/// The content of an object with another last byte of the certificate's signature: the
/// two elements after it, `CertInfo` and error detection code, have five bytes.
fn with_another_end(content: &str) -> String {
    let at = content.len() - 2 * 5 - 1;
    let other = if &content[at..=at] == "0" { "1" } else { "0" };
    format!("{}{other}{}", &content[..at], &content[at + 1..])
}

/// The CHUID with another last byte of its GUID, which has the tag 34.
fn with_another_guid(chuid: &str) -> String {
    let at = chuid.find("3410").unwrap() + 4 + 2 * 16 - 1;
    let other = if &chuid[at..=at] == "0" { "1" } else { "0" };
    format!("{}{other}{}", &chuid[..at], &chuid[at + 1..])
}

/// The CHUID with another expiration date, which has the tag 35.
fn with_another_expiry(chuid: &str) -> String {
    let at = chuid.find("3508").unwrap() + 4;
    format!("{}3230333030313031{}", &chuid[..at], &chuid[at + 16..])
}

/// Yubico's program, which knows the management key of the card as it is made.
#[track_caller]
fn yubico(arguments: &[&str]) {
    let arguments = [&["--reader", "Virtual", "--action"], arguments].concat();
    let _ = run("yubico-piv-tool", &arguments).success();
}

fn piv(pcscd: &Pcscd) -> Desk {
    Desk::new(pcscd, tokens::piv_for_yubico(KeyAlgorithm::EccP256))
}

#[test]
fn the_page_names_a_test_for_each_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    let ours = read("e2e/tests/e2e/cache.rs");
    let managers = read("crates/token-manager/tests/remembered.rs");
    let fido = read("crates/token-manager/tests/fido.rs");
    let page = read("docs/cache.md");
    let (_, tables) = page.split_once("### Plain PIV").unwrap();
    let lines = tables.lines().filter(|line| line.starts_with("| "));
    let lines: Vec<&str> = lines
        .filter(|line| !line.starts_with("| change |"))
        .collect();
    assert!(lines.len() > 15, "{lines:?}");
    for line in lines {
        let tests = line.trim_end_matches(" |").rsplit("| ").next().unwrap();
        for test in tests.split(", ") {
            let (source, name) = match test.split_at(2) {
                ("e ", name) => (&ours, name),
                ("m ", name) => (&managers, name),
                ("f ", name) => (&fido, name),
                _ => panic!("no test: {line}"),
            };
            let function = format!("fn {}()", name.trim_matches('`'));
            assert!(source.contains(&function), "{function} of {line}");
        }
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn piv_a_certificate_replaced_removed_or_added() {
    let pcscd = Pcscd::start("cache-piv-certificate");
    let desk = piv(&pcscd);
    let file = desk.folder.path().join("other.pem");
    let file = file.to_str().unwrap();
    yubico(&["read-certificate", "--slot", "9d", "--output", file]);
    desk.is_noticed_late(|| yubico(&["import-certificate", "--slot", "9c", "--input", file]));
    desk.is_noticed_late(|| yubico(&["delete-certificate", "--slot", "9a"]));
    desk.is_noticed_late(|| yubico(&["import-certificate", "--slot", "9a", "--input", file]));
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn piv_another_data_object() {
    let pcscd = Pcscd::start("cache-piv-object");
    let desk = piv(&pcscd);
    desk.is_noticed_late(|| yubico(&["set-ccc"]));
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn piv_the_end_of_an_object() {
    let pcscd = Pcscd::start("cache-piv-end");
    let desk = piv(&pcscd);
    let file = desk.folder.path().join("object");
    fs::write(&file, with_another_end(&desk.object(CERTIFICATE))).unwrap();
    let (id, file) = (format!("0x{CERTIFICATE}"), file.to_str().unwrap());
    desk.is_not_noticed(|| yubico(&["write-object", "--id", &id, "--input", file]));
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn piv_the_chuid() {
    let pcscd = Pcscd::start("cache-piv-chuid");
    let desk = piv(&pcscd);
    let file = desk.folder.path().join("chuid");
    fs::write(&file, with_another_expiry(&desk.object(CHUID))).unwrap();
    let (id, file) = (format!("0x{CHUID}"), file.to_str().unwrap());
    desk.is_noticed_at_once(|| yubico(&["write-object", "--id", &id, "--input", file]));

    let known = desk.look("--quick").0["id"].clone();
    desk.is_noticed_at_once(|| yubico(&["set-chuid"]));
    assert_ne!(
        desk.look("--quick").0["id"],
        known,
        "it counts as another token"
    );
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn piv_the_tries_and_the_pin() {
    let pcscd = Pcscd::start("cache-piv-pin");
    let desk = piv(&pcscd);
    desk.is_noticed_at_once(guess_the_pin);
    desk.is_noticed_at_once(|| desk.changes_the_pin("864209"));
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn any_another_token_of_the_same_kind() {
    let pcscd = Pcscd::start("cache-swapped");
    for profile in Profile::ALL {
        let mut desk = Desk::new(&pcscd, tokens::personal(profile));
        let known = desk.look("--fresh").0["guid"].clone();
        desk.swap(&pcscd, tokens::of_another(profile));
        let quick = desk.look("--quick");
        assert_eq!(quick, desk.look("--fresh"), "{profile}");
        assert_ne!(quick.0["guid"], known, "{profile}");
        desk.clear();
    }
}

/// A token that was out, and every token when the service was started anew, is asked
/// who it is; then the next look asks for the keys again.
#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn crescendo_another_stay_in_the_reader() {
    let mut pcscd = Pcscd::start("cache-crescendo-stay");
    let remove = "80D8009A0300A300".to_owned();
    for starts_anew in [false, true] {
        let token = tokens::personal(Profile::Crescendo2300);
        let mut desk = Desk::new(&pcscd, token.clone());
        let before = desk.look("--fresh");
        desk.sends(std::slice::from_ref(&remove));
        desk.inserted.take().unwrap().eject();
        if starts_anew {
            pcscd.stop();
            pcscd.start_again();
        }
        desk.inserted = Some(Inserted::new(&pcscd, 0, &token));
        assert_eq!(
            desk.look("--quick"),
            before,
            "{starts_anew}: it is asked who it is"
        );
        let quick = desk.look("--quick");
        assert_ne!(quick, before, "{starts_anew}: and now for its keys");
        assert_eq!(quick, desk.look("--fresh"), "{starts_anew}");
        desk.clear();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn crescendo_an_object_or_its_end() {
    let pcscd = Pcscd::start("cache-crescendo-object");
    for profile in CRESCENDO {
        let desk = Desk::new(&pcscd, tokens::personal(profile));
        let content = desk.object(CERTIFICATE);
        desk.is_noticed_late(|| desk.puts(CERTIFICATE, ""));
        desk.is_noticed_late(|| desk.puts(CERTIFICATE, &content));
        desk.is_not_noticed(|| desk.puts(CERTIFICATE, &with_another_end(&content)));
        desk.clear();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn crescendo_a_key_removed_or_made() {
    let pcscd = Pcscd::start("cache-crescendo-key");
    for (profile, remove) in [
        (Profile::Crescendo2300, "80D8009A0300A300"),
        (Profile::Crescendo4000, "80D8079A03000000"),
        (Profile::CrescendoKey, "80D8039A0300B100"),
    ] {
        let desk = Desk::new(&pcscd, tokens::personal(profile));
        desk.is_noticed_at_once(|| desk.sends(&[remove.to_owned()]));
        desk.is_noticed_at_once(|| desk.sends(&["0047009A05AC03800111".to_owned()]));
        desk.clear();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn crescendo_the_chuid_and_everything_erased() {
    let pcscd = Pcscd::start("cache-crescendo-chuid");
    for profile in CRESCENDO {
        let desk = Desk::new(&pcscd, tokens::personal(profile));
        for change in [with_another_expiry, with_another_guid] {
            let changed = change(&desk.object(CHUID));
            desk.is_noticed_late(|| desk.puts(CHUID, &changed));
        }
        let select_aca = "00A4040007A000000079100000".to_owned();
        desk.is_noticed_at_once(|| desk.sends(&[select_aca, "00380000".to_owned()]));
        desk.clear();
    }
}

#[test]
#[ignore = "needs pcscd and vpcd: cargo xtask test"]
fn crescendo_the_tries_and_the_pin() {
    let pcscd = Pcscd::start("cache-crescendo-pin");
    for profile in CRESCENDO {
        let desk = Desk::new(&pcscd, tokens::personal(profile));
        desk.is_noticed_late(guess_the_pin);
        desk.is_noticed_late(|| desk.changes_the_pin("864209"));
        desk.clear();
    }
}
