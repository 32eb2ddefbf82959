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
pub(crate) struct TraceFile(Arc<Mutex<State>>);

struct State {
    file: File,
    /// Whether a link is writing as it goes.
    taken: bool,
    /// Blocks of links that ended while another was writing.
    waiting: Vec<Vec<u8>>,
}

impl TraceFile {
    /// Makes the file, which only its owner can read: what a card gives away
    /// freely may still be personal. An existing file is replaced.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| {
            let message = format!("the trace {} cannot be written: {error}", path.display());
            Report::new(Kind::Other, message)
        })?;
        Ok(TraceFile(Arc::new(Mutex::new(State {
            file,
            taken: false,
            waiting: Vec::new(),
        }))))
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
        Ok(Box::new(Recorder::new(link, block)?))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            self.file.lock().file.write(bytes)
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
                // Nothing is left to report a failure to.
                let _ = state.file.write_all(&block);
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
