//! Tokens that are remembered: what showing one again costs, counted at the
//! card, and which changes behind the cache's back are noticed when.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use pcsc_transport::{
    Card, CardLink, Continuity, ExtendedLength, Insertion, Leave, LinkError, LinkInfo,
};
use piv_apdu::object::ObjectTag;
use piv_apdu::status::StatusWord;
use token_manager::token_cache::{Cache, Item};
use token_manager::token_profile::Policy;
use token_manager::{
    ActionError, Authority, CacheCleared, FidoState, Freshness, KeyOrigin, LastTry, LoadError,
    LoadOptions, Manager, NotSent, Overrides, PinChangeEntry, PinEntry, PinStatus, Session, Token,
    load,
};
use virtual_token::fault::{Fault, Faults};
use virtual_token::{
    Content, CreateOptions, LinkOptions, MemoryBackend, Profile, SharedToken, VirtualToken,
};

use desk::{factory, pin};

/// What a load costs over a reader with short APDUs: cold, checked, quick. With
/// a certificate in each slot that the family has.
const COSTS: [(Profile, [u64; 3]); 4] = [
    (Profile::Crescendo2300, [22, 10, 2]),
    (Profile::Crescendo4000, [18, 10, 2]),
    (Profile::CrescendoKey, [27, 10, 2]),
    (Profile::Piv, [18, 10, 3]),
];

const CRESCENDO: [Profile; 3] = [
    Profile::Crescendo2300,
    Profile::Crescendo4000,
    Profile::CrescendoKey,
];

const NEW: &str = "271828";

fn make(profile: Profile, seed: u64, content: Content) -> SharedToken {
    let created = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let options = CreateOptions::default()
        .seed(seed)
        .created(created)
        .content(content);
    SharedToken::new(VirtualToken::create(profile, &options).unwrap())
}

fn personal(profile: Profile) -> SharedToken {
    make(profile, profile as u64, Content::Personal)
}

fn read(card: &SharedToken, cache: &Cache, freshness: Freshness) -> Token {
    read_with(card, &options(cache, freshness))
}

fn options(cache: &Cache, freshness: Freshness) -> LoadOptions {
    LoadOptions::new()
        .with_cache(cache.clone())
        .with_freshness(freshness)
}

/// Over a reader with short APDUs only.
fn read_with(card: &SharedToken, options: &LoadOptions) -> Token {
    read_through(card, LinkOptions::new("Virtual"), options)
}

/// Through a reader of which it is certain that the card was never out of it.
fn read_still(card: &SharedToken, cache: &Cache, freshness: Freshness) -> Token {
    let link = LinkOptions::new("Virtual").insertion(Insertion::of(&[b"this one"]));
    read_through(card, link, &options(cache, freshness))
}

fn read_through(card: &SharedToken, link: LinkOptions, options: &LoadOptions) -> Token {
    let link = card.connect(&link.announces(ExtendedLength::No)).unwrap();
    card.clear_log();
    let before = card.commands();
    let token = load(&mut Card::new(Box::new(link)), options).unwrap();
    assert_eq!(token.round_trips, card.commands() - before);
    token
}

type Look = fn(&SharedToken, &Cache, Freshness) -> Token;

/// The same token, however it was read: only a fresh look asks for what FIDO tells.
fn same(mut one: Token, other: &Token) -> bool {
    if let (FidoState::Present(one), FidoState::Present(other)) = (&mut one.fido, &other.fido) {
        one.pin.clone_from(&other.pin);
        one.remembered = other.remembered;
    }
    one.round_trips = other.round_trips;
    one.remembered = other.remembered;
    one == *other
}

/// Puts this part of another token in the place of the token's own, as another
/// program might.
fn graft(card: &SharedToken, from: &SharedToken, kind: &str, name: &str) {
    let from = from.with(|token| serde_json::to_value(token.to_state()).unwrap());
    card.with(|token| {
        let mut state = serde_json::to_value(token.to_state()).unwrap();
        state[kind][name] = from[kind][name].clone();
        assert!(!state[kind][name].is_null(), "{kind} {name}");
        *token = VirtualToken::from_state(serde_json::from_value(state).unwrap()).unwrap();
        token.power_on();
    });
}

/// The hexadecimal content of one of the token's objects, for others to be put
/// there.
fn set_object(card: &SharedToken, tag: &str, content: &str) {
    card.with(|token| {
        let mut state = serde_json::to_value(token.to_state()).unwrap();
        let object = &mut state["objects"][tag]["content"];
        assert!(object.is_string(), "{tag}: {object}");
        *object = content.into();
        *token = VirtualToken::from_state(serde_json::from_value(state).unwrap()).unwrap();
        token.power_on();
    });
}

/// How many times the card was asked for a data object.
fn gets_data(card: &SharedToken) -> usize {
    let log = card.log();
    log.iter().filter(|header| header.ins == 0xCB).count()
}

