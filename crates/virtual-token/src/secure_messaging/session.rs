//! A session: commands unwrapped, responses wrapped (SP 800-73-5 Part 2, 4.2).

use piv_apdu::apdu::{Command, Le};
use piv_apdu::sm::CipherSuite;
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node, Reader, Tag};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::suite::{self, BLOCK, Direction};

const ENCRYPTED: Tag = Tag::new(0x87);
const EXPECTED_LENGTH: Tag = Tag::new(0x97);
const STATUS: Tag = Tag::new(0x99);
const MAC: Tag = Tag::new(0x8E);

/// The bytes of a MAC that go over the wire.
const MAC_LENGTH: usize = 8;
/// What comes before encrypted data: they are padded with `80 00…`.
const PADDED: u8 = 0x01;
const PADDING: u8 = 0x80;
/// What makes a response's counter another than its command's.
const RESPONSE: u8 = 0x80;

/// The keys of a session and what chains its commands. Both are wiped when it ends, which
/// is when it is dropped.
pub(crate) struct Session {
    suite: CipherSuite,
    mac_key: Zeroizing<Vec<u8>>,
    encryption_key: Zeroizing<Vec<u8>>,
    response_mac_key: Zeroizing<Vec<u8>>,
    /// The number of the next command, or of the one whose response is due; from 1.
    counter: u128,
    command_mac: [u8; 16],
    response_mac: [u8; 16],
}

/// The data objects of a wrapped command, in their order.
struct Wrapped<'a> {
    encrypted: Option<&'a [u8]>,
    expects_data: bool,
    mac: &'a [u8],
    /// What the MAC is about, beside the header: all that is before it, as it came.
    before_mac: &'a [u8],
}

impl Session {
    pub(super) fn new(suite: CipherSuite, mac: &[u8], encryption: &[u8], response: &[u8]) -> Self {
        let own = |key: &[u8]| Zeroizing::new(key.to_vec());
        Session {
            suite,
            mac_key: own(mac),
            encryption_key: own(encryption),
            response_mac_key: own(response),
            counter: 1,
            command_mac: [0; 16],
            response_mac: [0; 16],
        }
    }

    /// The command that a host wrapped, of which chaining has been undone. Nothing of it is
    /// decrypted before its MAC has been found right. After a refusal the session is of no
    /// use any more.
    ///
    /// # Errors
    /// `6987` without a MAC, `6988` if it or anything else is not as it has to be.
    pub(super) fn unwrap(&mut self, command: &Command) -> Result<Command, StatusWord> {
        let wrapped = Wrapped::read(command.data())?;
        self.check_mac(command, &wrapped)?;
        let (ins, p1, p2) = (command.ins(), command.p1(), command.p2());
        let mut plain = Command::new(0x00, ins, p1, p2);
        if let Some(encrypted) = wrapped.encrypted {
            plain = plain.with_owned_data(self.decrypt(encrypted)?);
        }
        if wrapped.expects_data {
            plain = plain.with_le(Le::SHORT_MAX);
        }
        Ok(plain)
    }

    /// What a command came to, wrapped: `87` with data, if there are any, `99` with the
    /// status word, `8E`. The next command is the next number's.
    pub(super) fn wrap(
        &mut self,
        answer: Result<Zeroizing<Vec<u8>>, StatusWord>,
    ) -> Result<Zeroizing<Vec<u8>>, StatusWord> {
        let (data, status) = match answer {
            Ok(data) => (data, StatusWord::SUCCESS),
            Err(status) => (Zeroizing::default(), status),
        };
        let encrypted = self.encrypt(&data)?;
        let status = status.get().to_be_bytes();
        let mut nodes = Vec::new();
        if !data.is_empty() {
            nodes.push(Node::Value(ENCRYPTED, &encrypted));
        }
        nodes.push(Node::Value(STATUS, &status));
        let about = [&self.response_mac[..], &tlv::encode(&nodes)].concat();
        let mac = suite::cmac(self.suite, &self.response_mac_key, &about)?;
        nodes.push(Node::Value(MAC, &mac[..MAC_LENGTH]));
        let wrapped = tlv::encode(&nodes);
        self.response_mac = mac;
        self.counter += 1;
        Ok(wrapped)
    }

