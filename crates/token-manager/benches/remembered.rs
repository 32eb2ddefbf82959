//! What it costs on the computer to remember: a snapshot found and not found, in
//! memory and in a folder, and a whole load of a token that is known, in the process
//! and without latency.
//! `cargo bench -p token-manager --bench remembered`. See docs/performance.md.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark whose input is wrong should stop"
)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use pcsc_transport::{Card, ExtendedLength};
use piv_apdu::object::Guid;
use token_manager::token_cache::{Cache, Name};
use token_manager::{Freshness, LoadOptions, Token, load};
use virtual_token::{Content, CreateOptions, LinkOptions, Profile, SharedToken, VirtualToken};

criterion_group!(benches, cache, loads);
criterion_main!(benches);

/// The cache by itself.
fn cache(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cache");
    let folder = tempfile::tempdir().unwrap();
    let card = token(Profile::Piv);
    for (name, cache) in [
        ("memory", Cache::off().with_memory()),
        ("folder", Cache::off().with_disk(folder.path())),
    ] {
        let known = read(connect(&card), &cache, Freshness::Fresh);
        let (present, absent) = (known.cache_name().unwrap(), Name::of_guid(&Guid([1; 16])));
        group.bench_function(format!("hit, {name}"), |bencher| {
            bencher.iter(|| cache.read(black_box(&present)).unwrap());
        });
        group.bench_function(format!("miss, {name}"), |bencher| {
            bencher.iter(|| assert!(cache.read(black_box(&absent)).is_none()));
        });
        group.bench_function(format!("candidates, {name}"), |bencher| {
            bencher.iter(|| assert_eq!(cache.with_atr(black_box(&known.atr)).len(), 1));
        });
        let snapshot = cache.read(&present).unwrap();
        group.bench_function(format!("store, {name}"), |bencher| {
            bencher.iter_batched(
                || (*snapshot).clone(),
                |snapshot| cache.store(snapshot),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// A token that is known, by how much of it is held against the card.
fn loads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load a known token");
    for profile in Profile::ALL {
        let card = token(profile);
        let cache = Cache::off().with_memory();
        read(connect(&card), &cache, Freshness::Fresh);
        for (name, freshness) in [
            ("fresh", Freshness::Fresh),
            ("checked", Freshness::Checked),
            ("quick", Freshness::Quick),
        ] {
            group.bench_function(format!("{profile}, {name}"), |bencher| {
                bencher.iter_batched(
                    || connect(&card),
                    |connected| read(connected, &cache, freshness),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

fn token(profile: Profile) -> SharedToken {
    let options = CreateOptions::default()
        .seed(profile as u64)
        .content(Content::Personal);
    SharedToken::new(VirtualToken::create(profile, &options).unwrap())
}

fn connect(token: &SharedToken) -> Card {
    // It keeps a line for each command.
    token.clear_log();
    let reader = LinkOptions::new("bench").announces(ExtendedLength::No);
    Card::new(Box::new(token.connect(&reader).unwrap()))
}

fn read(mut card: Card, cache: &Cache, freshness: Freshness) -> Token {
    let options = LoadOptions::new()
        .with_cache(cache.clone())
        .with_freshness(freshness);
    load(&mut card, &options).unwrap()
}