#[test]
fn a_token_that_is_known_costs_next_to_nothing() {
    for (profile, [cold, checked, quick]) in COSTS {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let first = read(&card, &cache, Freshness::Quick);
        assert_eq!(first.remembered, None, "{profile}: nothing was known");
        assert_eq!(first.round_trips, cold, "{profile}");
        for (freshness, cost) in [(Freshness::Quick, quick), (Freshness::Checked, checked)] {
            let again = read(&card, &cache, freshness);
            assert!(same(again.clone(), &first), "{profile}, {freshness:?}");
            assert_eq!(again.remembered.unwrap().freshness, freshness);
            assert_eq!(again.round_trips, cost, "{profile}, {freshness:?}");
        }
        let fresh = read(&card, &cache, Freshness::Fresh);
        assert_eq!(
            (fresh.round_trips, fresh.remembered),
            (cold, None),
            "{profile}"
        );
    }
}

/// Makes all that is remembered an hour older. Gives when that was.
fn an_hour_older(cache: &Cache) -> SystemTime {
    let then = SystemTime::now() - Duration::from_secs(60 * 60);
    for held in cache.held() {
        let mut snapshot = (*held.snapshot).clone();
        for (item, entry) in held.snapshot.entries() {
            let mut entry = entry.clone();
            entry.read_at = then;
            snapshot.keep(*item, entry);
        }
        cache.store(snapshot);
    }
    then
}

#[test]
fn what_was_read_in_full_again_is_new_and_what_only_begins_alike_is_not() {
    for profile in Profile::ALL {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let first = read(&card, &cache, Freshness::Fresh);
        let then = an_hour_older(&cache);
        assert!(same(read(&card, &cache, Freshness::Checked), &first));
        let held = cache.held().remove(0);
        let mut old_objects = 0;
        for (item, entry) in held.snapshot.entries() {
            let is_new = match item {
                Item::PivApplication | Item::PivProperties | Item::Tries(_) => true,
                Item::Object(_) => entry.response.data().len() <= 256,
                _ => false,
            };
            assert_eq!(entry.read_at > then, is_new, "{profile} {item:?}");
            old_objects += usize::from(!is_new && matches!(item, Item::Object(_)));
        }
        assert!(old_objects > 0, "{profile}: a certificate is longer");
    }
}

fn session(card: &SharedToken, cache: &Cache) -> Session {
    let readers = MemoryBackend::new();
    readers.insert("Desk", card).unwrap();
    let manager = Manager::new(Arc::new(readers)).with_options(options(cache, Freshness::Checked));
    manager.open("Desk").unwrap()
}

#[test]
fn what_is_remembered_is_forgotten_and_the_token_read_anew() {
    for profile in Profile::ALL {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let mut session = session(&card, &cache);
        let before = cache.held().remove(0).snapshot.generation();
        let cold = session.token().round_trips;
        let sent = card.commands();
        assert_eq!(session.clear_cache().unwrap(), CacheCleared::Forgotten);
        assert_eq!(
            card.commands() - sent,
            cold,
            "{profile}: it is read in full"
        );
        let held = cache.held();
        assert_eq!(held.len(), 1, "{profile}");
        assert!(held[0].snapshot.generation() != before, "{profile}");
    }
}

#[test]
fn where_nothing_is_remembered_there_is_nothing_to_forget() {
    let card = personal(Profile::Piv);
    let (off, memory) = (Cache::off(), Cache::off().with_memory());
    let mut unremembered = session(&card, &off);
    assert_eq!(unremembered.clear_cache().unwrap(), CacheCleared::Off);
    let token = unremembered.token().clone();
    assert_eq!(token.forget_in(&memory, false), CacheCleared::Nothing);
    // It has no name under which it could be remembered.
    let nameless = make(Profile::Piv, 7, Content::Empty);
    let mut nameless = session(&nameless, &memory);
    assert_eq!(nameless.clear_cache().unwrap(), CacheCleared::Nothing);
}

/// A folder stands in the way of the file that the change is noted in.
#[cfg(unix)]
#[test]
fn what_can_not_be_forgotten_is_told_and_the_token_read_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::off().with_disk(folder.path());
    let card = personal(Profile::Piv);
    let mut session = session(&card, &cache);
    let mut files = std::fs::read_dir(folder.path()).unwrap();
    let generation = files.find_map(|file| {
        let path = file.unwrap().path();
        path.extension()
            .is_some_and(|it| it == "generation")
            .then_some(path)
    });
    let generation = generation.unwrap();
    std::fs::remove_file(&generation).unwrap();
    std::fs::create_dir(&generation).unwrap();
    let sent = card.commands();
    assert_eq!(session.clear_cache().unwrap(), CacheCleared::Failed);
    assert!(card.commands() > sent);
}

