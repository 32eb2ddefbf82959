//! Reading CBOR as CTAP wants it: definite lengths, and maps whose keys come once and in
//! order (CTAP 2.1, 8).

use minicbor::Decoder;
use minicbor::data::Type;

use super::status::Status;

/// The key of a map's entry.
#[derive(Clone, Copy)]
pub(super) enum Key<'b> {
    Number(i64),
    Text(&'b str),
}

/// A command's parameters: one map and nothing behind it. `entry` reads the value of
/// each key.
pub(super) fn parameters<'b>(
    bytes: &'b [u8],
    entry: impl FnMut(Key<'b>, &mut Decoder<'b>) -> Result<(), Status>,
) -> Result<(), Status> {
    let mut decoder = Decoder::new(bytes);
    map(&mut decoder, entry)?;
    if decoder.position() == bytes.len() {
        Ok(())
    } else {
        Err(Status::InvalidCbor)
    }
}

/// A map. `entry` reads the value of each key, or skips it.
pub(super) fn map<'b>(
    decoder: &mut Decoder<'b>,
    mut entry: impl FnMut(Key<'b>, &mut Decoder<'b>) -> Result<(), Status>,
) -> Result<(), Status> {
    let entries = decoder.map()?.ok_or(Status::InvalidCbor)?;
    let mut previous = None;
    for _ in 0..entries {
        let start = decoder.position();
        let key = key(decoder)?;
        let encoded = decoder
            .input()
            .get(start..decoder.position())
            .ok_or(Status::InvalidCbor)?;
        let rank = Some(rank(encoded));
        if rank <= previous {
            return Err(Status::InvalidCbor);
        }
        previous = rank;
        entry(key, decoder)?;
    }
    Ok(())
}

/// An array. `item` reads each value.
pub(super) fn array<'b>(
    decoder: &mut Decoder<'b>,
    mut item: impl FnMut(&mut Decoder<'b>) -> Result<(), Status>,
) -> Result<(), Status> {
    let items = decoder.array()?.ok_or(Status::InvalidCbor)?;
    for _ in 0..items {
        item(decoder)?;
    }
    Ok(())
}

fn key<'b>(decoder: &mut Decoder<'b>) -> Result<Key<'b>, Status> {
    if decoder.datatype()? == Type::String {
        Ok(Key::Text(decoder.str()?))
    } else {
        Ok(Key::Number(decoder.i64()?))
    }
}

/// What the canonical order goes by: major type, then length, then the bytes.
fn rank(key: &[u8]) -> (u8, usize, &[u8]) {
    (
        key.first().map_or(0, |initial| initial >> 5),
        key.len(),
        key,
    )
}
