//! The weak-PIN check.

/// Whether a PIN is weak: the difference between each character and the next
/// is the same throughout, zero included, as in 1234, 4321, 86420, ABCD,
/// acegik, 1111.
///
/// The rule is the vendor's glossary's. This project's choices: the difference
/// is that of code points (of bytes, in a PIN that is not UTF-8), case counts,
/// and nothing wraps around (8901 is not weak). Fewer than three characters
/// have no two differences that could be unlike, so they are weak, and so is
/// no character at all.
pub fn is_weak(pin: &[u8]) -> bool {
    match core::str::from_utf8(pin) {
        Ok(text) => evenly_spaced(text.chars().map(u32::from)),
        Err(_) => evenly_spaced(pin.iter().copied().map(u32::from)),
    }
}

fn evenly_spaced(points: impl Iterator<Item = u32> + Clone) -> bool {
    let mut differences = points
        .clone()
        .zip(points.skip(1))
        .map(|(one, next)| i64::from(next) - i64::from(one));
    match differences.next() {
        Some(first) => differences.all(|difference| difference == first),
        None => true,
    }
}