#[test]
fn a_token_without_anything_on_it_is_known_by_its_serial_number() {
    for profile in CRESCENDO {
        let card = make(profile, 7, Content::Empty);
        let cache = Cache::off().with_memory();
        let first = read(&card, &cache, Freshness::Quick);
        assert_eq!(first.identity.guid, None);
        let again = read(&card, &cache, Freshness::Quick);
        assert!(same(again.clone(), &first), "{profile}");
        assert_eq!(again.round_trips, 2, "{profile}");
    }
    // A plain PIV card without a CHUID can't be told from another.
    let card = make(Profile::Piv, 7, Content::Empty);
    let cache = Cache::off().with_memory();
    let first = read(&card, &cache, Freshness::Quick);
    if first.identity.guid.is_none() {
        let again = read(&card, &cache, Freshness::Quick);
        assert_eq!(
            (again.remembered, again.round_trips),
            (None, first.round_trips)
        );
    }
}

#[test]
fn another_token_of_the_same_kind_is_never_taken_for_the_one_that_is_known() {
    for profile in Profile::ALL {
        for freshness in [Freshness::Quick, Freshness::Checked] {
            let cache = Cache::off().with_memory();
            let known = read(&personal(profile), &cache, Freshness::Fresh);
            let other = make(profile, 99, Content::Personal);
            let plain = read(&other, &Cache::off(), Freshness::Fresh);
            let found = read(&other, &cache, freshness);
            assert!(same(found.clone(), &plain), "{profile}, {freshness:?}");
            assert_eq!(found.remembered, None);
            assert_ne!(found.identity.guid, known.identity.guid);
            // And from now on both are known.
            for card in [&other, &personal(profile)] {
                assert!(read(card, &cache, Freshness::Quick).remembered.is_some());
            }
        }
    }
}

#[test]
fn a_certificate_that_others_have_changed_is_read_again_and_nothing_else_is() {
    for profile in Profile::ALL {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let first = read(&card, &cache, Freshness::Quick);
        graft(
            &card,
            &make(profile, 99, Content::Personal),
            "objects",
            "5FC105",
        );
        // The documented blind spot: who it is is all that a quick look asks.
        let quick = read(&card, &cache, Freshness::Quick);
        assert_eq!(quick.certificates, first.certificates, "{profile}");

        let checked = read(&card, &cache, Freshness::Checked);
        let gets = gets_data(&card);
        let truth = read(&card, &Cache::off(), Freshness::Fresh);
        assert!(same(checked.clone(), &truth), "{profile}");
        assert_ne!(checked.certificates, first.certificates, "{profile}");
        assert!(checked.round_trips < truth.round_trips, "{profile}");
        // One more GET DATA than there are objects to look at.
        let again = read(&card, &cache, Freshness::Checked);
        let calm = gets_data(&card);
        assert_eq!(gets, calm + 1, "{profile}");
        assert!(same(again, &truth), "{profile}: it was remembered");
    }
}

#[test]
fn an_object_that_others_have_emptied_or_filled_is_seen_by_its_first_block() {
    let card = personal(Profile::Piv);
    let cache = Cache::off().with_memory();
    read(&card, &cache, Freshness::Fresh);
    set_object(&card, "5FC105", "");
    let checked = read(&card, &cache, Freshness::Checked);
    assert!(same(
        checked.clone(),
        &read(&card, &Cache::off(), Freshness::Fresh)
    ));
    graft(&card, &personal(Profile::Piv), "objects", "5FC105");
    let checked = read(&card, &cache, Freshness::Checked);
    assert!(same(checked, &read(&card, &Cache::off(), Freshness::Fresh)));
}

/// What differs only after the first 256 bytes and is as long as before.
#[test]
fn the_end_of_an_object_is_not_looked_at_unless_everything_is_read() {
    let card = personal(Profile::Piv);
    let cache = Cache::off().with_memory();
    let first = read(&card, &cache, Freshness::Fresh);
    let state = card.with(|token| serde_json::to_value(token.to_state()).unwrap());
    let content = state["objects"]["5FC105"]["content"]
        .as_str()
        .unwrap()
        .to_owned();
    // The last byte of the signature, before the two tags that follow it.
    let at = content.len() - 12;
    let other = if &content[at..=at] == "0" { "1" } else { "0" };
    let changed = format!("{}{other}{}", &content[..at], &content[at + 1..]);
    set_object(&card, "5FC105", &changed);
    let checked = read(&card, &cache, Freshness::Checked);
    assert_eq!(
        checked.certificates, first.certificates,
        "the documented blind spot"
    );
    let fresh = read(&card, &cache, Freshness::Fresh);
    assert_ne!(fresh.certificates, first.certificates);
    let checked = read(&card, &cache, Freshness::Checked);
    assert_eq!(checked.certificates, fresh.certificates);
}

