//! Faults on demand: what can go wrong between a program and its card, made to
//! happen at a chosen command.
//!
//! A [`Faults`] script says what happens ([`Fault`]) and when ([`When`]). It is
//! armed with [`SharedToken::arm`](crate::SharedToken::arm); commands are counted
//! from that moment, the first one being number 1, GET RESPONSE and the links of
//! a command chain included. The same script works in-process and over vpcd; where
//! vpcd has no way to express a fault, the fault's documentation says what happens
//! instead.
//!
//! ```
//! use virtual_token::fault::{Fault, Faults};
//!
//! // The card is pulled out as the third command is answered ...
//! let built = Faults::new().at(3, Fault::VanishAfter);
//! // ... which on a command line reads:
//! let parsed: Faults = "vanish-after@3".parse()?;
//! assert_eq!(built.to_string(), parsed.to_string());
//! # Ok::<(), virtual_token::fault::ParseFaultsError>(())
//! ```

use core::fmt;
use core::str::FromStr;

use piv_apdu::status::StatusWord;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use crate::state::from_hex;

/// The longest answer a fault makes, in bytes: more than any ISO 7816-4 answer
/// (65,536 bytes of data and the status word).
pub const MAX_ANSWER: usize = 128 * 1024;

/// AID of the issuer security domain (`GlobalPlatform`), which
/// [`Fault::OtherApplet`] selects when no other is named.
pub const OTHER_APPLET: [u8; 7] = [0xA0, 0x00, 0x00, 0x01, 0x51, 0x00, 0x00];

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The card is pulled out before the command reaches it.
    VanishBefore,
    /// The card is pulled out after it has executed the command; its answer is
    /// lost. Whether the command took effect is what a host cannot know.
    VanishAfter,
    /// Another program, or a contact that failed, resets the card before the
    /// command. In-process the command is not executed and the link reports the
    /// reset, as PC/SC does. vpcd cannot report it: there the command is executed
    /// by the freshly reset card.
    Reset,
    /// As [`Fault::Reset`], reported as a card that no longer responds.
    Unresponsive,
    /// Another program selects the applet with this AID before the command. The
    /// host is told by the continuity of its next transaction; inside one it is
    /// not told at all.
    OtherApplet(Vec<u8>),
    /// The card answers this status word and does not execute the command.
    Status(StatusWord),
    /// The card answers these bytes, status word included, and does not execute
    /// the command. Any bytes, none included; at most [`MAX_ANSWER`].
    /// vpcd cannot carry more than 65,535 and takes an empty answer for a removal.
    Answer(Vec<u8>),
    /// The card executes the command; of its answer only the first bytes arrive.
    Truncate(usize),
    /// The card does not execute the command and answers this many random bytes
    /// (from the script's seed), at most [`MAX_ANSWER`].
    Garbage(usize),
    /// The card answers 256 bytes and `61 00`, and does so again for every GET
    /// RESPONSE that follows.
    Endless,
    /// Only if the command is in extended form: the card refuses it with `67 00`.
    ExtendedRefused,
    /// Only if the command is in extended form: the reader gives an error in place
    /// of an answer, and the card never sees the command. vpcd has no such error:
    /// there the command is refused with `67 00`.
    ExtendedError,
    /// The reader gives an error in place of an answer and the card never sees the
    /// command. vpcd has no such error: there the card is pulled out.
    ReaderError,
}

impl Fault {
    /// An answer of `length` zero bytes and `90 00`: with `length` over 256, more
    /// than a short command asked for. `length` is limited to [`MAX_ANSWER`].
    pub fn oversize(length: usize) -> Self {
        let mut answer = vec![0; length.min(MAX_ANSWER - 2)];
        answer.extend([0x90, 0x00]);
        Self::Answer(answer)
    }

    /// [`Fault::OtherApplet`] with the issuer security domain.
    pub fn other_applet() -> Self {
        Self::OtherApplet(OTHER_APPLET.to_vec())
    }

