//! A folder of the user's.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use piv_apdu::atr::Atr;
use sha2::{Digest, Sha256};

use crate::format;
use crate::identity::{Name, hex};
use crate::item::Item;
use crate::snapshot::Snapshot;
use crate::tier::{Counts, Generation, Tier};

/// The most tokens that are remembered: those used last.
const MAX_TOKENS: usize = 64;

/// A generation is kept for so long after its token's snapshot was dropped: no
/// program that began to read the token before a change still does.
const KEEP_GENERATION: Duration = Duration::from_secs(24 * 60 * 60);

/// How long to wait for a program that changes the same folder. It never takes
/// more than a few file operations, unless it was stopped in the middle.
const PATIENCE: Duration = Duration::from_secs(1);

/// Snapshots in a folder of the user's, at most 64 of them, of at most 1 MiB
/// each. Many processes can use it at once.
///
/// A snapshot is one file, `ATR.NAME.token`, which is written beside and then
/// renamed, so that a reader sees all of one or all of another. It is of use
/// only while the generation in it is that of `NAME.generation`, which is
/// written first whenever a token is about to be changed; so it needs no lock to
/// be safe. `NAME.counts` are hits and misses. Only the owner can read the
/// folder. Nothing waits for the disk: a file that a crash left unfinished does
/// not fit its checksum, and is as good as none.
#[derive(Clone, Debug)]
pub struct DiskTier {
    directory: PathBuf,
}

