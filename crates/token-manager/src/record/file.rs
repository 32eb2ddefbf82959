//! Records in a folder, a small JSON file a token.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{HostRecord, HostStore, RECORD_VERSION, StoreError, TokenKey};

/// No record is longer.
const MAX_BYTES: u64 = 64 * 1024;
/// How the name of a file begins that becomes a record when it is complete.
const INCOMPLETE: &str = ".record-";
/// An incomplete file of this age is of a program that was killed: not every file
/// system has the lock that would tell.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(60 * 60);

/// Records in a folder of the user's: one file a token, written to a new file
/// and renamed, readable by its owner only. Whoever changes a record holds a lock
/// on the folder's file `.lock` meanwhile, where the file system has locks.
#[derive(Debug, Clone)]
pub struct FileStore {
    directory: PathBuf,
}

impl FileStore {
    /// Records in this folder, which is made when the first one is written.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, token: &TokenKey) -> PathBuf {
        self.directory.join(format!("{token}.json"))
    }

    /// Keeps other programs from changing a record as long as the file is open.
    fn lock(&self) -> Result<fs::File, StoreError> {
        let path = self.directory.join(".lock");
        let open = || {
            make_directory(&self.directory)?;
            let file = fs::File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)?;
            match file.lock() {
                // Not on every network file system.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
                locked => locked.map(|()| file),
            }
        };
        open().map_err(|error| io_error(&path, "written", error))
    }

    /// Removes what programs that were killed while they wrote have left; what
    /// can't be removed hinders nothing.
    fn remove_left_over(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.flatten() {
            let incomplete = entry.file_name().to_string_lossy().starts_with(INCOMPLETE);
            if incomplete && is_left_over(&entry) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn replace(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        make_directory(&self.directory)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(INCOMPLETE);
        // Made by tempfile with mode 0600 on Unix.
        let mut file = builder.tempfile_in(&self.directory)?;
        file.write_all(text)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

impl HostStore for FileStore {
    fn read(&self, token: &TokenKey) -> Result<HostRecord, StoreError> {
        let path = self.path(token);
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HostRecord::new()),
            Err(source) => return Err(io_error(&path, "read", source)),
        };
        let record: HostRecord =
            serde_json::from_slice(&text).map_err(|error| damaged(&path, error.to_string()))?;
        if record.version() != RECORD_VERSION {
            let detail = format!(
                "it has version {}, this program reads version {RECORD_VERSION}",
                record.version()
            );
            return Err(damaged(&path, detail));
        }
        Ok(record)
    }

    fn update(
        &self,
        token: &TokenKey,
        change: &mut dyn FnMut(&mut HostRecord),
    ) -> Result<HostRecord, StoreError> {
        // A folder that can't be written to does not matter if nothing is written.
        let seen = self.read(token)?;
        let mut record = seen.clone();
        change(&mut record);
        if record == seen {
            return Ok(record);
        }
        let _lock = self.lock()?;
        self.remove_left_over();
        let mut record = self.read(token)?;
        change(&mut record);
        self.write(token, &record)?;
        Ok(record)
    }

    fn write(&self, token: &TokenKey, record: &HostRecord) -> Result<(), StoreError> {
        let path = self.path(token);
        if record.is_empty() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(io_error(&path, "written", error))
                }
                _ => Ok(()),
            };
        }
        let text =
            serde_json::to_vec_pretty(record).map_err(|error| damaged(&path, error.to_string()))?;
        self.replace(&path, &text)
            .map_err(|error| io_error(&path, "written", error))
    }
}

/// Makes the folder if it is not there; on Unix for its owner only, since even
/// the names of the files tell which tokens somebody has.
fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

fn is_left_over(entry: &fs::DirEntry) -> bool {
    let written = entry.metadata().and_then(|it| it.modified());
    written.is_ok_and(|written| {
        SystemTime::now()
            .duration_since(written)
            .is_ok_and(|age| age > LEFT_OVER_AFTER)
    })
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    fs::File::open(path)?
        .take(MAX_BYTES)
        .read_to_end(&mut text)?;
    Ok(text)
}

fn io_error(path: &Path, done: &'static str, source: io::Error) -> StoreError {
    StoreError::Io {
        path: path.display().to_string(),
        done,
        source,
    }
}

fn damaged(path: &Path, detail: String) -> StoreError {
    StoreError::Damaged {
        path: path.display().to_string(),
        detail,
    }
}
