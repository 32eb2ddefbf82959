//! One token is open in one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pcsc_transport::Holder;

/// How long to wait for a token that is open elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// At most this long.
    AtMost(Duration),
    /// Until it is free.
    Forever,
}

/// Why a lock was not obtained.
pub(super) enum LockError {
    /// Somebody else has it.
    Held(Option<Holder>),
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A lock, held until it is dropped or the process ends.
///
/// The lock file stays behind: a file that is removed while others wait for it
/// would let two processes each lock a file of that name. It holds the process id
/// and name of whoever locked it last.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn acquire(path: &Path, wait: Wait) -> Result<Self, LockError> {
        let open = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(path)
        };
        let file = open()?;
        match (file.try_lock(), wait) {
            (Ok(()), _) => Ok(Self::sign(file)),
            (Err(TryLockError::Error(error)), _) => Err(error.into()),
            (Err(TryLockError::WouldBlock), Wait::No) => Err(held(path)),
            (Err(TryLockError::WouldBlock), Wait::Forever) => {
                file.lock()?;
                Ok(Self::sign(file))
            }
            (Err(TryLockError::WouldBlock), Wait::AtMost(limit)) => {
                // The system's wait has no time limit, so it is done aside. A wait
                // that comes too late finds nobody and lets go at once.
                let (sender, receiver) = mpsc::channel();
                thread::Builder::new()
                    .name("token lock".to_owned())
                    .spawn(move || {
                        let locked = file.lock().map(|()| file);
                        drop(sender.send(locked));
                    })?;
                match receiver.recv_timeout(limit) {
                    Ok(locked) => Ok(Self::sign(locked?)),
                    Err(_) => Err(held(path)),
                }
            }
        }
    }

    /// Leaves word of who holds the lock. Only for people: failing is harmless.
    fn sign(mut file: File) -> Self {
        let name = program_name();
        let _ = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| writeln!(file, "{} {name}", std::process::id()));
        Self { _file: file }
    }
}

/// The name of the running program.
pub(crate) fn program_name() -> String {
    std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .unwrap_or_default()
}

fn held(path: &Path) -> LockError {
    LockError::Held(holder(path))
}

/// Who signed the lock file; none where the system does not let it be read.
fn holder(path: &Path) -> Option<Holder> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(512).read_to_string(&mut text))
        .ok()?;
    let (pid, name) = text.trim_end().split_once(' ')?;
    Some(Holder {
        pid: pid.parse().ok()?,
        name: name.chars().filter(|c| !c.is_control()).collect(),
    })
}
