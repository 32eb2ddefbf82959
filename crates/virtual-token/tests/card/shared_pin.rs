//! The project profile's shared PIN: one PIN for PIV and FIDO, changed on either side.

use des::TdesEde3;
use pcsc_transport::Interface;
use piv_apdu::command::{PutData, TypedCommand};
use piv_apdu::object::ObjectTag;
use token_profile::{ManagementProfile, OBJECT_TAG, Policy};
use virtual_token::{Profile, VirtualToken};

use crate::common::{SELECT_ACA, SELECT_PIV, blank, expect, hex, raw, send, xauth};
use crate::fido_host::{
    Agreement, RP, ctap, field, get_info, pin_token, retries, select, set_pin, wrong_pin,
};

const FACTORY: &[u8] = b"000000";
const NEW: &[u8] = b"271828";
const PUK: &[u8] = b"12345678";

/// Eight bytes with the accent in a character of its own: not in Normalization Form C.
const DECOMPOSED: &[u8] = "31a\u{308}415".as_bytes();

const PIN_INVALID: u8 = 0x31;
const PIN_BLOCKED: u8 = 0x32;
const POLICY_VIOLATION: u8 = 0x37;

fn shared() -> VirtualToken {
    under(&Policy {
        fido_shared_pin: true,
        ..Policy::DELIVERY
    })
}

/// A 4000 as delivered, under this policy.
fn under(policy: &Policy) -> VirtualToken {
    let mut token = blank(Profile::Crescendo4000);
    administer(&mut token, policy);
    token
}

#[track_caller]
fn administer(token: &mut VirtualToken, policy: &Policy) {
    assert_eq!(put_policy(token, policy), 0x9000);
}

/// Writes it with the admin key; gives the status word.
#[track_caller]
fn put_policy(token: &mut VirtualToken, policy: &Policy) -> u16 {
    expect(token, SELECT_ACA, 0x9000);
    assert_eq!(xauth::<TdesEde3>(token, &[0; 24]), 0x9000);
    expect(token, SELECT_PIV, 0x9000);
    let profile = ManagementProfile {
        policy: policy.clone(),
        personalized: false,
        enforced_by_card: false,
    };
    let put = PutData::new(ObjectTag::new(OBJECT_TAG), &profile.encode());
    send(token, &put.to_command()).status().get()
}

/// A command with blocks, in the applet that was selected.
fn piv(token: &mut VirtualToken, select: &str, header: &str, blocks: &[&[u8]]) -> u16 {
    expect(token, select, 0x9000);
    let mut command = hex(header);
    command.push(u8::try_from(8 * blocks.len()).unwrap());
    for block in blocks {
        let mut block = block.to_vec();
        block.resize(8, 0xFF);
        command.extend(block);
    }
    raw(token, &command).status().get()
}

fn verify_piv(token: &mut VirtualToken, pin: &[u8]) -> u16 {
    piv(token, SELECT_PIV, "00200080", &[pin])
}

fn change_piv(token: &mut VirtualToken, old: &[u8], new: &[u8]) -> u16 {
    piv(token, SELECT_PIV, "00240080", &[old, new])
}

fn unblock_piv(token: &mut VirtualToken, new: &[u8]) -> u16 {
    piv(token, SELECT_PIV, "002C0080", &[PUK, new])
}

/// Shows the PIN to the FIDO applet; gives the status.
fn verify_fido(token: &mut VirtualToken, pin: &[u8]) -> u8 {
    select(token);
    pin_token(token, 2, pin, 3, RP).err().unwrap_or(0x00)
}

fn change_fido(token: &mut VirtualToken, old: &[u8], new: &[u8]) -> u8 {
    select(token);
    Agreement::with(token, 2).change_pin(token, old, new)
}

/// The one PIN is this, and was not what it was.
#[track_caller]
fn is_the_pin(token: &mut VirtualToken, pin: &[u8], former: &[u8]) {
    assert_eq!(verify_piv(token, pin), 0x9000);
    assert_eq!(verify_fido(token, pin), 0x00);
    assert_eq!(verify_piv(token, former), 0x63C5);
    assert_eq!(verify_fido(token, former), PIN_INVALID);
}

