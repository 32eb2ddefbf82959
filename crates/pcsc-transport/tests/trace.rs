//! Traces: what they show, what they never show, and that they replay.

#![allow(clippy::unwrap_used, clippy::panic)] // a failed unwrap is a failed test
#![allow(clippy::unnecessary_wraps)] // a fake's answers are the link's results

mod common;

use common::{Answer, Fake, hex_text};
use hex_literal::hex;
use pcsc_transport::trace::{Recorder, ReplayError, Replayer, TraceBuffer, describe};
use pcsc_transport::{
    Card, CardLink, Continuity, ExtendedLength, Leave, LinkError, SendError, TransportError,
};
use piv_apdu::apdu::{Command, Le};
use piv_apdu::command::GetData;
use piv_apdu::object::ObjectTag;
use proptest::prelude::*;

const PIV: &[u8] = &hex!("A000000308000010000100");

fn recorded(fake: Fake) -> (Box<dyn CardLink>, TraceBuffer) {
    let trace = TraceBuffer::new();
    let recorder = Recorder::new(Box::new(fake), trace.clone()).unwrap();
    (Box::new(recorder), trace)
}

/// The trace of single APDUs, without its four lines of head.
fn trace_of(commands: &[&[u8]], answers: impl FnMut(&[u8]) -> Answer + Send + 'static) -> String {
    let (mut link, trace) = recorded(Fake::new(answers));
    for command in commands {
        let _ = link.transmit(command);
    }
    trace
        .text()
        .lines()
        .skip(4)
        .fold(String::new(), |all, line| all + line + "\n")
}

/// A PIV card of a few objects.
fn piv_card(command: &[u8]) -> Answer {
    let answer: &[u8] = match command {
        [0x00, 0xA4, ..] => &hex!("61 11 4F 06 000010000100 79 07 4F 05 A000000308 9000"),
        [0x00, 0xCB, .., 0x02, 0x00] => &hex!("53 04 30 02 6104"),
        [0x00, 0xC0, ..] => &hex!("D4E7 9000"),
        [0x00, 0xCB, .., 0x09, 0x00] => &hex!("53 06 01 04 54455354 9000"),
        [0x00, 0x20, 0x00, _] => &hex!("63C3"),
        _ => &hex!("9000"),
    };
    Ok(answer.to_vec())
}

/// Some jobs on [`piv_card`], with the same outcome live and replayed.
fn jobs(card: &mut Card) -> Vec<String> {
    let mut seen = Vec::new();
    let mut transaction = card.begin().unwrap();
    seen.push(format!("{:?}", transaction.continuity()));
    let answer = transaction.ensure_selected(PIV).unwrap().unwrap();
    seen.push(format!("{:02X?}", answer.data()));
    let chuid = transaction.send(&GetData::new(ObjectTag::CHUID)).unwrap();
    seen.push(format!("{chuid:02X?}"));
    let query = Command::new(0x00, 0x20, 0x00, 0x80);
    seen.push(transaction.exchange(&query).unwrap().status().to_string());
    let verify = Command::new(0x00, 0x20, 0x00, 0x80).with_data(b"123456\xFF\xFF");
    seen.push(transaction.exchange(&verify).unwrap().status().to_string());
    transaction.end().unwrap();
    seen
}

#[test]
fn what_was_recorded_replays() {
    let (link, trace) = recorded(Fake::new(piv_card).begins(vec![Ok(Continuity::Lost)]));
    let mut card = Card::new(link);
    let live = jobs(&mut card);
    card.close().unwrap();

    let text = trace.text();
    assert_eq!(
        text,
        "\
trace 1
reader Fake reader
atr 3BD596FF8191FE1FC34332333030CC
link contact T=1 extended=no
begin lost
> 00A404000BA00000030800001000010000  # SELECT A000000308000010000100
< 61114F0600001000010079074F05A000000308 9000
> 00CB3FFF055C035FC10200  # GET DATA card holder unique identifier
< 53043002 6104
> 00C0000004  # GET RESPONSE
< D4E7 9000
> 00200080  # VERIFY PIV PIN, query
< 63C3  # 63C3 (not verified; 3 tries left)
> 00200080 [9 bytes redacted]  # VERIFY PIV PIN, 8 bytes
< 9000  # 9000 (success)
end as-is
begin shared
> 00A404000BA00000030800001000010000  # SELECT A000000308000010000100
< 61114F0600001000010079074F05A000000308 9000
> 0020FF80  # VERIFY PIV PIN, log out
< 9000  # 9000 (success)
> 00200080  # VERIFY PIV PIN, query
< 63C3  # 63C3 (not verified; 3 tries left)
end as-is
"
    );

    let mut card = Card::new(Box::new(Replayer::new(&text).unwrap()));
    assert_eq!(card.info().reader, "Fake reader");
    assert_eq!(jobs(&mut card), live);
    card.close().unwrap();
}

