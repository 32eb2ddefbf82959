//! Tokens to test, and a host that knows just enough to talk to them.

use std::time::{Duration, SystemTime};

use piv_apdu::apdu::{Command, Le, Response};
use virtual_token::{Content, CreateOptions, Profile, VirtualToken};

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
