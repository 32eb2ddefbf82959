//! What happens to a token, one thing after the other.

use std::fmt;

use proptest::prelude::*;
use token_manager::token_profile::{Alphabet, ChallengeType, Policy};
use token_manager::{LastTry, RecoveryPlace};

/// A secret by what it is to the token at that moment, or by its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// The one that the token has.
    Present,
    Text(&'static str),
}

/// The admin key that the token has, or one of one byte's repetition.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Present,
    Of(u8),
}

/// What another program does between a challenge and its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    Nothing,
    Reset,
    SelectPiv,
}

use Given as Pin;
use Given as Puk;

/// What a person does at the prompt of a PIN pad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Press {
    /// These keys, as far as there are such, and OK.
    Keys(Pin),
    Cancel,
}

/// A recovery secret that is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Puk(Puk),
    Key(Key),
}

/// What an erasure is authorised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Pin(Pin),
    Key(Key),
}

/// The secrets that a token is said to have before it is personalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    Delivery,
    Typed(Pin, Puk),
}

/// How a token is to be personalized.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) before: Before,
    pub(crate) pin: Pin,
    pub(crate) recovery: RecoveryPlace,
    pub(crate) policy: Named,
    pub(crate) erase_first: Option<By>,
    /// The person takes the new secrets over.
    pub(crate) takes: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Authenticate(Pin, LastTry),
    UseKey(Pin, LastTry),
    ChangePin(Pin, Pin, LastTry),
    ChangePuk(Puk, Puk, LastTry),
    UnblockWithPuk(Puk, Pin, LastTry),
    UnblockWithKey(Key, Pin),
    UnblockWithResponse(Meanwhile, Key, Pin),
    CheckAdminKey(Key),
    SetAdminKeyByPin(Pin, Key, LastTry),
    SetAdminKeyByKey(Key, Key),
    SetPolicy(Pin, Named, LastTry),
    AuthenticateOnPad(Press, LastTry),
    /// The old PIN, the new one, and that again.
    ChangePinOnPad(Press, Press, Press, LastTry),
    UnblockWithCode(Key, Pin),
    KeepRecovery(Pin, RecoveryPlace, Keep, LastTry),
    ViewPuk(Pin, LastTry),
    ForgetRecovery(Pin, LastTry),
    /// Confirmed, or not.
    Recycle(By, bool, LastTry),
    Personalize(Setup, LastTry),
    RefreshPinStatus,
    Reload,
    /// Another session, with what the host keeps.
    Reopen,
    /// Another session of a host that knows nothing of the token.
    ForgetRecordAndReopen,
    OtherResets,
    OtherVerifiesRight,
    OtherVerifiesWrong,
    OtherUnblocks(Pin),
}

/// A policy and its name.
#[derive(Clone)]
pub(crate) struct Named(pub(crate) &'static str, pub(crate) Policy);

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("present"),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("present"),
            Self::Of(byte) => write!(f, "[0x{byte:02X}; 24]"),
        }
    }
}

/// A sequence of steps, which shows itself as one line each.
#[derive(Clone)]
pub(crate) struct Script(pub(crate) Vec<Step>);

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            write!(f, "\n  {number:2}: {step:?}")?;
        }
        Ok(())
    }
}

/// Right, wrong, weak, of another alphabet, too short, too long for some.
const PINS: [&str; 8] = [
    "271828", "314159", "1234", "12345678", "ab12cd", "27", "24680", "000000",
];
/// Right, wrong, and too short.
const PUKS: [&str; 4] = ["12345678", "86421357", "102938", "1029"];
/// A PIN that no script gives the token, fit for every one.
pub(crate) const NEVER: &str = "50505051";

fn given(values: &'static [&'static str]) -> impl Strategy<Value = Given> {
    prop_oneof![
        3 => Just(Given::Present),
        2 => proptest::sample::select(values).prop_map(Given::Text),
    ]
}

fn last_try() -> impl Strategy<Value = LastTry> {
    prop_oneof![2 => Just(LastTry::Spare), 1 => Just(LastTry::Use)]
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        3 => Just(Key::Present),
        2 => proptest::sample::select(vec![0, 0x5A, 0x3C]).prop_map(Key::Of),
    ]
}

fn press() -> impl Strategy<Value = Press> {
    prop_oneof![
        9 => given(&PINS).prop_map(Press::Keys),
        1 => Just(Press::Cancel),
    ]
}

/// New twice the same, mostly.
fn new_twice() -> impl Strategy<Value = (Press, Press)> {
    prop_oneof![
        6 => given(&PINS).prop_map(|new| (Press::Keys(new), Press::Keys(new))),
        1 => (press(), press()),
    ]
}

fn keep() -> impl Strategy<Value = Keep> {
    prop_oneof![given(&PUKS).prop_map(Keep::Puk), key().prop_map(Keep::Key),]
}

fn place() -> impl Strategy<Value = RecoveryPlace> {
    use RecoveryPlace::{Host, Nowhere, Token};
    proptest::sample::select(vec![Host, Nowhere, Token])
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![given(&PINS).prop_map(By::Pin), key().prop_map(By::Key),]
}