    /// Does this fault come from outside the program, so that it can happen
    /// between two transactions?
    fn comes_from_others(&self) -> bool {
        matches!(self, Self::Reset | Self::OtherApplet(_))
    }

    fn concerns(&self, command: &[u8]) -> bool {
        match self {
            Self::ExtendedRefused | Self::ExtendedError => is_extended(command),
            _ => true,
        }
    }
}

/// Is this command APDU in one of the extended forms of ISO 7816-4?
pub(crate) fn is_extended(command: &[u8]) -> bool {
    command.len() > 5 && command[4] == 0
}

/// Which commands a fault strikes, counted from 1 when the script is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// The k-th command.
    At(u64),
    /// The k-th command and every one after it.
    From(u64),
}

impl When {
    fn strikes(self, command: u64) -> bool {
        match self {
            Self::At(k) => command == k,
            Self::From(k) => command >= k,
        }
    }
}

/// A script of faults, and the count of the commands since it was armed.
///
/// Where several entries strike the same command, the first one that was added
/// does. The text form, for [`FromStr`] and [`fmt::Display`], is a list of
/// entries separated by commas:
///
/// | entry | fault |
/// |---|---|
/// | `vanish-before@3` | [`Fault::VanishBefore`] at the third command |
/// | `vanish-after@3` | [`Fault::VanishAfter`] |
/// | `reset@3`, `unresponsive@3` | [`Fault::Reset`], [`Fault::Unresponsive`] |
/// | `applet@3`, `applet=A0000000791000@3` | [`Fault::OtherApplet`] |
/// | `status=6982@3+` | [`Fault::Status`] at the third command and all after it |
/// | `answer=0102039000@3` | [`Fault::Answer`] |
/// | `truncate=1@3` | [`Fault::Truncate`] |
/// | `garbage=40@3` | [`Fault::Garbage`] |
/// | `endless@3` | [`Fault::Endless`] |
/// | `short-only@1+` | [`Fault::ExtendedRefused`] |
/// | `extended-error@1+` | [`Fault::ExtendedError`] |
/// | `reader-error@3` | [`Fault::ReaderError`] |
/// | `random=42/10` | a random fault at one command in ten, from seed 42 |
#[derive(Debug, Clone)]
pub struct Faults {
    script: Vec<(When, Fault)>,
    random: Option<RandomFaults>,
    generator: ChaCha8Rng,
    commands: u64,
    /// The fault for this command has already happened, between transactions.
    anticipated: u64,
    endless: bool,
}

#[derive(Debug, Clone, Copy)]
struct RandomFaults {
    seed: u64,
    one_in: u32,
}

impl Default for Faults {
    fn default() -> Self {
        Self::new()
    }
}

impl Faults {
    /// A script in which nothing goes wrong.
    pub fn new() -> Self {
        Self {
            script: Vec::new(),
            random: None,
            generator: ChaCha8Rng::seed_from_u64(0),
            commands: 0,
            anticipated: 0,
            endless: false,
        }
    }

    /// Adds a fault at the `k`-th command, counted from 1.
    #[must_use]
    pub fn at(self, k: u64, fault: Fault) -> Self {
        self.with(When::At(k), fault)
    }

    /// Adds a fault at the `k`-th command and every one after it.
    #[must_use]
    pub fn from(self, k: u64, fault: Fault) -> Self {
        self.with(When::From(k), fault)
    }

    /// Adds a fault.
    #[must_use]
    pub fn with(mut self, when: When, fault: Fault) -> Self {
        self.script.push((when, fault));
        self
    }

    /// Adds random faults of every kind: one command in `one_in` is struck on
    /// average (0 counts as 1: every command). The same seed gives the same faults.
    #[must_use]
    pub fn random(mut self, seed: u64, one_in: u32) -> Self {
        self.random = Some(RandomFaults { seed, one_in });
        self.generator = ChaCha8Rng::seed_from_u64(seed);
        self
    }

