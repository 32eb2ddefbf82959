#![no_main]
//! Responses within a secure session: as they come, and with a checksum made to fit, so
//! that what is behind it is reached.

use std::sync::LazyLock;

use cmac::{Cmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use piv_apdu::apdu::{Command, Response};
use piv_apdu::sm::{CipherSuite, OtherInfo, SecureMessaging, SessionKeys, SmError};
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node, Tag};
use sha2::{Digest, Sha256, Sha384};

/// The other info of an establishment in which everything is zero.
fn info(suite: CipherSuite) -> Vec<u8> {
    let (cipher, nonce) = match suite {
        CipherSuite::Cs2 => (0x09, 16),
        CipherSuite::Cs7 => (0x0D, 24),
    };
    let mut info = vec![4, cipher, cipher, cipher, cipher];
    for length in [8, 1, 16, 8, nonce, 1] {
        info.push(length);
        info.extend(vec![0; usize::from(length)]);
    }
    info
}

/// The four keys, one after the other, worked out once more.
fn keys(suite: CipherSuite) -> Vec<u8> {
    let blocks = (1..=4_u32).map(|counter| {
        let z = vec![0; suite.coordinate_length()];
        let input = [&counter.to_be_bytes()[..], &z, &info(suite)].concat();
        match suite {
            CipherSuite::Cs2 => Sha256::digest(input).to_vec(),
            CipherSuite::Cs7 => Sha384::digest(input).to_vec(),
        }
    });
    blocks.flatten().collect()
}

static RESPONSE_MACS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    [CipherSuite::Cs2, CipherSuite::Cs7].map(|suite| {
        let length = suite.key_length();
        keys(suite)[3 * length..4 * length].to_vec()
    })
});

/// A session in which one response is due.
fn session(suite: CipherSuite) -> SecureMessaging {
    let info = OtherInfo {
        host_id: [0; 8],
        host_control: 0,
        host_point_x: &vec![0; suite.coordinate_length()],
        card_id: [0; 8],
        nonce: &vec![0; suite.nonce_length()],
        card_control: 0,
    };
    let z = vec![0; suite.coordinate_length()];
    let keys = SessionKeys::derive(suite, &z, &info).expect("the lengths are right");
    let mut session = SecureMessaging::new(keys);
    let command = Command::new(0x00, 0xCB, 0x3F, 0xFF).with_data(&[0x5C, 0x01, 0x7E]);
    session
        .wrap(&command)
        .expect("a session that has just begun");
    session
}

/// The first response's checksum: nothing came before it.
fn checksum(suite: CipherSuite, data: &[u8]) -> Vec<u8> {
    fn over<M: Mac>(mut mac: M, data: &[u8]) -> Vec<u8> {
        mac.update(&[0; 16]);
        mac.update(data);
        mac.finalize().into_bytes()[..8].to_vec()
    }
    let [cs2, cs7] = &*RESPONSE_MACS;
    match suite {
        CipherSuite::Cs2 => over(Cmac::<aes::Aes128>::new_from_slice(cs2).unwrap(), data),
        CipherSuite::Cs7 => over(Cmac::<aes::Aes256>::new_from_slice(cs7).unwrap(), data),
    }
}

fn unwrap(suite: CipherSuite, response: &Response) -> Result<Response, SmError> {
    let mut session = session(suite);
    let unwrapped = session.unwrap(response);
    assert_eq!(session.is_over(), unwrapped.is_err());
    if let Ok(plain) = &unwrapped {
        assert!(plain.data().len() < response.data().len());
    }
    unwrapped
}

fuzz_target!(|data: &[u8]| {
    let Some((first, data)) = data.split_first() else {
        return;
    };
    let suite = match first & 1 {
        0 => CipherSuite::Cs2,
        _ => CipherSuite::Cs7,
    };
    let _ = unwrap(suite, &Response::new(data, StatusWord::SUCCESS));
    let checksum = checksum(suite, data);
    let checksum = tlv::encode(&[Node::Value(Tag::new(0x8E), &checksum)]);
    let whole = [data, &checksum].concat();
    let fits = unwrap(suite, &Response::new(&whole, StatusWord::SUCCESS));
    assert_ne!(fits, Err(SmError::Mac));
});
