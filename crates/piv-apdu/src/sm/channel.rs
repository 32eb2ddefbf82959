//! Commands wrapped, responses unwrapped.

use core::fmt;

use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::keys::{CipherSuite, SessionKeys};
use crate::apdu::{Command, Le, Response};
use crate::status::StatusWord;
use crate::tlv::{self, Node, Reader, Tag};

/// The bits of CLA that say "secure messaging, header authenticated".
const SECURE_MESSAGING: u8 = 0x0C;
/// The bytes of a MAC that are sent; all sixteen go into the next one.
const SENT_MAC: usize = 8;
const BLOCK: usize = 16;
/// Says that the padding is `80 00 …` (ISO 7816-4, table 34).
const PADDING_INDICATOR: u8 = 0x01;

const CRYPTOGRAM: Tag = Tag::new(0x87);
const EXPECTED_LENGTH: Tag = Tag::new(0x97);
const STATUS: Tag = Tag::new(0x99);
const MAC: Tag = Tag::new(0x8E);

/// A session: wraps a command, unwraps its response, one after the other.
///
/// Every error ends it: [`SmError::Over`] from then on, and the keys are wiped.
///
/// Source: SP 800-73-5 Part 2, 4.2.
pub struct SecureMessaging {
    state: Option<State>,
}

struct State {
    keys: SessionKeys,
    /// How many commands were wrapped.
    counter: u64,
    command_chain: [u8; BLOCK],
    response_chain: [u8; BLOCK],
    /// A response is due before the next command.
    waits: bool,
}

/// Why a command could not be wrapped, or its response not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SmError {
    /// The session has ended. A new one has to be established.
    #[error("the secure session is over; a new one has to be established")]
    Over,
    /// Another command is on its way, or none is.
    #[error("commands and responses of the secure session are out of step; it is over")]
    OutOfStep,
    /// A command of another class than `00`, or one that is wrapped already.
    #[error("a command of class {0:02X} can't be sent in a secure session")]
    Class(u8),
    /// The card answered in the clear: with `6882`, `6982`, `6987` or `6988` it has
    /// ended the session, and anything else can't be trusted.
    #[error("the card answered {0} outside of the secure session, which is over")]
    Plain(StatusWord),
    /// The response has no MAC that fits: somebody has changed it, or the card is
    /// another one.
    #[error(
        "the answer is not what the card sent: its checksum does not fit; the secure session is over"
    )]
    Mac,
    /// The response is not what secure messaging looks like.
    #[error("the answer can't be understood as one of the secure session, which is over")]
    Malformed,
}

impl SecureMessaging {
    /// A session with these keys, from its first command.
    pub fn new(keys: SessionKeys) -> Self {
        let state = State {
            keys,
            counter: 0,
            command_chain: [0; BLOCK],
            response_chain: [0; BLOCK],
            waits: false,
        };
        Self { state: Some(state) }
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.state.is_none()
    }

    /// Ends it, and wipes its keys.
    pub fn end(&mut self) {
        self.state = None;
    }

    /// Wraps a whole command, before it is chained: `87` with its data encrypted,
    /// `97` if an answer is expected, `8E` with a MAC over all of it and over the
    /// command before.
    ///
    /// # Errors
    /// [`SmError::Over`], [`SmError::OutOfStep`], [`SmError::Class`] (which alone
    /// leaves the session as it is).
    pub fn wrap(&mut self, command: &Command) -> Result<Command, SmError> {
        if command.cla() != 0x00 {
            return Err(SmError::Class(command.cla()));
        }
        let mut state = self.state.take().ok_or(SmError::Over)?;
        if state.waits {
            return Err(SmError::OutOfStep);
        }
        let wrapped = state.wrap(command)?;
        self.state = Some(state);
        Ok(wrapped)
    }

