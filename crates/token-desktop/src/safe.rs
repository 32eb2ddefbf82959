//! Text from a card, a certificate or a file as it may be shown.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with everything escaped that could act on a terminal or mislead
/// the eye: control characters (also line ends), overrides of the writing
/// direction, and characters that cannot be seen.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            _ if is_unsafe(character) => {
                // Writing to a String cannot fail.
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(character));
            }
            _ => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// Whether a character acts on a terminal or cannot be seen.
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00AD}'                  // soft hyphen
            | '\u{061C}'                // Arabic letter mark
            | '\u{115F}' | '\u{1160}'   // Hangul fillers
            | '\u{180E}'                // Mongolian vowel separator
            | '\u{200B}'..='\u{200F}'   // zero width, direction marks
            | '\u{2028}'..='\u{202E}'   // line and paragraph separators, direction overrides
            | '\u{2060}'..='\u{206F}'   // invisible operators, isolates, deprecated format characters
            | '\u{3164}'                // Hangul filler
            | '\u{FEFF}'                // byte order mark
            | '\u{FFA0}'                // halfwidth Hangul filler
            | '\u{FFF9}'..='\u{FFFB}'   // interlinear annotation
            | '\u{E0000}'..='\u{E0FFF}' // tags, variation selectors
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_text_stays_as_it_is() {
        for text in [
            "",
            "CN=Åsa Öberg, O=Bücher & Söhne",
            "日本語",
            "CN=Doe\\, John",
            "עברית",
        ] {
            assert!(
                matches!(safe(text), Cow::Borrowed(same) if same == text),
                "{text:?}"
            );
        }
    }

    #[test]
    fn escape_sequences_are_escaped() {
        assert_eq!(safe("\x1b[2Jgone"), "\\u{1b}[2Jgone");
        assert_eq!(safe("a\u{9b}31mb"), "a\\u{9b}31mb");
        assert_eq!(safe("title\x07"), "title\\u{7}");
        assert_eq!(safe("a\x00b\x7f"), "a\\u{0}b\\u{7f}");
    }

    #[test]
    fn line_ends_are_escaped() {
        assert_eq!(safe("one\ntwo\r\n\tthree"), "one\\ntwo\\r\\n\\tthree");
        assert_eq!(safe("one\u{2028}two"), "one\\u{2028}two");
    }

    #[test]
    fn direction_overrides_are_escaped() {
        for character in [
            '\u{202A}', '\u{202E}', '\u{2066}', '\u{2069}', '\u{200F}', '\u{061C}',
        ] {
            let shown = safe(&format!("a{character}b")).into_owned();
            assert!(shown.is_ascii(), "{shown:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        for character in ['\u{200B}', '\u{FEFF}', '\u{00AD}', '\u{2063}', '\u{E0041}'] {
            assert!(safe(&format!("a{character}b")).is_ascii());
        }
    }
}
