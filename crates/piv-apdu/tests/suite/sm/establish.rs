//! The key establishment against the other implementation's, and what has to be
//! refused.

use piv_apdu::apdu::{Command, Response};
use piv_apdu::key::Algorithm;
use piv_apdu::sm::{CipherSuite, EstablishError, Established, KeyEstablishment};
use piv_apdu::status::StatusWord;
use piv_apdu::tlv::{self, Node, Tag};
use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

use super::{SUITES, bytes, eight, plain_command, response, vectors};

fn establishment(suite: CipherSuite, vectors: &Value) -> KeyEstablishment {
    let host = &vectors["host"];
    KeyEstablishment::from_parts(suite, eight(&host["ids_h"]), &bytes(&host["private_key"]))
        .unwrap()
}

fn finish(
    suite: CipherSuite,
    vectors: &Value,
    answer: &[u8],
) -> Result<Established, EstablishError> {
    establishment(suite, vectors).finish(&Response::decode(answer).unwrap())
}

/// `7C { 82 { content } }` and `9000`.
fn answer_with(content: &[u8]) -> Vec<u8> {
    let response = Node::Value(Tag::new(0x82), content);
    let data = tlv::encode(&[Node::Template(Tag::new(0x7C), &[response])]);
    [&data[..], &[0x90, 0x00]].concat()
}

/// A source of random numbers that has failed.
#[derive(Debug)]
struct Failing;

impl TryRng for Failing {
    type Error = Failing;

    fn try_next_u32(&mut self) -> Result<u32, Failing> {
        Err(Failing)
    }

    fn try_next_u64(&mut self) -> Result<u64, Failing> {
        Err(Failing)
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Failing> {
        Err(Failing)
    }
}

impl TryCryptoRng for Failing {}

impl core::fmt::Display for Failing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("no random numbers")
    }
}

impl core::error::Error for Failing {}

#[test]
fn the_request_is_that_of_the_other_implementation() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        let request = bytes(&vectors["host"]["request"]);
        let made = establishment(suite, &vectors).command();
        assert_eq!(*made.encode_short().unwrap(), request, "{name}");
        assert_eq!(made, Command::decode(&request).unwrap(), "{name}");
    }
}

#[test]
fn each_establishment_has_a_key_and_an_identifier_of_its_own() {
    use rand_core::SeedableRng as _;
    let mut random = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    for (suite, _) in SUITES {
        let commands: Vec<_> = (0..2)
            .map(|_| {
                let Ok(made) = KeyEstablishment::new(suite, &mut random);
                made.command().data().to_vec()
            })
            .collect();
        let (one, other) = (&commands[0], &commands[1]);
        // 7C L 81 L 00, then the identifier, then 04 and the point.
        assert_eq!(one[..5], other[..5]);
        assert_ne!(one[5..13], other[5..13]);
        assert_eq!((one[13], other[13]), (0x04, 0x04));
        assert_ne!(one[14..], other[14..]);
    }
}

#[test]
fn without_random_numbers_nothing_is_begun() {
    for (suite, _) in SUITES {
        assert!(KeyEstablishment::new(suite, &mut Failing).is_err());
    }
}

#[test]
fn an_answer_leads_to_the_session_of_the_other_implementation() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        for exchange in ["direct", "through_intermediate"] {
            let exchange = &vectors[exchange];
            let established = finish(suite, &vectors, &bytes(&exchange["answer"])).unwrap();
            assert_eq!(established.guid().0[..], bytes(&vectors["card"]["guid"]));
            assert_eq!(
                established.cvc().point(),
                bytes(&vectors["card"]["public_key"])
            );
        }
        let answer = bytes(&vectors["direct"]["answer"]);
        let mut session = finish(suite, &vectors, &answer).unwrap().unverified();
        for step in vectors["session_of_direct"].as_array().unwrap() {
            let wrapped = session.wrap(&plain_command(step)).unwrap();
            let expected = bytes(&step["wrapped_command"]["data"]);
            assert_eq!(wrapped.data(), expected, "{name}, {}", step["title"]);
            let plain = session
                .unwrap(&response(&step["wrapped_response"]))
                .unwrap();
            assert_eq!(plain, response(&step["plain_response"]));
        }
    }
}

/// What the other implementation refuses an answer for, where it is in the answer and
/// not in what vouches for the certificate.
fn is_reason(reason: &str, error: &EstablishError) -> bool {
    match reason {
        "cryptogram" => matches!(error, EstablishError::Cryptogram),
        // The changed byte is in the cryptogram's input too, so both may find it.
        "cbicc" => matches!(error, EstablishError::ControlByte(0x01)),
        "cvc key" => matches!(error, EstablishError::Point),
        "malformed" => matches!(
            error,
            EstablishError::Malformed(_) | EstablishError::Certificate(_)
        ),
        _ => false,
    }
}

