//! Tokens to test, and a host that knows just enough to talk to them.

use std::time::{Duration, SystemTime};

use cipher::{Block, BlockCipherEncrypt, KeyInit};
use crescendo_ext::identity::Family;
use crescendo_ext::properties::{GetPivProperties, PivProperties};
use piv_apdu::apdu::{Command, Le, Response};
use piv_apdu::command::TypedCommand;
use piv_apdu::status::StatusWord;
use virtual_token::{Content, CreateOptions, Profile, VirtualToken};

pub(crate) const SELECT_ACA: &str = "00A40400 07 A0000000791000 00";
pub(crate) const SELECT_PIV: &str = "00A40400 0B A000000308000010000100 00";

/// 2026-01-01.
pub(crate) fn created() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

pub(crate) fn options() -> CreateOptions {
    CreateOptions::default().seed(1).created(created())
}

/// A token as delivered, which takes no time to make.
pub(crate) fn blank(profile: Profile) -> VirtualToken {
    VirtualToken::create(profile, &options().content(Content::Empty)).unwrap()
}

/// A token with keys and certificates.
pub(crate) fn personal(profile: Profile) -> VirtualToken {
    VirtualToken::create(profile, &options()).unwrap()
}

/// Bytes from hexadecimal with spaces.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("hexadecimal"))
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap())
        .collect()
}

/// Sends a command in short APDUs: chains it, and fetches the whole answer.
pub(crate) fn send(token: &mut VirtualToken, command: &Command) -> Response {
    let chunks: Vec<&[u8]> = command.data().chunks(255).collect();
    let (last, parts) = match chunks.split_last() {
        Some((last, parts)) => (*last, parts),
        None => (&[][..], &[][..]),
    };
    let [cla, ins, p1, p2] = [command.cla(), command.ins(), command.p1(), command.p2()];
    for part in parts {
        let part = Command::new(cla | 0x10, ins, p1, p2).with_data(part);
        let response = raw(token, &part.encode_short().unwrap());
        if !response.status().is_success() {
            return response;
        }
    }
    let mut last = Command::new(cla, ins, p1, p2).with_data(last);
    if command.le().is_some() {
        last = last.with_le(Le::SHORT_MAX);
    }
    let mut response = raw(token, &last.encode_short().unwrap());
    let mut data = response.data().to_vec();
    while response.status().more_data().is_some() {
        response = raw(token, &hex("00 C0 00 00 00"));
        data.extend_from_slice(response.data());
    }
    Response::new(&data, response.status())
}

pub(crate) fn raw(token: &mut VirtualToken, bytes: &[u8]) -> Response {
    Response::decode(&token.process(bytes)).unwrap()
}

/// Sends it and wants this status word; gives the data.
#[track_caller]
pub(crate) fn expect(token: &mut VirtualToken, command: &str, status: u16) -> Vec<u8> {
    let response = raw(token, &hex(command));
    assert_eq!(response.status(), StatusWord::new(status), "{command}");
    response.data().to_vec()
}

/// One block, encrypted.
pub(crate) fn encrypt<C: KeyInit + BlockCipherEncrypt>(key: &[u8], block: &[u8]) -> Vec<u8> {
    let mut block = Block::<C>::try_from(block).unwrap();
    C::new_from_slice(key).unwrap().encrypt_block(&mut block);
    block.to_vec()
}

/// GET CHALLENGE and EXTERNAL AUTHENTICATE.
pub(crate) fn xauth<C: KeyInit + BlockCipherEncrypt>(token: &mut VirtualToken, key: &[u8]) -> u16 {
    let challenge = expect(token, "00840001 00", 0x9000);
    let cryptogram = encrypt::<C>(key, &challenge);
    let command = Command::new(0x00, 0x82, 0x00, 0x01).with_data(&cryptogram);
    send(token, &command).status().get()
}

/// GET PIV PROPERTIES.
pub(crate) fn properties(token: &mut VirtualToken) -> PivProperties {
    let family = match token.profile() {
        Profile::Crescendo4000 => Family::C4000,
        _ => Family::C2300,
    };
    let response = send(token, &GetPivProperties { family }.to_command());
    GetPivProperties::decode_answer(&response).unwrap()
}
