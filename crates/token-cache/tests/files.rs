//! The folder: what its files survive, who can read them, how large they get,
//! and what is refused.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{atr, ccc, chuid, identity, name, remember, remembered, snapshot};
use minicbor::Encoder;
use piv_apdu::apdu::Response;
use piv_apdu::object::{Guid, ObjectTag};
use piv_apdu::status::StatusWord;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use token_cache::{Cache, Counts, DiskTier, Generation, Identity, Item, Snapshot, Tier};

const MAGIC: &[u8] = b"PIVTOK\x00\x02";

/// A folder with one token in it.
fn folder_with_token() -> (TempDir, Cache) {
    let folder = TempDir::new().expect("a folder can be made");
    let cache = Cache::off().with_disk(folder.path());
    remember(&cache, 1, &[(chuid(), b"one"), (ccc(), b"another")]);
    (folder, cache)
}

fn files_with(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("can be read");
    let files = files.map(|file| file.expect("can be read").path());
    let named = files.filter(|path| path.to_string_lossy().ends_with(suffix));
    named.collect()
}

fn file_with(folder: &Path, suffix: &str) -> PathBuf {
    let mut files = files_with(folder, suffix);
    assert_eq!(files.len(), 1, "{suffix}");
    files.remove(0)
}

/// A folder with one file, whose name is the first token's.
struct OneFile {
    folder: TempDir,
    path: PathBuf,
}

impl OneFile {
    fn new() -> Self {
        let (folder, _) = folder_with_token();
        let path = file_with(folder.path(), ".token");
        Self { folder, path }
    }

    /// Whether a file with this content is taken for the token's.
    fn reads(&self, content: &[u8]) -> bool {
        fs::write(&self.path, content).expect("can be written");
        let tier = DiskTier::new(self.folder.path());
        let _ = tier.with_atr(&atr(0));
        tier.read(&name(1)).is_some()
    }
}

/// The file that a body in CBOR has, with a checksum that fits.
fn file_of(body: &[u8]) -> Vec<u8> {
    [MAGIC, &Sha256::digest(body)[..], body].concat()
}

/// The body of a file of the first token, with this answer and these times.
fn body_with(kind: u8, value: u32, status: u16, read_at: u64) -> Vec<u8> {
    let identity = identity(1);
    let mut body = Encoder::new(Vec::new());
    let written = (|| {
        body.array(7)?.bytes(identity.atr().as_bytes())?;
        body.bytes(&identity.guid().expect("has one").0)?;
        body.str(identity.serial().expect("has one"))?;
        body.u64(1)?.u64(1_700_000_000)?;
        body.array(1)?.array(5)?.u8(kind)?.u32(value)?;
        body.u64(read_at)?.u16(status)?.bytes(b"content")?;
        body.bytes(&[9; 32])?;
        Ok::<_, minicbor::encode::Error<std::convert::Infallible>>(())
    })();
    written.expect("can be encoded");
    body.into_writer()
}

#[test]
fn a_file_that_is_cut_anywhere_is_dropped() {
    let (folder, cache) = folder_with_token();
    let path = file_with(folder.path(), ".token");
    let whole = fs::read(&path).expect("can be read");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("can be written");
        assert!(cache.read(&name(1)).is_none(), "cut after {length}");
        assert!(cache.with_atr(&atr(0)).is_empty());
    }
    fs::write(&path, [&whole[..], b"\0"].concat()).expect("can be written");
    assert!(cache.read(&name(1)).is_none(), "has one byte more");
    fs::write(&path, &whole).expect("can be written");
    assert!(cache.read(&name(1)).is_some());
}