#[test]
fn the_other_implementation_s_bad_answers_are_refused() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        let mut seen = Vec::new();
        for bad in vectors["negative"]["establishment"].as_array().unwrap() {
            let reason = bad["reason"].as_str().unwrap();
            if let Err(error) = finish(suite, &vectors, &bytes(&bad["answer"])) {
                assert!(
                    is_reason(reason, &error),
                    "{name}, {}: {error:?}",
                    bad["title"]
                );
                seen.push(reason);
            }
        }
        for reason in ["cryptogram", "cbicc", "cvc key", "malformed"] {
            assert!(seen.contains(&reason), "{name}: {reason}");
        }
    }
}

#[test]
fn what_is_around_the_answer_is_looked_at_too() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        let answer = bytes(&vectors["direct"]["answer"]);
        let data = &answer[..answer.len() - 2];
        let with = |data: &[u8], status| {
            establishment(suite, &vectors).finish(&Response::new(data, StatusWord::new(status)))
        };
        for status in [0x6A80, 0x6A86, 0x6982, 0x6D00, 0x6100, 0x6282] {
            for data in [data, &[]] {
                let refused = EstablishError::Refused(StatusWord::new(status));
                assert_eq!(with(data, status).unwrap_err(), refused);
            }
        }
        for cut in 0..data.len() {
            let error = with(&data[..cut], 0x9000).unwrap_err();
            assert!(
                matches!(error, EstablishError::Malformed(_)),
                "{cut}: {error}"
            );
        }
        let longer = [data, &[0x00]].concat();
        assert!(matches!(
            with(&longer, 0x9000),
            Err(EstablishError::Malformed(_))
        ));
    }
}

#[test]
fn a_card_of_the_other_suite_is_refused() {
    let (cs2, cs7) = (vectors("CS2"), vectors("CS7"));
    // The answer's parts are as long as CS2 has them, the certificate is CS7's.
    let certificate = bytes(&cs7["direct"]["cvc"]);
    let answer = answer_with(&[&[0; 1 + 16 + 16], &certificate[..]].concat());
    let refused = EstablishError::Suite {
        asked: CipherSuite::Cs2,
        certificate: CipherSuite::Cs7,
    };
    assert_eq!(
        finish(CipherSuite::Cs2, &cs2, &answer).unwrap_err(),
        refused
    );
}

#[test]
fn a_suite_is_known_by_its_algorithm() {
    for (suite, name) in SUITES {
        let algorithm = Algorithm::from_u8(bytes(&vectors(name)["algorithm"])[0]);
        assert_eq!(suite.algorithm(), algorithm);
        assert_eq!(CipherSuite::from_algorithm(algorithm), Some(suite));
    }
    assert_eq!(CipherSuite::from_algorithm(Algorithm::EccP256), None);
    let refused = EstablishError::Suite {
        asked: CipherSuite::Cs2,
        certificate: CipherSuite::Cs7,
    };
    assert_eq!(
        refused.to_string(),
        "the card's certificate has a key of CS7 where CS2 was asked for"
    );
}

#[test]
fn the_certificate_of_a_signer_is_not_a_card_s() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        let chain = &vectors["through_intermediate"];
        let (answer, cvc) = (bytes(&chain["answer"]), bytes(&chain["cvc"]));
        let intermediate = bytes(&chain["intermediate_cvc"]);
        let start = answer.windows(cvc.len()).position(|at| at == cvc).unwrap();
        let before = start - 1 - suite.nonce_length() - 16;
        let other = answer_with(&[&answer[before..start], &intermediate].concat());
        let refused = finish(suite, &vectors, &other).unwrap_err();
        assert_eq!(refused, EstablishError::NotACard, "{name}");
    }
}

#[test]
fn a_private_key_that_is_none_is_refused() {
    for (suite, _) in SUITES {
        let length = suite.coordinate_length();
        for key in [
            vec![],
            vec![0; length],
            vec![0xFF; length],
            vec![1; length - 1],
            vec![1; length + 1],
        ] {
            assert!(KeyEstablishment::from_parts(suite, [1; 8], &key).is_none());
        }
        assert!(KeyEstablishment::from_parts(suite, [1; 8], &vec![1; length]).is_some());
    }
}

#[test]
fn nothing_secret_is_shown() {
    for (suite, name) in SUITES {
        let vectors = vectors(name);
        let begun = establishment(suite, &vectors);
        assert_eq!(
            format!("{begun:?}"),
            format!("KeyEstablishment {{ suite: {suite:?}, .. }}")
        );
        let answer = bytes(&vectors["direct"]["answer"]);
        let established = finish(suite, &vectors, &answer).unwrap();
        let shown = format!("{established:?}");
        assert!(
            shown.contains(&format!("SessionKeys({suite:?})")),
            "{shown}"
        );
    }
}
