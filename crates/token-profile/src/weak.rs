//! The weak-PIN check.

/// Whether a PIN is weak: the difference between each character and the next
/// is the same throughout, zero included, as in 1234, 4321, 86420, ABCD,
/// acegik, 1111.
///
/// The rule is the vendor's glossary's. This project's choices: the difference
/// is that of the bytes (code points for ASCII), case counts, and nothing wraps
/// around (8901 is not weak). A PIN of fewer than three characters has at most
/// one difference, so it is weak.
pub fn is_weak(pin: &[u8]) -> bool {
    let difference = |pair: &[u8]| i16::from(pair[1]) - i16::from(pair[0]);
    let mut differences = pin.windows(2).map(difference);
    match differences.next() {
        Some(first) => differences.all(|next| next == first),
        None => true,
    }
}
