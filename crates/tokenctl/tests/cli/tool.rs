//! Running the program.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use token_manager::token_profile::{RecoveryKind, RecoveryRecord};
use virtual_token::store::{TokenName, TokenStore};
use virtual_token::{Content, CreateOptions, Profile};

/// A directory with software tokens, and the program that uses them.
pub(crate) struct Tool {
    directory: TempDir,
}

/// How a run ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Tool {
    pub(crate) fn new() -> Self {
        Tool {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A directory with one token of this kind, with little on it that takes
    /// time to make.
    pub(crate) fn with(profile: Profile) -> Self {
        let tool = Tool::new();
        tool.make("one", profile, &CreateOptions::default().seed(1));
        tool
    }

    pub(crate) fn empty_token(&self, name: &str, profile: Profile) {
        let options = CreateOptions::default().content(Content::Empty);
        self.make(name, profile, &options);
    }

    pub(crate) fn make(&self, name: &str, profile: Profile, options: &CreateOptions) {
        let name: TokenName = name.parse().unwrap();
        self.store().create(&name, profile, options).unwrap();
    }

    pub(crate) fn store(&self) -> TokenStore {
        TokenStore::open(self.path()).unwrap()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("tokens")
    }

    /// A place for other files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Changes a token's file.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let path = self.path().join(format!("{name}.json"));
        let mut token = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut token);
        std::fs::write(&path, serde_json::to_vec(&token).unwrap()).unwrap();
    }

    /// Puts a data object on a token: its content in hexadecimal.
    pub(crate) fn put_object(&self, name: &str, tag: &str, content: &str) {
        self.edit(name, |token| {
            token["state"]["objects"][tag] =
                serde_json::json!({ "capacity": 12_800, "content": content });
        });
    }

    /// Puts a recovery secret on a token, as this software keeps it there.
    pub(crate) fn keep_recovery(&self, name: &str, kind: RecoveryKind, value: &[u8]) {
        let record = RecoveryRecord::new(kind, value).unwrap().encode();
        let content = record.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02X}").unwrap();
            text
        });
        self.put_object(name, "5FC109", &content);
    }

    /// The program, with these arguments and an environment without surprises.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenctl"));
        command
            .args(arguments)
            .env("TOKENCTL_VIRTUAL_DIR", self.path())
            // The person's own keyring is left alone.
            .env("TOKENCTL_SECRET_STORE", "none")
            .env("TOKENCTL_RECORD_DIR", self.file("records"))
            .env("TOKENCTL_CACHE_DIR", self.file("cache"))
            // No PC/SC service is ever there.
            .env("PCSCLITE_CSOCK_NAME", self.file("no-such-socket"))
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env_remove("CI")
            .stdin(Stdio::null());
        command
    }

    /// The same, run by another program, whose arguments its own and these follow.
    #[cfg(unix)]
    pub(crate) fn run_by(&self, program: &[&str], arguments: &[&str]) -> Command {
        let own = self.command(arguments);
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .arg(own.get_program())
            .args(own.get_args());
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null());
        command
    }

    /// A pinentry that gives these answers to GETPIN, one after the other, and writes
    /// down in the file `asked` what it was asked; as an option.
    #[cfg(unix)]
    pub(crate) fn pinentry(&self, answers: &[&str]) -> String {
        use std::os::unix::fs::PermissionsExt as _;

        let script = self.file("pinentry");
        let log = self.file("asked");
        for (index, answer) in answers.iter().enumerate() {
            std::fs::write(self.file(&format!("answer{index}")), format!("{answer}\n")).unwrap();
        }
        let directory = script.parent().unwrap().display().to_string();
        let text = format!(
            "#!/bin/sh\necho 'OK hello'\nwhile read -r line; do\n\
             echo \"$line\" >> '{}'\ncase \"$line\" in\n\
             GETPIN) n=$(cat '{directory}/count' 2>/dev/null || echo 0)\n\
             echo $((n+1)) > '{directory}/count'; cat \"{directory}/answer$n\";;\n\
             BYE) exit;;\nOPTION*) echo 'ERR 83886254 Unknown option';;\n*) echo OK;;\nesac\ndone\n",
            log.display()
        );
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        format!("--pinentry={}", script.display())
    }

    /// Runs it over the software tokens.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut all = vec!["--virtual"];
        all.extend(arguments);
        Ran::of(&self.command(&all).output().unwrap())
    }

    /// Runs it with `input` on stdin.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut all = vec!["--virtual"];
        all.extend(arguments);
        let output = assert_cmd::Command::from_std(self.command(&all))
            .write_stdin(input)
            .output()
            .unwrap();
        Ran::of(&output)
    }
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// Checks the exit code.
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    pub(crate) fn ok(self) -> Self {
        let ran = self.code(0);
        assert_eq!(ran.stderr, "", "{ran:#?}");
        ran
    }

    /// The document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The failure on stderr.
    pub(crate) fn error(&self) -> Value {
        let mut document: Value =
            serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        assert_eq!(document["schema"], "tokenctl/error");
        assert_eq!(document["error"]["exit_code"], self.code, "{self:#?}");
        document["error"].take()
    }
}

/// Checks that some text could do no harm on a terminal, and has no colour.
pub(crate) fn assert_plain(text: &str) {
    let bad = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(bad, None, "{text:?}");
}

pub(crate) fn entries(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What a terminal shows, as the reader of a test's terminal takes it: a character a
/// byte.
#[cfg(unix)]
pub(crate) fn seen(text: &str) -> String {
    text.bytes().map(char::from).collect()
}
