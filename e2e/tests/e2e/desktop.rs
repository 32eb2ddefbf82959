//! The desktop's keyring and clipboard: a Secret Service and an X display of
//! the test's own, and other people's programs that look into them.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use e2e::programs::{Finished, finish, limited, run};
use serde_json::Value;

/// A message bus that starts no service on demand: a second keyring, a locked
/// one, would wait for somebody to unlock it.
const BUS: &str = r#"<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <policy context="default">
    <allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>"#;

/// Unlocks a keyring that lies in the test's own directory.
const KEYRING: &str = r"
printf 'password' | gnome-keyring-daemon --unlock --components=secrets >/dev/null
until dbus-send --print-reply --dest=org.freedesktop.DBus / \
    org.freedesktop.DBus.GetNameOwner string:org.freedesktop.secrets >/dev/null 2>&1
do sleep 0.1; done
";

/// Runs the program, with what was written for its standard input.
const PROGRAM: &str = r#"
exec "$@" <"$INPUT"
"#;

/// Looks at what is in the keyring, and nothing else.
const LOOK: &[&str] = &["secret-tool", "search", "--all", "service", "tokenctl"];

/// A token whose PUK is kept on this computer, as far as this computer knows.
struct Desktop {
    place: tempfile::TempDir,
}

impl Desktop {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        for directory in ["home", "run", "records"] {
            fs::create_dir(place.path().join(directory)).unwrap();
        }
        let desktop = Self { place };
        let create = [
            "virtual",
            "create",
            "--profile",
            "crescendo-4000",
            "--empty",
            "one",
        ];
        let _ = finish(&mut desktop.tokenctl(&create)).success();
        let list = finish(&mut desktop.tokenctl(&["--virtual", "--json", "list"])).success();
        let serial = match &list.json()["tokens"][0]["serial"] {
            Value::String(serial) => serial.clone(),
            other => panic!("a serial number, and not {other}"),
        };
        let record = desktop.path().join(format!("records/serial-{serial}.json"));
        fs::write(record, r#"{"version":1,"recovery":"host"}"#).unwrap();
        desktop
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    fn tokenctl(&self, arguments: &[&str]) -> Command {
        let mut command = limited(&std::env::var("E2E_TOKENCTL").unwrap());
        command.args(arguments);
        self.settle(&mut command);
        command
    }

    fn settle(&self, command: &mut Command) {
        let path = self.path();
        command
            .env("HOME", path.join("home"))
            .env("XDG_DATA_HOME", path.join("home"))
            .env("XDG_RUNTIME_DIR", path.join("run"))
            .env("TOKENCTL_VIRTUAL_DIR", path.join("tokens"))
            .env("TOKENCTL_RECORD_DIR", path.join("records"))
            .env("TOKENCTL_CACHE_DIR", "off")
            .env_remove("TOKENCTL_SECRET_STORE")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
    }

    /// Runs a program on a message bus of its own, after the script `before`.
    fn on_bus(&self, before: &str, words: &[&str], input: &str) -> Finished {
        let [bus, secrets] = ["bus.conf", "input"].map(|name| self.path().join(name));
        fs::write(&bus, BUS).unwrap();
        fs::write(&secrets, input).unwrap();
        let mut command = limited("dbus-run-session");
        self.settle(&mut command);
        command
            .arg("--config-file")
            .arg(&bus)
            .args(["--", "sh", "-c", &[before, PROGRAM].concat(), "sh"])
            .args(words)
            .env("INPUT", &secrets);
        finish(&mut command)
    }

    fn tokenctl_on_bus(&self, before: &str, arguments: &[&str], input: &str) -> Finished {
        let program = std::env::var("E2E_TOKENCTL").unwrap();
        let words = [&[program.as_str(), "--virtual"], arguments].concat();
        self.on_bus(before, &words, input)
    }
}

#[test]
#[ignore = "needs dbus, gnome-keyring and secret-tool: cargo xtask test"]
fn the_keyring_keeps_shows_and_forgets_a_recovery_secret() {
    let desktop = Desktop::new();
    let change = [
        "puk",
        "change",
        "--puk-fd",
        "0",
        "--new-puk-fd",
        "0",
        "--pin-fd",
        "0",
    ];
    let _ = desktop
        .tokenctl_on_bus(KEYRING, &change, "12345678\n87654321\n000000\n")
        .success();
    let _ = desktop.on_bus(KEYRING, LOOK, "").says("87654321");
    let show = ["puk", "show", "--show", "--pin-fd", "0"];
    let shown = desktop
        .tokenctl_on_bus(KEYRING, &show, "000000\n")
        .success();
    assert_eq!(shown.stdout.trim(), "87654321");
    let forget = ["puk", "forget", "--yes", "--pin-fd", "0"];
    let _ = desktop
        .tokenctl_on_bus(KEYRING, &forget, "000000\n")
        .success();
    assert_eq!(desktop.on_bus(KEYRING, LOOK, "").stdout.trim(), "");
}

#[test]
#[ignore = "needs dbus: cargo xtask test"]
fn a_desktop_without_a_keyring_says_what_to_do() {
    let desktop = Desktop::new();
    let show = ["puk", "show", "--show", "--pin-fd", "0"];
    let finished = desktop.tokenctl_on_bus("", &show, "000000\n");
    assert_ne!(finished.code, 0, "{finished}");
    let _ = finished
        .complains("the desktop's keyring can't be used")
        .complains("gnome-keyring");
}

/// An X server without a screen; stopped when dropped.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn start() -> Self {
        let server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "64x64x8",
                "-noreset",
                "-nolisten",
                "tcp",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut server = server.unwrap();
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(server.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        let name = format!(":{}", line.trim());
        Self { server, name }
    }

