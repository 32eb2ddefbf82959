//! A plain PIV card written by hand for these tests, straight from the bytes of
//! SP 800-73: it shares no code with the software tokens, and none with the
//! host's encoders.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by several test programs, each of which uses a part; a failure is a failed test"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pcsc_transport::{Card, CardLink, Continuity, ExtendedLength, Leave, LinkError, LinkInfo};
use piv_apdu::Zeroizing;
use piv_apdu::atr::Atr;

pub const CERTIFICATE_9A: &[u8] = include_bytes!("../data/piv_authentication.der");
pub const CERTIFICATE_9C: &[u8] = include_bytes!("../data/digital_signature.der");
pub const CERTIFICATE_9D: &[u8] = include_bytes!("../data/key_management.der");
pub const CERTIFICATE_9E: &[u8] = include_bytes!("../data/card_authentication.der");

pub const DISCOVERY: u32 = 0x7E;
pub const CHUID: u32 = 0x5F_C102;
pub const CCC: u32 = 0x5F_C107;
pub const KEY_HISTORY: u32 = 0x5F_C10C;
pub const TAG_9A: u32 = 0x5F_C105;
pub const TAG_9C: u32 = 0x5F_C10A;
pub const TAG_9D: u32 = 0x5F_C10B;
pub const TAG_9E: u32 = 0x5F_C101;

/// ATR of no family: historical bytes of category 80, with or without
/// extended length and chaining among the card capabilities.
pub fn atr(extended: bool) -> Atr {
    let third = if extended { 0xC0 } else { 0x80 };
    let mut atr = vec![0x3B, 0x85, 0x01, 0x80, 0x73, 0x00, 0x00, third];
    let check = atr[1..].iter().fold(0, |sum, byte| sum ^ byte);
    atr.push(check);
    Atr::parse(&atr).unwrap()
}

