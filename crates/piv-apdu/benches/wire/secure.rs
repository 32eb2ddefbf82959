//! Secure messaging, the host's side: a session established, commands wrapped,
//! responses unwrapped. The card's answers are the recorded ones.

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{GetData, TypedCommand, Verify};
use piv_apdu::key::KeyReference;
use piv_apdu::object::{DataObject, ObjectTag, SmSigner};
use piv_apdu::secret::{Pin, from_hex};
use piv_apdu::sm::{CipherSuite, Established, KeyEstablishment, SecureMessaging, TrustAnchor};
use rand_core::SeedableRng;
use serde_json::Value;

const VECTORS: &str = include_str!("../../tests/vectors/secure_messaging/vectors.json");

pub(crate) fn secure(criterion: &mut Criterion) {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let mut group = criterion.benchmark_group("secure");
    for suite in [CipherSuite::Cs2, CipherSuite::Cs7] {
        let recorded = Recorded {
            suite,
            vectors: &vectors["suites"][format!("{suite:?}").to_uppercase()],
        };
        establishment(&mut group, &recorded);
        session(&mut group, &recorded);
    }
    group.finish();
}

fn establishment(group: &mut BenchmarkGroup<'_, WallTime>, recorded: &Recorded<'_>) {
    let suite = recorded.suite;
    let mut random = rand_chacha::ChaCha20Rng::from_seed([0; 32]);
    group.bench_function(format!("{suite:?}: key and command"), |bencher| {
        bencher.iter(|| {
            let establishment = KeyEstablishment::new(suite, &mut random).unwrap();
            establishment.command()
        });
    });
    let answer = recorded.response("direct", "answer");
    group.bench_function(format!("{suite:?}: the card's answer"), |bencher| {
        bencher.iter_batched(
            || recorded.establishment(),
            |establishment| establishment.finish(black_box(&answer)).unwrap(),
            BatchSize::SmallInput,
        );
    });
    let anchors = [TrustAnchor::from_der(&bytes(&recorded.vectors["root_certificate"])).unwrap()];
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for (chain, name) in [
        ("direct", "its certificate"),
        (
            "through_intermediate",
            "its certificate, by an intermediate",
        ),
    ] {
        let signer = bytes(&recorded.vectors[chain]["object_5fc122"]);
        let signer = SmSigner::decode(&signer).unwrap();
        group.bench_function(format!("{suite:?}: {name}"), |bencher| {
            bencher.iter_batched(
                || recorded.established(chain),
                |card| card.verified(&signer, &anchors, now).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
}

fn session(group: &mut BenchmarkGroup<'_, WallTime>, recorded: &Recorded<'_>) {
    let suite = recorded.suite;
    let read = GetData::new(ObjectTag::CHUID).to_command();
    let pin = Pin::new(b"123456").unwrap().padded();
    let signature = super::signature().to_command();
    for (name, command) in [
        ("GET DATA", &read),
        (
            "VERIFY",
            &Verify::check(KeyReference::PIV_PIN, pin).to_command(),
        ),
        ("GENERAL AUTHENTICATE", &signature),
    ] {
        group.throughput(Throughput::Bytes(command.data().len() as u64));
        group.bench_function(format!("{suite:?}: wrap {name}"), |bencher| {
            bencher.iter_batched(
                || recorded.session(),
                |mut session| {
                    let wrapped = session.wrap(black_box(command)).unwrap();
                    (session, wrapped)
                },
                BatchSize::SmallInput,
            );
        });
    }
    let answer = &recorded.vectors["session_of_direct"][0]["wrapped_response"];
    let answer = Response::decode(&bytes(answer)).unwrap();
    group.throughput(Throughput::Bytes(answer.data().len() as u64));
    group.bench_function(format!("{suite:?}: unwrap a CHUID"), |bencher| {
        bencher.iter_batched(
            || recorded.waiting(&read),
            |mut session| {
                let plain = session.unwrap(black_box(&answer)).unwrap();
                (session, plain)
            },
            BatchSize::SmallInput,
        );
    });
}

/// A card's recorded answers, and the host's key that they are for.
struct Recorded<'a> {
    suite: CipherSuite,
    vectors: &'a Value,
}

impl Recorded<'_> {
    fn establishment(&self) -> KeyEstablishment {
        let host = &self.vectors["host"];
        let id = bytes(&host["ids_h"]).try_into().unwrap();
        let key = bytes(&host["private_key"]);
        KeyEstablishment::from_parts(self.suite, id, &key).unwrap()
    }

    fn response(&self, chain: &str, name: &str) -> Response {
        Response::decode(&bytes(&self.vectors[chain][name])).unwrap()
    }

    fn established(&self, chain: &str) -> Established {
        let answer = self.response(chain, "answer");
        self.establishment().finish(&answer).unwrap()
    }

    fn session(&self) -> SecureMessaging {
        self.established("direct").unverified()
    }

    /// A session in which the response to this command is due, its first.
    fn waiting(&self, command: &Command) -> SecureMessaging {
        let mut session = self.session();
        session.wrap(command).unwrap();
        session
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    from_hex(value.as_str().unwrap()).unwrap().to_vec()
}