#[test]
fn failures_of_the_link_are_recorded_and_replayed() {
    let fake = Fake::new(|command| {
        Err(if command[1] == 0x20 {
            LinkError::Reset
        } else {
            LinkError::Removed
        })
    })
    .begins(vec![Ok(Continuity::Shared), Err(LinkError::Unresponsive)]);
    let (mut link, trace) = recorded(fake);
    let run = |link: &mut dyn CardLink| {
        [
            link.begin().map(|_| ()).map_err(|e| e.to_string()),
            link.transmit(&hex!("00200080"))
                .map(|_| ())
                .map_err(|e| e.to_string()),
            link.transmit(&hex!("00CB3FFF"))
                .map(|_| ())
                .map_err(|e| e.to_string()),
            link.end(Leave::Reset).map_err(|e| e.to_string()),
            link.begin().map(|_| ()).map_err(|e| e.to_string()),
        ]
    };
    let live = run(&mut *link);
    assert!(trace.text().contains("\n! reset\n"), "{}", trace.text());
    let mut replayer = Replayer::new(&trace.text()).unwrap();
    assert_eq!(run(&mut replayer), live);
    assert_eq!(replayer.remaining(), 0);
}

#[test]
fn reader_names_survive_whatever_they_hold() {
    for name in ["a # b", "100 %", "line\nbreak\u{1B}[2J", "Müller", "%41"] {
        let (link, trace) = recorded(Fake::new(piv_card));
        let info = pcsc_transport::LinkInfo::new(name, link.info().atr);
        drop((link, trace));
        let trace = TraceBuffer::new();
        let link = Renamed(Fake::new(piv_card), info);
        Recorder::new(Box::new(link), trace.clone()).unwrap();
        assert_eq!(trace.text().lines().count(), 4);
        assert_eq!(Replayer::new(&trace.text()).unwrap().info().reader, name);
    }
}

struct Renamed(Fake, pcsc_transport::LinkInfo);

impl CardLink for Renamed {
    fn info(&self) -> &pcsc_transport::LinkInfo {
        &self.1
    }
    fn begin(&mut self) -> Result<Continuity, LinkError> {
        self.0.begin()
    }
    fn transmit(&mut self, command: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.0.transmit(command)
    }
    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.0.end(leave)
    }
    fn pin_pad(&mut self) -> pcsc_transport::PinPadFeatures {
        self.0.pin_pad()
    }
    fn verify_on_pin_pad(
        &mut self,
        request: &pcsc_transport::PinVerify,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.0.verify_on_pin_pad(request)
    }
    fn modify_on_pin_pad(
        &mut self,
        request: &pcsc_transport::PinModify,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, LinkError> {
        self.0.modify_on_pin_pad(request)
    }
}

#[test]
fn get_response_is_as_public_as_what_it_goes_on_with() {
    let secret = "AABBCCDD";
    let answers = |command: &[u8]| -> Answer {
        Ok(if command[1] == 0xC0 {
            hex!("AABBCCDD 9000").to_vec()
        } else {
            hex!("6104").to_vec()
        })
    };
    let get = |tag: u8| vec![0x00, 0xCB, 0x3F, 0xFF, 5, 0x5C, 3, 0x5F, 0xC1, tag, 0];
    let get_response = hex!("00C0000004");
    // The CHUID is public, the pairing code is not.
    assert!(trace_of(&[&get(0x02), &get_response], answers).contains(secret));
    assert!(!trace_of(&[&get(0x23), &get_response], answers).contains(secret));
    // Nor is anything that comes out of the blue, on another channel, after
    // another command, or after the public answer has ended.
    assert!(!trace_of(&[&get_response], answers).contains(secret));
    assert!(!trace_of(&[&get(0x02), &hex!("01C0000004")], answers).contains(secret));
    assert!(!trace_of(&[&get(0x02), &get(0x23), &get_response], answers).contains(secret));
    let twice: &[&[u8]] = &[&get(0x23), &get(0x02), &get_response, &get_response];
    assert_eq!(trace_of(twice, answers).matches(secret).count(), 1);
}