#[test]
fn a_file_with_any_bit_changed_is_dropped() {
    let (folder, cache) = folder_with_token();
    let path = file_with(folder.path(), ".token");
    let mut content = fs::read(&path).expect("can be read");
    for bit in 0..8 * content.len() {
        content[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &content).expect("can be written");
        assert!(cache.read(&name(1)).is_none(), "bit {bit}");
        content[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_generation_that_is_cut_or_changed_anywhere_is_another_one() {
    let (folder, cache) = folder_with_token();
    let path = file_with(folder.path(), ".generation");
    let whole = fs::read(&path).expect("can be read");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("can be written");
        assert!(cache.read(&name(1)).is_none(), "cut after {length}");
        let mut changed = whole.clone();
        changed[length] ^= 0x10;
        fs::write(&path, &changed).expect("can be written");
        assert!(cache.read(&name(1)).is_none(), "byte {length}");
    }
    fs::write(&path, vec![7; 1 << 20]).expect("can be written");
    assert!(cache.read(&name(1)).is_none(), "is far too long");
    assert!(cache.forget(&name(1), |_| true));
    remember(&cache, 1, &[(chuid(), b"new")]);
    assert_eq!(remembered(&cache, 1, chuid()).as_deref(), Some(&b"new"[..]));
}

#[test]
fn what_is_dropped_is_remembered_again() {
    let (folder, cache) = folder_with_token();
    fs::write(file_with(folder.path(), ".token"), b"nonsense").expect("can be written");
    fs::write(file_with(folder.path(), ".generation"), b"").expect("can be written");
    assert!(cache.read(&name(1)).is_none());
    remember(&cache, 1, &[(chuid(), b"again")]);
    assert_eq!(
        remembered(&cache, 1, chuid()).as_deref(),
        Some(&b"again"[..])
    );
}

#[test]
fn a_file_under_the_name_of_another_token_is_dropped() {
    let (folder, cache) = folder_with_token();
    let path = file_with(folder.path(), ".token");
    let other = path
        .to_string_lossy()
        .replace(name(1).as_str(), name(2).as_str());
    fs::rename(path, other).expect("can be renamed");
    assert!(cache.read(&name(2)).is_none() && cache.read(&name(1)).is_none());
    assert!(cache.with_atr(&atr(0)).is_empty());
}

#[test]
fn only_this_version_is_read() {
    let file = OneFile::new();
    let body = body_with(9, 0x5F_C102, 0x9000, 1_700_000_000);
    let mut content = file_of(&body);
    assert!(file.reads(&content));
    for version in [0, 1, 3, 255] {
        content[7] = version;
        assert!(!file.reads(&content), "version {version}");
    }
}

/// Whoever can write to the folder makes the checksum fit as well.
#[test]
fn what_must_not_be_remembered_is_refused_with_a_checksum_that_fits() {
    let file = OneFile::new();
    let at = 1_700_000_000;
    assert!(file.reads(&file_of(&body_with(9, 0x5F_C105, 0x9000, at))));
    for tag in [
        ObjectTag::PRINTED_INFORMATION,
        ObjectTag::FINGERPRINTS,
        ObjectTag::FACIAL_IMAGE,
        ObjectTag::IRIS,
        ObjectTag::PAIRING_CODE,
    ] {
        assert!(
            !file.reads(&file_of(&body_with(9, tag.get(), 0x9000, at))),
            "{tag:?}"
        );
    }
    assert!(
        !file.reads(&file_of(&body_with(0, 0, 0x9000, at))),
        "no such item"
    );
    assert!(
        !file.reads(&file_of(&body_with(12, 0, 0x9000, at))),
        "no such item"
    );
    assert!(
        !file.reads(&file_of(&body_with(6, 1, 0x9000, at))),
        "has no number"
    );
    assert!(
        !file.reads(&file_of(&body_with(8, 0x180, 0x63C3, at))),
        "no reference"
    );
    assert!(
        !file.reads(&file_of(&body_with(9, u32::MAX, 0x9000, at))),
        "no tag"
    );
    for never in [u64::MAX, u64::MAX / 2, 253_402_300_800] {
        assert!(
            !file.reads(&file_of(&body_with(9, 0x5F_C102, 0x9000, never))),
            "{never}"
        );
    }
}

#[test]
fn that_a_pin_is_verified_is_not_read() {
    let (folder, _) = folder_with_token();
    let file = file_of(&body_with(8, 0x80, 0x9000, 1_700_000_000));
    fs::write(file_with(folder.path(), ".token"), file).expect("can be written");
    let read = DiskTier::new(folder.path()).read(&name(1));
    assert!(read.expect("is there").entries().is_empty());
}

#[test]
fn lengths_that_lie_are_refused() {
    let file = OneFile::new();
    let body = body_with(9, 0x5F_C102, 0x9000, 1_700_000_000);
    // An array or bytes of 2^63, 2^32 or 2^16 elements at each place.
    for at in 0..body.len() {
        for head in [0x9B, 0x5B, 0x7B, 0x9A, 0x5A, 0x7A, 0x99, 0xBB] {
            let mut hostile = body[..at].to_vec();
            hostile.push(head);
            hostile.extend([0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
            hostile.extend(&body[at..]);
            assert!(!file.reads(&file_of(&hostile)), "{head:02X} at {at}");
        }
    }
    // Nothing but heads of arrays, and arrays without an end.
    for byte in [0x81, 0x87, 0x9F, 0xDB, 0xBF] {
        assert!(!file.reads(&file_of(&vec![byte; 1 << 19])), "{byte:02X}");
    }
}

#[test]
fn a_snapshot_that_is_too_large_is_not_remembered() {
    let (folder, cache) = folder_with_token();
    let large = vec![7; 100_000];
    let tags = (0x5F_C10D..0x5F_C10D + 10).map(|tag| ObjectTag::try_from(tag).expect("is one"));
    let items: Vec<_> = tags.map(common::object).collect();
    let contents: Vec<_> = items.iter().map(|item| (*item, &large[..])).collect();
    remember(&cache, 1, &contents);
    assert!(cache.read(&name(1)).is_some(), "has a million bytes");

    let mut contents = contents;
    contents.push((chuid(), &large[..]));
    remember(&cache, 1, &contents);
    assert!(cache.read(&name(1)).is_none(), "has more than 1 MiB");
    assert!(files_with(folder.path(), ".token").is_empty());

    let path = folder.path().join(format!("00000000.{}.token", name(1)));
    fs::write(path, vec![0; 2 << 20]).expect("can be written");
    assert!(cache.read(&name(1)).is_none());
}

#[test]
fn counts_that_are_torn_or_garbled_are_zero_and_count_on() {
    let (folder, cache) = folder_with_token();
    let counts = || cache.held()[0].counts;
    let one = Counts { hits: 1, misses: 2 };
    cache.count(&name(1), one);
    let path = file_with(folder.path(), ".counts");
    let whole = fs::read(&path).expect("can be read");
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|at| whole[..at].to_vec()).collect();
    damaged.extend((0..whole.len()).map(|at| {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        changed
    }));
    damaged.push([&whole[..], b"\0"].concat());
    damaged.push(vec![0; whole.len()]);
    damaged.push(vec![7; 1 << 20]);
    for content in damaged {
        fs::write(&path, &content).expect("can be written");
        assert_eq!(counts(), Counts::default(), "{} bytes", content.len());
        cache.count(&name(1), one);
        assert_eq!(counts(), one, "{} bytes", content.len());
        assert_eq!(fs::read(&path).expect("can be read"), whole);
    }
}

#[test]
fn the_folder_has_the_files_of_64_tokens_at_most() {
    let (folder, cache) = folder_with_token();
    for number in 2..=150 {
        // Of half of them nothing is remembered but that they were changed.
        if number % 2 == 0 {
            remember(&cache, number, &[(chuid(), b"content")]);
        } else {
            assert!(cache.forget(&name(number), |_| true));
        }
        cache.count(&name(number), Counts { hits: 1, misses: 0 });
    }
    let count = |suffix| files_with(folder.path(), suffix).len();
    assert!(count(".token") <= 64 && count(".generation") <= 64);
    assert!(count(".counts") <= 65, "the last was not tidied after");
    assert!(remembered(&cache, 150, chuid()).is_some());
    assert!(cache.read(&name(1)).is_none());
}

#[test]
fn files_of_others_are_left_alone() {
    let (folder, cache) = folder_with_token();
    let foreign = [
        "notes.txt",
        "x.token",
        "a.b.token",
        "guid-.generation",
        "serial-..counts",
    ];
    for file in foreign {
        fs::write(folder.path().join(file), b"mine").expect("can be written");
    }
    fs::create_dir(folder.path().join("sub.token")).expect("can be made");
    for number in 2..80 {
        remember(&cache, number, &[(chuid(), b"content")]);
    }
    assert!(cache.clear(&name(79)));
    for file in foreign {
        let content = fs::read(folder.path().join(file)).expect("is still there");
        assert_eq!(content, b"mine");
    }
    assert_eq!(cache.held().len(), 63);
}

#[test]
fn a_folder_in_the_place_of_a_file_is_no_harm() {
    let folder = TempDir::new().expect("a folder can be made");
    let cache = Cache::off().with_disk(folder.path());
    for suffix in ["generation", "counts"] {
        let path = folder.path().join(format!("{}.{suffix}", name(1)));
        fs::create_dir(path).expect("can be made");
    }
    remember(&cache, 1, &[(chuid(), b"content")]);
    cache.count(&name(1), Counts { hits: 1, misses: 0 });
    assert!(cache.read(&name(1)).is_none());
    assert!(!cache.has_failed_to_forget());
    let clone = cache.clone();
    assert!(!clone.forget(&name(1), |_| true), "can't be written to");
    assert!(cache.has_failed_to_forget());
}

#[test]
fn a_place_that_can_not_be_a_folder_remembers_nothing() {
    let folder = TempDir::new().expect("a folder can be made");
    let file = folder.path().join("file");
    fs::write(&file, b"mine").expect("can be written");
    let cache = Cache::off().with_memory().with_disk(&file.join("cache"));
    remember(&cache, 1, &[(chuid(), b"content")]);
    assert!(cache.read(&name(1)).is_none() && cache.held().is_empty());
    assert!(cache.forget(&name(1), |_| true) && cache.clear(&name(1)) && cache.clear_all());
    assert!(!cache.has_failed_to_forget(), "there is nothing to forget");
    assert_eq!(fs::read(&file).expect("can be read"), b"mine");
}

#[cfg(unix)]
mod on_unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        let file = fs::metadata(path).expect("is there");
        file.permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("can be set");
    }

    #[test]
    fn only_the_owner_can_read_it() {
        let home = TempDir::new().expect("a folder can be made");
        let folder = home.path().join("caches").join("tokens");
        let cache = Cache::off().with_disk(&folder);
        remember(&cache, 1, &[(chuid(), b"content")]);
        cache.count(&name(1), Counts { hits: 1, misses: 0 });
        assert!(cache.forget(&name(1), |_| false));
        assert_eq!(mode(&folder), 0o700);
        let files = files_with(&folder, "");
        assert_eq!(files.len(), 3);
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }

    #[test]
    fn a_folder_that_others_can_read_is_closed_to_them() {
        let (folder, cache) = folder_with_token();
        set_mode(folder.path(), 0o755);
        remember(&cache, 2, &[(chuid(), b"content")]);
        assert_eq!(mode(folder.path()), 0o700);
    }

    /// The system's folder for temporary files, say.
    #[test]
    fn a_folder_that_others_write_to_is_left_alone() {
        for theirs in [0o1777, 0o777, 0o707] {
            let folder = TempDir::new().expect("a folder can be made");
            set_mode(folder.path(), theirs);
            let cache = Cache::off().with_disk(folder.path());
            remember(&cache, 2, &[(chuid(), b"content")]);
            assert!(cache.read(&name(2)).is_none());
            assert_eq!(mode(folder.path()), theirs & 0o777);
            assert!(files_with(folder.path(), "").is_empty());
        }
    }

    #[test]
    fn links_are_not_followed() {
        let (folder, cache) = folder_with_token();
        let elsewhere = TempDir::new().expect("a folder can be made");
        for suffix in [".token", ".generation"] {
            let path = file_with(folder.path(), suffix);
            let target = elsewhere.path().join(suffix);
            fs::rename(&path, &target).expect("can be moved");
            symlink(&target, &path).expect("can be made");
            let content = fs::read(&target).expect("can be read");
            assert!(cache.read(&name(1)).is_none(), "{suffix}");
            assert!(cache.clear(&name(1)));
            assert_eq!(fs::read(&target).expect("is there"), content);
            remember(&cache, 1, &[(chuid(), b"content")]);
        }
        assert!(cache.read(&name(1)).is_some());
    }

    #[test]
    fn counts_are_written_in_place_and_not_through_a_link() {
        use std::os::unix::fs::MetadataExt as _;
        let (folder, cache) = folder_with_token();
        let one = Counts { hits: 1, misses: 0 };
        cache.count(&name(1), one);
        let path = file_with(folder.path(), ".counts");
        let file = || fs::symlink_metadata(&path).expect("is there");
        let before = file().ino();
        cache.count(&name(1), one);
        assert_eq!((file().ino(), cache.held()[0].counts.hits), (before, 2));

        let elsewhere = TempDir::new().expect("a folder can be made");
        let target = elsewhere.path().join("target");
        for there in [true, false] {
            fs::remove_file(&path).expect("can be removed");
            if there {
                fs::write(&target, b"mine").expect("can be written");
            } else {
                fs::remove_file(&target).expect("can be removed");
            }
            symlink(&target, &path).expect("can be made");
            cache.count(&name(1), one);
            assert!(file().is_symlink(), "nothing took its place");
            assert_eq!(cache.held()[0].counts, Counts::default());
            assert_eq!(fs::read(&target).ok(), there.then(|| b"mine".to_vec()));
        }
    }

    /// Opening a pipe would wait for its other end.
    #[test]
    fn a_pipe_is_not_waited_for() {
        let (folder, cache) = folder_with_token();
        for suffix in [".token", ".generation"] {
            let path = file_with(folder.path(), suffix);
            fs::remove_file(&path).expect("can be removed");
            let made = std::process::Command::new("mkfifo").arg(&path).status();
            assert!(made.expect("can be run").success());
            assert!(cache.read(&name(1)).is_none(), "{suffix}");
            assert!(cache.clear(&name(1)));
            remember(&cache, 1, &[(chuid(), b"content")]);
        }
        let path = folder.path().join(format!("{}.counts", name(1)));
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("can be run").success());
        cache.count(&name(1), Counts { hits: 1, misses: 0 });
        assert_eq!(cache.held()[0].counts, Counts::default());
    }

    /// Root can write everywhere, so there is nothing to see for root.
    fn is_root(folder: &Path) -> bool {
        let path = folder.join("as-root");
        fs::write(&path, b"").expect("can be written");
        set_mode(&path, 0o400);
        fs::File::options().write(true).open(&path).is_ok()
    }

    #[test]
    fn where_no_change_can_be_noted_nothing_is_remembered() {
        let (folder, cache) = folder_with_token();
        if is_root(folder.path()) {
            return;
        }
        let generation = file_with(folder.path(), ".generation");
        set_mode(&generation, 0o400);
        assert!(cache.read(&name(1)).is_none());
        set_mode(&generation, 0o600);
        assert!(cache.read(&name(1)).is_some());
    }

    #[test]
    fn a_folder_without_write_access_still_forgets() {
        let (folder, cache) = folder_with_token();
        if is_root(folder.path()) {
            return;
        }
        set_mode(folder.path(), 0o500);
        assert_eq!(
            remembered(&cache, 1, ccc()).as_deref(),
            Some(&b"another"[..])
        );
        assert!(cache.forget(&name(1), |item| item == chuid()));
        assert!(cache.read(&name(1)).is_none());
        assert!(!cache.clear(&name(1)), "the files are still there");
        remember(&cache, 2, &[(chuid(), b"content")]);
        assert!(cache.read(&name(2)).is_none());
        set_mode(folder.path(), 0o700);
        assert!(cache.clear(&name(1)));
    }
}

