//! A host that speaks CTAP: what it sends, and how it reads what comes back.

use aes::Aes256;
use cbc::{Decryptor, Encryptor};
use cipher::{Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use minicbor::{Decoder, Encoder};
use p256::elliptic_curve::sec1::ToSec1Point as _;
use piv_apdu::apdu::{Command, Le};
use sha2::{Digest, Sha256};
use virtual_token::VirtualToken;

use crate::common::{expect, send};

pub(crate) const PIN: &[u8] = b"2718";
pub(crate) const RP: &str = "example.com";

pub(crate) fn select(token: &mut VirtualToken) {
    expect(token, "00A40400 08 A0000006472F0001 00", 0x9000);
}

/// One command; gives the status byte and what came with it.
pub(crate) fn ctap(token: &mut VirtualToken, command: u8, parameters: &[u8]) -> (u8, Vec<u8>) {
    let message = [&[command], parameters].concat();
    let apdu = Command::new(0x80, 0x10, 0x00, 0x00)
        .with_data(&message)
        .with_le(Le::SHORT_MAX);
    let response = send(token, &apdu);
    assert_eq!(response.status().get(), 0x9000);
    let (status, answer) = response.data().split_first().unwrap();
    (*status, answer.to_vec())
}

pub(crate) fn get_info(token: &mut VirtualToken) -> (u8, Vec<u8>) {
    ctap(token, 0x04, &[])
}

/// The value of a number in a map, encoded.
pub(crate) fn lookup(map: &[u8], wanted: i64) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(map);
    for _ in 0..decoder.map().unwrap().unwrap() {
        let key = decoder.i64().unwrap();
        let start = decoder.position();
        decoder.skip().unwrap();
        if key == wanted {
            return Some(map[start..decoder.position()].to_vec());
        }
    }
    None
}

/// As [`lookup`], where it has to be there.
#[track_caller]
pub(crate) fn field(map: &[u8], wanted: i64) -> Vec<u8> {
    lookup(map, wanted).unwrap()
}

pub(crate) fn bytes(value: &[u8]) -> Vec<u8> {
    Decoder::new(value).bytes().unwrap().to_vec()
}

pub(crate) fn text(value: &[u8]) -> String {
    Decoder::new(value).str().unwrap().to_owned()
}

/// The identifier in a credential descriptor.
pub(crate) fn descriptor(value: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(value);
    assert_eq!(decoder.map().unwrap(), Some(2));
    assert_eq!(decoder.str().unwrap(), "id");
    let id = decoder.bytes().unwrap().to_vec();
    assert_eq!(decoder.str().unwrap(), "type");
    assert_eq!(decoder.str().unwrap(), "public-key");
    id
}

/// A pinUvAuthToken that the host holds.
pub(crate) struct Token {
    protocol: u8,
    value: Option<Vec<u8>>,
}

impl Token {
    /// No token, but the question that an empty signature is.
    pub(crate) fn question() -> Self {
        Token {
            protocol: 2,
            value: None,
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let Some(value) = &self.value else {
            return Vec::new();
        };
        mac(self.protocol, value, message)
    }
}

/// What a registration or an authentication is to be like.
pub(crate) struct Request<'a> {
    pub(crate) rp_id: &'a str,
    pub(crate) hash: [u8; 32],
    pub(crate) user: &'a [u8],
    pub(crate) algorithms: &'a [i64],
    /// The excluded ones, or the allowed ones.
    pub(crate) list: &'a [Vec<u8>],
    pub(crate) rk: Option<bool>,
    pub(crate) up: Option<bool>,
    pub(crate) uv: Option<bool>,
    pub(crate) token: Option<&'a Token>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(rp_id: &'a str, hash: [u8; 32]) -> Self {
        Request {
            rp_id,
            hash,
            user: b"user",
            algorithms: &[-7],
            list: &[],
            rk: None,
            up: None,
            uv: None,
            token: None,
        }
    }

    /// The parameters of authenticatorMakeCredential.
    pub(crate) fn registration(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        let proof = if self.token.is_some() { 2 } else { 0 };
        let list = u64::from(!self.list.is_empty());
        e.map(5 + list + proof).unwrap();
        e.u8(1).unwrap().bytes(&self.hash).unwrap();
        e.u8(2).unwrap().map(1).unwrap();
        e.str("id").unwrap().str(self.rp_id).unwrap();
        e.u8(3).unwrap().map(3).unwrap();
        e.str("id").unwrap().bytes(self.user).unwrap();
        e.str("name").unwrap().str("Named").unwrap();
        e.str("displayName").unwrap().str("Shown").unwrap();
        e.u8(4).unwrap();
        e.array(self.algorithms.len() as u64).unwrap();
        for algorithm in self.algorithms {
            e.map(2).unwrap();
            e.str("alg").unwrap().i64(*algorithm).unwrap();
            e.str("type").unwrap().str("public-key").unwrap();
        }
        self.encode_list(&mut e, 5);
        self.encode_options(&mut e, 7);
        self.encode_proof(&mut e, 8);
        e.into_writer()
    }

    /// The parameters of authenticatorGetAssertion.
    pub(crate) fn authentication(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        let proof = if self.token.is_some() { 2 } else { 0 };
        let list = u64::from(!self.list.is_empty());
        e.map(3 + list + proof).unwrap();
        e.u8(1).unwrap().str(self.rp_id).unwrap();
        e.u8(2).unwrap().bytes(&self.hash).unwrap();
        self.encode_list(&mut e, 3);
        self.encode_options(&mut e, 5);
        self.encode_proof(&mut e, 6);
        e.into_writer()
    }

    fn encode_list(&self, e: &mut Encoder<Vec<u8>>, key: u8) {
        if self.list.is_empty() {
            return;
        }
        e.u8(key).unwrap().array(self.list.len() as u64).unwrap();
        for id in self.list {
            e.map(2).unwrap();
            e.str("id").unwrap().bytes(id).unwrap();
            e.str("type").unwrap().str("public-key").unwrap();
        }
    }

    fn encode_options(&self, e: &mut Encoder<Vec<u8>>, key: u8) {
        let options = [("rk", self.rk), ("up", self.up), ("uv", self.uv)];
        let given = options.iter().filter(|(_, value)| value.is_some()).count();
        e.u8(key).unwrap().map(given as u64).unwrap();
        for (name, value) in options {
            if let Some(value) = value {
                e.str(name).unwrap().bool(value).unwrap();
            }
        }
    }

    fn encode_proof(&self, e: &mut Encoder<Vec<u8>>, key: u8) {
        if let Some(token) = self.token {
            let signature = token.sign(&self.hash);
            e.u8(key).unwrap().bytes(&signature).unwrap();
            e.u8(key + 1).unwrap().u8(token.protocol).unwrap();
        }
    }
}