#[test]
fn the_fido_pin_is_the_piv_pin_from_the_start() {
    let mut token = shared();
    select(&mut token);
    let mut other = blank(Profile::Crescendo4000);
    select(&mut other);
    assert_eq!(set_pin(&mut other, 2, FACTORY), 0x00);
    assert_eq!(
        get_info(&mut token),
        get_info(&mut other),
        "nothing else is told"
    );
    assert_eq!(set_pin(&mut token, 2, NEW), 0x33, "there is one");
    is_the_pin(&mut token, FACTORY, NEW);

    // What the applet had of its own is gone.
    let mut own = blank(Profile::Crescendo4000);
    select(&mut own);
    assert_eq!(set_pin(&mut own, 2, NEW), 0x00);
    let policy = Policy {
        fido_shared_pin: true,
        ..Policy::DELIVERY
    };
    administer(&mut own, &policy);
    is_the_pin(&mut own, FACTORY, NEW);
    administer(&mut own, &Policy::DELIVERY);
    assert_eq!(
        verify_fido(&mut own, FACTORY),
        0x35,
        "and it has none afterwards"
    );
}

#[test]
fn every_way_to_change_it_on_the_piv_side_changes_both() {
    let ways: [fn(&mut VirtualToken) -> u16; 4] = [
        |token| change_piv(token, FACTORY, NEW),
        |token| piv(token, SELECT_ACA, "00240100", &[FACTORY, NEW]),
        |token| unblock_piv(token, NEW),
        |token| {
            expect(token, SELECT_ACA, 0x9000);
            assert_eq!(xauth::<TdesEde3>(token, &[0; 24]), 0x9000);
            raw(token, &hex("002C0200 08 323731383238FFFF"))
                .status()
                .get()
        },
    ];
    for way in ways {
        let mut token = shared();
        assert_eq!(way(&mut token), 0x9000);
        is_the_pin(&mut token, NEW, FACTORY);
    }
}

#[test]
fn changed_on_the_fido_side_it_is_changed_on_both() {
    let mut token = shared();
    assert_eq!(change_fido(&mut token, NEW, FACTORY), PIN_INVALID);
    assert_eq!(change_fido(&mut token, FACTORY, NEW), 0x00);
    is_the_pin(&mut token, NEW, FACTORY);
    let mut token = VirtualToken::from_state(token.to_state()).unwrap();
    assert_eq!(verify_fido(&mut token, NEW), 0x00);
}

#[test]
fn without_it_the_two_are_independent() {
    let mut token = under(&Policy::DELIVERY);
    select(&mut token);
    assert_eq!(set_pin(&mut token, 2, b"1357"), 0x00);
    assert_eq!(change_piv(&mut token, FACTORY, NEW), 0x9000);
    assert_eq!(verify_fido(&mut token, b"1357"), 0x00);
    assert_eq!(change_fido(&mut token, b"1357", b"longer than eight"), 0x00);
    assert_eq!(verify_piv(&mut token, NEW), 0x9000);
}

#[test]
fn a_new_pin_keeps_the_rules_of_both_sides_or_neither_takes_it() {
    let mut token = under(&Policy {
        fido_shared_pin: true,
        refuse_weak: true,
        minimum: 6,
        force_change: true,
        ..Policy::DELIVERY
    });
    assert_eq!(change_piv(&mut token, FACTORY, b"314159"), 0x9000);
    for new in [
        &b"31415"[..],
        b"314159265",
        b"123456",
        b"\x01\x02",
        DECOMPOSED,
    ] {
        assert_eq!(
            change_fido(&mut token, b"314159", new),
            POLICY_VIOLATION,
            "{new:02X?}"
        );
    }
    // On the PIV side bytes that are no text; text of which FIDO would strip the end, or
    // which its hosts send in another form.
    for new in [&b"\xFE\xFD\xFC\xFB\xFA\xF0"[..], b"31415\x00", DECOMPOSED] {
        assert_eq!(change_piv(&mut token, b"314159", new), 0x6A80);
        assert_eq!(unblock_piv(&mut token, new), 0x6A80);
    }
    is_the_pin(&mut token, b"314159", FACTORY);
    let info = get_info(&mut token).1;
    assert_eq!(field(&info, 0x0D), [6], "minPINLength");
}

/// A policy that shares the PIN is refused while that is one of which FIDO would make
/// another; with a forced change it is taken, and the PIN opens nothing until it is changed.
#[test]
fn a_pin_that_fido_would_see_otherwise_is_not_shared() {
    let policy = Policy {
        fido_shared_pin: true,
        ..Policy::DELIVERY
    };
    let mut token = under(&Policy::DELIVERY);
    assert_eq!(change_piv(&mut token, FACTORY, DECOMPOSED), 0x9000);
    assert_eq!(put_policy(&mut token, &policy), 0x6985);
    assert_eq!(verify_fido(&mut token, DECOMPOSED), 0x35, "not shared");
    let forced = Policy {
        force_change: true,
        ..policy
    };
    assert_eq!(put_policy(&mut token, &forced), 0x9000);
    assert_eq!(verify_piv(&mut token, DECOMPOSED), 0x6985);
    assert_eq!(verify_fido(&mut token, DECOMPOSED), POLICY_VIOLATION);
    assert_eq!(
        change_piv(&mut token, DECOMPOSED, "31ä415".as_bytes()),
        0x9000
    );
    is_the_pin(&mut token, "31ä415".as_bytes(), DECOMPOSED);
}

