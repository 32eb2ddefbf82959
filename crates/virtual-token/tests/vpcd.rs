//! A token in a virtual reader; these tests play vpcd's part over a loopback socket.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use pcsc_transport::CardLink;
use support::{OK, PIN_STATUS, SELECT_PIV, VERIFY, VERIFY_WRONG, piv, send, status};
use virtual_token::SharedToken;
use virtual_token::fault::{Fault, Faults};
use virtual_token::vpcd::{Ended, Served, VpcdError, serve};

const OFF: &[u8] = &[0x00];
const ON: &[u8] = &[0x01];
const RESET: &[u8] = &[0x02];
const ATR: &[u8] = &[0x04];

/// The driver's side: a slot that waits for a card.
struct Slot(TcpListener);

impl Slot {
    fn new() -> Self {
        Self(TcpListener::bind(("127.0.0.1", 0)).unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn card(&self) -> Reader {
        let (stream, _) = self.0.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Reader(stream)
    }

    /// A token that has been put in, and the reader that sees it.
    fn insert(&self, token: &SharedToken) -> (Served, Reader) {
        let served = Served::insert(token.clone(), self.address()).unwrap();
        (served, self.card())
    }
}

/// The driver's side of a card that is in.
struct Reader(TcpStream);

impl Reader {
    /// As vpcd does it: length and body apart.
    fn send(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap();
        self.0.write_all(&length.to_be_bytes()).unwrap();
        self.0.write_all(message).unwrap();
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).ok()?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut message).ok()?;
        Some(message)
    }

    fn ask(&mut self, message: &[u8]) -> Vec<u8> {
        self.send(message);
        self.receive().unwrap()
    }

    /// The card is gone: the connection is closed and nothing more came.
    fn assert_empty(mut self) {
        assert_eq!(self.0.read(&mut [0; 1]).unwrap_or(0), 0);
    }
}

#[test]
fn the_card_gives_its_atr_and_answers_commands() {
    let slot = Slot::new();
    let token = piv();
    let (served, mut reader) = slot.insert(&token);
    assert_eq!(reader.ask(ATR), token.atr().as_bytes());
    reader.send(ON);
    assert_eq!(reader.ask(ATR), token.atr().as_bytes());
    assert_eq!(status(&reader.ask(SELECT_PIV)), 0x9000);
    assert_eq!(reader.ask(PIN_STATUS), [0x63, 0xC3]);
    assert_eq!(token.commands(), 2, "the ATR is no command");
    assert!(served.is_inserted());
    assert_eq!(served.eject().unwrap(), Ended::Ejected);
    reader.assert_empty();
}

#[test]
fn reset_and_power_off_end_the_security_state() {
    let slot = Slot::new();
    let (_served, mut reader) = slot.insert(&piv());
    for control in [&[RESET][..], &[OFF, ON]] {
        reader.ask(SELECT_PIV);
        assert_eq!(reader.ask(VERIFY), OK);
        assert_eq!(reader.ask(PIN_STATUS), OK);
        for byte in control {
            reader.send(byte);
        }
        reader.ask(SELECT_PIV);
        assert_eq!(reader.ask(PIN_STATUS), [0x63, 0xC3]);
    }
}

