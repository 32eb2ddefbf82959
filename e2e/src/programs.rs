//! Programs, each with a time limit, and what they said.

use std::{
    fmt::{self, Display},
    io::{BufRead as _, BufReader, Seek as _, Write as _},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{path_from_environment, pcscd::signal};

/// No program here takes longer than this, in seconds, unless something hangs.
const LIMIT: &str = "60";

/// Where `tokenctl` keeps what it remembers of tokens: a folder of the running
/// test's, never the person's.
static RECORDS: Mutex<Option<PathBuf>> = Mutex::new(None);

/// From now on `tokenctl` keeps its records in this folder.
pub(crate) fn keep_records_in(folder: PathBuf) {
    *RECORDS.lock().unwrap() = Some(folder);
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    line: String,
    /// Its exit code; 124 if it ran into the time limit.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard output as it was.
    pub bytes: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Asserts that it succeeded.
    #[track_caller]
    #[must_use]
    pub fn success(self) -> Self {
        self.failure(0)
    }

    /// Asserts that it ended with this exit code.
    #[track_caller]
    #[must_use]
    pub fn failure(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of {self}");
        self
    }

    /// Asserts that `text` is in its standard output.
    #[track_caller]
    #[must_use]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text),
            "{text:?} is not in the output of {self}"
        );
        self
    }

    /// Asserts that `text` is in its standard error.
    #[track_caller]
    #[must_use]
    pub fn complains(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "{text:?} is not in the errors of {self}"
        );
        self
    }

    /// Its standard output as JSON.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self}"))
    }
}

impl Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            code,
            stdout,
            stderr,
            ..
        } = self;
        write!(
            f,
            "`{line}` (exit code {code})\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---"
        )
    }
}

/// Runs `program` with `arguments`.
#[must_use]
pub fn run(program: &str, arguments: &[&str]) -> Finished {
    let mut command = limited(program);
    finish(command.args(arguments))
}

/// A command for `program` that ends by itself; for [`finish`].
#[must_use]
pub fn limited(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", LIMIT, program])
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// Runs `command` to its end.
#[must_use]
pub fn finish(command: &mut Command) -> Finished {
    let output = command.output().unwrap();
    let words = command
        .get_args()
        .skip(2)
        .map(|word| word.to_string_lossy());
    Finished {
        line: words.collect::<Vec<_>>().join(" "),
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        bytes: output.stdout,
    }
}

/// Runs `command` to its end, with `lines` as its standard input: how secrets
/// are given.
#[must_use]
pub fn finish_with_input(command: &mut Command, lines: &[&str]) -> Finished {
    let mut input = tempfile::tempfile().unwrap();
    for line in lines {
        writeln!(input, "{line}").unwrap();
    }
    input.rewind().unwrap();
    finish(command.stdin(input))
}

/// The `tokenctl` that `cargo xtask test` has built, with nothing that the
/// person's environment adds, and with records that end with the test; for
/// [`finish`].
#[must_use]
pub fn tokenctl_command(arguments: &[&str]) -> Command {
    let path = path_from_environment("E2E_TOKENCTL");
    let records = RECORDS.lock().unwrap().clone();
    let records = records.expect("Pcscd::start, which makes a place for records, comes first");
    let mut command = limited(path.to_str().unwrap());
    command
        .args(arguments)
        .env("TOKENCTL_RECORD_DIR", records)
        .env("TOKENCTL_SECRET_STORE", "none")
        // A test that is about the cache names a directory of its own.
        .env("TOKENCTL_CACHE_DIR", "off")
        .env_remove("TOKENCTL_VIRTUAL_DIR")
        .env_remove("NO_COLOR");
    command
}

/// One of the programs in `examples/`, whose helpdesk is `tokenctl`; for
/// [`finish`].
#[must_use]
pub fn example_command(name: &str, arguments: &[&str]) -> Command {
    let path = path_from_environment("E2E_EXAMPLES").join(name);
    let mut command = limited(path.to_str().unwrap());
    command
        .args(arguments)
        .env("HELPDESK", path_from_environment("E2E_TOKENCTL"));
    command
}

/// Runs `tokenctl` with `arguments`.
#[must_use]
pub fn tokenctl(arguments: &[&str]) -> Finished {
    finish(&mut tokenctl_command(arguments))
}

/// A program that goes on, read line by line; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    /// Starts `command` and reads what it prints.
    #[must_use]
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line; fails the test if none comes within 15 seconds.
    #[track_caller]
    #[must_use]
    pub fn line(&self) -> String {
        self.lines
            .recv_timeout(Duration::from_secs(15))
            .expect("the program should print a line")
    }

    /// The next line that contains `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Lines that are there already.
    pub fn lines_so_far(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // `timeout` passes SIGTERM on to the program, SIGKILL it cannot.
        signal("-TERM", self.child.id());
        let _ = self.child.wait();
    }
}

fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { break };
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
