//! A secret from a file descriptor: one line each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::line::{Line, MAX};
use crate::error::{Kind, Report, Result};

/// A file descriptor that this program was started with, 0 for stdin. Several
/// secrets may come from the same one, a line each, in the order in which the
/// command's help names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Descriptor(u32);

/// No program has so many files open, and a PIN may look like this.
const LEAST_SECRET: u32 = 1000;

/// Those that are open: a file that is opened anew would begin from its start.
static OPEN: Mutex<BTreeMap<u32, File>> = Mutex::new(BTreeMap::new());

impl FromStr for Descriptor {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.parse() {
            Ok(1 | 2) => Err("1 and 2 are for output; use 0 for stdin, or 3 and up".to_owned()),
            Ok(number) if number < LEAST_SECRET => Ok(Descriptor(number)),
            // What was given might be the secret itself: it is not repeated.
            _ => Err(
                "it is the number of a file descriptor, and never the secret itself, \
                           which other users could see"
                    .to_owned(),
            ),
        }
    }
}

impl Descriptor {
    /// The next line, without its end.
    pub(crate) fn line(self) -> Result<Zeroizing<Vec<u8>>> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match open.entry(self.0) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(self.open()?),
        };
        let mut line = Line::new();
        let mut byte = Zeroizing::new([0; 1]);
        loop {
            match file.read(&mut *byte) {
                Ok(0) if line.bytes().is_empty() => {
                    return Err(self.failed("there is no line left in it"));
                }
                Ok(0) => break,
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) if line.push_byte(byte[0]) => {}
                Ok(_) => return Err(self.failed(&format!("the line is longer than {MAX} bytes"))),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(&error.to_string())),
            }
        }
        if line.bytes().last() == Some(&b'\r') {
            line.backspace();
        }
        Ok(line.finish())
    }

    #[cfg(unix)]
    fn open(self) -> Result<File> {
        File::open(format!("/dev/fd/{}", self.0)).map_err(|error| self.failed(&error.to_string()))
    }

    #[cfg(not(unix))]
    fn open(self) -> Result<File> {
        Err(self.failed("this system gives programs no file descriptors"))
    }

    fn failed(self, why: &str) -> crate::error::Failure {
        let message = format!("file descriptor {} cannot be read: {why}", self.0);
        Report::new(Kind::Usage, message)
            .next("Nothing was sent to the token")
            .into()
    }
}