    /// What others find in the clipboard.
    fn clipboard(&self) -> String {
        let mut command = limited("xclip");
        command
            .args(["-o", "-selection", "clipboard"])
            .env("DISPLAY", &self.name);
        finish(&mut command).stdout
    }

    /// Waits until the clipboard holds `text`.
    #[track_caller]
    fn wait_for(&self, text: &str) {
        let end = Instant::now() + Duration::from_secs(15);
        while self.clipboard() != text {
            assert!(
                Instant::now() < end,
                "{text:?}, and not {:?}",
                self.clipboard()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Starts to copy the response to a challenge, for `seconds`.
    fn copy(&self, desktop: &Desktop, seconds: u16) -> Child {
        let key = desktop.path().join("key");
        fs::write(&key, "0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123\n").unwrap();
        let copy = format!("--copy={seconds}");
        // Without `timeout`, which passes a signal on twice: it ends by itself.
        let mut command = Command::new(std::env::var("E2E_TOKENCTL").unwrap());
        desktop.settle(&mut command);
        command
            .args(["helpdesk", "respond", "5468652071756663"])
            .args(["--key-fd", "0", &copy])
            .env("DISPLAY", &self.name)
            .stdin(fs::File::open(&key).unwrap())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The response to the challenge above (SP 800-67).
const RESPONSE: &str = "A826FD8CE53B855F";

#[test]
#[ignore = "needs Xvfb and xclip: cargo xtask test"]
fn the_clipboard_is_cleared_in_time_or_at_once_and_only_of_what_was_put_in() {
    let desktop = Desktop::new();
    let display = Display::start();

    let copying = display.copy(&desktop, 3);
    display.wait_for(RESPONSE);
    let output = copying.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    assert_eq!(display.clipboard(), "");

    // Asked to stop: long before its time.
    let copying = display.copy(&desktop, 50);
    display.wait_for(RESPONSE);
    let _ = run("kill", &["-INT", &copying.id().to_string()]);
    let output = copying.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("was cleared"), "{said}");
    assert_eq!(display.clipboard(), "");

    // Something else was copied meanwhile.
    let copying = display.copy(&desktop, 4);
    display.wait_for(RESPONSE);
    let other = desktop.path().join("other");
    fs::write(&other, "something else").unwrap();
    let mut copy = Command::new("xclip");
    copy.args(["-i", "-selection", "clipboard"])
        .arg(&other)
        .env("DISPLAY", &display.name)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert!(copy.status().unwrap().success());
    let output = copying.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("left alone"), "{said}");
    assert_eq!(display.clipboard(), "something else");
}

#[test]
#[ignore = "needs the tokenctl of cargo xtask test"]
fn without_a_display_the_alternative_is_named() {
    let desktop = Desktop::new();
    let key = desktop.path().join("key");
    fs::write(&key, "0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123\n").unwrap();
    let mut command = desktop.tokenctl(&[
        "helpdesk",
        "respond",
        "5468652071756663",
        "--key-fd",
        "0",
        "--copy",
    ]);
    command.stdin(fs::File::open(&key).unwrap());
    let _ = finish(&mut command)
        .failure(1)
        .complains("there is no display")
        .complains("--copy");
}
