//! A snapshot as the content of a file: eight bytes that say what it is, a
//! SHA-256 of the rest, and the rest in CBOR (RFC 8949).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use minicbor::{Decode, Decoder, Encode};
use piv_apdu::apdu::Response;
use piv_apdu::atr::Atr;
use piv_apdu::object::Guid;
use piv_apdu::status::StatusWord;
use sha2::{Digest, Sha256};

use crate::identity::Identity;
use crate::item::Item;
use crate::snapshot::{Entry, Snapshot};
use crate::tier::Generation;

/// What the file is, and in which version: anything else is not read.
const MAGIC: &[u8; 8] = b"PIVTOK\x00\x02";
const DIGEST: usize = 32;

/// No snapshot of a real token comes near: a hostile one must not fill a disk.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

#[derive(Encode, Decode)]
struct Body {
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    atr: Vec<u8>,
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    guid: Option<[u8; 16]>,
    #[n(2)]
    serial: Option<String>,
    #[n(3)]
    generation: u64,
    #[n(4)]
    checked_at: u64,
    #[n(5)]
    entries: Vec<Line>,
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    insertion: Option<[u8; 32]>,
}

#[derive(Encode, Decode)]
struct Line {
    #[n(0)]
    kind: u8,
    #[n(1)]
    value: u32,
    #[n(2)]
    read_at: u64,
    #[n(3)]
    status: u16,
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    data: Vec<u8>,
}

/// The content of a file; `None` if it would be too large to be read again.
pub(crate) fn encode(snapshot: &Snapshot) -> Option<Vec<u8>> {
    let identity = snapshot.identity();
    let lines = snapshot.entries().iter().map(|(item, entry)| {
        let (kind, value) = item.to_numbers();
        Line {
            kind,
            value,
            read_at: to_seconds(entry.read_at),
            status: entry.response.status().get(),
            data: entry.response.data().to_vec(),
        }
    });
    let body = Body {
        atr: identity.atr().as_bytes().to_vec(),
        guid: identity.guid().map(|guid| guid.0),
        serial: identity.serial().map(str::to_owned),
        generation: snapshot.generation().0,
        checked_at: to_seconds(snapshot.checked_at()),
        entries: lines.collect(),
        insertion: snapshot.insertion().copied(),
    };
    let body = minicbor::to_vec(body).ok()?;
    let mut file = Vec::with_capacity(MAGIC.len() + DIGEST + body.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&Sha256::digest(&body));
    file.extend_from_slice(&body);
    (file.len() <= MAX_BYTES).then_some(file)
}

/// The snapshot in a file; `None` for anything that this version did not write
/// just so.
pub(crate) fn decode(file: &[u8]) -> Option<Snapshot> {
    let rest = file.strip_prefix(MAGIC)?;
    let (digest, body) = rest.split_at_checked(DIGEST)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let mut decoder = Decoder::new(body);
    let whole = body.len();
    let body: Body = decoder.decode().ok()?;
    if decoder.position() != whole {
        return None;
    }
    let atr = Atr::parse(&body.atr).ok()?;
    let identity = Identity::new(&atr, body.guid.map(Guid), body.serial)?;
    let mut snapshot = Snapshot::new(identity, Generation(body.generation));
    snapshot.set_checked_at(from_seconds(body.checked_at)?);
    snapshot.set_insertion(body.insertion);
    for line in body.entries {
        let item = Item::from_numbers(line.kind, line.value)?;
        let response = Response::new(&line.data, StatusWord::new(line.status));
        let read_at = from_seconds(line.read_at)?;
        snapshot.keep(item, Entry { response, read_at });
    }
    Some(snapshot)
}

fn to_seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// `None` for a time that no calendar has, after the year 9999.
fn from_seconds(seconds: u64) -> Option<SystemTime> {
    let in_calendar = seconds <= 253_402_300_799;
    in_calendar.then_some(())?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
