//! Writing, with one allocation.

use zeroize::Zeroizing;

use super::Tag;

/// A data object to be written, or a template of them, borrowing its values.
#[derive(Clone, Copy)]
pub enum Node<'a> {
    /// A data object with a value.
    Value(Tag, &'a [u8]),
    /// A data object made of data objects.
    Template(Tag, &'a [Node<'a>]),
}

impl Node<'_> {
    fn tag(&self) -> Tag {
        match self {
            Node::Value(tag, _) | Node::Template(tag, _) => *tag,
        }
    }

    fn value_len(&self) -> usize {
        match self {
            Node::Value(_, value) => value.len(),
            Node::Template(_, nodes) => nodes.iter().map(Node::encoded_len).sum(),
        }
    }

    fn encoded_len(&self) -> usize {
        encoded_len(self.tag(), self.value_len())
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.tag().write(out);
        write_length(out, self.value_len());
        match self {
            Node::Value(_, value) => out.extend_from_slice(value),
            Node::Template(_, nodes) => write_all(nodes, out),
        }
    }
}

fn write_all(nodes: &[Node<'_>], out: &mut Vec<u8>) {
    for node in nodes {
        node.write(out);
    }
}

/// Encodes data objects one after the other, with the shortest lengths, into
/// a buffer of exactly their size.
pub fn encode(nodes: &[Node<'_>]) -> Zeroizing<Vec<u8>> {
    let len = nodes.iter().map(Node::encoded_len).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(len));
    write_all(nodes, &mut out);
    out
}

/// How many bytes a data object with a value of `value_len` bytes takes.
pub const fn encoded_len(tag: Tag, value_len: usize) -> usize {
    let length_len = match value_len {
        0..=0x7F => 1,
        _ => 1 + length_bytes(value_len),
    };
    tag.len() + length_len + value_len
}

/// Appends one data object. `out` may have to grow, which leaves a copy of
/// what it held: for secrets use [`encode`].
pub fn write_tlv(out: &mut Vec<u8>, tag: Tag, value: &[u8]) {
    out.reserve_exact(encoded_len(tag, value.len()));
    Node::Value(tag, value).write(out);
}

/// How many bytes the number takes.
const fn length_bytes(length: usize) -> usize {
    (usize::BITS - length.leading_zeros()).div_ceil(8) as usize
}

fn write_length(out: &mut Vec<u8>, length: usize) {
    if let Ok(short @ 0..=0x7F) = u8::try_from(length) {
        out.push(short);
    } else {
        let bytes = length.to_be_bytes();
        let count = length_bytes(length);
        // At most eight, so that the cast keeps it.
        #[allow(clippy::cast_possible_truncation)]
        out.push(0x80 | count as u8);
        out.extend_from_slice(&bytes[bytes.len() - count..]);
    }
}
