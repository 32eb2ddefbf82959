//! Names of tokens, which are also names of files.

use core::fmt;
use core::str::FromStr;

/// The longest name, in characters.
pub const MAX_NAME_LENGTH: usize = 64;

/// The name of a token in a [`TokenStore`](super::TokenStore): 1 to 64 ASCII
/// letters, digits, `-`, `_` and `.`, the first of them a letter or a digit. So a
/// name is never a path, a hidden file or an option, on any system.
///
/// ```
/// use virtual_token::store::TokenName;
///
/// let name: TokenName = "office-2".parse()?;
/// assert_eq!(name.as_str(), "office-2");
/// assert!("../office".parse::<TokenName>().is_err());
/// # Ok::<(), virtual_token::store::InvalidName>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenName(String);

/// The text cannot name a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{}\" cannot name a token: use 1 to 64 letters a-z, digits, `-`, `_` and `.`, \
     starting with a letter or a digit{}",
    name.escape_debug(),
    if *.reserved { "; this name is reserved by Windows" } else { "" }
)]
pub struct InvalidName {
    name: String,
    reserved: bool,
}

impl TokenName {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] if it has characters that the rule above does not allow, is
    /// too long, or is a device of Windows (`con`, `nul`, `com1` ...).
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let characters = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        let start = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        // A dot at the end is dropped by Windows, so two names would be one.
        let end = !name.ends_with('.');
        let reserved = is_windows_device(name);
        if characters && start && end && name.len() <= MAX_NAME_LENGTH && !reserved {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidName {
                name: name.chars().take(2 * MAX_NAME_LENGTH).collect(),
                reserved,
            })
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_windows_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    match stem.as_str() {
        "con" | "prn" | "aux" | "nul" => true,
        _ => stem
            .strip_prefix("com")
            .or_else(|| stem.strip_prefix("lpt"))
            .is_some_and(|port| port.len() == 1 && port.bytes().all(|b| b.is_ascii_digit())),
    }
}

impl FromStr for TokenName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for TokenName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_only_names_are_taken() {
        for name in [
            "a",
            "0",
            "Office",
            "piv-1",
            "a.b_c",
            "com",
            "com10",
            "console",
            &"x".repeat(64),
        ] {
            assert!(TokenName::new(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_that_could_be_more_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "../a",
            "a/b",
            "a\\b",
            ".hidden",
            "-rf",
            "a b",
            "a\0",
            "a\n",
            "ä",
            "a.",
            "C:",
            "con",
            "NUL",
            "com1",
            "lpt9.x",
            "aux.json",
            &"x".repeat(65),
        ] {
            let error = TokenName::new(name).err().map(|error| error.to_string());
            assert!(error.is_some_and(|text| !text.contains('\n')), "{name:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_name_is_always_one_component_of_a_path(text in "[a-zA-Z0-9._/\\\\-]{0,70}|\\PC{0,8}") {
            if let Ok(name) = TokenName::new(&text) {
                let path = std::path::Path::new(name.as_str());
                proptest::prop_assert_eq!(path.components().count(), 1);
                proptest::prop_assert_eq!(path.file_name(), Some(text.as_ref()));
            }
        }
    }
}
