#![no_main]
//! A file in the folder of the cache: what was read is written and read again,
//! and nothing in it is what only the PIN opens.
//!
//! The input is the body of the file. Its version and its checksum are put before
//! it, since no input would ever fit them; and it is read under whichever name
//! the target made up, since a file only counts under its token's.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use piv_apdu::object::{Guid, ReadAccess};
use sha2::{Digest as _, Sha256};
use token_cache::{DiskTier, Item, Name, Tier as _};

/// The GUID of the seeds' token.
const GUID: Guid = Guid([7; 16]);

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("fuzz-cache-file-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
});

fuzz_target!(|body: &[u8]| {
    let name = Name::of_guid(&GUID);
    let tier = DiskTier::new(&FOLDER);
    let file = [b"PIVTOK\x00\x02", &Sha256::digest(body)[..], body].concat();
    let path = FOLDER.join(format!("00000000.{name}.token"));
    fs::write(path, file).expect("can be written");

    let Some(read) = tier.read(&name) else {
        return;
    };
    for item in read.entries().keys() {
        if let Item::Object(object) = item {
            assert_eq!(object.tag().read_access(), ReadAccess::Always);
        }
    }
    tier.write(&Arc::clone(&read));
    let again = tier.read(&name).expect("what was written can be read");
    assert_eq!(again, read);
    assert_eq!(tier.names().len(), 1);
    tier.remove(&name);
});
