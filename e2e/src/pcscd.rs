//! A pcscd of our own, with vpcd as its only reader.
//!
//! It is started as systemd would start it, with a listening socket in hand,
//! so that the socket can lie where only our programs look
//! (`PCSCLITE_CSOCK_NAME`): a pcscd of the system's may run beside it, and no
//! rights are needed. It has a configuration directory of its own with one
//! reader on ports of its own, and an empty directory for USB drivers, so
//! that readers which are plugged in stay with whoever uses them.

use std::{
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use crate::{path_from_environment, programs};

/// The names of vpcd's two slots.
pub const READERS: [&str; 2] = ["Virtual PCD 00 00", "Virtual PCD 00 01"];

/// The first slot's port; not vpcd's usual one (35963), which a pcscd of the
/// system's may have, and below the ports that the system gives to outgoing
/// connections (from 32768 on): one of those left over would keep vpcd out.
const PORT: u16 = 31963;

/// How long a test may take before its pcscd is taken away from it.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// Hands the socket that is its standard input to pcscd, in systemd's way, but for
/// who listens: the process that becomes pcscd, as if pcscd had made the socket itself,
/// so that whoever connects can see who is there.
const AS_SYSTEMD: &str = r#"
exec 3<&0 </dev/null
export LISTEN_FDS=1 LISTEN_PID=$$
exec perl -e '$^F = 3; open(S, "+<&=", 3) and listen(S, 128) or die $!; exec @ARGV' "$@"
"#;

/// A running pcscd, stopped when dropped.
#[derive(Debug)]
pub struct Pcscd {
    child: Option<Child>,
    place: tempfile::TempDir,
    socket: PathBuf,
    log: PathBuf,
    port: u16,
    time_limit: Duration,
    watchdog: Option<Sender<()>>,
}

impl Pcscd {
    /// Starts pcscd for the test `name` on the socket where this process and
    /// its children look for it.
    #[must_use]
    pub fn start(name: &str) -> Self {
        let pcscd = Self::start_at(name, &path_from_environment("PCSCLITE_CSOCK_NAME"), PORT);
        programs::keep_records_in(pcscd.place.path().join("records"));
        pcscd
    }

    /// Starts another one, for processes of the test's own: on `socket`, with
    /// vpcd's slots on `port` and the one after it.
    #[must_use]
    pub fn start_at(name: &str, socket: &Path, port: u16) -> Self {
        let place = tempfile::tempdir().unwrap();
        let mut pcscd = Self {
            child: None,
            socket: socket.to_owned(),
            log: path_from_environment("E2E_LOGS").join(format!("pcscd-{name}.log")),
            place,
            port,
            time_limit: TIME_LIMIT,
            watchdog: None,
        };
        File::create(&pcscd.log).unwrap();
        fs::create_dir(pcscd.usb_drivers()).unwrap();
        fs::create_dir(pcscd.configuration()).unwrap();
        let reader = format!(
            "FRIENDLYNAME \"Virtual PCD\"\nDEVICENAME /dev/null:0x{port:04X}\n\
             LIBPATH {}\nCHANNELID 0x{port:04X}\n",
            driver().display(),
        );
        fs::write(pcscd.configuration().join("vpcd"), reader).unwrap();
        pcscd.start_again();
        pcscd
    }

    fn usb_drivers(&self) -> PathBuf {
        self.place.path().join("no-usb-drivers")
    }

    fn configuration(&self) -> PathBuf {
        self.place.path().join("reader.conf.d")
    }

    /// From now on the test may take `limit`.
    pub fn set_time_limit(&mut self, limit: Duration) {
        self.time_limit = limit;
        self.watchdog = self.child.as_ref().map(|child| watch(child.id(), limit));
    }

    /// Starts it again after [`Pcscd::stop`].
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "pcscd is running");
        for port in [self.port, self.port + 1] {
            TcpListener::bind(("0.0.0.0", port))
                .unwrap_or_else(|error| panic!("vpcd's port {port} is taken: {error}"));
        }
        remove(&self.socket);
        // Programs may connect from here on; they wait until pcscd is ready.
        let listener = UnixListener::bind(&self.socket).unwrap();
        let log = File::options().append(true).open(&self.log).unwrap();
        let program = if Path::new("/usr/sbin/pcscd").exists() {
            "/usr/sbin/pcscd"
        } else {
            "pcscd"
        };
        let mut command = Command::new("sh");
        command
            .args([
                "-c",
                AS_SYSTEMD,
                "sh",
                program,
                "--foreground",
                "--debug",
                "--apdu",
                "--config",
            ])
            .arg(self.configuration())
            .env("PCSCLITE_HP_DROPDIR", self.usb_drivers())
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if asks_polkit(program) {
            command.arg("--disable-polkit");
        }
        let child = command.spawn().unwrap();
        self.watchdog = Some(watch(child.id(), self.time_limit));
        self.child = Some(child);
    }

    /// Stops it; programs then find no PC/SC service.
    pub fn stop(&mut self) {
        // First, so that no program connects to a socket that nobody serves.
        remove(&self.socket);
        self.watchdog = None;
        let Some(mut child) = self.child.take() else {
            return;
        };
        signal("-TERM", child.id());
        let deadline = Instant::now() + Duration::from_secs(5);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                eprintln!("pcscd does not stop when asked to; killing it");
                child.kill().unwrap();
                child.wait().unwrap();
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that it has logged, each command and answer among it: what goes over the wire.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Where vpcd waits for the card of slot 0 or 1.
    #[must_use]
    pub fn address(&self, slot: usize) -> String {
        let slot = u16::try_from(slot).unwrap();
        assert!(slot < 2, "vpcd has two slots");
        format!("127.0.0.1:{}", self.port + slot)
    }
}

impl Drop for Pcscd {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(25).collect();
            eprintln!("The end of {}:", self.log.display());
            for line in tail.iter().rev() {
                eprintln!("  {line}");
            }
        }
    }
}

/// Sees to it that a test which hangs in PC/SC fails: kills pcscd, upon which
/// every call to it returns; and if that doesn't help, ends the process.
/// Dropping the sender calls it off.
fn watch(pcscd: u32, limit: Duration) -> Sender<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let timed_out = |time| receiver.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        if timed_out(limit) {
            eprintln!(
                "{} s are over: killing pcscd, which fails the test",
                limit.as_secs()
            );
            signal("-KILL", pcscd);
            if timed_out(Duration::from_secs(60)) {
                eprintln!("the test still hangs: giving up");
                std::io::stderr().flush().ok();
                std::process::exit(1);
            }
        }
    });
    sender
}

/// Sends a signal, by the shell's own `kill`: the program of that name is not
/// on every machine.
pub(crate) fn signal(signal: &str, pid: u32) {
    Command::new("sh")
        .args(["-c", "kill \"$1\" \"$2\"", "sh", signal, &pid.to_string()])
        .status()
        .unwrap();
}

fn remove(socket: &Path) {
    if let Err(error) = fs::remove_file(socket) {
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::NotFound,
            "{}: {error}",
            socket.display()
        );
    }
}

/// A pcscd that asks polkit refuses users without a session at the screen.
fn asks_polkit(program: &str) -> bool {
    let help = Command::new(program).arg("--help").output().unwrap();
    String::from_utf8_lossy(&help.stdout).contains("--disable-polkit")
}

/// vpcd's driver, where Debian's package puts it.
fn driver() -> &'static Path {
    let path = Path::new("/usr/lib/pcsc/drivers/serial/libifdvpcd.so");
    assert!(
        path.exists(),
        "vpcd's driver is not there; please run cargo xtask packages"
    );
    path
}
