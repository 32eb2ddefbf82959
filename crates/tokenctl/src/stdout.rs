//! Stdout for what can't be had a second time: whether it can be written to is looked at
//! before, as far as that can be known, and a failed write is never taken for done.

use std::fs::File;
use std::io::{self, Write};

use crate::error::{Kind, Report};

/// Stdout, past the buffer of the standard library: that is not wiped, and drops without
/// a word what is written to a descriptor that is open for reading only.
pub(crate) struct Stdout(File);

impl Stdout {
    /// Sees that what is written would go somewhere, before anything is asked or sent. A
    /// disk that is full later, or a reader that goes away, can't be known.
    ///
    /// # Errors
    /// `not-sent`.
    pub(crate) fn open() -> Result<Self, Report> {
        let opened = duplicate().and_then(|mut out| {
            let _ = out.write(&[])?;
            may_be_read(&out)?;
            Ok(out)
        });
        opened.map(Stdout).map_err(|error| {
            let message = format!("what is asked for can't be written to stdout: {error}");
            Report::new(Kind::NotSent, message).next("Nothing was sent to the token")
        })
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(unix)]
fn duplicate() -> io::Result<File> {
    use std::os::fd::AsFd as _;

    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn duplicate() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;

    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

/// That nobody has closed the other end, and that it is not `/dev/null`, which the
/// standard library puts in the place of a descriptor that was closed.
#[cfg(unix)]
fn may_be_read(out: &File) -> io::Result<()> {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut polled = [PollFd::new(out, PollFlags::OUT)];
    poll(&mut polled, Some(&now))?;
    let gone = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
    if polled[0].revents().intersects(gone) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    let (own, null) = (out.metadata()?, std::fs::metadata("/dev/null")?);
    if own.file_type().is_char_device() && own.rdev() == null.rdev() {
        return Err(io::Error::other("it is closed, or leads nowhere"));
    }
    Ok(())
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
fn may_be_read(_: &File) -> io::Result<()> {
    Ok(())
}
