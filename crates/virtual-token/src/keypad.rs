//! A simulated reader's own PIN pad: keys are pressed by a test, and commands
//! completed as a reader completes them (PC/SC part 10, 2.5).

use core::fmt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pcsc_transport::{LinkError, PinModify, PinPadFeatures, PinVerify};
use zeroize::Zeroizing;

/// The keys of a simulated PIN pad and who presses them. Clones are the same pad.
///
/// Each prompt of the reader takes the next entry of a queue: one for a PIN to be
/// verified, three (old, new, new again) for a PIN to be changed. When the queue is
/// empty nobody is there, and the reader's time runs out.
///
/// ```
/// use pcsc_transport::{Card, PinDigits, PinVerify};
/// use piv_apdu::aid;
/// use virtual_token::{
///     Content, CreateOptions, Keypad, LinkOptions, Profile, SharedToken, VirtualToken,
/// };
///
/// let options = CreateOptions::default().content(Content::Empty);
/// let token = SharedToken::new(VirtualToken::create(Profile::Piv, &options)?);
/// let keypad = Keypad::new();
/// let reader = LinkOptions::new("Desk").pin_pad(&keypad);
/// let mut card = Card::new(Box::new(token.connect(&reader)?));
///
/// keypad.press(Profile::Piv.factory_pin());
/// let mut transaction = card.begin()?;
/// transaction.select(aid::PIV)?;
/// let request = PinVerify::new([0x00, 0x20, 0x00, 0x80], PinDigits::PIV);
/// assert!(transaction.verify_on_pin_pad(&request)?.status().is_success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Keypad {
    features: PinPadFeatures,
    entries: Arc<Mutex<VecDeque<Entry>>>,
}

/// What a person does at one prompt.
enum Entry {
    Digits(Zeroizing<Vec<u8>>),
    Cancel,
    Nothing,
}

/// A reader's own status words (part 10, 2.5): why there is no response of a card.
const TIMEOUT: [u8; 2] = [0x64, 0x00];
const CANCELLED: [u8; 2] = [0x64, 0x01];
const NEW_PINS_DIFFER: [u8; 2] = [0x64, 0x02];
const PIN_LENGTH: [u8; 2] = [0x64, 0x03];
const REJECTED: [u8; 2] = [0x6B, 0x80];

/// What the reader has to do next.
pub(crate) enum Completed {
    /// Send this to the card.
    Command(Zeroizing<Vec<u8>>),
    /// Answer this; there is nothing to send.
    Status([u8; 2]),
}

impl Default for Keypad {
    fn default() -> Self {
        Self::new()
    }
}

impl Keypad {
    /// A pad that can verify and change PINs, without display and without limits
    /// of its own; nobody has pressed a key.
    pub fn new() -> Self {
        Self::with_features(PinPadFeatures::new(true, true))
    }

    /// A pad that can do so much.
    pub fn with_features(features: PinPadFeatures) -> Self {
        Keypad {
            features,
            entries: Arc::default(),
        }
    }

    /// At the next prompt that has no entry yet, these keys and OK are pressed.
    /// Bytes that are no ASCII digits have no key and are left out.
    pub fn press(&self, digits: impl AsRef<[u8]>) {
        let digits = digits.as_ref();
        let mut keys = Zeroizing::new(Vec::with_capacity(digits.len()));
        keys.extend(digits.iter().filter(|digit| digit.is_ascii_digit()));
        self.push(Entry::Digits(keys));
    }

    /// At the next prompt that has no entry yet, Cancel is pressed.
    pub fn cancel(&self) {
        self.push(Entry::Cancel);
    }

    /// At the next prompt that has no entry yet, no key is pressed until the
    /// reader's time is over. Takes no time.
    pub fn leave(&self) {
        self.push(Entry::Nothing);
    }

    /// Forgets the entries that no prompt has taken yet: nobody is there any more.
    pub fn clear(&self) {
        self.entries().clear();
    }

    /// How many entries no prompt has taken yet.
    pub fn remaining(&self) -> usize {
        self.entries().len()
    }

    pub(crate) fn features(&self) -> PinPadFeatures {
        self.features
    }

    /// Carries out `FEATURE_VERIFY_PIN_DIRECT`.
    pub(crate) fn verify(&self, request: &PinVerify) -> Result<Completed, LinkError> {
        let structure = request
            .structure(self.features)
            .ok_or(LinkError::NoPinPad)?;
        Ok(Self::status_or(self.run_verify(&structure)))
    }

    /// Carries out `FEATURE_MODIFY_PIN_DIRECT`.
    pub(crate) fn modify(&self, request: &PinModify) -> Result<Completed, LinkError> {
        let structure = request
            .structure(self.features)
            .ok_or(LinkError::NoPinPad)?;
        Ok(Self::status_or(self.run_modify(&structure)))
    }

    fn status_or(completed: Result<Zeroizing<Vec<u8>>, [u8; 2]>) -> Completed {
        match completed {
            Ok(command) => Completed::Command(command),
            Err(status) => Completed::Status(status),
        }
    }

    /// Reads a `PIN_VERIFY_STRUCTURE`, from its bytes as a reader does.
    fn run_verify(&self, structure: &[u8]) -> Result<Zeroizing<Vec<u8>>, [u8; 2]> {
        let (head, data) = structure.split_first_chunk::<19>().ok_or(REJECTED)?;
        let [.., s0, s1, s2, s3] = *head;
        let layout = Layout::read(
            [head[2], head[3], head[4]], // bmFormatString to bmPINLengthFormat
            [head[5], head[6]],          // wPINMaxExtraDigit
            [s0, s1, s2, s3],            // ulDataLength
            data,
        )?;
        let pin = self.prompt(&layout)?;
        let mut command = layout.command();
        layout.insert(&mut command, 0, &pin)?;
        Ok(command)
    }

