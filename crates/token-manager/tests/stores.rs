//! What the host keeps, with several programs at it and with a store that fails:
//! nothing noted is lost, and the outcome on the token is told as it is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::sync::Arc;
use std::thread;

use piv_apdu::secret::Puk;
use token_manager::token_profile::ManagementProfile;
use token_manager::{
    ActionError, FileStore, HostRecord, HostStore, Journal, LastTry, Manager, Overrides, PinEntry,
    RecoveryPlace, StoreError, TokenKey,
};
use virtual_token::{Content, MemoryBackend, Profile};

use desk::{Desk, factory, pin};

/// Can be read, and not be written to.
struct ReadOnly;

impl HostStore for ReadOnly {
    fn read(&self, _: &TokenKey) -> Result<HostRecord, StoreError> {
        Ok(HostRecord::new())
    }

    fn write(&self, _: &TokenKey, _: &HostRecord) -> Result<(), StoreError> {
        Err(StoreError::Io {
            path: "records".to_owned(),
            done: "written",
            source: std::io::ErrorKind::ReadOnlyFilesystem.into(),
        })
    }
}

fn manager(desk: &Desk, store: Arc<dyn HostStore>) -> Manager {
    let readers = MemoryBackend::new();
    readers.insert("Desk", &desk.card).unwrap();
    let risks = Overrides::default()
        .allow_managed(true)
        .allow_unverified(true);
    Manager::new(Arc::new(readers))
        .with_store(store)
        .with_overrides(risks)
}

#[test]
fn a_wrong_puk_is_told_although_it_can_t_be_noted() {
    let desk = Desk::new(Profile::Piv, Content::Personal);
    let mut session = manager(&desk, Arc::new(ReadOnly)).open("Desk").unwrap();
    let wrong = Puk::new(b"00000000").unwrap();
    let new = Puk::new(b"31415926").unwrap();
    let error = session
        .change_puk(&wrong, &new, LastTry::Spare)
        .unwrap_err();
    assert!(
        matches!(error, ActionError::Wrong { tries_left: Some(left), .. } if left > 1),
        "{error}"
    );
    // What the card told holds for this session, at least.
    while session.record().puk_tries_left != Some(1) {
        let error = session.unblock_with_puk(&wrong, &pin("271828"), LastTry::Spare);
        assert_eq!(error.unwrap_err().id(), "wrong");
    }
    let error = session
        .change_puk(&wrong, &new, LastTry::Spare)
        .unwrap_err();
    assert_eq!(error.id(), "not-sent", "{error}");
}

/// Two sessions of two programs: what the one notes does not undo what the other
/// has noted since the first one read the record.
#[test]
fn what_another_program_noted_meanwhile_stays() {
    let profile = Profile::Crescendo2300;
    let desk = Desk::new(profile, Content::Personal).daring();
    let mut session = desk.open();
    let key = session.key().unwrap().clone();
    let journal = Journal::new(token_manager::Action::Personalize);
    let mut other = HostRecord::new();
    other.journal = Some(journal.clone());
    other.puk_tries_left = Some(1);
    desk.store.write(&key, &other).unwrap();
    let policy = token_manager::token_profile::Policy {
        minimum: 6,
        ..session.managed_policy()
    };
    let right = factory(profile);
    session
        .set_policy(PinEntry::Typed(&right), LastTry::Use, &policy)
        .unwrap();
    let record = desk.store.read(&key).unwrap();
    assert_eq!(record.journal, Some(journal));
    assert_eq!(record.puk_tries_left, Some(1));
    assert_eq!(record.profile.unwrap().policy.minimum, 6);
}

#[test]
fn a_folder_with_several_writers_loses_no_update() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Desk::new(Profile::Crescendo2300, Content::Personal);
    let key = desk.open().key().unwrap().clone();
    let steps: Vec<String> = (0..120).map(|step| format!("step-{step}")).collect();
    thread::scope(|scope| {
        for part in steps.chunks(30) {
            // Each with a store of its own, as programs have.
            let (store, key) = (FileStore::new(folder.path()), &key);
            scope.spawn(move || {
                for step in part {
                    store
                        .update(key, &mut |record| {
                            let journal = record.journal.get_or_insert_with(|| {
                                Journal::new(token_manager::Action::Recycle)
                            });
                            journal.done.push(step.clone());
                        })
                        .unwrap();
                }
            });
        }
    });
    let record = FileStore::new(folder.path()).read(&key).unwrap();
    let mut done = record.journal.unwrap().done;
    done.sort();
    let mut expected = steps;
    expected.sort();
    assert_eq!(done, expected);
}

#[test]
fn a_change_that_changes_nothing_makes_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::new(folder.path().join("records"));
    let desk = Desk::new(Profile::Crescendo2300, Content::Personal);
    let key = desk.open().key().unwrap().clone();
    let record = store
        .update(&key, &mut |record| record.recovery = None)
        .unwrap();
    assert!(record.is_empty() && !store.directory().exists());
    let record = store
        .update(&key, &mut |record| {
            record.recovery = Some(RecoveryPlace::Host);
            record.profile = Some(ManagementProfile::default());
        })
        .unwrap();
    assert_eq!(store.read(&key).unwrap(), record);
}

#[cfg(unix)]
#[test]
fn the_folder_and_its_files_are_their_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("records");
    let desk = Desk::new(Profile::Crescendo2300, Content::Empty);
    let session = desk.open();
    let key = session.key().unwrap();
    let mut record = HostRecord::new();
    record.recovery = Some(RecoveryPlace::Nowhere);
    FileStore::new(&folder).write(key, &record).unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&folder) & 0o777, 0o700);
    let file = folder.join(format!("{key}.json"));
    assert_eq!(mode(&file) & 0o777, 0o600);
}

/// What a program that was killed while it wrote has left goes when it is old; what
/// another program writes just now stays.
#[test]
fn files_that_were_never_finished_are_removed_when_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::new(folder.path());
    let [old, new, other] =
        [".record-old", ".record-new", "not-ours"].map(|it| folder.path().join(it));
    let hours_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    for path in [&old, &new, &other] {
        std::fs::write(path, "half").unwrap();
    }
    for path in [&old, &other] {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(hours_ago).unwrap();
    }
    let key = Desk::new(Profile::Crescendo2300, Content::Empty)
        .open()
        .key()
        .unwrap()
        .clone();
    store
        .update(&key, &mut |record| record.puk_tries_left = Some(2))
        .unwrap();
    assert_eq!(
        [&old, &new, &other].map(|path| path.exists()),
        [false, true, true]
    );
    assert_eq!(store.read(&key).unwrap().puk_tries_left, Some(2));
}