fn setup() -> impl Strategy<Value = Setup> {
    let before = prop_oneof![
        1 => Just(Before::Delivery),
        4 => (given(&PINS), given(&PUKS)).prop_map(|(pin, puk)| Before::Typed(pin, puk)),
    ];
    let erase = proptest::option::weighted(0.4, by());
    let takes = proptest::bool::weighted(0.7);
    // A new PIN that is the present one serves for nothing.
    let pin = proptest::sample::select(&PINS[..]).prop_map(Given::Text);
    (before, pin, place(), policy(), erase, takes).prop_map(
        |(before, pin, recovery, policy, erase_first, takes)| Setup {
            before,
            pin,
            recovery,
            policy,
            erase_first,
            takes,
        },
    )
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop_oneof![
        3 => Just(Meanwhile::Nothing),
        1 => Just(Meanwhile::Reset),
        1 => Just(Meanwhile::SelectPiv),
    ]
}

fn policy() -> impl Strategy<Value = Named> {
    let base = Policy::DELIVERY;
    let named = |name, change: fn(&mut Policy)| {
        let mut policy = base.clone();
        change(&mut policy);
        Named(name, policy)
    };
    proptest::sample::select(vec![
        named("delivery", |_| {}),
        named("nonsense", |policy| {
            policy.minimum = 8;
            policy.maximum = 6;
        }),
        named("six digits or more", |policy| {
            policy.minimum = 6;
            policy.alphabet = Alphabet::Digits;
        }),
        named("strong", |policy| policy.refuse_weak = true),
        named("change at once", |policy| policy.force_change = true),
        named("eight, at once", |policy| {
            policy.minimum = 8;
            policy.force_change = true;
        }),
        named("static challenge", |policy| {
            policy.challenge = ChallengeType::Static;
        }),
    ])
}

fn step() -> impl Strategy<Value = Step> {
    let (pin, puk) = (|| given(&PINS), || given(&PUKS));
    prop_oneof![
        4 => (pin(), last_try()).prop_map(|(a, b)| Step::Authenticate(a, b)),
        1 => (pin(), last_try()).prop_map(|(a, b)| Step::UseKey(a, b)),
        4 => (pin(), pin(), last_try()).prop_map(|(a, b, c)| Step::ChangePin(a, b, c)),
        2 => (puk(), puk(), last_try()).prop_map(|(a, b, c)| Step::ChangePuk(a, b, c)),
        3 => (puk(), pin(), last_try()).prop_map(|(a, b, c)| Step::UnblockWithPuk(a, b, c)),
        2 => (key(), pin()).prop_map(|(a, b)| Step::UnblockWithKey(a, b)),
        2 => (meanwhile(), key(), pin())
            .prop_map(|(a, b, c)| Step::UnblockWithResponse(a, b, c)),
        1 => key().prop_map(Step::CheckAdminKey),
        1 => (pin(), key(), last_try()).prop_map(|(a, b, c)| Step::SetAdminKeyByPin(a, b, c)),
        1 => (key(), key()).prop_map(|(a, b)| Step::SetAdminKeyByKey(a, b)),
        2 => (pin(), policy(), last_try()).prop_map(|(a, b, c)| Step::SetPolicy(a, b, c)),
        2 => (press(), last_try()).prop_map(|(a, b)| Step::AuthenticateOnPad(a, b)),
        2 => (press(), new_twice(), last_try())
            .prop_map(|(a, (b, c), d)| Step::ChangePinOnPad(a, b, c, d)),
        1 => (key(), pin()).prop_map(|(a, b)| Step::UnblockWithCode(a, b)),
        2 => (pin(), place(), keep(), last_try())
            .prop_map(|(a, b, c, d)| Step::KeepRecovery(a, b, c, d)),
        2 => (pin(), last_try()).prop_map(|(a, b)| Step::ViewPuk(a, b)),
        1 => (pin(), last_try()).prop_map(|(a, b)| Step::ForgetRecovery(a, b)),
        1 => (by(), proptest::bool::weighted(0.9), last_try())
            .prop_map(|(a, b, c)| Step::Recycle(a, b, c)),
        3 => (setup(), last_try()).prop_map(|(a, b)| Step::Personalize(a, b)),
        1 => Just(Step::RefreshPinStatus),
        1 => Just(Step::Reload),
        1 => Just(Step::Reopen),
        1 => Just(Step::ForgetRecordAndReopen),
        1 => Just(Step::OtherResets),
        1 => Just(Step::OtherVerifiesRight),
        3 => Just(Step::OtherVerifiesWrong),
        1 => pin().prop_map(Step::OtherUnblocks),
    ]
}

/// With some tries spent already, or all of them.
pub(crate) fn script() -> impl Strategy<Value = Script> {
    let steps = proptest::collection::vec(step(), 1..20);
    (0_usize..7, 0_usize..4, steps).prop_map(|(pins, puks, steps)| {
        let [wrong, new] = ["86421357", "102938"].map(Given::Text);
        let mut script = vec![Step::OtherVerifiesWrong; pins];
        script.extend(vec![Step::ChangePuk(wrong, new, LastTry::Use); puks]);
        script.extend(steps);
        Script(script)
    })
}
