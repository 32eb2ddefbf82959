//! Links to a token within the process: sharing, transactions, what a link is told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use pcsc_transport::{CardLink, Continuity, ExtendedLength, Interface, Leave, LinkError, Protocol};
use support::{
    OK, PIN_STATUS, SELECT_PIV, VERIFY, VERIFY_WRONG, card, piv, send, send_telling, status,
};
use virtual_token::{
    Content, CreateOptions, ExtendedCarriage, LinkOptions, Profile, SharedToken, VirtualToken,
};

/// GET DATA for the discovery object in extended form.
const EXTENDED: &[u8] = b"\x00\xCB\x3F\xFF\x00\x00\x03\x5C\x01\x7E\x00\x00";

#[test]
fn a_link_that_is_alone_is_unbroken() {
    let token = piv();
    let mut link = token.link("A");
    assert_eq!(
        send_telling(&mut link, SELECT_PIV).unwrap().0,
        Continuity::Unbroken
    );
    assert_eq!(
        send_telling(&mut link, PIN_STATUS).unwrap().0,
        Continuity::Unbroken
    );
}

#[test]
fn a_link_is_told_exactly_when_another_has_spoken() {
    let token = piv();
    let (mut a, mut b) = (token.link("A"), token.link("B"));
    send(&mut a, SELECT_PIV).unwrap();

    // Another transaction in which nothing was sent changes nothing.
    b.begin().unwrap();
    b.end(Leave::AsIs).unwrap();
    assert_eq!(
        send_telling(&mut a, PIN_STATUS).unwrap().0,
        Continuity::Unbroken
    );

    assert_eq!(
        send_telling(&mut b, PIN_STATUS).unwrap().0,
        Continuity::Shared
    );
    assert_eq!(
        send_telling(&mut a, PIN_STATUS).unwrap().0,
        Continuity::Shared
    );
    assert_eq!(
        send_telling(&mut a, PIN_STATUS).unwrap().0,
        Continuity::Unbroken
    );
}

#[test]
fn a_reset_loses_the_state_and_every_link_is_told_once() {
    let token = piv();
    let (mut a, mut b) = (token.link("A"), token.link("B"));
    send(&mut a, SELECT_PIV).unwrap();
    assert_eq!(send(&mut a, VERIFY).unwrap(), OK);

    b.begin().unwrap();
    assert_eq!(
        *b.transmit(PIN_STATUS).unwrap(),
        OK,
        "links share the card's state"
    );
    b.end(Leave::Reset).unwrap();

    assert_eq!(
        send_telling(&mut a, SELECT_PIV).unwrap().0,
        Continuity::Lost
    );
    let (continuity, answer) = send_telling(&mut a, PIN_STATUS).unwrap();
    assert_eq!(
        (continuity, status(&answer)),
        (Continuity::Unbroken, 0x63C3)
    );
    assert_eq!(
        send_telling(&mut b, PIN_STATUS).unwrap().0,
        Continuity::Lost
    );
}

#[test]
fn a_reset_in_a_transaction_is_reported_until_the_next_one() {
    let token = piv();
    let mut link = token.link("A");
    link.begin().unwrap();
    link.transmit(SELECT_PIV).unwrap();
    token.reset();
    for _ in 0..2 {
        assert!(matches!(link.transmit(PIN_STATUS), Err(LinkError::Reset)));
    }
    link.end(Leave::AsIs).unwrap();
    assert_eq!(link.begin().unwrap(), Continuity::Lost);
    assert_eq!(
        token.commands(),
        1,
        "nothing was sent to a card in an unknown state"
    );
}

#[test]
fn a_transaction_keeps_others_out() {
    let token = piv();
    let mut a = token.link("A");
    let mut b = token.link("B");
    a.begin().unwrap();
    let entered = Arc::new(AtomicBool::new(false));
    let other = {
        let entered = Arc::clone(&entered);
        thread::spawn(move || {
            let continuity = b.begin().unwrap();
            entered.store(true, Ordering::SeqCst);
            continuity
        })
    };
    thread::sleep(Duration::from_millis(50));
    assert!(!entered.load(Ordering::SeqCst));
    a.transmit(SELECT_PIV).unwrap();
    assert!(!entered.load(Ordering::SeqCst));
    a.end(Leave::AsIs).unwrap();
    assert_eq!(other.join().unwrap(), Continuity::Shared);
}

#[test]
fn a_link_dropped_within_its_transaction_lets_others_in() {
    let token = piv();
    let mut b = token.link("B");
    let mut a = token.link("A");
    a.begin().unwrap();
    drop(a);
    assert_eq!(b.begin().unwrap(), Continuity::Unbroken);
}

