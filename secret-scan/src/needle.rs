//! The forms that a secret takes in memory.

/// A form of a secret.
pub(crate) struct Needle {
    pub(crate) name: &'static str,
    pub(crate) form: &'static str,
    bytes: Vec<u8>,
}

impl Needle {
    pub(crate) fn all(name: &'static str, secret: &[u8]) -> Vec<Self> {
        forms(secret)
            .into_iter()
            .map(|(form, bytes)| Needle { name, form, bytes })
            .collect()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The secret's bytes, which those of a padded block begin with, and how they
/// are written: hexadecimal in either case, together, in bytes and in groups of
/// four; and as a list of numbers, which is how `Debug` shows bytes.
pub fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let upper: Vec<String> = secret.iter().map(|byte| format!("{byte:02X}")).collect();
    let lower: Vec<String> = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups: Vec<String> = upper.chunks(2).map(<[String]>::concat).collect();
    let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
    vec![
        ("raw", secret.to_vec()),
        ("hex", upper.concat().into_bytes()),
        ("lower hex", lower.concat().into_bytes()),
        ("spaced hex", upper.join(" ").into_bytes()),
        ("spaced lower hex", lower.join(" ").into_bytes()),
        ("grouped hex", groups.join("-").into_bytes()),
        ("numbers", numbers.join(", ").into_bytes()),
    ]
}

/// Whether the needle is in the haystack. Allocates nothing.
pub fn occurs(needle: &[u8], haystack: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else {
        return false;
    };
    let mut left = haystack;
    while let Some(at) = left.iter().position(|byte| byte == first) {
        left = &left[at + 1..];
        if left.starts_with(rest) {
            return true;
        }
    }
    false
}