#[test]
fn the_tries_are_each_side_s_own() {
    let mut token = shared();
    assert_eq!(verify_piv(&mut token, NEW), 0x63C5);
    assert_eq!(verify_fido(&mut token, NEW), PIN_INVALID);
    assert_eq!(wrong_pin(&mut token), PIN_INVALID);
    assert_eq!(retries(&mut token).0, 6);
    expect(&mut token, SELECT_PIV, 0x9000);
    expect(&mut token, "00200080", 0x63C5);
    // The right PIN gives back those of its side, a new one all.
    assert_eq!(verify_piv(&mut token, FACTORY), 0x9000);
    select(&mut token);
    assert_eq!(retries(&mut token).0, 6);
    assert_eq!(verify_piv(&mut token, NEW), 0x63C5);
    assert_eq!(change_fido(&mut token, FACTORY, NEW), 0x00);
    assert_eq!(retries(&mut token).0, 8);
    expect(&mut token, SELECT_PIV, 0x9000);
    expect(&mut token, "00200080", 0x63C6);
}

#[test]
fn while_one_side_is_blocked_the_pin_is_used_on_the_other_and_changed_on_neither() {
    let mut token = shared();
    for _ in 0..8 {
        token.reset();
        select(&mut token);
        wrong_pin(&mut token);
    }
    assert_eq!(retries(&mut token).0, 0);
    assert_eq!(verify_piv(&mut token, FACTORY), 0x9000);
    assert_eq!(change_piv(&mut token, FACTORY, NEW), 0x6983);
    assert_eq!(verify_fido(&mut token, FACTORY), PIN_BLOCKED);
    assert_eq!(unblock_piv(&mut token, NEW), 0x9000);
    token.reset();
    is_the_pin(&mut token, NEW, FACTORY);

    let mut token = shared();
    for _ in 0..6 {
        verify_piv(&mut token, NEW);
    }
    assert_eq!(verify_piv(&mut token, FACTORY), 0x6983);
    assert_eq!(verify_fido(&mut token, FACTORY), 0x00);
    assert_eq!(change_fido(&mut token, FACTORY, NEW), PIN_BLOCKED);
    assert_eq!(retries(&mut token).0, 8, "no try was spent on that");
    assert_eq!(unblock_piv(&mut token, NEW), 0x9000);
    is_the_pin(&mut token, NEW, FACTORY);
}

#[test]
fn reset_of_fido_leaves_the_pin_and_gives_no_tries_away() {
    let mut token = shared();
    select(&mut token);
    wrong_pin(&mut token);
    token.reset();
    select(&mut token);
    assert_eq!(ctap(&mut token, 0x07, &[]).0, 0x00);
    assert_eq!(retries(&mut token).0, 7);
    is_the_pin(&mut token, FACTORY, NEW);
}

#[test]
fn a_forced_change_is_forced_on_both_sides_and_done_on_either() {
    let forced = Policy {
        fido_shared_pin: true,
        force_change: true,
        ..Policy::DELIVERY
    };
    let mut token = under(&forced);
    assert_eq!(verify_fido(&mut token, FACTORY), POLICY_VIOLATION);
    assert_eq!(
        field(&get_info(&mut token).1, 0x0C),
        [0xF5],
        "forcePINChange"
    );
    assert_eq!(change_fido(&mut token, FACTORY, FACTORY), POLICY_VIOLATION);
    assert_eq!(verify_piv(&mut token, FACTORY), 0x6985);
    assert_eq!(change_fido(&mut token, FACTORY, NEW), 0x00);
    is_the_pin(&mut token, NEW, FACTORY);
    assert_eq!(field(&get_info(&mut token).1, 0x0C), [0xF4]);
}

#[test]
fn over_the_contactless_interface_it_is_used_and_not_changed() {
    let mut token = shared();
    token.set_interface(Interface::Contactless);
    assert_eq!(verify_fido(&mut token, FACTORY), 0x00);
    assert_eq!(change_fido(&mut token, FACTORY, NEW), 0x30);
    token.set_interface(Interface::Contact);
    is_the_pin(&mut token, FACTORY, NEW);
}