    /// Number of commands counted since the script was armed.
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// The fault for the next command, which is `command`; counts it.
    pub(crate) fn strike(&mut self, command: &[u8]) -> Option<Fault> {
        self.commands = self.commands.saturating_add(1);
        let get_response = command.get(1) == Some(&0xC0);
        self.endless &= get_response;
        let happened = self.anticipated == self.commands;
        let fault = self
            .scheduled(self.commands, |fault| {
                fault.concerns(command) && !(happened && fault.comes_from_others())
            })
            .or_else(|| self.endless.then_some(Fault::Endless))
            .or_else(|| self.draw())
            .filter(|fault| fault.concerns(command));
        self.endless |= fault == Some(Fault::Endless);
        fault
    }

    /// The fault that other programs cause between two transactions, before the
    /// next command. It is not given again by [`Faults::strike`].
    pub(crate) fn strike_between(&mut self) -> Option<Fault> {
        let next = self.commands.saturating_add(1);
        if self.anticipated == next {
            return None;
        }
        let fault = self.scheduled(next, Fault::comes_from_others)?;
        self.anticipated = next;
        Some(fault)
    }

    fn scheduled(&self, command: u64, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        self.script
            .iter()
            .find(|(when, fault)| when.strikes(command) && fits(fault))
            .map(|(_, fault)| fault.clone())
    }

    fn draw(&mut self) -> Option<Fault> {
        let random = self.random?;
        if self.below(random.one_in.max(1)) != 0 {
            return None;
        }
        Some(match self.below(13) {
            0 => Fault::VanishBefore,
            1 => Fault::VanishAfter,
            2 => Fault::Reset,
            3 => Fault::Unresponsive,
            4 => Fault::other_applet(),
            5 => Fault::Status(StatusWord::new(self.plausible_status())),
            6 => Fault::Truncate(self.below(64) as usize),
            7 => Fault::Garbage(self.below(300) as usize),
            8 => Fault::Endless,
            9 => Fault::ExtendedRefused,
            10 => Fault::ExtendedError,
            11 => Fault::oversize(self.below(70_000) as usize),
            _ => Fault::ReaderError,
        })
    }

    fn plausible_status(&mut self) -> u16 {
        const STATUS_WORDS: [u16; 12] = [
            0x6283, 0x6300, 0x63C0, 0x6581, 0x6700, 0x6982, 0x6983, 0x6985, 0x6A80, 0x6A82, 0x6C08,
            0x6F00,
        ];
        let index = self.generator.next_u32() as usize % STATUS_WORDS.len();
        STATUS_WORDS[index]
    }

    fn below(&mut self, limit: u32) -> u32 {
        self.generator.next_u32() % limit
    }

    /// Random bytes for [`Fault::Garbage`].
    pub(crate) fn garbage(&mut self, length: usize) -> Zeroizing<Vec<u8>> {
        let mut bytes = vec![0; length.min(MAX_ANSWER)];
        self.generator.fill_bytes(&mut bytes);
        Zeroizing::new(bytes)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VanishBefore => f.write_str("vanish-before"),
            Self::VanishAfter => f.write_str("vanish-after"),
            Self::Reset => f.write_str("reset"),
            Self::Unresponsive => f.write_str("unresponsive"),
            Self::OtherApplet(aid) => write!(f, "applet={}", Hex(aid)),
            Self::Status(status) => write!(f, "status={:04X}", status.get()),
            Self::Answer(bytes) => write!(f, "answer={}", Hex(bytes)),
            Self::Truncate(length) => write!(f, "truncate={length}"),
            Self::Garbage(length) => write!(f, "garbage={length}"),
            Self::Endless => f.write_str("endless"),
            Self::ExtendedRefused => f.write_str("short-only"),
            Self::ExtendedError => f.write_str("extended-error"),
            Self::ReaderError => f.write_str("reader-error"),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(k) => write!(f, "{k}"),
            Self::From(k) => write!(f, "{k}+"),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (when, fault) in &self.script {
            write!(f, "{separator}{fault}@{when}")?;
            separator = ",";
        }
        if let Some(RandomFaults { seed, one_in }) = self.random {
            write!(f, "{separator}random={seed}/{one_in}")?;
        }
        Ok(())
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// The text is not a script of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is not a fault: {problem} (see the documentation of `Faults` for the forms)")]
pub struct ParseFaultsError {
    entry: String,
    problem: &'static str,
}

impl FromStr for Faults {
    type Err = ParseFaultsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .try_fold(Self::new(), |faults, entry| {
                parse_entry(faults, entry).map_err(|problem| ParseFaultsError {
                    entry: entry.to_owned(),
                    problem,
                })
            })
    }
}

fn parse_entry(faults: Faults, entry: &str) -> Result<Faults, &'static str> {
    if let Some(random) = entry.strip_prefix("random=") {
        let (seed, one_in) = random.split_once('/').ok_or("random=SEED/N is expected")?;
        let seed = seed.parse().map_err(|_| "the seed is not a number")?;
        let one_in = one_in.parse().map_err(|_| "N is not a number")?;
        return Ok(faults.random(seed, one_in));
    }
    let (fault, when) = entry
        .split_once('@')
        .ok_or("it does not say when (`@3`: at the third command, `@3+`: from then on)")?;
    Ok(faults.with(parse_when(when)?, parse_fault(fault)?))
}