    /// The MAC of the command before, the header padded to a block, then the data objects.
    fn check_mac(&mut self, command: &Command, wrapped: &Wrapped<'_>) -> Result<(), StatusWord> {
        let mut header = [0; BLOCK];
        let [ins, p1, p2] = [command.ins(), command.p1(), command.p2()];
        header[..5].copy_from_slice(&[super::SECURED, ins, p1, p2, PADDING]);
        let about = [&self.command_mac[..], &header, wrapped.before_mac].concat();
        let mac = suite::cmac(self.suite, &self.mac_key, &about)?;
        if !bool::from(mac[..MAC_LENGTH].ct_eq(wrapped.mac)) {
            return Err(StatusWord::SM_OBJECTS_INCORRECT);
        }
        self.command_mac = mac;
        Ok(())
    }

    fn decrypt(&self, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, StatusWord> {
        let incorrect = StatusWord::SM_OBJECTS_INCORRECT;
        let Some((&PADDED, blocks)) = encrypted.split_first() else {
            return Err(incorrect);
        };
        if blocks.is_empty() || !blocks.len().is_multiple_of(BLOCK) {
            return Err(incorrect);
        }
        let mut data = Zeroizing::new(blocks.to_vec());
        let counter = self.counter.to_be_bytes();
        let key = &self.encryption_key;
        suite::cbc(self.suite, key, counter, Direction::Decrypt, &mut data)?;
        let length = length_without_padding(&data).ok_or(incorrect)?;
        data.truncate(length);
        Ok(data)
    }

    /// The padding indicator and the data, padded and encrypted.
    fn encrypt(&self, data: &[u8]) -> Result<Zeroizing<Vec<u8>>, StatusWord> {
        let padded = (data.len() / BLOCK + 1) * BLOCK;
        let mut encrypted = Zeroizing::new(Vec::with_capacity(1 + padded));
        encrypted.push(PADDED);
        encrypted.extend_from_slice(data);
        encrypted.push(PADDING);
        encrypted.resize(1 + padded, 0x00);
        let mut counter = self.counter.to_be_bytes();
        counter[0] = RESPONSE;
        let key = &self.encryption_key;
        suite::cbc(
            self.suite,
            key,
            counter,
            Direction::Encrypt,
            &mut encrypted[1..],
        )?;
        Ok(encrypted)
    }
}

impl<'a> Wrapped<'a> {
    /// `87` and `97`, each at most once, then `8E`, and nothing else.
    fn read(data: &'a [u8]) -> Result<Self, StatusWord> {
        let incorrect = StatusWord::SM_OBJECTS_INCORRECT;
        let (mut encrypted, mut expects_data) = (None, false);
        let mut reader = Reader::new(data);
        loop {
            let before_mac = data.len() - reader.remaining().len();
            let object = reader.next().ok_or(StatusWord::SM_OBJECTS_MISSING)?;
            let object = object.map_err(|_| incorrect)?;
            match (object.tag, object.value) {
                (ENCRYPTED, value) if encrypted.is_none() && !expects_data => {
                    encrypted = Some(value);
                }
                (EXPECTED_LENGTH, [0x00]) if !expects_data => expects_data = true,
                (MAC, mac) if mac.len() == MAC_LENGTH && reader.remaining().is_empty() => {
                    return Ok(Wrapped {
                        encrypted,
                        expects_data,
                        mac,
                        before_mac: &data[..before_mac],
                    });
                }
                _ => return Err(incorrect),
            }
        }
    }
}

/// The padding is 80 and zeros, at least one byte and at most a block.
fn length_without_padding(data: &[u8]) -> Option<usize> {
    let end = data.iter().rposition(|byte| *byte != 0x00)?;
    let is_padding = data.get(end) == Some(&PADDING) && data.len() - end <= BLOCK;
    is_padding.then_some(end)
}