/// Also of tokens of which nothing is remembered any more: the names of the files are
/// those of tokens.
#[test]
fn clearing_all_leaves_no_file_of_any_token() {
    let (folder, cache) = folder_with_token();
    assert!(
        cache.forget(&name(7), |_| true),
        "a token that is not remembered"
    );
    let generation = file_with(folder.path(), &format!("{}.generation", name(1)));
    let mut file = fs::File::options()
        .append(true)
        .open(generation)
        .expect("is there");
    std::io::Write::write_all(&mut file, b"x").expect("can be written");
    fs::write(folder.path().join("not-ours"), "x").expect("can be written");
    assert!(cache.held().is_empty() && cache.clear_all());
    let left = files_with(folder.path(), "");
    assert_eq!(left, [folder.path().join("not-ours")]);
}

/// Who wants nothing remembered leaves no trace, and makes forgotten what others do.
#[test]
fn a_cache_that_only_forgets_writes_nothing_of_a_token_that_is_not_remembered() {
    let folder = TempDir::new().expect("a folder can be made");
    let careful = Cache::off().with_disk(folder.path()).only_forgetting();
    assert!(careful.forget(&name(1), |_| true));
    careful.count(&name(1), Counts { hits: 1, misses: 0 });
    assert!(files_with(folder.path(), "").is_empty());
    let cache = Cache::off().with_disk(folder.path());
    remember(&cache, 1, &[(chuid(), b"content")]);
    remember(&careful, 2, &[(chuid(), b"content")]);
    assert_eq!(cache.held().len(), 1);
    assert!(careful.forget(&name(1), |_| true));
    assert!(
        cache
            .read(&name(1))
            .is_none_or(|it| it.answer(chuid()).is_none())
    );
}

