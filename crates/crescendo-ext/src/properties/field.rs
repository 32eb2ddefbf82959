use piv_apdu::tlv::{Reader, Tag, Tlv, write_tlv};

/// A field that is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its tag.
    pub tag: Tag,
    /// Its value, of any length.
    pub value: Vec<u8>,
}

impl From<Tlv<'_>> for Field {
    fn from(tlv: Tlv<'_>) -> Self {
        Self {
            tag: tlv.tag,
            value: tlv.value.to_vec(),
        }
    }
}

/// A C2300 sends the fields up to here (26, 39, 3A, 3B) before those that this
/// crate knows, and the others (45, 4D) after them.
const LAST_LEADING: Tag = Tag::new(0x40);

fn is_leading(field: &Field) -> bool {
    field.tag <= LAST_LEADING
}

/// Reads as far as the value is well-formed; `damaged` is set if it is not.
pub(super) fn read_all(value: &[u8], damaged: &mut bool) -> Vec<Field> {
    let mut fields = Vec::new();
    for field in Reader::new(value) {
        match field {
            Ok(field) => fields.push(Field::from(field)),
            Err(_) => *damaged = true,
        }
    }
    put_leading_first(&mut fields);
    fields
}

/// Takes the first field with that tag out whose value makes sense.
pub(super) fn take<T>(
    fields: &mut Vec<Field>,
    tag: Tag,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    let (position, value) = fields.iter().enumerate().find_map(|(position, field)| {
        let value = (field.tag == tag).then(|| read(&field.value))?;
        Some((position, value?))
    })?;
    fields.remove(position);
    Some(value)
}

/// Puts fields in the order in which they are written, so that writing and
/// reading them again gives the same.
pub(super) fn put_leading_first(fields: &mut [Field]) {
    fields.sort_by_key(|field| !is_leading(field));
}

pub(super) fn write_leading(out: &mut Vec<u8>, fields: &[Field]) {
    for field in fields.iter().filter(|field| is_leading(field)) {
        write_tlv(out, field.tag, &field.value);
    }
}

pub(super) fn write_trailing(out: &mut Vec<u8>, fields: &[Field]) {
    for field in fields.iter().filter(|field| !is_leading(field)) {
        write_tlv(out, field.tag, &field.value);
    }
}