fn parse_when(text: &str) -> Result<When, &'static str> {
    let (digits, make): (_, fn(u64) -> When) = match text.strip_suffix('+') {
        Some(digits) => (digits, When::From),
        None => (text, When::At),
    };
    match digits.parse() {
        Ok(0) => Err("commands are counted from 1"),
        Ok(k) => Ok(make(k)),
        Err(_) => Err("the command's number is not a number"),
    }
}

fn parse_fault(text: &str) -> Result<Fault, &'static str> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (text, None),
    };
    let length = |value: &str| {
        value
            .parse::<usize>()
            .ok()
            .filter(|length| *length <= MAX_ANSWER)
            .ok_or("the length is not a number up to 131072")
    };
    match (name, value) {
        ("vanish-before", None) => Ok(Fault::VanishBefore),
        ("vanish-after", None) => Ok(Fault::VanishAfter),
        ("reset", None) => Ok(Fault::Reset),
        ("unresponsive", None) => Ok(Fault::Unresponsive),
        ("applet", None) => Ok(Fault::other_applet()),
        ("applet", Some(aid)) => parse_hex(aid).and_then(|aid| match aid.len() {
            5..=16 => Ok(Fault::OtherApplet(aid)),
            _ => Err("an AID has 5 to 16 bytes"),
        }),
        ("status", Some(status)) => match parse_hex(status)?.as_slice() {
            [sw1, sw2] => Ok(Fault::Status(StatusWord::new(u16::from_be_bytes([
                *sw1, *sw2,
            ])))),
            _ => Err("a status word is four hexadecimal digits"),
        },
        ("answer", Some(bytes)) => parse_hex(bytes).map(Fault::Answer),
        ("truncate", Some(value)) => length(value).map(Fault::Truncate),
        ("garbage", Some(value)) => length(value).map(Fault::Garbage),
        ("endless", None) => Ok(Fault::Endless),
        ("short-only", None) => Ok(Fault::ExtendedRefused),
        ("extended-error", None) => Ok(Fault::ExtendedError),
        ("reader-error", None) => Ok(Fault::ReaderError),
        _ => Err("there is no fault of this name and form"),
    }
}

