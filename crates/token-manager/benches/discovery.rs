//! What a load costs on the computer, beside what the card takes: every profile
//! of the software tokens, in the process and without latency.
//! `cargo bench -p token-manager --bench discovery`. See docs/performance.md.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark whose input is wrong should stop"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pcsc_transport::{Card, ExtendedLength};
use token_manager::{LoadOptions, Token, load};
use virtual_token::{Content, CreateOptions, LinkOptions, Profile, SharedToken, VirtualToken};

criterion_group!(benches, discovery);
criterion_main!(benches);

/// By profile and by the APDUs that the reader takes; the rate is in commands to
/// the card.
fn discovery(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    for profile in Profile::ALL {
        let options = CreateOptions::default()
            .seed(profile as u64)
            .content(Content::Personal);
        let token = SharedToken::new(VirtualToken::create(profile, &options).unwrap());
        for (name, extended) in [
            ("short", ExtendedLength::No),
            ("extended", ExtendedLength::FULL),
        ] {
            let reader = LinkOptions::new("bench").announces(extended);
            group.throughput(Throughput::Elements(
                read(connect(&token, &reader)).round_trips,
            ));
            group.bench_function(format!("{profile}, {name} APDUs"), |bencher| {
                bencher.iter_batched(|| connect(&token, &reader), read, BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

fn connect(token: &SharedToken, reader: &LinkOptions) -> Card {
    // It keeps a line for each command.
    token.clear_log();
    Card::new(Box::new(token.connect(reader).unwrap()))
}

fn read(mut card: Card) -> Token {
    let token = load(&mut card, &LoadOptions::new()).unwrap();
    assert!(token.problems.is_empty(), "{:?}", token.problems);
    token
}