    /// Unwraps a whole response, chaining undone: its MAC is checked before anything
    /// else is looked at.
    ///
    /// # Errors
    /// All of [`SmError`] but `Class`; the session is over then.
    pub fn unwrap(&mut self, response: &Response) -> Result<Response, SmError> {
        let mut state = self.state.take().ok_or(SmError::Over)?;
        if !state.waits {
            return Err(SmError::OutOfStep);
        }
        let unwrapped = state.unwrap(response)?;
        self.state = Some(state);
        Ok(unwrapped)
    }
}

impl State {
    fn wrap(&mut self, command: &Command) -> Result<Command, SmError> {
        self.counter = self.counter.checked_add(1).ok_or(SmError::Over)?;
        let cryptogram = self.encrypted(command.data())?;
        let mut nodes = Vec::new();
        if let Some(cryptogram) = &cryptogram {
            nodes.push(Node::Value(CRYPTOGRAM, cryptogram));
        }
        if command.le().is_some() {
            nodes.push(Node::Value(EXPECTED_LENGTH, &[0x00]));
        }
        let body = tlv::encode(&nodes);
        let mut header = [0; BLOCK];
        header[..5].copy_from_slice(&[
            SECURE_MESSAGING,
            command.ins(),
            command.p1(),
            command.p2(),
            0x80,
        ]);
        let suite = self.keys.suite;
        let parts: [&[u8]; 3] = [&self.command_chain, &header, &body];
        self.command_chain = suite.cmac(self.keys.mac(), &parts).ok_or(SmError::Over)?;
        nodes.push(Node::Value(MAC, &self.command_chain[..SENT_MAC]));
        let data = tlv::encode(&nodes);
        self.waits = true;
        let header = Command::new(SECURE_MESSAGING, command.ins(), command.p1(), command.p2());
        Ok(header.with_owned_data(data).with_le(Le::SHORT_MAX))
    }

    /// The padding indicator and the data, padded and encrypted; nothing without
    /// data.
    fn encrypted(&self, data: &[u8]) -> Result<Option<Vec<u8>>, SmError> {
        if data.is_empty() {
            return Ok(None);
        }
        let padded_length = (data.len() / BLOCK + 1) * BLOCK;
        let mut padded = Zeroizing::new(Vec::with_capacity(padded_length));
        padded.extend_from_slice(data);
        padded.push(0x80);
        padded.resize(padded_length, 0x00);
        let cipher = Cipher::new(self.keys.suite, self.keys.encryption()).ok_or(SmError::Over)?;
        let mut previous = cipher.encrypt(self.counter_block(0x00));
        let mut cryptogram = vec![PADDING_INDICATOR];
        for block in padded.chunks_exact(BLOCK) {
            for (byte, chained) in previous.iter_mut().zip(block) {
                *byte ^= chained;
            }
            previous = cipher.encrypt(previous);
            cryptogram.extend_from_slice(&previous);
        }
        Ok(Some(cryptogram))
    }

    fn unwrap(&mut self, response: &Response) -> Result<Response, SmError> {
        if response.data().is_empty() {
            return Err(SmError::Plain(response.status()));
        }
        let parts = Parts::of(response.data()).ok_or(SmError::Malformed)?;
        let suite = self.keys.suite;
        let authenticated: [&[u8]; 2] = [&self.response_chain, parts.authenticated];
        let mac = suite.cmac(self.keys.response_mac(), &authenticated);
        let mac = mac.ok_or(SmError::Over)?;
        if !bool::from(mac[..SENT_MAC].ct_eq(parts.mac)) {
            return Err(SmError::Mac);
        }
        self.response_chain = mac;
        self.waits = false;
        let status = StatusWord::new(u16::from_be_bytes(parts.status));
        // What is outside of the session is not authenticated, so it has to say the same.
        if response.status() != status && !response.status().is_success() {
            return Err(SmError::Plain(response.status()));
        }
        let data = match parts.cryptogram {
            Some(cryptogram) => self.decrypted(cryptogram).ok_or(SmError::Malformed)?,
            None => Zeroizing::new(Vec::new()),
        };
        Ok(Response::from_owned(data, status))
    }

