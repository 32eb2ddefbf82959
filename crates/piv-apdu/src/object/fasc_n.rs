//! The Federal Agency Smart Credential Number.

use core::fmt;

/// A FASC-N as it lies on the card: 25 bytes, forty characters of five bits.
///
/// ```
/// use piv_apdu::object::{FascN, FascNFields};
///
/// let fields = FascNFields { agency: 9999, system: 9999, credential: 999_999, ..Default::default() };
/// let fasc_n = FascN::from_fields(&fields).unwrap();
/// assert_eq!(fasc_n.fields(), Ok(fields));
/// ```
///
/// Source: SP 800-73-5 Part 1, 3.1.2; the coding is that of *Technical
/// Implementation Guidance: Smart Card Enabled Physical Access Control Systems*.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FascN(pub [u8; 25]);

/// The numbers in a FASC-N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FascNFields {
    /// Agency code, four digits.
    pub agency: u16,
    /// System code, four digits.
    pub system: u16,
    /// Credential number, six digits.
    pub credential: u32,
    /// Credential series, one digit.
    pub series: u8,
    /// Individual credential issue, one digit.
    pub issue: u8,
    /// Person identifier, ten digits.
    pub person: u64,
    /// Organizational category, one digit.
    pub category: u8,
    /// Organizational identifier, four digits.
    pub organization: u16,
    /// Person's association with the organization, one digit.
    pub association: u8,
}

/// 25 bytes are not a FASC-N. Positions count characters from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FascNError {
    /// A character's parity bit is wrong.
    #[error("character {position} of the FASC-N has wrong parity")]
    Parity {
        /// Which character.
        position: usize,
    },
    /// A character is not the digit or separator that belongs there.
    #[error("character {position} of the FASC-N is not the one that belongs there")]
    Character {
        /// Which character.
        position: usize,
    },
    /// The check character at the end is wrong.
    #[error("the FASC-N's check character is wrong")]
    Checksum,
}

const CHARACTERS: usize = 40;
const START: u8 = 0xB;
const SEPARATOR: u8 = 0xD;
const END: u8 = 0xF;

/// What stands where: a separator character, or so many digits.
enum Part {
    Is(u8),
    Digits(usize),
}

/// The layout; the check character follows.
const LAYOUT: [Part; 16] = [
    Part::Is(START),
    Part::Digits(4),
    Part::Is(SEPARATOR),
    Part::Digits(4),
    Part::Is(SEPARATOR),
    Part::Digits(6),
    Part::Is(SEPARATOR),
    Part::Digits(1),
    Part::Is(SEPARATOR),
    Part::Digits(1),
    Part::Is(SEPARATOR),
    Part::Digits(10),
    Part::Digits(1),
    Part::Digits(4),
    Part::Digits(1),
    Part::Is(END),
];

impl FascN {
    /// Reads the numbers.
    ///
    /// # Errors
    /// [`FascNError`] if a parity, a separator, a digit or the check character is wrong.
    pub fn fields(&self) -> Result<FascNFields, FascNError> {
        let characters = self.characters()?;
        if characters.iter().fold(0, |xor, c| xor ^ c) != 0 {
            return Err(FascNError::Checksum);
        }
        let mut numbers = [0_u64; 9];
        let mut number = numbers.iter_mut();
        let mut position = 0;
        for part in &LAYOUT {
            match part {
                Part::Is(expected) => {
                    if characters[position] != *expected {
                        return Err(FascNError::Character { position });
                    }
                    position += 1;
                }
                Part::Digits(count) => {
                    let mut value = 0;
                    for _ in 0..*count {
                        let digit = characters[position];
                        if digit > 9 {
                            return Err(FascNError::Character { position });
                        }
                        value = value * 10 + u64::from(digit);
                        position += 1;
                    }
                    if let Some(number) = number.next() {
                        *number = value;
                    }
                }
            }
        }
        // The layout allows each at most the digits that its type holds.
        #[allow(clippy::cast_possible_truncation)]
        Ok(FascNFields {
            agency: numbers[0] as u16,
            system: numbers[1] as u16,
            credential: numbers[2] as u32,
            series: numbers[3] as u8,
            issue: numbers[4] as u8,
            person: numbers[5],
            category: numbers[6] as u8,
            organization: numbers[7] as u16,
            association: numbers[8] as u8,
        })
    }

    /// Writes the numbers; `None` if one has more digits than there is room for.
    pub fn from_fields(fields: &FascNFields) -> Option<FascN> {
        let mut numbers = fields.numbers().into_iter();
        let mut characters = Vec::with_capacity(CHARACTERS);
        for part in &LAYOUT {
            match part {
                Part::Is(character) => characters.push(*character),
                Part::Digits(count) => {
                    let mut number = numbers.next()?;
                    let start = characters.len();
                    for _ in 0..*count {
                        characters.insert(start, u8::try_from(number % 10).ok()?);
                        number /= 10;
                    }
                    if number != 0 {
                        return None;
                    }
                }
            }
        }
        let check = characters.iter().fold(0, |xor, c| xor ^ c);
        characters.push(check);

        let mut bytes = [0; 25];
        for (position, character) in characters.iter().enumerate() {
            // Four bits, the lowest first, and odd parity.
            let parity = u8::from(character.count_ones() % 2 == 0);
            for bit in 0..5 {
                let value = if bit < 4 {
                    character >> bit & 1
                } else {
                    parity
                };
                let at = 5 * position + bit;
                bytes[at / 8] |= value << (7 - at % 8);
            }
        }
        Some(FascN(bytes))
    }

    /// The forty characters, without their parity bits.
    fn characters(&self) -> Result<[u8; CHARACTERS], FascNError> {
        let mut characters = [0; CHARACTERS];
        for (position, character) in characters.iter_mut().enumerate() {
            let mut ones = 0;
            for bit in 0..5 {
                let at = 5 * position + bit;
                let value = self.0[at / 8] >> (7 - at % 8) & 1;
                ones += value;
                if bit < 4 {
                    *character |= value << bit;
                }
            }
            if ones % 2 == 0 {
                return Err(FascNError::Parity { position });
            }
        }
        Ok(characters)
    }
}

impl FascNFields {
    fn numbers(&self) -> [u64; 9] {
        [
            self.agency.into(),
            self.system.into(),
            self.credential.into(),
            self.series.into(),
            self.issue.into(),
            self.person,
            self.category.into(),
            self.organization.into(),
            self.association.into(),
        ]
    }
}

/// The numbers in their order, with hyphens: `0032-0001-092446-0-1-1112223333-1-1223-2`.
impl fmt::Display for FascNFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04}-{:04}-{:06}-{}-{}-{:010}-{}-{:04}-{}",
            self.agency,
            self.system,
            self.credential,
            self.series,
            self.issue,
            self.person,
            self.category,
            self.organization,
            self.association
        )
    }
}

impl fmt::Debug for FascN {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FascN(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
        f.write_str(")")
    }
}
