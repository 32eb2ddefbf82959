//! Eight processes that read and change a few tokens through one folder, and are
//! killed while they do.
//!
//! The test starts itself again: each process is this program with only the test
//! `one_of_the_processes`, which does nothing unless it is told where. A card is
//! a file with the version of each of its objects, and the lock on it stands for
//! the card's transaction: like that one, it ends with the process that has it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod common;

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{ccc, chuid, identity, name, object};
use piv_apdu::apdu::Response;
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use tempfile::TempDir;
use token_cache::{Cache, Counts, Item, Snapshot};

const PROCESSES: usize = 8;
const CARDS: u8 = 3;
const OBJECTS: usize = 3;

/// What has to be reached, and for how long at most.
const OPERATIONS: u64 = 2000;
const KILLS: usize = 30;
const PATIENCE: Duration = Duration::from_secs(15);

/// Where a process finds cards and cache.
const FOLDER: &str = "TOKEN_CACHE_TEST_FOLDER";
/// Set for a process that does not forget what it changes.
const CARELESS: &str = "TOKEN_CACHE_TEST_CARELESS";

#[test]
fn eight_processes_see_nothing_corrupt_and_nothing_stale() {
    let outcome = run(false);
    assert_eq!(outcome.failures, "");
    assert!(
        outcome.operations >= 1000 && outcome.kills >= 10,
        "too little was done in time: {outcome:?}"
    );
    assert!(
        outcome.hits > 100,
        "hardly anything was remembered: {outcome:?}"
    );
}

/// The test above can fail: programs that do not forget are found out.
#[test]
fn a_change_that_is_not_forgotten_is_seen() {
    let outcome = run(true);
    assert!(outcome.failures.contains("is stale"), "{outcome:?}");
}

#[test]
fn one_of_the_processes() {
    if let Some(folder) = env::var_os(FOLDER) {
        Program::new(Path::new(&folder)).work();
    }
}

#[derive(Debug)]
struct Outcome {
    operations: u64,
    hits: u64,
    kills: usize,
    /// What processes said that ended by themselves.
    failures: String,
}

/// Lets eight processes work, kills one every now and then, and starts another
/// in its place.
fn run(careless: bool) -> Outcome {
    let folder = TempDir::new().expect("a folder can be made");
    let begin = Instant::now();
    let mut started = 0;
    let mut start = || {
        started += 1;
        start_process(folder.path(), started, careless)
    };
    let mut processes: Vec<(Child, PathBuf)> = (0..PROCESSES).map(|_| start()).collect();
    let mut outcome = Outcome {
        operations: 0,
        hits: 0,
        kills: 0,
        failures: String::new(),
    };
    let length = |file| fs::metadata(folder.path().join(file)).map_or(0, |file| file.len());
    while begin.elapsed() < PATIENCE
        && outcome.failures.is_empty()
        && (outcome.operations < OPERATIONS || outcome.kills < KILLS)
    {
        thread::sleep(Duration::from_millis(random(60)));
        for (process, log) in &mut processes {
            if process.try_wait().expect("can be asked").is_some() {
                outcome.failures += &fs::read_to_string(log).expect("has a log");
            }
        }
        let victim = usize::try_from(random(8)).expect("is small");
        end(&mut processes[victim].0);
        outcome.kills += 1;
        processes[victim] = start();
        outcome.operations = length("operations");
        outcome.hits = length("hits");
    }
    for (process, _) in &mut processes {
        end(process);
    }
    outcome
}