pub(crate) fn make_credential(token: &mut VirtualToken, request: &Request<'_>) -> (u8, Vec<u8>) {
    ctap(token, 0x01, &request.registration())
}

pub(crate) fn get_assertion(token: &mut VirtualToken, request: &Request<'_>) -> (u8, Vec<u8>) {
    ctap(token, 0x02, &request.authentication())
}

/// Tries of the PIN that are left, and whether it wants a power cycle.
pub(crate) fn retries(token: &mut VirtualToken) -> (u8, bool) {
    let (status, answer) = ctap(token, 0x06, &[0xA1, 0x02, 0x01]);
    assert_eq!(status, 0x00);
    let left = Decoder::new(&field(&answer, 3)).u8().unwrap();
    (left, Decoder::new(&field(&answer, 4)).bool().unwrap())
}

pub(crate) fn set_pin(token: &mut VirtualToken, protocol: u8, pin: &[u8]) -> u8 {
    Agreement::with(token, protocol).set_pin(token, pin)
}

/// Gets a token with these permissions, or the status.
pub(crate) fn pin_token(
    token: &mut VirtualToken,
    protocol: u8,
    pin: &[u8],
    permissions: u8,
    rp_id: &str,
) -> Result<Token, u8> {
    let agreement = Agreement::with(token, protocol);
    let mut e = agreement.subcommand(9, 6);
    e.u8(6).unwrap().bytes(&agreement.pin_hash(pin)).unwrap();
    e.u8(9).unwrap().u8(permissions).unwrap();
    e.u8(10).unwrap().str(rp_id).unwrap();
    agreement.receive_token(token, e)
}

/// Tries a PIN that is not right; gives the status.
#[track_caller]
pub(crate) fn wrong_pin(token: &mut VirtualToken) -> u8 {
    pin_token(token, 2, b"not it", 3, RP).err().unwrap()
}

/// What host and card have agreed on.
pub(crate) struct Agreement {
    protocol: u8,
    point: Vec<u8>,
    mac_key: Vec<u8>,
    cipher_key: Vec<u8>,
}

impl Agreement {
    pub(crate) fn with(token: &mut VirtualToken, protocol: u8) -> Self {
        let (status, answer) = ctap(token, 0x06, &[0xA2, 0x01, protocol, 0x02, 0x02]);
        assert_eq!(status, 0x00);
        let key = field(&answer, 1);
        let mut card = vec![0x04];
        for coordinate in [-2, -3] {
            card.extend(bytes(&field(&key, coordinate)));
        }
        let card = p256::PublicKey::from_sec1_bytes(&card).unwrap();
        let host = p256::SecretKey::from_slice(&[0x42; 32]).unwrap();
        let shared = host.diffie_hellman(&card);
        let coordinate = shared.raw_secret_bytes();
        let (mac_key, cipher_key) = if protocol == 1 {
            let digest = Sha256::digest(coordinate).to_vec();
            (digest.clone(), digest)
        } else {
            let keys = Hkdf::<Sha256>::new(Some(&[0; 32]), coordinate);
            let derive = |info: &[u8]| {
                let mut key = vec![0; 32];
                keys.expand(info, &mut key).unwrap();
                key
            };
            (derive(b"CTAP2 HMAC key"), derive(b"CTAP2 AES key"))
        };
        Agreement {
            protocol,
            point: host.public_key().to_sec1_point(false).as_bytes().to_vec(),
            mac_key,
            cipher_key,
        }
    }

