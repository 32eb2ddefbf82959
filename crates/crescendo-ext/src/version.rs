use core::fmt;

/// An applet's version as the field `01` of its answers has it: a family
/// byte, then the version's numbers.
///
/// Seen so far: `10 03 00 03 01` in the ACA's SELECT answer (family 10, 3.0.3
/// build 1; evidence: vendor, LL/select), `21 03 00 03 06` in a live C2300's
/// PIV properties and `21 04 00 00 XX YY` for the C4000 family (evidence:
/// third-party).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AppletVersion {
    /// The applet's family: `10` for the access control applet, `21` for the
    /// PIV applet.
    pub family: u8,
    /// The numbers of the version, the most significant first; 1 to 8 of them.
    pub numbers: Vec<u8>,
}

impl AppletVersion {
    /// The most numbers that are taken for a version.
    pub const MAX_NUMBERS: usize = 8;

    /// Reads the value of a field `01`: 2 to 9 bytes. `None` for any other
    /// length.
    pub fn decode(value: &[u8]) -> Option<Self> {
        match value {
            [family, numbers @ ..] if (1..=Self::MAX_NUMBERS).contains(&numbers.len()) => {
                Some(Self {
                    family: *family,
                    numbers: numbers.to_vec(),
                })
            }
            _ => None,
        }
    }

    /// The value of the field `01`.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(1 + self.numbers.len());
        value.push(self.family);
        value.extend_from_slice(&self.numbers);
        value
    }
}

/// The numbers with dots between them: `3.0.3.6`.
impl fmt::Display for AppletVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, number) in self.numbers.iter().enumerate() {
            if position > 0 {
                f.write_str(".")?;
            }
            write!(f, "{number}")?;
        }
        Ok(())
    }
}