#[test]
fn where_the_card_was_never_out_a_quick_look_asks_for_the_keys() {
    for profile in CRESCENDO {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let first = read_still(&card, &cache, Freshness::Fresh);
        let again = read_still(&card, &cache, Freshness::Quick);
        assert!(same(again.clone(), &first), "{profile}");
        assert_eq!(again.round_trips, 2, "{profile}");

        // Another program removes a key and its certificate.
        let empty = make(profile, 99, Content::Empty);
        graft(&card, &empty, "keys", "9A");
        set_object(&card, "5FC105", "");
        let again = read_still(&card, &cache, Freshness::Quick);
        let truth = read(&card, &Cache::off(), Freshness::Fresh);
        assert!(same(again.clone(), &truth), "{profile}: all was looked at");
        let key = again
            .keys
            .iter()
            .find(|key| key.slot.get() == 0x9A)
            .unwrap();
        assert_eq!(key.origin, KeyOrigin::Allocated, "{profile}");
    }
    // A plain PIV card has no such list: it is asked who it is.
    let card = personal(Profile::Piv);
    let cache = Cache::off().with_memory();
    let first = read_still(&card, &cache, Freshness::Fresh);
    let again = read_still(&card, &cache, Freshness::Quick);
    assert!(same(again.clone(), &first));
    assert_eq!(again.round_trips, 3);
}

/// A CHUID can be read by everybody, and written by whoever administers a card.
#[test]
fn a_card_with_a_copy_of_the_chuid_passes_for_the_token_until_it_is_read_afresh() {
    for profile in Profile::ALL {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let first = read(&card, &cache, Freshness::Fresh);
        let copy = make(profile, 99, Content::Personal);
        graft(&copy, &card, "objects", "5FC102");
        let truth = read(&copy, &Cache::off(), Freshness::Fresh);
        assert!(
            same(read(&copy, &cache, Freshness::Quick), &first),
            "{profile}"
        );
        let checked = read(&copy, &cache, Freshness::Checked);
        assert_eq!(checked.certificates, truth.certificates, "{profile}");
        assert_eq!(checked.identity.serial, first.identity.serial, "{profile}");
        assert!(
            same(read(&copy, &cache, Freshness::Fresh), &truth),
            "{profile}"
        );
        assert!(
            same(read(&copy, &cache, Freshness::Quick), &truth),
            "{profile}"
        );
    }
}

/// Where no stay is proven, a token is asked who it is.
#[test]
fn the_chuid_is_seen_where_a_token_is_asked_who_it_is() {
    for profile in CRESCENDO {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let first = read(&card, &cache, Freshness::Fresh);
        graft(
            &card,
            &make(profile, 99, Content::Personal),
            "objects",
            "5FC102",
        );
        let quick = read(&card, &cache, Freshness::Quick);
        assert_ne!(quick.identity.guid, first.identity.guid, "{profile}");
        let truth = read(&card, &Cache::off(), Freshness::Fresh);
        assert!(same(quick, &truth), "{profile}");
    }
}

/// What the stay in the reader does not tell: what other programs wrote.
#[test]
fn where_the_card_was_never_out_a_quick_look_is_late_for_what_others_wrote() {
    for profile in CRESCENDO {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let first = read_still(&card, &cache, Freshness::Fresh);
        let other = make(profile, 99, Content::Personal);
        for object in ["5FC105", "5FC102"] {
            graft(&card, &other, "objects", object);
            let quick = read_still(&card, &cache, Freshness::Quick);
            assert!(same(quick, &first), "{profile}: {object} is not asked for");
        }
        // A checked look sees both: it is another token by now.
        let checked = read_still(&card, &cache, Freshness::Checked);
        let truth = read(&card, &Cache::off(), Freshness::Fresh);
        assert!(same(checked, &truth), "{profile}");
        assert_ne!(truth.identity.guid, first.identity.guid, "{profile}");
    }
}

#[test]
fn where_the_card_was_never_out_tries_are_asked_for_on_a_plain_piv_card() {
    for profile in Profile::ALL {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let first = read_still(&card, &cache, Freshness::Fresh);
        manager(&card, &Cache::off())
            .open("Desk")
            .unwrap()
            .authenticate(PinEntry::Typed(&pin("314159")), LastTry::Spare)
            .map(drop)
            .unwrap_err();
        let quick = read_still(&card, &cache, Freshness::Quick);
        let is_seen = quick.pin.status != first.pin.status;
        assert_eq!(is_seen, profile == Profile::Piv, "{profile}");
        let checked = read(&card, &cache, Freshness::Checked);
        assert_ne!(checked.pin.status, first.pin.status, "{profile}");
    }
}

/// That the card was never out is known from the next look on, whichever it was; and
/// a look through a reader that does not tell takes nothing away from that.
#[test]
fn a_stay_begins_with_whichever_look_is_the_first_in_it() {
    let empty = make(Profile::Crescendo2300, 99, Content::Empty);
    for first_look in [Freshness::Quick, Freshness::Checked] {
        let card = personal(Profile::Crescendo2300);
        let cache = Cache::off().with_memory();
        read(&card, &cache, Freshness::Fresh);
        read_still(&card, &cache, first_look);
        read(&card, &cache, Freshness::Quick);
        graft(&card, &empty, "keys", "9A");
        let quick = read_still(&card, &cache, Freshness::Quick);
        let truth = read(&card, &Cache::off(), Freshness::Fresh);
        assert!(same(quick, &truth), "{first_look:?}");
    }
}

