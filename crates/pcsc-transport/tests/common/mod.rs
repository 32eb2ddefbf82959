//! A card of a few lines for tests: a function from command to answer, with a
//! log of everything that reached it.

#![allow(clippy::unwrap_used)] // a failed unwrap is a failed test
#![allow(dead_code, unreachable_pub)] // each test file is a crate and uses its part

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use hex_literal::hex;
use pcsc_transport::{
    Card, CardLink, Continuity, ExtendedLength, Interface, Leave, LinkError, LinkInfo, PinModify,
    PinPadFeatures, PinVerify, Protocol,
};
use piv_apdu::atr::Atr;
use zeroize::Zeroizing;

/// An ATR whose historical bytes (card capabilities) announce command chaining
/// and extended length.
pub fn extended_atr() -> Atr {
    Atr::build(0x8, &[0x01], &hex!("80 73 00 00 C0")).unwrap()
}

/// An ATR that says nothing about either.
pub fn silent_atr() -> Atr {
    Atr::parse(&hex!("3BD596FF8191FE1FC34332333030CC")).unwrap()
}

/// Bytes as upper-case hexadecimal digits.
pub fn hex_text(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02X}").unwrap();
        text
    })
}

pub type Answer = Result<Vec<u8>, LinkError>;
type Answered = Result<Zeroizing<Vec<u8>>, LinkError>;
type Answers = Box<dyn FnMut(&[u8]) -> Answer + Send>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Begin,
    Command(Vec<u8>),
    /// What the reader was given to ask for a PIN.
    Pad(Vec<u8>),
    End(Leave),
    Closed,
}

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Seen>>>);

impl Log {
    pub fn push(&self, seen: Seen) {
        self.0.lock().unwrap().push(seen);
    }

    pub fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap().clone()
    }

    /// The commands in upper-case hexadecimal digits.
    pub fn commands(&self) -> Vec<String> {
        self.all()
            .iter()
            .filter_map(|seen| match seen {
                Seen::Command(bytes) => Some(hex_text(bytes)),
                _ => None,
            })
            .collect()
    }

    /// How the transactions ended.
    pub fn ends(&self) -> Vec<Leave> {
        self.all()
            .iter()
            .filter_map(|seen| match seen {
                Seen::End(leave) => Some(*leave),
                _ => None,
            })
            .collect()
    }
}

pub struct Fake {
    info: LinkInfo,
    answers: Answers,
    /// What each `begin` gives; [`Continuity::Shared`] when it is empty.
    pub begins: VecDeque<Result<Continuity, LinkError>>,
    /// What each `end` gives; success when it is empty.
    pub ends: VecDeque<Result<(), LinkError>>,
    /// The reader's PIN pad.
    pub pad: PinPadFeatures,
    log: Log,
}

impl Fake {
    pub fn new(answers: impl FnMut(&[u8]) -> Answer + Send + 'static) -> Self {
        let info = LinkInfo::new("Fake reader", silent_atr()).with_extended(ExtendedLength::No);
        Fake {
            info,
            answers: Box::new(answers),
            begins: VecDeque::new(),
            ends: VecDeque::new(),
            pad: PinPadFeatures::NONE,
            log: Log::default(),
        }
    }

    /// Answers the commands of this list, and nothing else, in order.
    pub fn script(steps: Vec<(Vec<u8>, Answer)>) -> Self {
        let mut steps = VecDeque::from(steps);
        Fake::new(move |command| {
            let (expected, answer) = steps.pop_front().unwrap();
            assert_eq!(command, expected);
            answer
        })
    }

    pub fn atr(mut self, atr: Atr) -> Self {
        self.info.atr = atr;
        self
    }

    pub fn interface(mut self, interface: Interface) -> Self {
        self.info.interface = interface;
        self
    }

    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.info.protocol = protocol;
        self
    }

    /// Reader and card take extended length as said.
    pub fn extended(mut self, extended: ExtendedLength) -> Self {
        self.info.atr = extended_atr();
        self.info.extended = extended;
        self
    }

    pub fn begins(mut self, begins: Vec<Result<Continuity, LinkError>>) -> Self {
        self.begins = begins.into();
        self
    }

    pub fn ends(mut self, ends: Vec<Result<(), LinkError>>) -> Self {
        self.ends = ends.into();
        self
    }

    /// A reader with a PIN pad; what it answers is what is answered to the
    /// command's template.
    pub fn pad(mut self, pad: PinPadFeatures) -> Self {
        self.pad = pad;
        self
    }

    fn on_pad(&mut self, structure: Option<Vec<u8>>, template: &[u8]) -> Answered {
        self.log
            .push(Seen::Pad(structure.ok_or(LinkError::NoPinPad)?));
        (self.answers)(template).map(Zeroizing::new)
    }

    pub fn log(&self) -> Log {
        self.log.clone()
    }

    pub fn card(self) -> (Card, Log) {
        let log = self.log();
        (Card::new(Box::new(self)), log)
    }
}

impl CardLink for Fake {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        self.log.push(Seen::Begin);
        self.begins.pop_front().unwrap_or(Ok(Continuity::Shared))
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.log.push(Seen::Command(command.to_vec()));
        (self.answers)(command).map(Zeroizing::new)
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.log.push(Seen::End(leave));
        self.ends.pop_front().unwrap_or(Ok(()))
    }

    fn pin_pad(&mut self) -> PinPadFeatures {
        self.pad
    }

    fn verify_on_pin_pad(&mut self, request: &PinVerify) -> Answered {
        self.on_pad(request.structure(self.pad), &request.template())
    }

    fn modify_on_pin_pad(&mut self, request: &PinModify) -> Answered {
        self.on_pad(request.structure(self.pad), &request.template())
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.log.push(Seen::Closed);
    }
}
