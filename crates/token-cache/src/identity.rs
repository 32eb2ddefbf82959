//! Which token something is remembered of.

use std::fmt;
use std::fmt::Write as _;

use piv_apdu::atr::Atr;
use piv_apdu::object::Guid;

/// What tells a token from all others, and stays as long as it is not erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    atr: Atr,
    guid: Option<Guid>,
    serial: Option<String>,
    name: Name,
}

impl Identity {
    /// `None` for a token with neither a GUID nor a serial number that can be
    /// used as a name: it can't be told from another, so nothing is remembered
    /// of it.
    pub fn new(atr: &Atr, guid: Option<Guid>, serial: Option<String>) -> Option<Self> {
        let guid = guid.filter(|guid| guid.0 != [0; 16]);
        let name = match (&guid, &serial) {
            (Some(guid), _) => Name::of_guid(guid),
            (None, Some(serial)) => Name::of_serial(serial)?,
            (None, None) => return None,
        };
        Some(Self {
            atr: *atr,
            guid,
            serial,
            name,
        })
    }

    /// The answer to reset, which tells one kind of token from another.
    pub fn atr(&self) -> &Atr {
        &self.atr
    }

    /// The card's UUID from its CHUID.
    pub fn guid(&self) -> Option<&Guid> {
        self.guid.as_ref()
    }

    /// The serial number from its production data.
    pub fn serial(&self) -> Option<&str> {
        self.serial.as_deref()
    }

    /// Its name in the cache.
    pub fn name(&self) -> &Name {
        &self.name
    }
}

/// A token's name in the cache: by its GUID, or else by its serial number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name of a token that has a GUID.
    pub fn of_guid(guid: &Guid) -> Self {
        Self(format!("guid-{}", hex(&guid.0)))
    }

    /// The name of a token that has only a serial number, of at most 32 letters
    /// and digits.
    pub fn of_serial(serial: &str) -> Option<Self> {
        let plain = (1..=32).contains(&serial.len())
            && serial.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| Self(format!("serial-{}", serial.to_ascii_lowercase())))
    }

    /// Lower-case letters, digits and a dash, at most 39 characters: fit for the
    /// name of a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name that was the name of a file.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let serial = text.strip_prefix("serial-").and_then(Self::of_serial);
        let guid = text
            .strip_prefix("guid-")
            .filter(|hex| hex.len() == 32 && hex.bytes().all(|it| it.is_ascii_hexdigit()))
            .map(|hex| Self(format!("guid-{}", hex.to_ascii_lowercase())));
        serial.or(guid).filter(|name| name.0 == text)
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