#[test]
fn an_exclusive_link_is_alone() {
    let token = piv();
    let shared = LinkOptions::new("Desk");
    let exclusive = shared.clone().exclusive();

    let first = token.connect(&exclusive).unwrap();
    for options in [&shared, &exclusive] {
        match token.connect(options) {
            Err(LinkError::SharingViolation { reader, holders }) => {
                assert_eq!(reader, "Desk");
                assert_eq!(holders[0].pid, std::process::id());
            }
            other => panic!("{other:?}"),
        }
    }
    drop(first);

    let second = token.connect(&shared).unwrap();
    assert!(matches!(
        token.connect(&exclusive),
        Err(LinkError::SharingViolation { .. })
    ));
    let third = token.connect(&shared).unwrap();
    drop((second, third));
    token.connect(&exclusive).unwrap();
}

#[test]
fn security_state_lasts_as_long_as_any_link_and_no_longer() {
    let token = piv();
    let mut a = token.link("A");
    send(&mut a, SELECT_PIV).unwrap();
    assert_eq!(send(&mut a, VERIFY).unwrap(), OK);

    let mut b = token.link("B");
    drop(a);
    assert_eq!(
        send(&mut b, PIN_STATUS).unwrap(),
        OK,
        "somebody held the card"
    );
    drop(b);

    let mut c = token.link("C");
    send(&mut c, SELECT_PIV).unwrap();
    assert_eq!(status(&send(&mut c, PIN_STATUS).unwrap()), 0x63C3);
}

#[test]
fn use_out_of_order_is_an_error_and_nothing_is_sent() {
    let token = piv();
    let mut link = token.link("A");
    assert!(matches!(
        link.transmit(SELECT_PIV),
        Err(LinkError::OutOfOrder(_))
    ));
    assert!(matches!(
        link.end(Leave::AsIs),
        Err(LinkError::OutOfOrder(_))
    ));
    link.begin().unwrap();
    assert!(matches!(link.begin(), Err(LinkError::OutOfOrder(_))));
    link.end(Leave::AsIs).unwrap();
    assert_eq!(token.commands(), 0);
}

#[test]
fn a_card_pulled_out_is_gone_for_its_links() {
    let token = piv();
    let mut link = token.link("A");
    link.begin().unwrap();
    assert!(token.eject());
    assert!(!token.eject());
    assert!(matches!(link.transmit(SELECT_PIV), Err(LinkError::Removed)));
    assert!(matches!(link.end(Leave::AsIs), Err(LinkError::Removed)));
    assert!(matches!(link.begin(), Err(LinkError::Removed)));
    assert!(matches!(
        token.connect(&LinkOptions::new("A")),
        Err(LinkError::NoCard { .. })
    ));
    assert!(matches!(token.link("A").begin(), Err(LinkError::Removed)));
}