    /// setPIN.
    pub(crate) fn set_pin(&self, token: &mut VirtualToken, pin: &[u8]) -> u8 {
        let new = self.padded_pin(pin);
        let mut e = self.subcommand(3, 5);
        let signature = mac(self.protocol, &self.mac_key, &new);
        e.u8(4).unwrap().bytes(&signature).unwrap();
        e.u8(5).unwrap().bytes(&new).unwrap();
        ctap(token, 0x06, &e.into_writer()).0
    }

    /// changePIN.
    pub(crate) fn change_pin(&self, token: &mut VirtualToken, old: &[u8], new: &[u8]) -> u8 {
        let new = self.padded_pin(new);
        let old = self.pin_hash(old);
        let mut e = self.subcommand(4, 6);
        let message = [&new[..], &old[..]].concat();
        let signature = mac(self.protocol, &self.mac_key, &message);
        e.u8(4).unwrap().bytes(&signature).unwrap();
        e.u8(5).unwrap().bytes(&new).unwrap();
        e.u8(6).unwrap().bytes(&old).unwrap();
        ctap(token, 0x06, &e.into_writer()).0
    }

    /// getPinToken.
    pub(crate) fn pin_token_of_ctap_2_0(
        &self,
        token: &mut VirtualToken,
        pin: &[u8],
    ) -> Result<Token, u8> {
        let mut e = self.subcommand(5, 4);
        e.u8(6).unwrap().bytes(&self.pin_hash(pin)).unwrap();
        self.receive_token(token, e)
    }

    fn receive_token(&self, token: &mut VirtualToken, e: Encoder<Vec<u8>>) -> Result<Token, u8> {
        match ctap(token, 0x06, &e.into_writer()) {
            (0x00, answer) => Ok(Token {
                protocol: self.protocol,
                value: Some(self.decrypt(&bytes(&field(&answer, 2)))),
            }),
            (status, _) => Err(status),
        }
    }

    /// A subcommand's parameters up to the host's key.
    fn subcommand(&self, subcommand: u8, entries: u64) -> Encoder<Vec<u8>> {
        let mut e = Encoder::new(Vec::new());
        e.map(entries).unwrap();
        e.u8(1).unwrap().u8(self.protocol).unwrap();
        e.u8(2).unwrap().u8(subcommand).unwrap();
        e.u8(3).unwrap().map(5).unwrap();
        e.u8(1).unwrap().u8(2).unwrap();
        e.u8(3).unwrap().i8(-25).unwrap();
        e.i8(-1).unwrap().u8(1).unwrap();
        e.i8(-2).unwrap().bytes(&self.point[1..33]).unwrap();
        e.i8(-3).unwrap().bytes(&self.point[33..]).unwrap();
        e
    }

    fn padded_pin(&self, pin: &[u8]) -> Vec<u8> {
        let mut padded = pin.to_vec();
        padded.resize(64, 0);
        self.encrypt(&padded)
    }

    fn pin_hash(&self, pin: &[u8]) -> Vec<u8> {
        self.encrypt(&Sha256::digest(pin)[..16])
    }

    fn encrypt(&self, plain: &[u8]) -> Vec<u8> {
        let vector = if self.protocol == 1 { [0; 16] } else { [9; 16] };
        let mut encrypted = if self.protocol == 1 {
            Vec::new()
        } else {
            vector.to_vec()
        };
        let mut cipher = Encryptor::<Aes256>::new_from_slices(&self.cipher_key, &vector).unwrap();
        for chunk in plain.chunks(16) {
            let mut block = Block::<Aes256>::try_from(chunk).unwrap();
            cipher.encrypt_block(&mut block);
            encrypted.extend_from_slice(&block);
        }
        encrypted
    }

    fn decrypt(&self, encrypted: &[u8]) -> Vec<u8> {
        let (vector, encrypted) = if self.protocol == 1 {
            (&[0; 16][..], encrypted)
        } else {
            encrypted.split_at(16)
        };
        let mut cipher = Decryptor::<Aes256>::new_from_slices(&self.cipher_key, vector).unwrap();
        let mut plain = Vec::new();
        for chunk in encrypted.chunks(16) {
            let mut block = Block::<Aes256>::try_from(chunk).unwrap();
            cipher.decrypt_block(&mut block);
            plain.extend_from_slice(&block);
        }
        plain
    }
}

fn mac(protocol: u8, key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    let mut tag = mac.finalize().into_bytes().to_vec();
    if protocol == 1 {
        tag.truncate(16);
    }
    tag
}
