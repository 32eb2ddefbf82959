//! Waiting for the service to come back.
//!
//! pcsc-lite's service makes a socket when it starts. Its directory is watched
//! with the `notify` crate, so that nothing is polled; the directory above too,
//! because the first may not exist yet. Where there is no such socket (macOS,
//! Windows) or it cannot be watched, the service is tried every two seconds.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};

use super::watcher::Wake;

/// How often the service is tried where its socket cannot be watched.
const RETRY: Duration = Duration::from_secs(2);

/// A socket that has appeared may take a moment until it is listened on: pauses
/// between attempts, about a second in all.
const ATTEMPTS: [u64; 8] = [2, 5, 10, 25, 50, 100, 250, 500];

/// How waiting ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wait<T> {
    There(T),
    Cancelled,
}

/// Waits until `attempt` succeeds, trying when the socket changes.
pub(super) fn wait_for_service<T>(
    wake: &Sender<Wake>,
    woken: &Receiver<Wake>,
    attempt: impl FnMut() -> Option<T>,
) -> Wait<T> {
    wait_at(socket().as_deref(), wake, woken, attempt)
}

/// Where pcsc-lite's socket is; `None` on systems with another PC/SC.
pub(super) fn socket() -> Option<PathBuf> {
    if cfg!(any(target_os = "macos", target_os = "windows")) {
        return None;
    }
    // The same variable that libpcsclite reads.
    let path = std::env::var_os("PCSCLITE_CSOCK_NAME")
        .map_or_else(|| PathBuf::from("/run/pcscd/pcscd.comm"), PathBuf::from);
    Some(path)
}

fn wait_at<T>(
    socket: Option<&Path>,
    wake: &Sender<Wake>,
    woken: &Receiver<Wake>,
    mut attempt: impl FnMut() -> Option<T>,
) -> Wait<T> {
    loop {
        // Watching begins before the attempt: a service that starts between the
        // two is noticed either way.
        let watching = socket.and_then(|socket| watch_socket(socket, wake.clone()));
        if let Some(there) = attempt() {
            return Wait::There(there);
        }
        let changed = match &watching {
            Some(_) => woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
            None => woken.recv_timeout(RETRY),
        };
        match changed {
            Ok(Wake::Cancelled) | Err(RecvTimeoutError::Disconnected) => return Wait::Cancelled,
            Ok(Wake::SocketChanged) => {}
            Err(RecvTimeoutError::Timeout) => continue,
        }
        for pause in ATTEMPTS {
            if let Some(there) = attempt() {
                return Wait::There(there);
            }
            if let Ok(Wake::Cancelled) = woken.recv_timeout(Duration::from_millis(pause)) {
                return Wait::Cancelled;
            }
        }
    }
}

/// Wakes when anything happens to the socket or its directory. `None` if that
/// cannot be watched.
fn watch_socket(socket: &Path, wake: Sender<Wake>) -> Option<notify::RecommendedWatcher> {
    let wanted = socket.to_owned();
    let handler = move |event: notify::Result<notify::Event>| {
        let concerns = match &event {
            // Someone who only looks is no reason.
            Ok(event) if event.kind.is_access() => false,
            Ok(event) => event.paths.iter().any(|path| wanted.starts_with(path)),
            // Something was missed.
            Err(_) => true,
        };
        if concerns {
            let _ = wake.send(Wake::SocketChanged);
        }
    };
    let mut watcher = notify::recommended_watcher(handler)
        .inspect_err(|error| tracing::debug!(%error, "the service's socket cannot be watched"))
        .ok()?;
    let mut any = false;
    for directory in socket.ancestors().skip(1).take(2) {
        any |= watcher
            .watch(directory, RecursiveMode::NonRecursive)
            .is_ok();
    }
    any.then_some(watcher)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a failed unwrap is a failed test

    use std::sync::mpsc::channel;
    use std::{fs, thread};

    use super::*;

    /// A directory of the test's own, removed at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_socket_that_appears_ends_the_wait_also_in_a_new_directory() {
        let scratch = Scratch::new("socket-appears");
        let socket = scratch.0.join("run").join("pcscd.comm");
        let (wake, woken) = channel();
        let appearing = socket.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            fs::create_dir(appearing.parent().unwrap()).unwrap();
            // Longer than all attempts after the directory has appeared.
            thread::sleep(Duration::from_millis(1_200));
            fs::write(appearing, b"").unwrap();
        });
        let waited = wait_at(Some(&socket), &wake, &woken, || {
            socket.exists().then_some(())
        });
        assert_eq!(waited, Wait::There(()));
    }

    #[test]
    fn cancel_ends_the_wait_also_when_it_came_before() {
        let scratch = Scratch::new("socket-cancel");
        let socket = scratch.0.join("pcscd.comm");
        let (wake, woken) = channel();
        wake.send(Wake::Cancelled).unwrap();
        let waited: Wait<()> = wait_at(Some(&socket), &wake, &woken, || None);
        assert_eq!(waited, Wait::Cancelled);
        // Without a socket to watch as well.
        wake.send(Wake::Cancelled).unwrap();
        let waited: Wait<()> = wait_at(None, &wake, &woken, || None);
        assert_eq!(waited, Wait::Cancelled);
    }

    #[test]
    fn other_files_nearby_do_not_wake() {
        let scratch = Scratch::new("socket-others");
        let socket = scratch.0.join("pcscd.comm");
        let (wake, woken) = channel();
        let watcher = watch_socket(&socket, wake);
        assert!(watcher.is_some());
        fs::write(scratch.0.join("other"), b"").unwrap();
        assert!(woken.recv_timeout(Duration::from_millis(100)).is_err());
        fs::write(&socket, b"").unwrap();
        assert!(woken.recv_timeout(Duration::from_secs(5)).is_ok());
    }
}
