//! CBOR: written canonically, as CTAP has it; read leniently, as authenticators write it:
//! in any order, also with indefinite lengths, what is unknown skipped. Only what says
//! two things at once is refused.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::data::Type;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

use crate::error::MalformedAnswer;

type Result<T> = core::result::Result<T, MalformedAnswer>;

/// Reads values one after the other. Allocates no more than a small multiple of what
/// it reads, whatever lengths are claimed.
pub(crate) struct Reader<'b>(Decoder<'b>);

impl<'b> Reader<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Reader(Decoder::new(bytes))
    }

    /// Says whether all was read.
    pub(crate) fn finish(self) -> Result<()> {
        let trailing = self.0.input().len() - self.0.position();
        match trailing {
            0 => Ok(()),
            length => Err(MalformedAnswer::TrailingBytes { length }),
        }
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64> {
        self.read(Decoder::u64)
    }

    pub(crate) fn boolean(&mut self) -> Result<bool> {
        self.read(Decoder::bool)
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        self.read(|decoder| decoder.str_iter()?.collect())
    }

    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>> {
        self.read(|decoder| {
            let mut bytes = Vec::new();
            for piece in decoder.bytes_iter()? {
                bytes.extend_from_slice(piece?);
            }
            Ok(bytes)
        })
    }

    /// An integer of either sign.
    pub(crate) fn integer(&mut self) -> Result<i64> {
        self.read(Decoder::i64)
    }

    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let length = self.read(Decoder::array)?;
        let mut items = Vec::new();
        self.each(length, |reader| {
            items.push(item(reader)?);
            Ok(())
        })?;
        Ok(items)
    }

    /// A map with texts for keys and values of one type.
    pub(crate) fn named<T>(
        &mut self,
        mut value: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<BTreeMap<String, T>> {
        let mut entries = BTreeMap::new();
        self.texts(|name, reader| {
            entries.insert(name.to_owned(), value(reader)?);
            Ok(())
        })?;
        Ok(entries)
    }

    /// A map with texts for keys. `field` reads the value of each key, or
    /// [skips](Self::skip) it.
    pub(crate) fn texts(
        &mut self,
        mut field: impl FnMut(&str, &mut Self) -> Result<()>,
    ) -> Result<()> {
        self.entries(Self::text, |name, reader| field(&name, reader))
    }

    /// A map with integers for keys. `field` reads the value of each key, or
    /// [skips](Self::skip) it.
    pub(crate) fn fields(&mut self, field: impl FnMut(i64, &mut Self) -> Result<()>) -> Result<()> {
        self.entries(Self::integer, field)
    }

    fn entries<K: Clone + Ord>(
        &mut self,
        key: impl Fn(&mut Self) -> Result<K>,
        mut field: impl FnMut(K, &mut Self) -> Result<()>,
    ) -> Result<()> {
        let length = self.read(Decoder::map)?;
        let mut seen = BTreeSet::new();
        self.each(length, |reader| {
            let offset = reader.0.position();
            let key = key(reader)?;
            if !seen.insert(key.clone()) {
                return Err(MalformedAnswer::Duplicate { offset });
            }
            field(key, reader)
        })
    }

    /// Passes over a value of any kind.
    pub(crate) fn skip(&mut self) -> Result<()> {
        // The decoder would pass over the end of what the value is in.
        if self.at_break()? {
            return Err(MalformedAnswer::Cbor {
                offset: self.0.position(),
            });
        }
        self.read(Decoder::skip)
    }

    /// Calls `item` as often as a length says, or up to the break if there is none.
    fn each(
        &mut self,
        length: Option<u64>,
        mut item: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if let Some(length) = length {
            return (0..length).try_for_each(|_| item(self));
        }
        while !self.at_break()? {
            item(self)?;
        }
        self.0.set_position(self.0.position() + 1);
        Ok(())
    }

    fn at_break(&self) -> Result<bool> {
        let next = self.0.datatype().map_err(|_| MalformedAnswer::Cbor {
            offset: self.0.position(),
        })?;
        Ok(next == Type::Break)
    }

    fn read<T>(
        &mut self,
        value: impl FnOnce(&mut Decoder<'b>) -> core::result::Result<T, Error>,
    ) -> Result<T> {
        let offset = self.0.position();
        value(&mut self.0).map_err(|_| MalformedAnswer::Cbor { offset })
    }
}

/// Writes values one after the other, each in its shortest form. The caller sees to the
/// order of keys (CTAP 2.1, 8: lower major types first, then lower values).
pub(crate) struct Writer(Encoder<Vec<u8>>);

// A `Vec` takes whatever is written.
impl Writer {
    /// Begins with the byte of a command.
    pub(crate) fn new(command: u8) -> Self {
        Writer(Encoder::new(vec![command]))
    }

    pub(crate) fn map(&mut self, entries: u64) {
        let _ = self.0.map(entries);
    }

    pub(crate) fn integer(&mut self, value: i64) -> &mut Self {
        let _ = self.0.i64(value);
        self
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        let _ = self.0.bytes(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        let _ = self.0.str(value);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_writer()
    }
}