#[test]
fn a_card_pulled_out_during_a_command_ends_it_at_once() {
    let token = piv();
    token.set_latency(Duration::from_secs(60));
    let (started, wait) = mpsc::channel();
    let command = {
        let mut link = token.link("A");
        thread::spawn(move || {
            link.begin().unwrap();
            started.send(()).unwrap();
            link.transmit(SELECT_PIV)
        })
    };
    wait.recv().unwrap();
    while token.commands() == 0 {
        thread::yield_now();
    }
    let start = Instant::now();
    token.eject();
    assert!(matches!(command.join().unwrap(), Err(LinkError::Removed)));
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_waiting_link_is_woken_when_the_card_goes() {
    let token = piv();
    let mut a = token.link("A");
    let mut b = token.link("B");
    a.begin().unwrap();
    let waiting = thread::spawn(move || b.begin());
    thread::sleep(Duration::from_millis(20));
    token.eject();
    assert!(matches!(waiting.join().unwrap(), Err(LinkError::Removed)));
}

#[test]
fn latency_delays_each_answer_and_leaves_the_token_reachable() {
    let token = piv();
    let latency = Duration::from_millis(30);
    token.set_latency(latency);
    let mut link = token.link("A");
    let start = Instant::now();
    for _ in 0..3 {
        send(&mut link, SELECT_PIV).unwrap();
    }
    assert!(start.elapsed() >= 3 * latency);
}

#[test]
fn the_log_has_headers_and_lengths_and_never_data() {
    let token = piv();
    let mut link = token.link("A");
    send(&mut link, SELECT_PIV).unwrap();
    send(&mut link, VERIFY_WRONG).unwrap();
    let log = token.log();
    assert_eq!(token.commands(), 2);
    assert_eq!(
        (log[0].ins, log[0].p1, log[0].lc, log[0].length),
        (0xA4, 0x04, 11, 17)
    );
    assert_eq!(
        (log[1].cla, log[1].ins, log[1].p2, log[1].lc),
        (0x00, 0x20, 0x80, 8)
    );
    assert_eq!(log[1].status.unwrap().get(), 0x63C2);
    assert_eq!(log[1].answered, 0);
    let shown = format!("{log:?}");
    assert!(!shown.contains("54") && !shown.contains("0x36"), "{shown}");

    token.clear_log();
    assert_eq!((token.commands(), token.log().len()), (0, 0));
}

#[test]
fn extended_commands_are_logged_with_their_length() {
    let token = piv();
    let mut link = token.link("A");
    send(&mut link, EXTENDED).unwrap();
    send(&mut link, b"\x00\xCB\x3F\xFF\x00\x00\x00").unwrap();
    send(&mut link, b"\x00").unwrap();
    let lc: Vec<_> = token.log().iter().map(|header| header.lc).collect();
    assert_eq!(lc, [3, 0, 0]);
}

#[test]
fn a_reader_for_short_apdus_only() {
    let token = piv();
    for (carriage, refused) in [
        (ExtendedCarriage::Refuses, true),
        (ExtendedCarriage::Fails, false),
    ] {
        let mut link = token
            .connect(&LinkOptions::new("Short").carries(carriage))
            .unwrap();
        send(&mut link, SELECT_PIV).unwrap();
        let before = token.commands();
        match send(&mut link, EXTENDED) {
            Ok(answer) => assert!(refused && status(&answer) == 0x6700),
            Err(LinkError::NotTransacted) => assert!(!refused),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(token.commands(), before, "the card never saw it");
        assert_eq!(send(&mut link, PIN_STATUS).unwrap().len(), 2);
    }
    let mut link = token.link("Long");
    send(&mut link, SELECT_PIV).unwrap();
    assert_ne!(status(&send(&mut link, EXTENDED).unwrap()), 0x6700);
}

#[test]
fn a_t0_card_is_reached_through_a_t0_reader() {
    let options = CreateOptions::default()
        .seed(7)
        .content(Content::Empty)
        .protocol(virtual_token::Protocol::T0);
    let token = SharedToken::new(VirtualToken::create(Profile::Piv, &options).unwrap());
    let mut link = token.link("T0");
    assert_eq!(link.info().protocol, Protocol::T0);
    assert_eq!(link.info().extended, ExtendedLength::No);
    link.begin().unwrap();

    // Data and Le at once cannot be carried; without Le the answer is fetched.
    assert!(matches!(
        link.transmit(SELECT_PIV),
        Err(LinkError::NotTransacted)
    ));
    assert!(matches!(
        link.transmit(EXTENDED),
        Err(LinkError::NotTransacted)
    ));
    let announced = link.transmit(&SELECT_PIV[..SELECT_PIV.len() - 1]).unwrap();
    assert_eq!(announced[0], 0x61);
    let answer = link
        .transmit(&[0x00, 0xC0, 0x00, 0x00, announced[1]])
        .unwrap();
    assert_eq!(answer.len(), usize::from(announced[1]) + 2);
    assert_eq!(status(&answer), 0x9000);
}

#[test]
fn the_contactless_interface_has_the_atr_that_pcsc_makes() {
    let token = SharedToken::new(card(Profile::Crescendo2300));
    let contact = token.link("C");
    assert_eq!(contact.info().interface, Interface::Contact);
    assert_eq!(
        contact.info().atr.to_string(),
        "3BD596FF8191FE1FC34332333030CC"
    );
    // A card lies on one interface at a time.
    let options = LinkOptions::new("R").contactless();
    assert!(matches!(
        token.connect(&options),
        Err(LinkError::SharingViolation { .. })
    ));
    drop(contact);
    let contactless = token.connect(&options).unwrap();
    assert_eq!(contactless.info().interface, Interface::Contactless);
    assert_eq!(contactless.info().atr.to_string(), "3B858001433233303046");
}

#[test]
fn every_change_is_saved_before_its_answer_leaves() {
    let saved = Arc::new(Mutex::new(0));
    let token = {
        let saved = Arc::clone(&saved);
        let mut card = card(Profile::Piv);
        card.take_dirty();
        SharedToken::with_persistence(
            card,
            Box::new(move |_| {
                *saved.lock().unwrap() += 1;
                Ok(())
            }),
        )
    };
    let mut link = token.link("A");
    send(&mut link, SELECT_PIV).unwrap();
    send(&mut link, PIN_STATUS).unwrap();
    assert_eq!(*saved.lock().unwrap(), 0, "nothing has changed");
    send(&mut link, VERIFY_WRONG).unwrap();
    assert_eq!(*saved.lock().unwrap(), 1);
}

#[test]
fn no_answer_leaves_a_card_that_cannot_save() {
    let broken = Arc::new(AtomicBool::new(true));
    let token = {
        let broken = Arc::clone(&broken);
        let mut card = card(Profile::Piv);
        card.take_dirty();
        SharedToken::with_persistence(
            card,
            Box::new(move |_| {
                if broken.load(Ordering::SeqCst) {
                    Err(std::io::Error::other("the disk is full"))
                } else {
                    Ok(())
                }
            }),
        )
    };
    let mut link = token.link("A");
    assert_eq!(status(&send(&mut link, SELECT_PIV).unwrap()), 0x9000);
    assert_eq!(send(&mut link, VERIFY_WRONG).unwrap(), [0x65, 0x81]);
    assert_eq!(token.save_error().unwrap(), "the disk is full");
    assert_eq!(send(&mut link, PIN_STATUS).unwrap(), [0x65, 0x81]);

    broken.store(false, Ordering::SeqCst);
    assert_eq!(send(&mut link, PIN_STATUS).unwrap(), [0x63, 0xC2]);
    assert_eq!(token.save_error(), None);
}