    fn decrypted(&self, cryptogram: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (&PADDING_INDICATOR, blocks) = cryptogram.split_first()? else {
            return None;
        };
        if blocks.is_empty() || !blocks.len().is_multiple_of(BLOCK) {
            return None;
        }
        let cipher = Cipher::new(self.keys.suite, self.keys.encryption())?;
        let mut previous = cipher.encrypt(self.counter_block(0x80));
        let mut padded = Zeroizing::new(Vec::with_capacity(blocks.len()));
        for block in blocks.chunks_exact(BLOCK) {
            let block: [u8; BLOCK] = block.try_into().ok()?;
            let plain = cipher.decrypt(block);
            padded.extend(
                plain
                    .iter()
                    .zip(previous)
                    .map(|(byte, chained)| byte ^ chained),
            );
            previous = block;
        }
        let end = padded.iter().rposition(|byte| *byte != 0x00)?;
        // More than a block of padding is none.
        if padded.get(end) != Some(&0x80) || padded.len() - end > BLOCK {
            return None;
        }
        padded.truncate(end);
        Some(padded)
    }

    /// What the initial value is made from: the counter of the command, marked for
    /// its response.
    fn counter_block(&self, mark: u8) -> [u8; BLOCK] {
        let mut block = u128::from(self.counter).to_be_bytes();
        block[0] |= mark;
        block
    }
}

/// A response taken apart, before its MAC is checked.
struct Parts<'a> {
    cryptogram: Option<&'a [u8]>,
    status: [u8; 2],
    mac: &'a [u8],
    /// All that comes before the MAC, as it came.
    authenticated: &'a [u8],
}

impl<'a> Parts<'a> {
    /// `87` at most once, `99 02`, `8E 08`, in this order and nothing else.
    fn of(data: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let mut object = reader.next()?.ok()?;
        let mut cryptogram = None;
        if object.tag == CRYPTOGRAM {
            cryptogram = Some(object.value);
            object = reader.next()?.ok()?;
        }
        if object.tag != STATUS {
            return None;
        }
        let status = object.value.try_into().ok()?;
        let authenticated = data.strip_suffix(reader.remaining())?;
        let mac = reader.next()?.ok()?;
        let is_whole = mac.value.len() == SENT_MAC && reader.remaining().is_empty();
        (mac.tag == MAC && is_whole).then_some(Self {
            cryptogram,
            status,
            mac: mac.value,
            authenticated,
        })
    }
}

enum Cipher {
    Aes128(Aes128),
    Aes256(Aes256),
}

impl Cipher {
    fn new(suite: CipherSuite, key: &[u8]) -> Option<Self> {
        Some(match suite {
            CipherSuite::Cs2 => Self::Aes128(Aes128::new_from_slice(key).ok()?),
            CipherSuite::Cs7 => Self::Aes256(Aes256::new_from_slice(key).ok()?),
        })
    }

    fn encrypt(&self, block: [u8; BLOCK]) -> [u8; BLOCK] {
        let mut block = Block::<Aes128>::from(block);
        match self {
            Self::Aes128(cipher) => cipher.encrypt_block(&mut block),
            Self::Aes256(cipher) => cipher.encrypt_block(&mut block),
        }
        block.into()
    }

    fn decrypt(&self, block: [u8; BLOCK]) -> [u8; BLOCK] {
        let mut block = Block::<Aes128>::from(block);
        match self {
            Self::Aes128(cipher) => cipher.decrypt_block(&mut block),
            Self::Aes256(cipher) => cipher.decrypt_block(&mut block),
        }
        block.into()
    }
}

impl fmt::Debug for SecureMessaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.as_ref();
        f.debug_struct("SecureMessaging")
            .field("suite", &state.map(|state| state.keys.suite()))
            .field("commands", &state.map(|state| state.counter))
            .finish_non_exhaustive()
    }
}