/// In another stay it is asked who it is, and in this one nothing is shown under a
/// name that a fresh look has found to be past.
#[test]
fn a_stay_that_is_over_proves_nothing_and_a_name_that_is_past_is_not_shown() {
    for profile in CRESCENDO {
        let card = personal(profile);
        let other = make(profile, 99, Content::Personal);
        let cache = Cache::off().with_memory();
        let first = read_still(&card, &cache, Freshness::Fresh);
        let second = read(&other, &cache, Freshness::Fresh);
        let link = || LinkOptions::new("Virtual").insertion(Insertion::of(&[b"the next"]));
        let quick = options(&cache, Freshness::Quick);
        for _ in 0..2 {
            let next = read_through(&other, link(), &quick);
            assert!(same(next, &second), "{profile}");
        }
        let again = read_still(&card, &cache, Freshness::Quick);
        assert!(same(again, &first), "{profile}");

        graft(
            &card,
            &make(profile, 98, Content::Personal),
            "objects",
            "5FC102",
        );
        let fresh = read_still(&card, &cache, Freshness::Fresh);
        assert_ne!(fresh.identity.guid, first.identity.guid, "{profile}");
        let again = read_still(&card, &cache, Freshness::Quick);
        assert!(same(again, &fresh), "{profile}");
        assert_eq!(cache.held().len(), 2, "{profile}");
    }
}

/// Changes that no documented command makes.
#[test]
fn what_no_documented_command_changes_is_read_again_by_a_fresh_look_only() {
    for profile in CRESCENDO {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let first = read_still(&card, &cache, Freshness::Fresh);
        // The 4000 takes its rule from an object, which is looked at (see below).
        let has_own_rule = profile != Profile::Crescendo4000;
        let other = make(profile, 99, Content::Empty);
        let other = other.with(|token| serde_json::to_value(token.to_state()).unwrap());
        card.with(|token| {
            let mut state = serde_json::to_value(token.to_state()).unwrap();
            state["cplc"] = other["cplc"].clone();
            if has_own_rule {
                state["pin_format"]["minimum"] = 5.into();
            }
            *token = VirtualToken::from_state(serde_json::from_value(state).unwrap()).unwrap();
            token.power_on();
        });
        for (look, freshness) in [
            (read as Look, Freshness::Quick),
            (read, Freshness::Checked),
            (read_still, Freshness::Quick),
            (read_still, Freshness::Checked),
        ] {
            assert!(same(look(&card, &cache, freshness), &first), "{profile}");
            let selected = card.log().iter().filter(|it| it.ins == 0xA4).count();
            assert_eq!(selected, 1, "{profile}: no application but PIV is asked");
        }
        let fresh = read(&card, &cache, Freshness::Fresh);
        assert_ne!(fresh.identity.serial, first.identity.serial, "{profile}");
        let is_other_rule = fresh.pin_policy.minimum != first.pin_policy.minimum;
        assert_eq!(is_other_rule, has_own_rule, "{profile}");
        assert!(
            same(read(&card, &cache, Freshness::Quick), &fresh),
            "{profile}"
        );
    }
}

#[test]
fn where_the_card_was_never_out_an_erased_token_is_seen() {
    for profile in CRESCENDO {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        read_still(&card, &cache, Freshness::Fresh);
        let empty = make(profile, profile as u64, Content::Empty);
        card.with(|token| {
            *token = VirtualToken::from_state(empty.with(|it| it.to_state())).unwrap();
            token.power_on();
        });
        let truth = read(&card, &Cache::off(), Freshness::Fresh);
        assert!(
            same(read_still(&card, &cache, Freshness::Quick), &truth),
            "{profile}"
        );
    }
}

/// By a program that does not use our cache.
#[test]
fn a_policy_that_others_set_is_seen_as_an_object_and_not_in_the_pin_properties() {
    let profile = Profile::Crescendo4000;
    let card = personal(profile);
    let cache = Cache::off().with_memory();
    let first = read_still(&card, &cache, Freshness::Fresh);
    let mut session = manager(&card, &Cache::off()).open("Desk").unwrap();
    let policy = Policy {
        minimum: 6,
        ..session.managed_policy()
    };
    let factory = factory(profile);
    session
        .set_policy(PinEntry::Typed(&factory), LastTry::Spare, &policy)
        .unwrap();
    drop(session);
    assert!(same(read(&card, &cache, Freshness::Quick), &first));
    assert!(same(read_still(&card, &cache, Freshness::Quick), &first));
    let checked = read(&card, &cache, Freshness::Checked);
    assert_ne!(checked.profile, first.profile, "the object");
    assert_eq!(checked.pin_policy.card, first.pin_policy.card);
    let fresh = read(&card, &cache, Freshness::Fresh);
    assert_ne!(fresh.pin_policy.card, first.pin_policy.card);
}