fn parse_hex(text: &str) -> Result<Vec<u8>, &'static str> {
    from_hex(text)
        .filter(|bytes| bytes.len() <= MAX_ANSWER)
        .map(|bytes| bytes.to_vec())
        .ok_or("the bytes are not an even number of hexadecimal digits")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const SHORT: [u8; 5] = [0x00, 0xCB, 0x3F, 0xFF, 0x00];
    const EXTENDED: [u8; 7] = [0x00, 0xCB, 0x3F, 0xFF, 0x00, 0x00, 0x00];
    const GET_RESPONSE: [u8; 5] = [0x00, 0xC0, 0x00, 0x00, 0x00];

    #[test]
    fn a_fault_strikes_its_command_and_no_other() {
        let mut faults = Faults::new().at(2, Fault::VanishBefore);
        assert_eq!(faults.strike(&SHORT), None);
        assert_eq!(faults.strike(&SHORT), Some(Fault::VanishBefore));
        assert_eq!(faults.strike(&SHORT), None);
        assert_eq!(faults.commands(), 3);
    }

    #[test]
    fn a_fault_from_a_command_on_keeps_striking() {
        let mut faults = Faults::new().from(2, Fault::Truncate(1));
        let struck: Vec<_> = (0..4).map(|_| faults.strike(&SHORT).is_some()).collect();
        assert_eq!(struck, [false, true, true, true]);
    }

    #[test]
    fn extended_faults_leave_short_commands_alone() {
        let mut faults = Faults::new().from(1, Fault::ExtendedRefused);
        assert_eq!(faults.strike(&SHORT), None);
        assert_eq!(faults.strike(&EXTENDED), Some(Fault::ExtendedRefused));
    }

    #[test]
    fn an_endless_answer_goes_on_for_get_response_only() {
        let mut faults = Faults::new().at(1, Fault::Endless);
        assert_eq!(faults.strike(&SHORT), Some(Fault::Endless));
        for _ in 0..1000 {
            assert_eq!(faults.strike(&GET_RESPONSE), Some(Fault::Endless));
        }
        assert_eq!(faults.strike(&SHORT), None);
        assert_eq!(faults.strike(&GET_RESPONSE), None);
    }

    #[test]
    fn what_others_do_between_transactions_happens_once() {
        let mut faults = Faults::new().at(1, Fault::Reset).at(2, Fault::VanishAfter);
        assert_eq!(faults.strike_between(), Some(Fault::Reset));
        assert_eq!(faults.strike_between(), None);
        assert_eq!(faults.strike(&SHORT), None);
        assert_eq!(faults.strike_between(), None, "not by another program");
        assert_eq!(faults.strike(&SHORT), Some(Fault::VanishAfter));
    }

    #[test]
    fn random_faults_repeat_with_their_seed_and_differ_without() {
        let run = |seed| {
            let mut faults = Faults::new().random(seed, 3);
            (0..300)
                .map(|_| faults.strike(&EXTENDED))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let struck = run(7).iter().flatten().count();
        assert!((60..140).contains(&struck), "{struck} of 300 at one in 3");
    }

    #[test]
    fn the_text_form_round_trips() {
        let text = "vanish-before@1,vanish-after@2,reset@3,unresponsive@4,applet=A0000000791000@5,\
                    status=6982@6+,answer=0102@7,answer=@8,truncate=1@9,garbage=40@10,endless@11,\
                    short-only@1+,extended-error@12,reader-error@13,random=42/10";
        assert_eq!(text.parse::<Faults>().unwrap().to_string(), text);
        assert_eq!(
            " applet@3 ,".parse::<Faults>().unwrap().to_string(),
            "applet=A0000001510000@3"
        );
    }

    #[test]
    fn text_that_is_no_script_is_refused_with_the_entry_named() {
        for text in [
            "vanish-before",
            "vanish-before@0",
            "vanish-before@x",
            "vanish-before=3@1",
            "status=69@1",
            "status=+982@1",
            "status=69820@1",
            "truncate@1",
            "truncate=-1@1",
            "garbage=131073@1",
            "answer=012@1",
            "answer=0g@1",
            "answer=ää@1",
            "applet=A0@1",
            "random=1",
            "random=x/1",
            "@",
            "explode@1",
        ] {
            let error = format!("endless@1,{text}").parse::<Faults>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_script_or_an_error(text in "[a-z0-9@=,+/-]{0,40}|\\PC{0,40}") {
            if let Ok(faults) = text.parse::<Faults>() {
                let shown = faults.to_string();
                proptest::prop_assert_eq!(shown.parse::<Faults>().unwrap().to_string(), shown);
            }
        }
    }
}