#[test]
fn messages_in_pieces_and_unknown_control_bytes_do_no_harm() {
    let slot = Slot::new();
    let (_served, mut reader) = slot.insert(&piv());
    reader.0.set_nodelay(true).unwrap();
    reader.send(&[0x77]);
    let length = u16::try_from(SELECT_PIV.len()).unwrap().to_be_bytes();
    for byte in length.iter().chain(SELECT_PIV) {
        reader.0.write_all(&[*byte]).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(status(&reader.receive().unwrap()), 0x9000);
    // Two messages in one packet.
    reader
        .0
        .write_all(b"\x00\x01\x04\x00\x04\x00\x20\x00\x80")
        .unwrap();
    assert!(reader.receive().unwrap().starts_with(&[0x3B]));
    assert_eq!(reader.receive().unwrap(), [0x63, 0xC3]);
}

#[test]
fn the_longest_message_is_answered() {
    let slot = Slot::new();
    let (_served, mut reader) = slot.insert(&piv());
    let answer = reader.ask(&vec![0xFF; 65_535]);
    assert!(status(&answer) >= 0x6000);
    assert_eq!(status(&reader.ask(SELECT_PIV)), 0x9000);
}

#[test]
fn an_answer_costs_no_delayed_acknowledgement() {
    let slot = Slot::new();
    let (_served, mut reader) = slot.insert(&piv());
    reader.ask(SELECT_PIV);
    let start = Instant::now();
    for _ in 0..200 {
        reader.ask(PIN_STATUS);
    }
    // With it, each takes 40 ms or more: eight seconds.
    let taken = start.elapsed();
    if cfg!(target_os = "linux") {
        assert!(taken < Duration::from_secs(4), "{taken:?}");
    }
}

#[test]
fn nobody_listening_is_said_with_what_to_do_and_the_token_stays() {
    // Bound, so that nobody else gets the port, and not listening.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let token = piv();
    let mut link = token.link("A");
    let error = Served::insert(token.clone(), address).unwrap_err();
    assert!(matches!(error, VpcdError::NotListening { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&address.to_string()) && text.contains("pcscd"),
        "{text}"
    );
    send(&mut link, SELECT_PIV).unwrap();
}

#[test]
fn an_address_that_means_nothing_is_said() {
    let error = Served::insert(piv(), "no port").unwrap_err();
    assert!(matches!(error, VpcdError::Address(_)), "{error}");
}

#[test]
fn inserting_takes_the_token_out_of_where_it_was() {
    let (first, second) = (Slot::new(), Slot::new());
    let token = piv();
    let mut link = token.link("A");
    let (served_first, reader_first) = first.insert(&token);
    assert!(link.begin().is_err());
    let stop_first = served_first.stop_handle();

    let (served_second, mut reader_second) = second.insert(&token);
    assert_eq!(served_first.wait().unwrap(), Ended::Ejected);
    reader_first.assert_empty();
    stop_first.stop();
    assert_eq!(
        status(&reader_second.ask(SELECT_PIV)),
        0x9000,
        "an old handle does nothing"
    );
    drop(served_second);
    reader_second.assert_empty();
}

#[test]
fn a_reader_that_goes_away_is_told() {
    let slot = Slot::new();
    let token = piv();
    let (served, mut reader) = slot.insert(&token);
    reader.ask(SELECT_PIV);
    drop(reader);
    assert_eq!(served.wait().unwrap(), Ended::ReaderGone);
    assert!(!token.is_present());
}

#[test]
fn a_reader_that_goes_away_within_a_message_is_told() {
    let slot = Slot::new();
    let (served, mut reader) = slot.insert(&piv());
    reader.0.write_all(&[0x00, 0x05, 0x00]).unwrap();
    drop(reader);
    assert_eq!(served.wait().unwrap(), Ended::ReaderGone);
}

#[test]
fn what_is_not_vpcd_is_told() {
    let slot = Slot::new();
    let (served, mut reader) = slot.insert(&piv());
    reader.send(&[]);
    assert!(matches!(served.wait(), Err(VpcdError::NotVpcd)));
}

#[test]
fn a_card_is_pulled_out_in_the_middle_of_a_command() {
    let slot = Slot::new();
    let token = piv();
    token.set_latency(Duration::from_secs(60));
    let (served, mut reader) = slot.insert(&token);
    reader.send(SELECT_PIV);
    while token.commands() == 0 {
        thread::yield_now();
    }
    let start = Instant::now();
    assert_eq!(served.eject().unwrap(), Ended::Ejected);
    assert!(start.elapsed() < Duration::from_secs(30));
    reader.assert_empty();
}

#[test]
fn counters_survive_an_insertion_and_verification_does_not() {
    let slot = Slot::new();
    let token = piv();
    {
        let (_served, mut reader) = slot.insert(&token);
        reader.ask(SELECT_PIV);
        assert_eq!(reader.ask(VERIFY_WRONG), [0x63, 0xC2]);
    }
    {
        let (_served, mut reader) = slot.insert(&token);
        reader.ask(SELECT_PIV);
        assert_eq!(reader.ask(PIN_STATUS), [0x63, 0xC2]);
        assert_eq!(reader.ask(VERIFY), OK);
    }
    let (_served, mut reader) = slot.insert(&token);
    reader.ask(SELECT_PIV);
    assert_eq!(reader.ask(PIN_STATUS), [0x63, 0xC3]);
}

#[test]
fn a_thousand_insertions() {
    let slot = Slot::new();
    let token = piv();
    for _ in 0..1000 {
        let (served, mut reader) = slot.insert(&token);
        assert_eq!(reader.ask(ATR), token.atr().as_bytes());
        assert_eq!(served.eject().unwrap(), Ended::Ejected);
        reader.assert_empty();
    }
}

#[test]
fn waiting_for_the_reader_to_notice() {
    let slot = Slot::new();
    let token = piv();
    let (served, mut reader) = slot.insert(&token);
    assert!(!served.wait_until_noticed(Duration::from_millis(10)));
    reader.ask(ATR);
    assert!(served.wait_until_noticed(Duration::from_secs(20)));

    let (served, _reader) = slot.insert(&token);
    token.eject();
    assert!(!served.wait_until_noticed(Duration::from_secs(20)));
}

#[test]
fn serving_in_the_callers_thread_until_stopped() {
    let slot = Slot::new();
    let token = piv();
    let address = slot.address();
    let (handle, stop) = std::sync::mpsc::channel();
    let serving = thread::spawn(move || serve(&token, address, |stop| handle.send(stop).unwrap()));
    let stop = stop.recv().unwrap();
    let mut reader = slot.card();
    assert_eq!(status(&reader.ask(SELECT_PIV)), 0x9000);
    stop.stop();
    assert_eq!(serving.join().unwrap().unwrap(), Ended::Ejected);
    stop.stop();
    reader.assert_empty();
}

#[test]
fn vanishing_closes_the_connection() {
    for (fault, executed) in [
        (Fault::VanishBefore, 0),
        (Fault::VanishAfter, 1),
        (Fault::ReaderError, 0),
    ] {
        let slot = Slot::new();
        let token = piv();
        let (served, mut reader) = slot.insert(&token);
        token.arm(Faults::new().at(1, fault));
        reader.send(SELECT_PIV);
        assert_eq!(reader.receive(), None);
        assert_eq!(served.wait().unwrap(), Ended::Ejected);
        assert_eq!(token.commands(), executed);
    }
}

#[test]
fn a_reset_by_another_shows_in_the_cards_answers() {
    let slot = Slot::new();
    let token = piv();
    let (_served, mut reader) = slot.insert(&token);
    token.arm("reset@2".parse().unwrap());
    reader.ask(SELECT_PIV);
    assert_eq!(
        reader.ask(PIN_STATUS),
        [0x6D, 0x00],
        "no PIV applet is selected"
    );
}

#[test]
fn other_faults_reach_the_reader_as_answers() {
    let slot = Slot::new();
    let token = piv();
    let (_served, mut reader) = slot.insert(&token);
    reader.ask(SELECT_PIV);
    let extended = b"\x00\xCB\x3F\xFF\x00\x00\x03\x5C\x01\x7E\x00\x00";
    for (script, command, expected) in [
        ("status=6F00@1", PIN_STATUS, vec![0x6F, 0x00]),
        ("truncate=1@1", PIN_STATUS, vec![0x63]),
        ("short-only@1+", &extended[..], vec![0x67, 0x00]),
        ("extended-error@1+", &extended[..], vec![0x67, 0x00]),
        ("applet@1", PIN_STATUS, vec![0x6D, 0x00]),
    ] {
        token.arm(script.parse().unwrap());
        assert_eq!(reader.ask(command), expected, "{script}");
    }
    token.arm(Faults::new().at(1, Fault::oversize(100_000)));
    assert_eq!(
        reader.ask(PIN_STATUS).len(),
        65_535,
        "as much as vpcd can carry"
    );
    token.arm(Faults::new().at(1, Fault::Endless));
    for command in [PIN_STATUS, b"\x00\xC0\x00\x00\x00"] {
        assert_eq!(status(&reader.ask(command)), 0x6100);
    }
}