/// Where nothing but the serial number tells who it is, nothing is asked for that
/// would show that the token was set up meanwhile.
#[test]
fn a_token_without_a_guid_that_others_set_up_is_noticed_by_a_checked_look() {
    for profile in CRESCENDO {
        let card = make(profile, profile as u64, Content::Empty);
        let cache = Cache::off().with_memory();
        let first = read_still(&card, &cache, Freshness::Fresh);
        let set_up = personal(profile);
        for object in ["5FC102", "5FC105"] {
            graft(&card, &set_up, "objects", object);
        }
        graft(&card, &set_up, "keys", "9A");
        assert!(
            same(read(&card, &cache, Freshness::Quick), &first),
            "{profile}"
        );
        let truth = read(&card, &Cache::off(), Freshness::Fresh);
        assert!(
            same(read_still(&card, &cache, Freshness::Quick), &truth),
            "{profile}: it got a key"
        );
        let checked = read(&card, &cache, Freshness::Checked);
        assert!(same(checked, &truth), "{profile}");
        assert_ne!(truth.identity.guid, None, "{profile}");
        // It has another name from now on, and nothing is left of the one before.
        let quick = read(&card, &cache, Freshness::Quick);
        assert!(same(quick, &truth), "{profile}");
        assert_eq!(cache.held().len(), 1, "{profile}");
    }
}

/// The same, where a checked look is the first to see it.
#[test]
fn a_token_that_has_another_name_now_is_not_shown_under_the_one_before() {
    for freshness in [Freshness::Checked, Freshness::Fresh] {
        let profile = Profile::Crescendo2300;
        let card = make(profile, profile as u64, Content::Empty);
        let cache = Cache::off().with_memory();
        read(&card, &cache, Freshness::Fresh);
        graft(&card, &personal(profile), "objects", "5FC102");
        let truth = read(&card, &Cache::off(), Freshness::Fresh);
        assert!(
            same(read(&card, &cache, freshness), &truth),
            "{freshness:?}"
        );
        for _ in 0..2 {
            let quick = read(&card, &cache, Freshness::Quick);
            assert!(same(quick, &truth), "{freshness:?}");
        }
        assert_eq!(cache.held().len(), 1, "{freshness:?}");
    }
}

fn manager(card: &SharedToken, cache: &Cache) -> Manager {
    let readers = MemoryBackend::new();
    readers.insert("Desk", card).unwrap();
    Manager::new(Arc::new(readers))
        .with_options(options(cache, Freshness::Fresh))
        .with_overrides(
            Overrides::default()
                .allow_managed(true)
                .allow_unverified(true),
        )
}

#[test]
fn tries_that_were_spent_or_given_back_through_us_are_asked_for_again() {
    let profile = Profile::Crescendo2300;
    let card = personal(profile);
    let cache = Cache::off().with_memory();
    read(&card, &cache, Freshness::Fresh);
    let mut session = manager(&card, &cache).open("Desk").unwrap();
    let wrong = pin("314159");
    session
        .authenticate(PinEntry::Typed(&wrong), LastTry::Spare)
        .map(drop)
        .unwrap_err();
    let quick = read(&card, &cache, Freshness::Quick);
    assert_eq!(quick.pin.status, PinStatus::TriesLeft(5));
    assert_eq!(
        quick.round_trips, 3,
        "the tries were forgotten, and nothing else"
    );
    assert_eq!(read(&card, &cache, Freshness::Quick).round_trips, 2);

    let (old, new) = (factory(profile), pin(NEW));
    let entry = PinChangeEntry::Typed {
        old: &old,
        new: &new,
    };
    session.change_pin(entry, LastTry::Spare).map(drop).unwrap();
    let quick = read(&card, &cache, Freshness::Quick);
    assert_eq!(quick.pin.status, PinStatus::TriesLeft(6));
    // Another program spends one: a quick look is late, and says since when it
    // remembers.
    drop(session);
    manager(&card, &Cache::off())
        .open("Desk")
        .unwrap()
        .authenticate(PinEntry::Typed(&wrong), LastTry::Spare)
        .map(drop)
        .unwrap_err();
    let quick = read(&card, &cache, Freshness::Quick);
    assert_eq!(quick.pin.status, PinStatus::TriesLeft(6));
    assert!(quick.remembered.is_some());
    let checked = read(&card, &cache, Freshness::Checked);
    assert_eq!(checked.pin.status, PinStatus::TriesLeft(5));
}