pub fn tlv(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = tag
        .to_be_bytes()
        .into_iter()
        .skip_while(|b| *b == 0)
        .collect();
    match value.len() {
        len @ 0..0x80 => out.push(len as u8),
        len @ 0x80..0x100 => out.extend([0x81, len as u8]),
        len => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    out.extend(value);
    out
}

pub fn certificate_object(der: &[u8]) -> Vec<u8> {
    let mut content = tlv(0x70, der);
    content.extend([0x71, 0x01, 0x00, 0xFE, 0x00]);
    tlv(0x53, &content)
}

pub const GUID: [u8; 16] = *b"\x12\x34\x56\x78\x9A\xBC\x4D\xEF\x80\x01\x02\x03\x04\x05\x06\x07";

pub fn chuid(signature: &[u8]) -> Vec<u8> {
    let mut content = tlv(0x30, &FASC_N);
    content.extend(tlv(0x34, &GUID));
    content.extend(tlv(0x35, b"20351231"));
    content.extend(tlv(0x3E, signature));
    content.extend([0xFE, 0x00]);
    tlv(0x53, &content)
}

/// The example of NIST's PACS guidance (TIG SCEPACS), as in SP 800-73's tests.
const FASC_N: [u8; 25] = [
    0xD0, 0x43, 0x94, 0x58, 0x21, 0x0C, 0x2C, 0x19, 0xA0, 0x84, 0x6D, 0x83, 0x68, 0x5A, 0x10, 0x82,
    0x10, 0x8C, 0xE7, 0x39, 0x84, 0x10, 0x8C, 0xA3, 0xFC,
];

pub fn key_history(on_card: u8, off_card: u8) -> Vec<u8> {
    tlv(
        0x53,
        &[0xC1, 1, on_card, 0xC2, 1, off_card, 0xF3, 0, 0xFE, 0],
    )
}

pub fn discovery(usage: [u8; 2]) -> Vec<u8> {
    let mut content = tlv(0x4F, &PIV_AID);
    content.extend(tlv(0x5F2F, &usage));
    tlv(DISCOVERY, &content)
}

const PIV_AID: [u8; 11] = *b"\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00";

fn ccc() -> Vec<u8> {
    let mut content = tlv(0xF0, &[0xA0; 21]);
    content.extend(tlv(0xF1, &[0x21]));
    content.extend(tlv(0xF2, &[0x21]));
    for tag in [0xF3, 0xF4] {
        content.extend(tlv(tag, &[0x00]));
    }
    content.extend(tlv(0xF5, &[0x10]));
    for tag in [0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE] {
        content.extend(tlv(tag, &[]));
    }
    tlv(0x53, &content)
}

/// What a fake does instead of answering, by the number of the command from 1.
pub type Fault = Box<dyn FnMut(usize, &[u8]) -> Option<Result<Vec<u8>, LinkError>> + Send>;

pub struct FakePiv {
    pub info: LinkInfo,
    /// Whole GET DATA answers by tag.
    pub objects: BTreeMap<u32, Vec<u8>>,
    /// Status words instead of an answer, by tag.
    pub refused: BTreeMap<u32, u16>,
    /// Answer to SELECT of PIV.
    pub select: (Vec<u8>, u16),
    /// Answer to an empty VERIFY of 80, and of 00.
    pub pin: u16,
    pub global_pin: u16,
    pub fault: Option<Fault>,
    pub log: Arc<Mutex<Vec<Vec<u8>>>>,
    selected: bool,
    pending: Vec<u8>,
}

impl FakePiv {
    /// CHUID, CCC, discovery, key history and four certificates, three tries.
    pub fn new(extended: bool) -> Self {
        let link = if extended {
            ExtendedLength::FULL
        } else {
            ExtendedLength::No
        };
        let mut template = tlv(0x4F, &PIV_AID[5..]);
        template.extend(tlv(0x79, &tlv(0x4F, &PIV_AID[..5])));
        template.extend(tlv(0x50, b"Handwritten PIV"));
        Self {
            info: LinkInfo::new("Fake reader", atr(extended)).with_extended(link),
            objects: BTreeMap::from([
                (DISCOVERY, discovery([0x40, 0x00])),
                (CHUID, chuid(&[])),
                (CCC, ccc()),
                (KEY_HISTORY, key_history(0, 0)),
                (TAG_9A, certificate_object(CERTIFICATE_9A)),
                (TAG_9C, certificate_object(CERTIFICATE_9C)),
                (TAG_9D, certificate_object(CERTIFICATE_9D)),
                (TAG_9E, certificate_object(CERTIFICATE_9E)),
            ]),
            refused: BTreeMap::new(),
            select: (tlv(0x61, &template), 0x9000),
            pin: 0x63C3,
            global_pin: 0x6A88,
            fault: None,
            log: Arc::default(),
            selected: false,
            pending: Vec::new(),
        }
    }

    /// As if SELECT had gone through, whatever a fault answers to it.
    pub fn select_silently(&mut self) {
        self.selected = true;
    }

    pub fn with_fault(
        mut self,
        fault: impl FnMut(usize, &[u8]) -> Option<Result<Vec<u8>, LinkError>> + Send + 'static,
    ) -> Self {
        self.fault = Some(Box::new(fault));
        self
    }

    pub fn log(&self) -> Arc<Mutex<Vec<Vec<u8>>>> {
        Arc::clone(&self.log)
    }

    pub fn card(self) -> Card {
        Card::new(Box::new(self))
    }

    fn answer(&mut self, apdu: &[u8]) -> Vec<u8> {
        let (data, le) = body(apdu);
        match (&apdu[..4], data) {
            ([0x00, 0xC0, 0x00, 0x00], []) => {
                let rest = std::mem::take(&mut self.pending);
                self.give(rest, le)
            }
            ([0x00, 0xA4, 0x04, 0x00], aid) if aid == PIV_AID => {
                let (data, status) = self.select.clone();
                self.selected = status == 0x9000;
                if self.selected {
                    self.give(data, le)
                } else {
                    sw(status)
                }
            }
            ([0x00, 0xA4, 0x04, 0x00], _) => sw(0x6A82),
            _ if !self.selected => sw(0x6D00),
            // An empty VERIFY asks; one with a PIN would be a try, which no
            // test here allows.
            ([0x00, 0x20, 0x00, 0x80], []) if apdu.len() == 4 => sw(self.pin),
            ([0x00, 0x20, 0x00, 0x00], []) if apdu.len() == 4 => sw(self.global_pin),
            ([0x00, 0x20, ..], _) => panic!("a PIN try was spent: {apdu:02X?}"),
            ([0x00, 0xCB, 0x3F, 0xFF], [0x5C, len, tag @ ..]) if usize::from(*len) == tag.len() => {
                let tag = tag.iter().fold(0, |tag, byte| tag << 8 | u32::from(*byte));
                if let Some(status) = self.refused.get(&tag) {
                    return sw(*status);
                }
                match self.objects.get(&tag).cloned() {
                    Some(object) => self.give(object, le),
                    None => sw(0x6A82),
                }
            }
            _ => panic!("not a read: {apdu:02X?}"),
        }
    }

    fn give(&mut self, mut data: Vec<u8>, le: usize) -> Vec<u8> {
        assert!(le > 0, "an answer with data was not asked for with an Le");
        if data.len() > le {
            self.pending = data.split_off(le);
        }
        let status = match self.pending.len() {
            0 => 0x9000,
            left @ 1..=255 => 0x6100 | left as u16,
            _ => 0x6100,
        };
        data.extend(sw(status));
        data
    }
}

pub fn sw(status: u16) -> Vec<u8> {
    status.to_be_bytes().to_vec()
}

/// Command data and Le (0: none) of an APDU, ISO 7816-3 cases 1 to 4.
fn body(apdu: &[u8]) -> (&[u8], usize) {
    let be16 = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
    let le = |value, max| if value == 0 { max } else { value };
    match &apdu[4..] {
        [] => (&[], 0),
        [short] => (&[], le(usize::from(*short), 256)),
        [0, high, low] => (&[], le(be16(&[*high, *low]), 65_536)),
        [0, high, low, rest @ ..] => {
            let (data, tail) = rest.split_at(be16(&[*high, *low]));
            match tail {
                [] => (data, 0),
                tail => (data, le(be16(tail), 65_536)),
            }
        }
        [lc, rest @ ..] => {
            let (data, tail) = rest.split_at(usize::from(*lc));
            match tail {
                [] => (data, 0),
                [short] => (data, le(usize::from(*short), 256)),
                _ => panic!("not an APDU: {apdu:02X?}"),
            }
        }
    }
}

impl CardLink for FakePiv {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        Ok(Continuity::Shared)
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        let number = {
            let mut log = self.log.lock().unwrap();
            log.push(command.to_vec());
            log.len()
        };
        if let Some(fault) = &mut self.fault
            && let Some(instead) = fault(number, command)
        {
            if matches!(instead, Err(LinkError::Reset)) {
                self.selected = false;
                self.pending.clear();
            }
            return instead.map(Zeroizing::new);
        }
        Ok(Zeroizing::new(self.answer(command)))
    }

    fn end(&mut self, _leave: Leave) -> Result<(), LinkError> {
        Ok(())
    }
}