fn start_process(folder: &Path, number: usize, careless: bool) -> (Child, PathBuf) {
    let path = folder.join(format!("log-{number}"));
    let log = File::create(&path).expect("can be made");
    let mut command = Command::new(env::current_exe().expect("is this program"));
    command
        .args(["--exact", "one_of_the_processes", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    if careless {
        command.env(CARELESS, "1");
    }
    (command.spawn().expect("can be started"), path)
}

fn end(process: &mut Child) {
    let _ = process.kill();
    process.wait().expect("has ended");
}

/// One program that uses the tokens.
struct Program {
    folder: PathBuf,
    cache: Cache,
    forgets: bool,
    /// Read from a card, but not stored yet: it may be stale by then.
    unstored: Option<Snapshot>,
}

impl Program {
    fn new(folder: &Path) -> Self {
        let cache = Cache::off().with_disk(&folder.join("cache"));
        // Some have a memory of their own before the folder.
        let with_memory = Cache::off().with_memory();
        let with_memory = with_memory.with_disk(&folder.join("cache"));
        Self {
            folder: folder.to_owned(),
            cache: if random(2) == 0 { cache } else { with_memory },
            forgets: env::var_os(CARELESS).is_none(),
            unstored: None,
        }
    }

    /// Ends by itself if nobody is left to kill it.
    fn work(mut self) {
        let begin = Instant::now();
        while begin.elapsed() < 2 * PATIENCE {
            let number = u8::try_from(random(CARDS.into())).expect("is small");
            match random(20) {
                0..9 => self.load(number),
                9..16 => self.change(number),
                16..18 => self.late_store(),
                18 => drop(self.cache.held()),
                _ => drop(self.cache.clear(&name(number))),
            }
            self.note("operations");
        }
    }

    /// Reads a token, from the cache what is in it, and remembers it.
    fn load(&mut self, number: u8) {
        let card = Card::begin(&self.folder, number);
        let found = self.cache.with_atr(identity(number).atr());
        let known = found.iter().find(|it| it.identity() == &identity(number));
        let generation = self.cache.generation(&name(number));
        let mut snapshot = Snapshot::new(identity(number), generation);
        for (at, item) in items().into_iter().enumerate() {
            if let Some(entry) = known.and_then(|known| known.entries().get(&item)) {
                card.check(at, &entry.response);
                snapshot.keep(item, entry.clone());
                self.note("hits");
            } else if random(4) > 0 {
                snapshot.remember(item, card.answer(at));
            }
        }
        self.cache
            .count(&name(number), Counts { hits: 1, misses: 1 });
        if random(3) == 0 {
            self.unstored = Some(snapshot);
        } else {
            self.cache.store(snapshot);
        }
    }

    /// Stores what was read a while ago, when the transaction is long over.
    fn late_store(&mut self) {
        if let Some(snapshot) = self.unstored.take() {
            self.cache.store(snapshot);
        }
    }

    /// Writes an object, and sees that its old content is not remembered.
    fn change(&mut self, number: u8) {
        let mut card = Card::begin(&self.folder, number);
        let at = usize::try_from(random(OBJECTS as u64)).expect("is small");
        let changed = items()[at];
        if self.forgets {
            assert!(self.cache.forget(&name(number), |item| item == changed));
        }
        // The time in which it is most likely to be killed.
        thread::sleep(Duration::from_micros(random(2000)));
        card.write(at);
        let known = self.cache.read(&name(number));
        for (at, item) in items().into_iter().enumerate() {
            if let Some(response) = known.as_ref().and_then(|known| known.answer(item)) {
                assert!(item != changed, "what was written just now is stale");
                card.check(at, response);
            }
        }
    }

    fn note(&self, file: &str) {
        let file = self.folder.join(file);
        let mut file = File::options().append(true).create(true).open(file);
        let noted = file.as_mut().map(|file| file.write_all(b"."));
        noted.expect("can be opened").expect("can be written");
    }
}

fn items() -> [Item; OBJECTS] {
    [chuid(), ccc(), object(ObjectTag::KEY_HISTORY)]
}

/// A card, as long as a transaction holds it.
struct Card {
    number: u8,
    file: File,
    versions: [u32; OBJECTS],
}

impl Card {
    fn begin(folder: &Path, number: u8) -> Self {
        let path = folder.join(format!("card-{number}"));
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).expect("can be opened");
        file.lock().expect("can be locked");
        let mut content = Vec::new();
        file.read_to_end(&mut content).expect("can be read");
        content.resize(4 * OBJECTS, 0);
        let versions = std::array::from_fn(|at| {
            let version = content[4 * at..][..4].try_into();
            u32::from_le_bytes(version.expect("has four bytes"))
        });
        Self {
            number,
            file,
            versions,
        }
    }

    fn write(&mut self, at: usize) {
        self.versions[at] += 1;
        let content: Vec<u8> = self
            .versions
            .iter()
            .flat_map(|it| it.to_le_bytes())
            .collect();
        self.file.rewind().expect("can be rewound");
        self.file.write_all(&content).expect("can be written");
    }

    /// What it answers: what it is, in which version, and more that has to be
    /// right up to its last byte.
    fn answer(&self, at: usize) -> Response {
        let version = self.versions[at];
        let head = [self.number, u8::try_from(at).expect("is small")];
        let mut content = head.to_vec();
        content.extend(version.to_le_bytes());
        let length = 100 + usize::try_from(version).expect("fits") * 37 % 3000;
        content.extend((0..length).map(|at| at.to_le_bytes()[0] ^ version.to_le_bytes()[0]));
        Response::new(&content, StatusWord::SUCCESS)
    }

    /// What is remembered has to be what the card would answer now.
    fn check(&self, at: usize, remembered: &Response) {
        let expected = self.answer(at);
        if remembered == &expected {
            return;
        }
        let version = |response: &Response| response.data().get(2..6).map(<[u8]>::to_vec);
        assert!(
            version(remembered) == version(&expected),
            "card {}, object {at} is stale: {:?}, not {:?}",
            self.number,
            version(remembered),
            version(&expected)
        );
        panic!("card {}, object {at} is corrupt", self.number);
    }
}

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("there is chance");
    u64::from_le_bytes(bytes) % below
}
