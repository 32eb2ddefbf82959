//! A secret from a file descriptor: one line each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::buffer::{Buffer, MAX_LENGTH, Secret};
use crate::error::{Failure, Kind, Report, Result};

/// A file descriptor that this program was started with, 0 for stdin. Several
/// secrets may come from the same one, a line each, in the order in which the
/// command's help names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Descriptor(u32);

/// No program has so many files open, and a PIN may look like this.
const LEAST_SECRET: u32 = 1000;

/// What was given might be the secret itself: it is not repeated.
const NO_SECRET: &str = "it is the number of a file descriptor, and never the secret itself, \
                         which other users could see";

/// Those that are open: a file that is opened anew would begin from its start.
static OPEN: Mutex<BTreeMap<u32, File>> = Mutex::new(BTreeMap::new());

/// Why a descriptor gave no secret. What it gave is not repeated.
#[derive(Debug, thiserror::Error)]
enum DescriptorError {
    /// It is not open, or cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is a terminal, which would show what is typed.
    #[error("is a terminal, which would show what is typed")]
    Terminal,
    /// Nothing is left in it.
    #[error("has no line left")]
    NothingLeft,
    /// The line is empty.
    #[error("gave an empty line")]
    Empty,
    /// The line is too long for any secret.
    #[error("gave a line of more than {MAX_LENGTH} bytes")]
    TooLong,
}

impl FromStr for Descriptor {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.parse() {
            Ok(1 | 2) => Err("1 and 2 are for output; use 0 for stdin, or 3 and up".to_owned()),
            Ok(number) if number >= LEAST_SECRET => Err(NO_SECRET.to_owned()),
            Ok(number) if cfg!(unix) || number == 0 => Ok(Descriptor(number)),
            Ok(_) => Err("this system passes on no descriptor but 0, which is stdin".to_owned()),
            Err(_) => Err(NO_SECRET.to_owned()),
        }
    }
}

impl Descriptor {
    /// The next line, without its end. `option` is what named the descriptor.
    ///
    /// # Errors
    /// `usage`: it cannot be read, is a terminal, or has no line of 1 to 256
    /// bytes left.
    pub(super) fn line(self, option: &str) -> Result<Secret> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let line = match open.entry(self.0) {
            Entry::Occupied(entry) => read_line(entry.into_mut()),
            Entry::Vacant(entry) => self.open().and_then(|file| read_line(entry.insert(file))),
        };
        line.map_err(|error| self.failed(&error, option))
    }

    fn open(self) -> std::result::Result<File, DescriptorError> {
        let file = open(self.0)?;
        if file.is_terminal() {
            return Err(DescriptorError::Terminal);
        }
        Ok(file)
    }

    fn failed(self, error: &DescriptorError, option: &str) -> Failure {
        let message = format!("file descriptor {} {error}", self.0);
        let next = match error {
            DescriptorError::Terminal => {
                format!("Leave {option} out: it is then asked for without showing it")
            }
            _ => "Nothing was sent to the token".to_owned(),
        };
        Report::new(Kind::Usage, message).next(next).into()
    }
}

/// Reads a line without its end (LF, or CR LF), and nothing beyond it: what
/// follows is the next secret, or another program's.
fn read_line(from: &mut impl Read) -> std::result::Result<Secret, DescriptorError> {
    let mut line = Buffer::new();
    let mut byte = Zeroizing::new([0]);
    let mut ended = false;
    while !ended {
        match from.read(&mut *byte) {
            Ok(0) if line.as_bytes().is_empty() => return Err(DescriptorError::NothingLeft),
            Ok(0) => ended = true,
            Ok(_) if byte[0] == b'\n' => ended = true,
            Ok(_) if line.push(byte[0]) => {}
            Ok(_) => return Err(DescriptorError::TooLong),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    if byte[0] == b'\n' && line.as_bytes().last() == Some(&b'\r') {
        line.backspace();
    }
    if line.as_bytes().is_empty() {
        return Err(DescriptorError::Empty);
    }
    Ok(line.into_secret())
}

/// Stdin is cloned; another number is opened through the system's directory
/// of them, since to trust a bare number would need unsafe code.
#[cfg(unix)]
fn open(number: u32) -> io::Result<File> {
    use std::os::fd::AsFd as _;

    if number == 0 {
        return io::stdin().as_fd().try_clone_to_owned().map(File::from);
    }
    File::open(format!("/dev/fd/{number}"))
}

/// Only stdin gets here.
#[cfg(windows)]
fn open(_: u32) -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;

    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn first(content: &[u8]) -> std::result::Result<Vec<u8>, DescriptorError> {
        read_line(&mut &content[..]).map(|line| line.to_vec())
    }

    #[test]
    fn each_secret_is_a_line() {
        let mut content = &b"one\r\n two \nthree"[..];
        for expected in [&b"one"[..], b" two ", b"three"] {
            assert_eq!(read_line(&mut content).unwrap().as_slice(), expected);
        }
        let end = read_line(&mut content);
        assert!(matches!(end, Err(DescriptorError::NothingLeft)));
    }

    #[test]
    fn one_line_end_is_taken_off_and_no_more() {
        assert_eq!(first(b"1\r").unwrap(), b"1\r");
        assert_eq!(first(b"1\r\r\n").unwrap(), b"1\r");
        assert!(matches!(first(b"\n1"), Err(DescriptorError::Empty)));
        assert!(matches!(first(b"\r\n"), Err(DescriptorError::Empty)));
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(first(&[b'x'; MAX_LENGTH]).unwrap().len(), MAX_LENGTH);
        let more = first(&[b'x'; MAX_LENGTH + 1]);
        assert!(matches!(more, Err(DescriptorError::TooLong)));
    }

    #[test]
    fn a_secret_in_the_place_of_a_number_is_not_repeated() {
        let error = "12345678901234567890".parse::<Descriptor>().unwrap_err();
        assert!(!error.contains("1234"), "{error}");
        for output in ["1", "2", "-1", "+", "", "1000", "123456"] {
            assert!(output.parse::<Descriptor>().is_err(), "{output}");
        }
        assert_eq!("0".parse(), Ok(Descriptor(0)));
    }
}