#[test]
fn nothing_is_kept_that_only_the_pin_opens() {
    for profile in Profile::ALL {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let mut session = manager(&card, &cache).open("Desk").unwrap();
        let factory = factory(profile);
        let mut open = session
            .authenticate(PinEntry::Typed(&factory), LastTry::Spare)
            .unwrap();
        open.read_object(ObjectTag::PRINTED_INFORMATION).unwrap();
        // Others read the token while it is open.
        read(&card, &cache, Freshness::Fresh);
        drop(open);
        for held in cache.held() {
            for item in held.snapshot.entries().keys() {
                if let Item::Object(object) = item {
                    assert_ne!(object.tag(), ObjectTag::PRINTED_INFORMATION);
                }
            }
        }
    }
}

/// A quick look of a Crescendo takes the tries from memory: it does not know whether
/// somebody's PIN holds the token open.
#[test]
fn an_object_of_unknown_access_is_not_kept_unless_the_token_said_that_it_is_closed() {
    let card = personal(Profile::Crescendo4000);
    let cache = Cache::off().with_memory();
    let first = read(&card, &cache, Freshness::Fresh);
    let name = cache.held()[0].snapshot.identity().name().clone();
    let ours = ObjectTag::try_from(token_manager::token_profile::OBJECT_TAG).unwrap();
    let unknown = Item::object(ours).unwrap();
    let public = Item::object(ObjectTag::CCC).unwrap();
    let is_kept = |item| cache.read(&name).unwrap().answer(item).is_some();
    assert!(is_kept(unknown) && is_kept(public), "it was closed");

    let pin = factory(Profile::Crescendo4000);
    for freshness in [Freshness::Quick, Freshness::Checked] {
        let mut session = manager(&card, &Cache::off()).open("Desk").unwrap();
        let open = session.authenticate(PinEntry::Typed(&pin), LastTry::Spare);
        assert!(cache.forget(&name, |item| item == unknown || item == public));
        let again = read(&card, &cache, freshness);
        assert_eq!(again.objects, first.objects, "{freshness:?}");
        assert!(!is_kept(unknown) && is_kept(public), "{freshness:?}");
        // What was remembered while it was closed, and is the same, stays.
        drop(open);
        drop(session);
        read(&card, &cache, Freshness::Checked);
        assert!(
            is_kept(unknown),
            "{freshness:?}: the token said it is closed"
        );
        let mut session = manager(&card, &Cache::off()).open("Desk").unwrap();
        let open = session.authenticate(PinEntry::Typed(&pin), LastTry::Spare);
        read(&card, &cache, freshness);
        assert!(is_kept(unknown), "{freshness:?}");
        drop(open);
    }
}

/// What the applets of a vendor answer is asked for again by a fresh look only: one
/// answer that was damaged on its way must not stay until then.
#[test]
fn an_answer_of_a_vendors_applet_is_remembered_only_if_it_is_understood() {
    let profile = Profile::CrescendoKey;
    let truth = read(&personal(profile), &Cache::off(), Freshness::Fresh);
    let faults = [
        Fault::Status(StatusWord::FILE_NOT_FOUND),
        Fault::Status(StatusWord::INS_NOT_SUPPORTED),
        Fault::Answer(vec![0x30, 0x90, 0x00]),
    ];
    // The issuer security domain and its production data, the access control applet and
    // its PIN properties, three OATH slots.
    for command in 1..=7 {
        let mut spoilt = false;
        for fault in &faults {
            let card = personal(profile);
            let cache = Cache::off().with_memory();
            card.arm(Faults::new().at(command, fault.clone()));
            let first = read(&card, &cache, Freshness::Fresh);
            card.disarm();
            spoilt |= !same(first, &truth);
            for cost in [None, Some(2)] {
                let again = read(&card, &cache, Freshness::Quick);
                let is_cheap = cost.is_none_or(|cost| again.round_trips == cost);
                assert!(is_cheap, "{fault} at {command}: it was read by then");
                assert!(same(again, &truth), "{fault} at {command}");
            }
        }
        assert!(spoilt, "{command}");
    }
}

/// What `--all` has read in addition stays, as old as it is, where another look only
/// adds to what is remembered; a checked one keeps what it has checked.
#[test]
fn a_quick_look_keeps_what_it_did_not_ask_for() {
    for profile in Profile::ALL {
        let card = personal(profile);
        let cache = Cache::off().with_memory();
        let all = |freshness| read_with(&card, &options(&cache, freshness).with_all(true));
        let first = all(Freshness::Fresh);
        let then = an_hour_older(&cache);
        let held = cache.held()[0].snapshot.clone();
        let certificate = Item::object(ObjectTag::try_from(0x5F_C105).unwrap()).unwrap();
        assert!(cache.forget(held.identity().name(), |item| item == certificate));

        let cost = read(&card, &cache, Freshness::Quick).round_trips;
        let kept = cache.held()[0].snapshot.clone();
        assert!(kept.entries().keys().eq(held.entries().keys()), "{profile}");
        assert!(kept.entries()[&certificate].read_at > then, "{profile}");
        assert_eq!(kept.checked_at(), held.checked_at(), "{profile}");
        let again = all(Freshness::Quick);
        assert!(
            again.round_trips < cost,
            "{profile}: nothing is left to ask"
        );
        assert!(same(again, &first), "{profile}");

        read(&card, &cache, Freshness::Checked);
        let checked = cache.held()[0].snapshot.clone();
        assert!(checked.entries().len() < kept.entries().len(), "{profile}");
        assert!(same(all(Freshness::Quick), &first), "{profile}");
    }
}

