//! A folder of the user's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use piv_apdu::atr::Atr;
use sha2::{Digest, Sha256};

use crate::format;
use crate::identity::{Name, hex};
use crate::snapshot::Snapshot;
use crate::tier::{Change, Counts, Generation, MAX_TOKENS, Tier, fresh_bytes};

/// How long a `.generation` file gets: then it begins anew, and nothing is
/// carried over that once.
const MAX_GENERATION: usize = 4096;

/// The size of a `.counts` file: hits, misses, and eight bytes of their hash.
const COUNTS: usize = 24;

/// What a file is called while it is written.
const UNFINISHED: &str = ".new-";

/// A file that is unfinished for so long belongs to a program that was killed.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Snapshots in a folder of the user's, of at most 64 tokens, one of at most
/// 1 MiB each. Many processes can use it at once.
///
/// A snapshot is one file, `ATR.NAME.token`, which is written beside and then
/// renamed, so that a reader sees all of one or all of another. It is of use
/// only while its generation is that of `NAME.generation`: a hash of that file's
/// content, to which eight random bytes are appended whenever a token is about
/// to be changed. So a program that was stopped in the middle of a change can't
/// bring an earlier generation back, nor make what it had read before it was
/// stopped one of the present; and so no lock is needed, which a stopped program
/// would hold. `NAME.counts` are hits and misses, which are written in place: one
/// that is torn or garbled counts as zero.
///
/// Only the owner can read the folder. Nothing but the end of a generation waits
/// for the disk: a snapshot that a crash left unfinished does not fit its
/// checksum, and is as good as none.
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

    /// The names and paths of all files, whoever made them.
    fn files(&self) -> Vec<(String, PathBuf)> {
        let Ok(files) = fs::read_dir(&self.directory) else {
            return Vec::new();
        };
        let named = files.filter_map(|file| {
            let path = file.ok()?.path();
            Some((path.file_name()?.to_str()?.to_owned(), path))
        });
        named.collect()
    }

    /// Files of snapshots: the kind of token, its name, the path.
    fn snapshot_files(&self) -> Vec<(String, Name, PathBuf)> {
        let named = self.files().into_iter().filter_map(|(file, path)| {
            let (kind, name) = file.strip_suffix(".token")?.split_once('.')?;
            Some((kind.to_owned(), Name::from_text(name)?, path))
        });
        named.collect()
    }

    fn files_of(&self, token: &Name) -> Vec<PathBuf> {
        let files = self.snapshot_files();
        let of_token = files.into_iter().filter(|(_, name, _)| name == token);
        of_token.map(|(_, _, path)| path).collect()
    }

    /// Opens a file to be read and changed in place, made for its owner only if it
    /// is not there. Something else than a plain file is not ours.
    fn open(&self, path: &Path, options: &mut fs::OpenOptions) -> io::Result<fs::File> {
        make_directory(&self.directory)?;
        if fs::symlink_metadata(path).is_ok_and(|file| !file.is_file()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
        options.read(true).create(true).open(path)
    }

    /// Appends to the file of a generation, and waits for the disk.
    fn append(&self, path: &Path) -> io::Result<Change> {
        let mut file = self.open(path, fs::File::options().append(true))?;
        let mut content = read_at_most(&file, MAX_GENERATION)?;
        let from = generation_of(&content);
        let more = fresh_bytes();
        file.write_all(&more)?;
        file.sync_all()?;
        if content.is_empty() {
            sync_directory(&self.directory)?;
            self.tidy();
        }
        content.extend_from_slice(&more);
        if content.len() > MAX_GENERATION {
            fs::remove_file(path)?;
            return Ok(Change::default());
        }
        let to = generation_of(&content);
        Ok(Change { from, to })
    }

    /// Adds to the counts where they are: they are worth no new file each time.
    fn add(&self, path: &Path, more: Counts) -> io::Result<()> {
        let mut file = self.open(path, fs::File::options().write(true))?;
        let content = read_at_most(&file, COUNTS)?;
        if content.len() > COUNTS {
            file.set_len(0)?;
        }
        file.rewind()?;
        file.write_all(&counts_to_bytes(counts_of(&content).plus(more)))
    }

    /// Writes a file whole or not at all, readable by its owner only.
    fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        make_directory(&self.directory)?;
        // Made by tempfile with mode 0600 on Unix.
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.directory)?;
        file.write_all(content)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Drops the tokens that were used longest ago, if they are too many, and
    /// what programs left that were killed while writing. Whatever another
    /// program does with a token meanwhile: without its generation nothing of it
    /// is remembered.
    fn tidy(&self) {
        let mut tokens: BTreeMap<Name, Vec<PathBuf>> = BTreeMap::new();
        for (file, path) in self.files() {
            if let Some(token) = token_of(&file) {
                tokens.entry(token).or_default().push(path);
            } else if file.starts_with(UNFINISHED) && age(&path) > ABANDONED {
                let _ = fs::remove_file(path);
            }
        }
        if tokens.len() > MAX_TOKENS {
            let mut tokens: Vec<_> = tokens.into_values().collect();
            tokens.sort_by_cached_key(|files| files.iter().map(|path| age(path)).min());
            for files in &tokens[MAX_TOKENS..] {
                remove_all(files);
            }
        }
    }
}

impl Tier for DiskTier {
    fn generation(&self, token: &Name) -> Generation {
        // Where no change of the token could be noted, nothing is remembered.
        let mut options = fs::File::options();
        let content = read_file(
            options.read(true).append(true),
            &self.generation_file(token),
            MAX_GENERATION,
        );
        generation_of(&content.unwrap_or_default())
    }