#[test]
fn what_killed_programs_left_is_removed_after_a_while() {
    let (folder, cache) = folder_with_token();
    let left = |name: &str, age: u64| {
        let path = folder.path().join(name);
        let file = fs::File::create(&path).expect("can be made");
        let written = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        file.set_modified(written).expect("can be set");
        path
    };
    let (old, new) = (left(".new-old", 2 * 60 * 60), left(".new-new", 0));
    remember(&cache, 1, &[(chuid(), b"content")]);
    assert!(!old.exists() && new.exists());
}

/// A clock that was wrong must not keep what it wrote for ever.
#[test]
fn files_from_the_future_are_dropped_first() {
    let (folder, cache) = folder_with_token();
    for path in files_with(folder.path(), "") {
        let file = fs::File::options()
            .append(true)
            .open(path)
            .expect("can be opened");
        let future = std::time::SystemTime::now() + std::time::Duration::from_secs(1_000_000);
        file.set_modified(future).expect("can be set");
    }
    for number in 2..=65 {
        remember(&cache, number, &[(chuid(), b"content")]);
    }
    assert!(cache.read(&name(1)).is_none());
    assert_eq!(cache.held().len(), 64);
}

fn any_item() -> impl Strategy<Value = Item> {
    prop_oneof![
        Just(Item::IssuerSecurityDomain),
        Just(Item::ProductionData),
        Just(Item::AccessControlApplet),
        Just(Item::PinProperties),
        any::<u8>().prop_map(Item::OathSlot),
        Just(Item::PivApplication),
        Just(Item::PivProperties),
        any::<u8>().prop_map(Item::Tries),
        (0x5F_0000_u32..0x60_0000).prop_filter_map("is public", |tag| {
            Item::object(ObjectTag::try_from(tag).ok()?)
        }),
    ]
}

