//! `--trace FILE`: what went over the links, in one file.
//!
//! Tokens are read side by side, each over a link of its own, and a trace of
//! interleaved links could not be replayed. So each link's trace is one block:
//! the first link writes as it goes, the others when the one before is done.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pcsc_transport::trace::Recorder;
use pcsc_transport::{CardLink, LinkError};

use crate::error::{Kind, Report, Result};

/// The file, shared by all links.
#[derive(Clone)]
pub(crate) struct TraceFile {
    path: Arc<Path>,
    state: Arc<Mutex<State>>,
}

struct State {
    file: File,
    /// Whether a link is writing as it goes.
    taken: bool,
    /// Blocks of links that ended while another was writing.
    waiting: Vec<Vec<u8>>,
    /// Why the file is not the whole trace.
    failure: Option<String>,
}

impl State {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        if let Err(error) = &written {
            self.failure.get_or_insert_with(|| error.to_string());
        }
        written
    }
}

impl TraceFile {
    /// Makes the file, which only its owner can read: what a card gives away
    /// freely may still be personal. An existing file is replaced.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(path)
            .map_err(|error| unwritable(path, &error.to_string()))?;
        Ok(TraceFile {
            path: path.into(),
            state: Arc::new(Mutex::new(State {
                file,
                taken: false,
                waiting: Vec::new(),
                failure: None,
            })),
        })
    }

    /// Fails if the file is not the whole trace. To be asked when all links are
    /// closed: a full disk must not disturb the card while it is used.
    pub(crate) fn check(&self) -> Result {
        match &self.lock().failure {
            Some(why) => Err(unwritable(&self.path, why).into()),
            None => Ok(()),
        }
    }

    /// The link, with everything that goes over it recorded.
    pub(crate) fn record(
        &self,
        link: Box<dyn CardLink>,
    ) -> std::result::Result<Box<dyn CardLink>, LinkError> {
        let mut state = self.lock();
        let live = !std::mem::replace(&mut state.taken, true);
        drop(state);
        let block = Block {
            file: self.clone(),
            live,
            kept: Vec::new(),
        };
        let recorder = Recorder::new(link, block).map_err(|error| {
            io::Error::other(unwritable(&self.path, &error.to_string()).message)
        })?;
        Ok(Box::new(recorder))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unwritable(path: &Path, why: &str) -> Report {
    let message = format!("the trace {} could not be written: {why}", path.display());
    Report::new(Kind::Other, message).next("Check that the disk has room, or name another file")
}

/// The trace of one link.
struct Block {
    file: TraceFile,
    live: bool,
    kept: Vec<u8>,
}

impl Write for Block {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.live {
            self.file.lock().write(bytes).map(|()| bytes.len())
        } else {
            self.kept.write(bytes)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let mut state = self.file.lock();
        if self.live {
            state.taken = false;
        } else {
            state.waiting.push(std::mem::take(&mut self.kept));
        }
        if !state.taken {
            for block in std::mem::take(&mut state.waiting) {
                // A failure is kept for the end.
                let _ = state.write(&block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn block(file: &TraceFile) -> Block {
        let live = !std::mem::replace(&mut file.lock().taken, true);
        Block {
            file: file.clone(),
            live,
            kept: Vec::new(),
        }
    }

    #[test]
    fn blocks_are_not_mixed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace");
        let file = TraceFile::create(&path).unwrap();
        let mut first = block(&file);
        let mut second = block(&file);
        second.write_all(b"second 1\n").unwrap();
        first.write_all(b"first 1\n").unwrap();
        second.write_all(b"second 2\n").unwrap();
        drop(second);
        first.write_all(b"first 2\n").unwrap();
        drop(first);
        let mut third = block(&file);
        third.write_all(b"third\n").unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text, "first 1\nfirst 2\nsecond 1\nsecond 2\nthird\n",
            "the third is written as it goes"
        );
    }

    #[test]
    fn an_incomplete_trace_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace");
        let file = TraceFile::create(&path).unwrap();
        file.check().unwrap();
        // Not open for writing, which fails as a full disk does.
        file.lock().file = File::open(&path).unwrap();
        let mut first = block(&file);
        let mut second = block(&file);
        second.write_all(b"second\n").unwrap();
        drop(second);
        file.check().unwrap();
        drop(first.write_all(b"first\n").unwrap_err());
        let message = file.check().unwrap_err().to_string();
        assert!(message.contains("trace"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("trace");
        drop(TraceFile::create(&path).unwrap());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