    fn begin(&self, token: &Name) -> Option<Change> {
        let begun = self.append(&self.generation_file(token));
        begun
            .inspect_err(|error| tracing::debug!(%error, "a token's change is not noted"))
            .ok()
    }

    fn read(&self, token: &Name) -> Option<Arc<Snapshot>> {
        let files = self.files_of(token);
        let read = files.iter().filter_map(|path| read_snapshot(path, token));
        // A program that was killed may have left another one of an earlier
        // generation beside it.
        let present = (files.len() > 1).then(|| self.generation(token));
        read.max_by_key(|it| (Some(it.generation()) == present, it.checked_at()))
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
        let mut others = self.files_of(snapshot.identity().name());
        match format::encode(snapshot).map(|content| self.replace(&path, &content)) {
            Some(Ok(())) => others.retain(|other| *other != path),
            Some(Err(error)) => tracing::debug!(%error, "the token is not remembered"),
            None => tracing::debug!("the token is too large to be remembered"),
        }
        remove_all(&others);
        self.tidy();
    }

    fn remove(&self, token: &Name) -> bool {
        let mut files = vec![self.generation_file(token), self.counts_file(token)];
        files.extend(self.files_of(token));
        let removed = remove_all(&files);
        let _ = sync_directory(&self.directory);
        removed
    }

    fn remove_all(&self) -> bool {
        let files = self.files().into_iter();
        let of_tokens = files.filter(|(file, _)| token_of(file).is_some());
        let removed = remove_all(&of_tokens.map(|(_, path)| path).collect::<Vec<_>>());
        let _ = sync_directory(&self.directory);
        removed
    }

    fn count(&self, token: &Name, more: Counts) {
        let _ = self.add(&self.counts_file(token), more);
    }

    fn counts(&self, token: &Name) -> Counts {
        let mut options = fs::File::options();
        let content = read_file(options.read(true), &self.counts_file(token), COUNTS);
        counts_of(&content.unwrap_or_default())
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

/// The token that a file is of, by the file's name.
fn token_of(file: &str) -> Option<Name> {
    let (name, suffix) = file.rsplit_once('.')?;
    match suffix {
        "generation" | "counts" => Name::from_text(name),
        "token" => Name::from_text(name.split_once('.')?.1),
        _ => None,
    }
}

/// The generation that the content of its file stands for.
fn generation_of(content: &[u8]) -> Generation {
    if content.is_empty() || content.len() > MAX_GENERATION {
        return Generation::NONE;
    }
    let digest = Sha256::digest(content);
    let bytes = std::array::from_fn(|at| digest[at]);
    Generation::from_bytes(bytes)
}

/// What does not fit its checksum, or is of another token, is as good as none.
fn read_snapshot(path: &Path, token: &Name) -> Option<Arc<Snapshot>> {
    let mut options = fs::File::options();
    let content = read_file(options.read(true), path, format::MAX_BYTES).ok()?;
    let snapshot = format::decode(&content)?;
    (snapshot.identity().name() == token).then(|| Arc::new(snapshot))
}

/// The content of a file, as below. Something else than a plain file, such as a
/// link or a pipe, is not ours.
fn read_file(options: &fs::OpenOptions, path: &Path, most: usize) -> io::Result<Vec<u8>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    read_at_most(&options.open(path)?, most)
}

/// The content of a file, of which one byte more than `most` at most.
fn read_at_most(file: &fs::File, most: usize) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut content)?;
    Ok(content)
}

/// The counts that the content of their file stands for; none if it is not whole.
fn counts_of(content: &[u8]) -> Counts {
    let counts = Counts {
        hits: number(content, 0),
        misses: number(content, 8),
    };
    if counts_to_bytes(counts) == content {
        counts
    } else {
        Counts::default()
    }
}

fn counts_to_bytes(counts: Counts) -> [u8; COUNTS] {
    let mut content = [0; COUNTS];
    content[..8].copy_from_slice(&counts.hits.to_le_bytes());
    content[8..16].copy_from_slice(&counts.misses.to_le_bytes());
    let digest = Sha256::digest(&content[..16]);
    content[16..].copy_from_slice(&digest[..8]);
    content
}

/// The number at a place in a file; zero if the file ends before.
fn number(content: &[u8], at: usize) -> u64 {
    let bytes = content.get(at..at + 8).and_then(|it| it.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}

/// True if none of them is there any more.
fn remove_all(paths: &[PathBuf]) -> bool {
    paths.iter().fold(true, |all, path| {
        let gone = match fs::remove_file(path) {
            Ok(()) => true,
            // Where the folder should be, there may be something else.
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        };
        all && gone
    })
}

/// Makes the folder if it is not there; on Unix for its owner only, since even
/// the names of the files tell which tokens somebody has. One that is there and
/// can't be kept from others is not used.
fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
        builder.mode(0o700).recursive(true).create(path)?;
        let mode = fs::metadata(path)?.permissions().mode();
        // Others write there too, as in the system's own: it is theirs as well.
        if mode & 0o1002 != 0 {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    }
    #[cfg(not(unix))]
    builder.recursive(true).create(path)
}

/// Waits until the disk has the names of the files. Windows has nothing to do
/// that with.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs::File::open(path)?.sync_all()?;
    }
    Ok(())
}

/// How long ago a file was written. One from the future, of a clock that was
/// wrong, is as old as can be.
fn age(path: &Path) -> Duration {
    let written = fs::symlink_metadata(path).and_then(|file| file.modified());
    let age = written.ok().and_then(|written| written.elapsed().ok());
    age.unwrap_or(Duration::MAX)
}