fn any_identity() -> impl Strategy<Value = Identity> {
    let historical = proptest::collection::vec(any::<u8>(), 0..=15);
    let guid = proptest::option::of(any::<[u8; 16]>());
    let serial = proptest::option::of("[0-9A-Za-z]{1,32}");
    (historical, guid, serial).prop_filter_map("has a name", |(historical, guid, serial)| {
        let count = u8::try_from(historical.len()).ok()?;
        let bytes = [&[0x3B, count][..], &historical].concat();
        let atr = piv_apdu::atr::Atr::parse(&bytes).ok()?;
        Identity::new(&atr, guid.map(Guid), serial)
    })
}

fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let answer = (
        any_item(),
        any::<u16>(),
        proptest::collection::vec(any::<u8>(), 0..300),
    );
    let answers = proptest::collection::vec(answer, 0..20);
    (any_identity(), answers).prop_map(|(identity, answers)| {
        let mut snapshot = Snapshot::new(identity, Generation::default());
        for (item, status, data) in answers {
            snapshot.remember(item, Response::new(&data, StatusWord::new(status)));
        }
        snapshot
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_snapshot_is_read_as_it_was_written(written in any_snapshot()) {
        let folder = TempDir::new().expect("a folder can be made");
        let tier = DiskTier::new(folder.path());
        tier.write(&Arc::new(written.clone()));
        let read = tier.read(written.identity().name()).expect("is there");
        prop_assert_eq!(read.identity(), written.identity());
        prop_assert_eq!(read.entries().len(), written.entries().len());
        for (item, entry) in written.entries() {
            prop_assert_eq!(read.answer(*item), Some(&entry.response));
        }
        prop_assert_eq!(tier.with_atr(written.identity().atr()).len(), 1);
    }

    #[test]
    fn any_bytes_are_read_or_dropped(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        changed in 0_usize..100,
        to: u8,
    ) {
        let file = OneFile::new();
        prop_assert!(!file.reads(&bytes));
        let _ = file.reads(&file_of(&bytes));
        // Nearly right, with a checksum that fits.
        let mut body = body_with(9, 0x5F_C102, 0x9000, 1_700_000_000);
        if let Some(byte) = body.get_mut(changed) {
            *byte = to;
        }
        let _ = file.reads(&file_of(&body));
    }

    #[test]
    fn only_plain_serial_numbers_make_a_name(serial: String) {
        let plain = (1..=32).contains(&serial.len())
            && serial.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let name = token_cache::Name::of_serial(&serial);
        prop_assert_eq!(name.is_some(), plain);
        prop_assert_eq!(Identity::new(&atr(0), None, Some(serial)).is_some(), plain);
    }
}

#[test]
fn a_token_without_a_name_of_its_own_has_no_identity() {
    assert!(Identity::new(&atr(0), None, None).is_none());
    assert!(Identity::new(&atr(0), Some(Guid([0; 16])), None).is_none());
}

/// Two generations of one token in two files: what a program left that was
/// killed between writing one and removing the other.
#[test]
fn an_earlier_file_does_not_hide_the_present_one() {
    let (folder, cache) = folder_with_token();
    let path = file_with(folder.path(), ".token");
    let earlier = fs::read(&path).expect("can be read");
    for number in 0..16 {
        let beside = folder
            .path()
            .join(format!("{number:08x}.{}.token", name(1)));
        fs::write(beside, &earlier).expect("can be written");
    }
    assert!(cache.forget(&name(1), |item| item == chuid()));
    assert_eq!(remembered(&cache, 1, chuid()), None);
    assert_eq!(
        remembered(&cache, 1, ccc()).as_deref(),
        Some(&b"another"[..])
    );
    assert_eq!(files_with(folder.path(), ".token").len(), 1);
    let old = snapshot(identity(1), Generation::default(), b"old");
    cache.store(old);
    assert_eq!(remembered(&cache, 1, chuid()), None);
}

#[test]
fn the_file_of_the_present_generation_is_read_whatever_lies_beside_it() {
    for kind in ["00000000", "ffffffff"] {
        let (folder, cache) = folder_with_token();
        let earlier = fs::read(file_with(folder.path(), ".token")).expect("can be read");
        assert!(cache.forget(&name(1), |item| item == chuid()));
        let beside = folder.path().join(format!("{kind}.{}.token", name(1)));
        fs::write(beside, earlier).expect("can be written");

        assert_eq!(remembered(&cache, 1, chuid()), None, "{kind}");
        let known = remembered(&cache, 1, ccc());
        assert_eq!(known.as_deref(), Some(&b"another"[..]), "{kind}");
        assert_eq!(cache.held().len(), 1, "{kind}");
        // It is carried over as well, and the other one goes.
        assert!(cache.forget(&name(1), |_| false));
        let known = remembered(&cache, 1, ccc());
        assert_eq!(known.as_deref(), Some(&b"another"[..]), "{kind}");
        assert_eq!(files_with(folder.path(), ".token").len(), 1, "{kind}");
    }
}