impl DiskTier {
    /// In this folder, which is made when there is something to write.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    fn generation_file(&self, token: &Name) -> PathBuf {
        self.directory.join(format!("{token}.generation"))
    }

    fn counts_file(&self, token: &Name) -> PathBuf {
        self.directory.join(format!("{token}.counts"))
    }

    fn snapshot_file(&self, snapshot: &Snapshot) -> PathBuf {
        let identity = snapshot.identity();
        let kind = kind_of(identity.atr());
        self.directory
            .join(format!("{kind}.{}.token", identity.name()))
    }

    /// Files of snapshots: the kind of token, its name, the path.
    fn snapshot_files(&self) -> Vec<(String, Name, PathBuf)> {
        let Ok(files) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        let named = files.filter_map(|file| {
            let path = file.ok()?.path();
            let stem = path.file_name()?.to_str()?.strip_suffix(".token")?;
            let (kind, name) = stem.split_once('.')?;
            Some((kind.to_owned(), Name::from_text(name)?, path))
        });
        named.collect()
    }

    fn files_of(&self, token: &Name) -> Vec<PathBuf> {
        let files = self.snapshot_files();
        let of_token = files.into_iter().filter(|(_, name, _)| name == token);
        of_token.map(|(_, _, path)| path).collect()
    }

    fn begin_generation(&self, token: &Name, next: Generation) -> io::Result<()> {
        self.replace(&self.generation_file(token), &next.0.to_le_bytes())
    }

    /// Writes a file whole or not at all, readable by its owner only.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        make_directory(&self.directory)?;
        // Made by tempfile with mode 0600 on Unix.
        let mut file = tempfile::Builder::new()
            .prefix(".new-")
            .tempfile_in(&self.directory)?;
        file.write_all(content)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Keeps other programs from changing what is there meanwhile; `None` if that
    /// can't be had.
    fn lock(&self, patience: Duration) -> Option<fs::File> {
        make_directory(&self.directory).ok()?;
        let file = fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.directory.join(".lock"))
            .ok()?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Some(file),
                Err(fs::TryLockError::WouldBlock) if Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(2));
                }
                Err(_) => return None,
            }
        }
    }

    /// Drops the tokens that were used longest ago, generations that nobody
    /// needs any more, and what programs left that were killed while writing.
    fn tidy(&self) {
        let mut files = self.snapshot_files();
        if files.len() > MAX_TOKENS {
            files.sort_by_cached_key(|(_, _, path)| modified(path));
            for (_, _, path) in &files[..files.len() - MAX_TOKENS] {
                let _ = fs::remove_file(path);
            }
        }
        let Ok(all) = fs::read_dir(&self.directory) else {
            return;
        };
        for file in all.flatten() {
            let path = file.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name else { continue };
            let token = name
                .strip_suffix(".generation")
                .or(name.strip_suffix(".counts"));
            let is_orphan = token.is_some_and(|token| {
                files
                    .iter()
                    .all(|(_, name, path)| name.as_str() != token || !path.exists())
            });
            if (is_orphan || name.starts_with(".new-")) && is_old(&path) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

impl Tier for DiskTier {
    fn generation(&self, token: &Name) -> Generation {
        let content = read_bounded(&self.generation_file(token), 8);
        let bytes = content.and_then(|content| content.try_into().ok());
        bytes.map_or_else(Generation::default, |bytes| {
            Generation(u64::from_le_bytes(bytes))
        })
    }

    fn read(&self, token: &Name) -> Option<Arc<Snapshot>> {
        let files = self.files_of(token);
        files.iter().find_map(|path| read_snapshot(path, token))
    }

    fn with_atr(&self, atr: &Atr) -> Vec<Arc<Snapshot>> {
        let kind = kind_of(atr);
        let files = self.snapshot_files();
        let of_kind = files.iter().filter(|(of, _, _)| *of == kind);
        let read = of_kind.filter_map(|(_, name, path)| read_snapshot(path, name));
        read.filter(|it| it.identity().atr() == atr).collect()
    }

    fn write(&self, snapshot: &Arc<Snapshot>) {
        let path = self.snapshot_file(snapshot);
        let written = match format::encode(snapshot) {
            Some(content) => self.replace(&path, &content),
            None => fs::remove_file(&path),
        };
        if let Err(error) = written {
            tracing::debug!(%error, "the token is not remembered");
            return;
        }
        if self.snapshot_files().len() > MAX_TOKENS {
            self.tidy();
        }
    }

    fn forget(&self, token: &Name, forgotten: &dyn Fn(Item) -> bool, next: Generation) -> bool {
        // Without the lock two programs could carry over what the other forgets.
        let Some(_lock) = self.lock(PATIENCE) else {
            return self.clear(token, next);
        };
        let before = self.generation(token);
        let kept = self.read(token).filter(|it| it.generation() == before);
        if self.begin_generation(token, next).is_err() {
            return remove_all(&self.files_of(token));
        }
        if let Some(kept) = kept {
            self.write(&Arc::new((*kept).clone().without(forgotten, next)));
        }
        true
    }

    fn clear(&self, token: &Name, next: Generation) -> bool {
        let begun = self.begin_generation(token, next).is_ok();
        let removed = remove_all(&self.files_of(token));
        let _ = fs::remove_file(self.counts_file(token));
        begun || removed
    }

    fn count(&self, token: &Name, more: Counts) {
        // Not worth waiting for.
        let Some(_lock) = self.lock(Duration::ZERO) else {
            return;
        };
        let counts = self.counts(token).plus(more);
        let mut content = counts.hits.to_le_bytes().to_vec();
        content.extend(counts.misses.to_le_bytes());
        let _ = self.replace(&self.counts_file(token), &content);
    }

    fn counts(&self, token: &Name) -> Counts {
        let content = read_bounded(&self.counts_file(token), 16).unwrap_or_default();
        let (Some(hits), Some(misses)) = (number(&content, 0), number(&content, 8)) else {
            return Counts::default();
        };
        Counts { hits, misses }
    }

    fn names(&self) -> Vec<Name> {
        let files = self.snapshot_files();
        files.into_iter().map(|(_, name, _)| name).collect()
    }

    fn place(&self) -> String {
        self.directory.display().to_string()
    }
}

/// The kind of a token in a file's name: eight hexadecimal digits of its ATR's
/// hash, so that only those files are read that may be of the token.
fn kind_of(atr: &Atr) -> String {
    hex(&Sha256::digest(atr.as_bytes())[..4])
}

/// What does not fit its checksum, or is of another token, is as good as none.
fn read_snapshot(path: &Path, token: &Name) -> Option<Arc<Snapshot>> {
    let snapshot = format::decode(&read_bounded(path, format::MAX_BYTES)?)?;
    (snapshot.identity().name() == token).then(|| Arc::new(snapshot))
}

/// The content of a file that is no longer than this.
fn read_bounded(path: &Path, most: usize) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let limit = u64::try_from(most).ok()?.checked_add(1)?;
    let file = fs::File::open(path).ok()?;
    file.take(limit).read_to_end(&mut content).ok()?;
    (content.len() <= most).then_some(content)
}

fn number(content: &[u8], at: usize) -> Option<u64> {
    let bytes = content.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes))
}

/// True if none of them is there any more.
fn remove_all(paths: &[PathBuf]) -> bool {
    paths.iter().fold(true, |all, path| {
        let gone = match fs::remove_file(path) {
            Ok(()) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        all && gone
    })
}

/// Makes the folder if it is not there; on Unix for its owner only, since even
/// the names of the files tell which tokens somebody has.
fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

fn modified(path: &Path) -> SystemTime {
    let modified = fs::metadata(path).and_then(|file| file.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn is_old(path: &Path) -> bool {
    let age = modified(path).elapsed();
    age.is_ok_and(|age| age > KEEP_GENERATION)
}
