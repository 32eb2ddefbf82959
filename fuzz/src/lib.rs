//! What several fuzz targets need.

use pcsc_transport::{CardLink, Continuity, ExtendedLength, Leave, LinkError, LinkInfo};
use piv_apdu::Zeroizing;
use piv_apdu::atr::Atr;

/// Takes a part off the front of `data`: a byte with its length first, of
/// which FF means all that is left.
pub fn take_part<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = data.split_first()?;
    let length = match length {
        0xFF => after.len(),
        length => usize::from(*length).min(after.len()),
    };
    let part;
    (part, *data) = after.split_at(length);
    Some(part)
}

/// A card that answers whatever it is told to, and then is gone.
pub struct HostileCard {
    info: LinkInfo,
    /// The answers, each after a byte with its length.
    answers: Vec<u8>,
    at: usize,
    /// How many commands came.
    pub commands: usize,
}

impl HostileCard {
    /// The first byte says what ATR the card has and what the reader carries;
    /// then come the answers.
    pub fn new(data: &[u8]) -> Self {
        let (first, answers) = data.split_first().unwrap_or((&0, &[]));
        let atr: &[u8] = match first & 3 {
            0 => b"\x3B\x80\x80\x01\x01",
            1 => b"\x3B\xD9\x96\xFF\x81\x91\xFE\x1F\xC3C2300-KEY\xBA",
            2 => b"\x3B\xD5\x96\xFF\x81\x91\xFE\x1F\xC3C4000\xC9",
            _ => b"\x3B\x84\x80\x01\x73\x00\x00\xE0\x16",
        };
        let extended = match first >> 2 & 3 {
            0 => ExtendedLength::No,
            1 => ExtendedLength::FULL,
            _ => ExtendedLength::Untested,
        };
        let atr = Atr::parse(atr).expect("the ATR is sound");
        Self {
            info: LinkInfo::new("hostile", atr).with_extended(extended),
            answers: answers.to_vec(),
            at: 0,
            commands: 0,
        }
    }
}

impl CardLink for HostileCard {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        Ok(Continuity::Shared)
    }

    fn transmit(&mut self, _: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.commands += 1;
        let mut rest = &self.answers[self.at..];
        let answer = take_part(&mut rest).ok_or(LinkError::Removed)?.to_vec();
        self.at = self.answers.len() - rest.len();
        match answer[..] {
            [] => Err(LinkError::Reset),
            _ => Ok(Zeroizing::new(answer)),
        }
    }

    fn end(&mut self, _: Leave) -> Result<(), LinkError> {
        Ok(())
    }
}