#[test]
fn a_transaction_in_between_ends_a_public_answer() {
    let (mut link, trace) = recorded(Fake::new(|command| {
        Ok(if command[1] == 0xC0 {
            hex!("AABBCCDD 9000").to_vec()
        } else {
            hex!("6104").to_vec()
        })
    }));
    link.transmit(&hex!("00CB3FFF055C035FC10200")).unwrap();
    link.end(Leave::AsIs).unwrap();
    link.begin().unwrap();
    link.transmit(&hex!("00C0000004")).unwrap();
    assert!(!trace.text().contains("AABBCCDD"));
}

#[test]
fn public_vendor_reads_are_shown() {
    let answers = |_: &[u8]| -> Answer { Ok(hex!("AABBCCDD 9000").to_vec()) };
    for command in [
        &hex!("00CB3FFF055C03FFFF7F00")[..], // GET PIV PROPERTIES, C2300
        &hex!("8056000000"),                 // the same, C4000
        &hex!("00560200013100"),             // GET PIN PROPERTIES
        &hex!("80CA9F7F00"),                 // CPLC
    ] {
        assert!(
            trace_of(&[command], answers).contains("AABBCCDD"),
            "{command:02X?}"
        );
    }
}

#[test]
fn what_looks_like_a_public_command_and_is_not_is_redacted() {
    let answers = |_: &[u8]| -> Answer { Ok(hex!("AABBCCDD 9000").to_vec()) };
    for command in [
        &hex!("00CB3FFF075C035FC102AABB00")[..], // more than a tag
        &hex!("00CB3FFF055C035FC1AA00"),         // no object of the standard
        &hex!("00CB3FFF065C045FC102AA00"),       // a tag of four bytes
        &hex!("0CCB3FFF055C035FC10200"),         // secure messaging
        &hex!("10CB3FFF055C035FC10200"),         // part of a chain
        &hex!("00A4040003AABBCC00"),             // no application identifier
        &hex!("10A404000BA00000030800001000010000"),
        &hex!("00A4000002AABB00"), // not by identifier
        &hex!("0084000000"),       // GET CHALLENGE
        &hex!("AABBCC"),           // no command at all
    ] {
        let trace = trace_of(&[command], answers);
        assert!(!trace.contains("AABB"), "{trace}");
        assert!(trace.contains("redacted"), "{trace}");
    }
}

#[test]
fn objects_behind_the_pin_show_their_name_only() {
    let trace = trace_of(&[&hex!("00CB3FFF055C035FC12300")], |_| {
        Ok(hex!("530C 9908 3132333435363738 FE00 9000").to_vec())
    });
    assert_eq!(
        trace,
        "> 00CB3FFF055C035FC12300  # GET DATA pairing code reference data container\n\
         < [14 bytes redacted] 9000  # 9000 (success)\n"
    );
}

#[test]
fn a_writer_that_fails_does_not_disturb_the_card() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut link = Recorder::new(Box::new(Fake::new(piv_card)), Full(150)).unwrap();
    for _ in 0..10 {
        assert_eq!(*link.transmit(&hex!("00200080")).unwrap(), hex!("63C3"));
    }
    assert!(Recorder::new(Box::new(Fake::new(piv_card)), Full(10)).is_err());
}

// Replaying.

const HEAD: &str =
    "trace 1\nreader R\natr 3BD596FF8191FE1FC34332333030CC\nlink contact T=1 extended=no\n";

fn replayer(steps: &str) -> Replayer {
    Replayer::new(&format!("{HEAD}{steps}")).unwrap()
}