    /// Reads a `PIN_MODIFY_STRUCTURE`, likewise.
    fn run_modify(&self, structure: &[u8]) -> Result<Zeroizing<Vec<u8>>, [u8; 2]> {
        let (head, data) = structure.split_first_chunk::<24>().ok_or(REJECTED)?;
        let [.., s0, s1, s2, s3] = *head;
        let layout = Layout::read(
            [head[2], head[3], head[4]], // bmFormatString to bmPINLengthFormat
            [head[7], head[8]],          // wPINMaxExtraDigit
            [s0, s1, s2, s3],            // ulDataLength
            data,
        )?;
        let (old_at, new_at, confirm) = (head[5], head[6], head[9]);
        let mut command = layout.command();
        if confirm & 0x02 != 0 {
            let old = self.prompt(&layout)?;
            layout.insert(&mut command, old_at, &old)?;
        }
        let new = self.prompt(&layout)?;
        if confirm & 0x01 != 0 && *self.prompt(&layout)? != *new {
            return Err(NEW_PINS_DIFFER);
        }
        layout.insert(&mut command, new_at, &new)?;
        Ok(command)
    }

    /// Asks for one PIN.
    fn prompt(&self, layout: &Layout<'_>) -> Result<Zeroizing<Vec<u8>>, [u8; 2]> {
        match self.entries().pop_front() {
            Some(Entry::Digits(pin)) if layout.digits.contains(&pin.len()) => Ok(pin),
            Some(Entry::Digits(_)) => Err(PIN_LENGTH),
            Some(Entry::Cancel) => Err(CANCELLED),
            Some(Entry::Nothing) | None => Err(TIMEOUT),
        }
    }

    fn push(&self, entry: Entry) {
        self.entries().push_back(entry);
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keypad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keypad")
            .field("features", &self.features)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}

/// How a PIN goes into a command.
struct Layout<'s> {
    digits: core::ops::RangeInclusive<usize>,
    block: usize,
    template: &'s [u8],
}

impl<'s> Layout<'s> {
    /// Takes ASCII, left-justified at the beginning of a block of fixed size,
    /// without a length; no more is needed here.
    fn read(
        [format, block, length]: [u8; 3],
        [max, min]: [u8; 2],
        size: [u8; 4],
        template: &'s [u8],
    ) -> Result<Self, [u8; 2]> {
        let fits = usize::try_from(u32::from_le_bytes(size)) == Ok(template.len());
        if format != 0x82 || block > 0x0F || length != 0 || max > block || !fits {
            return Err(REJECTED);
        }
        Ok(Layout {
            digits: min.into()..=max.into(),
            block: block.into(),
            template,
        })
    }

    fn command(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.template.to_vec())
    }

    /// Puts a PIN into the block that begins so far into the command's data.
    fn insert(&self, command: &mut [u8], offset: u8, pin: &[u8]) -> Result<(), [u8; 2]> {
        let start = 5 + usize::from(offset);
        let block = command
            .get_mut(start..start + self.block)
            .and_then(|block| block.get_mut(..pin.len()))
            .ok_or(REJECTED)?;
        block.copy_from_slice(pin);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;
    use proptest::prelude::*;

    fn keypad(entries: &[&str]) -> Keypad {
        let keypad = Keypad::new();
        for digits in entries {
            keypad.press(digits);
        }
        keypad
    }

    #[test]
    fn a_pin_goes_over_the_first_fillers() {
        let structure =
            hex!("1E1E820800 0806 02 00 0904 00 000000 0D000000 00200080 08 FFFFFFFFFFFFFFFF");
        let command = keypad(&["123456"]).run_verify(&structure);
        assert_eq!(
            command.as_deref(),
            Ok(&hex!("00200080 08 313233343536FFFF").to_vec())
        );
    }

    #[test]
    fn old_and_new_pin_go_where_their_offsets_say() {
        let structure = hex!(
            "1E1E820800 00 08 0804 03 02 00 0904 000102 000000 15000000"
            "00240100 10 FFFFFFFFFFFFFFFF FFFFFFFFFFFFFFFF"
        );
        let command = keypad(&["1234", "87654321", "87654321"]).run_modify(&structure);
        assert_eq!(
            command.as_deref(),
            Ok(&hex!("00240100 10 31323334FFFFFFFF 3837363534333231").to_vec())
        );
        let differ = keypad(&["1234", "87654321", "87654320"]).run_modify(&structure);
        assert_eq!(differ, Err(NEW_PINS_DIFFER));
    }

    #[test]
    fn a_structure_that_lies_is_rejected() {
        let good =
            hex!("1E1E820800 0806 02 00 0904 00 000000 0D000000 00200080 08 FFFFFFFFFFFFFFFF");
        for (at, byte) in [(2, 0x02), (3, 0x48), (3, 0x00), (4, 0x01), (5, 9), (15, 12)] {
            let mut bad = good;
            bad[at] = byte;
            assert_eq!(keypad(&["123456"]).run_verify(&bad), Err(REJECTED));
        }
        assert_eq!(
            keypad(&["123456"]).run_verify(&good[..31]),
            Err(REJECTED),
            "shorter than it says"
        );
    }

    #[test]
    fn nothing_of_the_entries_is_shown() {
        let shown = format!("{:?}", keypad(&["918273"]));
        assert!(!shown.contains("918273") && shown.contains("remaining: 1"));
    }

    proptest! {
        #[test]
        fn never_panics(structure: Vec<u8>, pin: String) {
            let _ = keypad(&[&pin]).run_verify(&structure);
            let _ = keypad(&[&pin, &pin, &pin]).run_modify(&structure);
        }
    }
}