#[test]
fn a_cache_that_is_off_costs_and_keeps_nothing() {
    let card = personal(Profile::Piv);
    let first = read(&card, &Cache::off(), Freshness::Quick);
    let again = read(&card, &Cache::off(), Freshness::Quick);
    assert!(same(again.clone(), &first));
    assert_eq!(
        (again.remembered, again.round_trips),
        (None, first.round_trips)
    );
}

#[test]
fn a_token_that_is_known_from_memory_only_is_read_before_it_is_erased() {
    for profile in [
        Profile::Crescendo2300,
        Profile::CrescendoKey,
        Profile::Crescendo4000,
    ] {
        for freshness in [Freshness::Quick, Freshness::Checked] {
            let cache = Cache::off().with_memory();
            let meant = make(profile, 1, Content::Personal);
            let copy = make(profile, 2, Content::Personal);
            graft(&copy, &meant, "objects", "5FC102");
            let truth = read(&meant, &cache, Freshness::Fresh);
            let manager = manager(&copy, &cache).with_options(options(&cache, freshness));
            let mut session = manager.open("Desk").unwrap();
            assert!(session.token().remembered.is_some());
            assert_eq!(session.token().identity.serial, truth.identity.serial);
            let before = serde_json::to_string(&copy.with(|token| token.to_state())).unwrap();
            let confirmation = session.confirmation();
            let given = factory(profile);
            let authority = Authority::Pin(PinEntry::Typed(&given));
            let error = session
                .recycle(authority, &confirmation, LastTry::Spare, &mut |_| {})
                .unwrap_err();
            assert!(
                matches!(error, ActionError::NotSent(NotSent::OtherToken)),
                "{profile} {freshness:?}: {error}"
            );
            let after = serde_json::to_string(&copy.with(|token| token.to_state())).unwrap();
            assert_eq!(before, after);
            // It is known as what it is by now.
            assert_eq!(session.token().remembered, None);
            assert_ne!(session.token().identity.serial, truth.identity.serial);
        }
    }
}

/// A link on whose n-th command somebody gives the load up.
struct GivenUp {
    link: virtual_token::VirtualLink,
    at: u64,
    sent: u64,
    flag: Arc<AtomicBool>,
}

impl CardLink for GivenUp {
    fn info(&self) -> &LinkInfo {
        self.link.info()
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        self.link.begin()
    }

    fn transmit(&mut self, command: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.sent += 1;
        if self.sent == self.at {
            self.flag.store(true, Ordering::Relaxed);
        }
        self.link.transmit(command)
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.link.end(leave)
    }
}

#[test]
fn a_load_that_is_cancelled_ends_before_its_next_command_and_remembers_nothing() {
    for profile in Profile::ALL {
        let card = personal(profile);
        let whole = read(&card, &Cache::off(), Freshness::Fresh);
        for at in 1..whole.round_trips {
            let cache = Cache::off().with_memory();
            let flag = Arc::new(AtomicBool::new(false));
            let link = card.connect(&LinkOptions::new("Virtual")).unwrap();
            let link = GivenUp {
                link,
                at,
                sent: 0,
                flag: Arc::clone(&flag),
            };
            let mut connected = Card::new(Box::new(link));
            let options = options(&cache, Freshness::Fresh).with_cancel(Arc::clone(&flag));
            let case = format!("{profile} at {at}");
            match load(&mut connected, &options) {
                Err(LoadError::Cancelled { reader }) => assert_eq!(reader, "Virtual", "{case}"),
                // There was no command after this one, which took a few APDUs at most.
                Ok(token) => {
                    assert!(at + 4 > token.round_trips, "{case}");
                    break;
                }
                Err(error) => panic!("{case}: {error}"),
            }
            // An answer is fetched to its end: one command may take several APDUs.
            assert!(connected.round_trips() < whole.round_trips, "{case}");
            assert!(cache.held().is_empty(), "{case}");
            flag.store(false, Ordering::Relaxed);
            assert!(
                same(load(&mut connected, &options).unwrap(), &whole),
                "{case}"
            );
        }
        let flag = Arc::new(AtomicBool::new(true));
        let before = card.commands();
        let link = card.connect(&LinkOptions::new("Virtual")).unwrap();
        let options = LoadOptions::new().with_cancel(flag);
        let error = load(&mut Card::new(Box::new(link)), &options).unwrap_err();
        assert!(matches!(error, LoadError::Cancelled { .. }), "{error}");
        assert_eq!(card.commands(), before, "nothing is sent");
    }
}
