//! A certificate into a file: as a whole or not at all, and over nothing that is there
//! unless that is asked for.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use crate::error::{Kind, Report, Result};

/// The file that is meant: `-` is stdout, as everywhere.
pub(crate) fn named(output: Option<&Path>) -> Option<&Path> {
    output.filter(|path| *path != Path::new("-"))
}

/// Writes a file as a whole or not at all; an existing one only if `force`. A
/// device or a pipe is written to: a file moved there would take its place.
pub(crate) fn write(path: &Path, bytes: &[u8], force: bool) -> Result {
    let failed = |error: &io::Error| {
        let text = error.to_string();
        // Without the name of the temporary file, which says nothing.
        let why = text.split(" at path ").next().unwrap_or(&text);
        Report::new(
            Kind::Other,
            format!("{} could not be written: {why}", path.display()),
        )
    };
    if let Ok(there) = path.metadata()
        && !there.is_file()
    {
        let mut file = File::options()
            .write(true)
            .open(path)
            .map_err(|error| failed(&error))?;
        return Ok(file.write_all(bytes).map_err(|error| failed(&error))?);
    }
    // What a symbolic link leads to is replaced, not the link.
    let real = if force {
        path.canonicalize().ok()
    } else {
        None
    };
    let path = real.as_deref().unwrap_or(path);
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tokenctl-");
    // A certificate is public: the file is made as any other, whereas a
    // temporary one is its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder
        .tempfile_in(directory)
        .map_err(|error| failed(&error))?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| failed(&error))?;
    let moved = if force {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    match moved {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(Report::new(
            Kind::Other,
            format!("{} exists already, and was left as it is", path.display()),
        )
        .next("Choose another name, or give --force to replace it")
        .into()),
        Err(error) => Err(failed(&error.error).into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_file_is_not_replaced_unless_forced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("certificate.pem");
        write(&path, b"one", false).unwrap();
        assert!(write(&path, b"two", false).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write(&path, b"two", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1, "no temporary file stays behind");
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("no").join("certificate.pem");
        let message = write(&path, b"one", false).unwrap_err().to_string();
        assert!(!message.contains(".tokenctl-"), "{message}");
        assert!(write(directory.path(), b"one", true).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_a_pipe_is_written_to() {
        use std::os::unix::fs::{FileTypeExt as _, symlink};

        let directory = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| directory.path().join(name));
        std::fs::write(&file, b"one").unwrap();
        symlink(&file, &link).unwrap();
        write(&link, b"two", true).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"two");

        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || std::fs::read(pipe).unwrap())
        };
        write(&pipe, b"three", true).unwrap();
        assert!(pipe.metadata().unwrap().file_type().is_fifo());
        assert_eq!(reader.join().unwrap(), b"three");
    }
}