fn replay_error(result: Result<impl Sized, LinkError>) -> ReplayError {
    match result {
        Err(LinkError::Replay(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("no error"),
    }
}

#[test]
fn a_mismatch_says_what_was_expected_without_telling_secrets() {
    let mut link = replayer("> 00200080 [9 bytes redacted]\n< 9000\n");
    // Another length.
    let error = replay_error(link.transmit(b"\x00\x20\x00\x80\x07SECRET!"));
    let text = error.to_string();
    assert!(matches!(error, ReplayError::Mismatch { line: 5, .. }));
    assert!(text.contains("00200080 [9 bytes redacted]"), "{text}");
    assert!(text.contains("00200080 [8 bytes redacted]"), "{text}");
    assert!(
        !text.contains("SECRET") && !text.contains("534543"),
        "{text}"
    );
    // Another header, another step.
    replay_error(link.transmit(b"\x00\x20\x00\x81\x08SECRET!!"));
    replay_error(link.begin());
    replay_error(link.end(Leave::AsIs));
    // A mismatch takes nothing away.
    assert_eq!(
        *link.transmit(b"\x00\x20\x00\x80\x08SECRET!!").unwrap(),
        hex!("9000")
    );
    let error = replay_error(link.transmit(&hex!("00200080")));
    assert!(matches!(error, ReplayError::Exhausted { .. }));
}

#[test]
fn ways_of_leaving_must_agree() {
    let mut link = replayer("begin unbroken\nend reset\n");
    assert_eq!(link.begin().unwrap(), Continuity::Unbroken);
    let text = replay_error(link.end(Leave::AsIs)).to_string();
    assert!(
        text.contains("end reset") && text.contains("end as-is"),
        "{text}"
    );
    link.end(Leave::Reset).unwrap();
}

#[test]
fn redacted_answers_need_leave_to_be_filled() {
    let steps = "> 00840000 [1 byte redacted]\n< [8 bytes redacted] 9000\n";
    let error = replay_error(replayer(steps).transmit(&hex!("0084000000")));
    assert_eq!(error, ReplayError::Redacted { line: 6 });
    let mut filled = replayer(steps).fill_redacted(0xA5);
    assert_eq!(
        *filled.transmit(&hex!("0084000000")).unwrap(),
        hex!("A5A5A5A5A5A5A5A5 9000")
    );
}

#[test]
fn errors_in_a_trace_name_the_line() {
    for (trace, line) in [
        ("", 1),
        ("trace 2", 1),
        ("\n# comment\ntrace 1\n", 4),
        ("trace 1\nreader %ZZ\n", 1),
        ("trace 1\nreader R\natr 00\n", 3),
        ("trace 1\nreader R\natr 3B00\nlink T=1\n", 4),
    ] {
        let Err(ReplayError::Syntax { line: found, .. }) = Replayer::new(trace) else {
            panic!("accepted {trace:?}");
        };
        assert!(found >= line, "{trace:?}: {found}");
    }
    for (steps, line) in [
        ("begin maybe", 5),
        ("begin", 5),
        ("end", 5),
        ("end reset ! nothing", 5),
        ("< 9000", 5),
        ("> 00A4\n", 6),
        ("> 00A4\nend as-is", 6),
        ("> 00A4\n< 900", 6),
        ("> 0G\n< 9000", 5),
        ("> 00 [x bytes redacted]\n< 9000", 5),
        ("> 00 [99999999999999999999 bytes redacted]\n< 9000", 5),
        ("> 00A4\nx ! reset", 6),
        ("hello", 5),
    ] {
        let Err(ReplayError::Syntax { line: found, .. }) = Replayer::new(&format!("{HEAD}{steps}"))
        else {
            panic!("accepted {steps:?}");
        };
        assert_eq!(found, line, "{steps:?}");
    }
}

#[test]
fn a_replay_error_reaches_the_caller_of_a_typed_command() {
    let mut card = Card::new(Box::new(replayer("begin shared\nend as-is\n")));
    let mut transaction = card.begin().unwrap();
    let error = transaction
        .send(&GetData::new(ObjectTag::CHUID))
        .unwrap_err();
    assert!(matches!(
        error,
        SendError::Transport(TransportError::Link(LinkError::Replay(
            ReplayError::Mismatch { .. }
        )))
    ));
}

// What is never shown.

/// Commands that carry a secret, as their fields.
fn secret_command() -> impl Strategy<Value = Command> {
    let secret = prop::collection::vec(any::<u8>(), 6..400);
    let named = prop_oneof![
        Just((0x00, 0x20, 0x00, 0x80)), // VERIFY
        Just((0x00, 0x20, 0x00, 0x98)), // pairing code
        Just((0x00, 0x24, 0x00, 0x80)), // CHANGE REFERENCE DATA
        Just((0x00, 0x2C, 0x00, 0x80)), // RESET RETRY COUNTER
        Just((0x00, 0x2C, 0x02, 0x00)), // UNLOCK PIN
        Just((0x00, 0xD8, 0x01, 0x00)), // PUT XAUTH KEY
        Just((0x80, 0xD8, 0x00, 0x9A)), // INJECT PKI KEY
        Just((0x00, 0x82, 0x00, 0x01)), // EXTERNAL AUTHENTICATE
        Just((0x00, 0x87, 0x11, 0x9A)), // GENERAL AUTHENTICATE
        Just((0x00, 0xDB, 0x3F, 0xFF)), // PUT DATA
        Just((0x00, 0x56, 0x02, 0x00)),
        Just((0x00, 0xCB, 0x3F, 0xFF)),
        Just((0x00, 0xC0, 0x00, 0x00)),
        Just((0x00, 0xC2, 0x00, 0x00)), // ENVELOPE
        (any::<u8>(), any::<u8>(), any::<u8>(), any::<u8>()),
    ];
    let class = prop::sample::select(vec![0x00_u8, 0x10, 0x0C, 0x1C, 0x03, 0x40]);
    (named, class, secret, any::<bool>()).prop_map(|((cla, ins, p1, p2), class, secret, le)| {
        let command = Command::new(cla | class, ins, p1, p2).with_data(&secret);
        if le {
            command.with_le(Le::SHORT_MAX)
        } else {
            command
        }
    })
}

/// Runs of this length and more of a secret must not appear.
const RUN: usize = 4;

fn leaks(trace: &str, secret: &[u8], allowed: &str) -> bool {
    let squeezed: String = trace.chars().filter(|c| !c.is_whitespace()).collect();
    let lower = squeezed.to_ascii_lowercase();
    secret.windows(RUN).any(|run| {
        let text = hex_text(run);
        let found = squeezed.contains(&text) || lower.contains(&text.to_ascii_lowercase());
        let ascii = run.iter().all(u8::is_ascii_alphanumeric)
            && squeezed.contains(&*String::from_utf8_lossy(run));
        (found && !allowed.contains(&text)) || ascii
    })
}

/// True for what the trace shows by intent: SELECT by identifier.
fn is_public(command: &Command) -> bool {
    command.cla() <= 0x03
        && command.ins() == 0xA4
        && command.p1() == 0x04
        && command.data().len() <= 16
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Neither a command's data nor an answer's, in any form: short, chained,
    /// extended, through the exchange or raw.
    #[test]
    fn no_secret_is_in_a_trace(
        command in secret_command(),
        answer in prop::collection::vec(any::<u8>(), 6..300),
        extended: bool,
        pieces: bool,
    ) {
        prop_assume!(!is_public(&command));
        let given = answer.clone();
        let fake = Fake::new(move |apdu| {
            let chained = apdu[0] & 0x10 != 0;
            let mut bytes = if chained { Vec::new() } else { given.clone() };
            let again = pieces && apdu[1] != 0xC0;
            bytes.extend(if again && !chained { [0x61, 0x10] } else { [0x90, 0x00] });
            Ok(bytes)
        });
        let fake = if extended { fake.extended(ExtendedLength::FULL) } else { fake };
        let (link, trace) = recorded(fake);
        let mut card = Card::new(link);
        let mut transaction = card.begin().unwrap();
        let _ = transaction.exchange(&command);
        if let Ok(bytes) = command.encode_extended() {
            let _ = transaction.raw(&bytes);
            // And cut off, so that it is no command.
            let _ = transaction.raw(&bytes[..bytes.len() - 1]);
        }
        drop(transaction);
        drop(card);
        let text = trace.text();
        // The header is shown, and the head of the trace.
        let head: String = text.lines().take(4).collect();
        let header = hex_text(&[command.cla(), command.ins(), command.p1(), command.p2()]);
        let shown = format!("{head} {header}");
        prop_assert!(!leaks(&text, command.data(), &shown), "{}", text);
        prop_assert!(!leaks(&text, &answer, &shown), "{}", text);
    }

    /// The words for a command do not have its data either.
    #[test]
    fn no_secret_is_in_a_description(command in secret_command()) {
        prop_assume!(!is_public(&command));
        prop_assert!(!leaks(&describe(&command), command.data(), ""));
    }

    /// Whatever went over a link replays, once redacted answers may be filled.
    #[test]
    fn every_trace_can_be_read_and_replayed(
        steps in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 0..40)),
            0..8,
        ),
    ) {
        let mut answers = steps.clone().into_iter().map(|(_, answer)| answer);
        let (mut link, trace) = recorded(Fake::new(move |_| Ok(answers.next().unwrap())));
        link.begin().unwrap();
        for (command, _) in &steps {
            link.transmit(command).unwrap();
        }
        link.end(Leave::AsIs).unwrap();
        let mut replayer = Replayer::new(&trace.text()).unwrap().fill_redacted(0);
        replayer.begin().unwrap();
        for (command, answer) in &steps {
            let replayed = replayer.transmit(command).unwrap();
            prop_assert_eq!(replayed.len(), answer.len());
        }
        replayer.end(Leave::AsIs).unwrap();
        prop_assert_eq!(replayer.remaining(), 0);
    }

    /// Reading a trace bears anything.
    #[test]
    fn reading_never_panics(text in "[ -~\n]{0,200}", head: bool) {
        let text = if head { format!("{HEAD}{text}") } else { text };
        let _ = Replayer::new(&text);
    }
}
