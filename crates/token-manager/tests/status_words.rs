//! Each status word that a document gives a command, forced on it: what the
//! action makes of it, and what it tells a person. And all the others, which
//! are never a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is a failed test"
)]

mod desk;

use crescendo_ext::xauth::XauthKey;
use desk::{
    Desk, GENERAL_AUTHENTICATE, GET_DATA, PUT_DATA, SELECT, VERIFY, factory, management_key, pin,
};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::secret::Puk;
use piv_apdu::status::StatusWord;
use proptest::prelude::*;
use token_manager::token_profile::{Policy, RecoveryKind};
use token_manager::{
    ActionError, Authority, KeyCheck, LastTry, PinChangeEntry, PinEntry, RecoveryPlace,
    RecoverySecret, Session, SetKey,
};
use virtual_token::fault::Fault;
use virtual_token::{Content, CreateOptions, Profile, VirtualToken};

use Profile::{Crescendo2300 as C2300, Crescendo4000 as C4000, Piv};

const CHANGE: u8 = 0x24;
const RESET_RETRY_COUNTER: u8 = 0x2C;
const UNLOCK_PIN: u8 = 0x2C;
const RESET_CARD: u8 = 0x38;
const EXTERNAL_AUTHENTICATE: u8 = 0x82;
const GET_CHALLENGE: u8 = 0x84;
const PUT_XAUTH_KEY: u8 = 0xD8;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Do {
    Authenticate,
    ChangePin,
    ChangePuk,
    UnblockWithPuk,
    UnblockWithKey,
    UseKey,
    CheckManagementKey,
    SetPolicy,
    KeepRecovery,
    RetrievePairingCode,
    SetAdminKey,
    Recycle,
}

impl Do {
    const ALL: [Do; 12] = [
        Do::Authenticate,
        Do::ChangePin,
        Do::ChangePuk,
        Do::UnblockWithPuk,
        Do::UnblockWithKey,
        Do::UseKey,
        Do::CheckManagementKey,
        Do::SetPolicy,
        Do::KeepRecovery,
        Do::RetrievePairingCode,
        Do::SetAdminKey,
        Do::Recycle,
    ];

    fn run(self, session: &mut Session, profile: Profile) -> Result<(), ActionError> {
        let now = factory(profile);
        let typed = PinEntry::Typed(&now);
        let new = pin("271828");
        let puk = Puk::new(profile.factory_puk().unwrap_or(b"00000000")).unwrap();
        let key = XauthKey::from_slice(&[0; 24]).unwrap();
        let spare = LastTry::Spare;
        match self {
            Do::Authenticate => session.authenticate(typed, spare).map(drop),
            Do::ChangePin => {
                let (old, new) = (&now, &new);
                let entry = PinChangeEntry::Typed { old, new };
                session.change_pin(entry, spare).map(drop)
            }
            Do::ChangePuk => {
                let new = Puk::new(b"16180339").unwrap();
                session.change_puk(&puk, &new, spare)
            }
            Do::UnblockWithPuk => session.unblock_with_puk(&puk, &new, spare).map(drop),
            Do::UnblockWithKey => session.unblock_with_key(&key, &new).map(drop),
            Do::UseKey => {
                let slot = KeyReference::DIGITAL_SIGNATURE;
                session
                    .use_key(&now, spare, slot, Algorithm::EccP256, &[7; 32])
                    .map(drop)
            }
            Do::CheckManagementKey => session.check_management_key(&management_key()).map(drop),
            Do::SetPolicy => {
                let mut policy = Policy::DELIVERY;
                policy.minimum = 6;
                session.set_policy(typed, spare, &policy).map(drop)
            }
            Do::KeepRecovery => {
                let secret = RecoverySecret::new(RecoveryKind::Puk, b"12345678").unwrap();
                session.keep_recovery(typed, spare, None, RecoveryPlace::Token, &secret)
            }
            Do::RetrievePairingCode => session.retrieve_pairing_code(typed, spare).map(drop),
            Do::SetAdminKey => {
                let authority = Authority::Pin(typed);
                session
                    .set_admin_key(authority, SetKey::Generated, &mut |_| true, spare)
                    .map(drop)
            }
            Do::Recycle => {
                let confirmation = session.confirmation();
                session
                    .recycle(Authority::Pin(typed), &confirmation, spare, &mut |_| {})
                    .map(drop)
            }
        }
    }
}

fn desk(profile: Profile) -> Desk {
    let content = match profile {
        Piv => Content::Personal,
        _ => Content::Empty,
    };
    let options = CreateOptions::default()
        .seed(profile as u64)
        .content(content)
        .pairing_code(profile == Piv);
    Desk::with_state(VirtualToken::create(profile, &options).unwrap().to_state()).daring()
}

/// The error of an action whose `nth` command of this instruction (from 0) is
/// answered with this status word.
fn forced(profile: Profile, action: Do, ins: u8, nth: usize, status: u16) -> ActionError {
    let desk = desk(profile);
    let state = desk.state();
    let mut session = desk.open();
    let _ = action.run(&mut session, profile);
    let sent = desk.sent();
    let mut places = (1..).zip(&sent).filter(|(_, sent)| **sent == ins);
    let (k, _) = places
        .nth(nth)
        .unwrap_or_else(|| panic!("{action:?} on {profile}: {sent:02X?}"));
    let desk = Desk::with_state(state).daring();
    let mut session = desk.open_with(k, Fault::Status(StatusWord::new(status)));
    action
        .run(&mut session, profile)
        .expect_err("the card refused")
}

/// Checks a table with a line for each status word: the status word; the
/// error's identifier and the tries left that it tells, if it does; what its
/// sentences have to say.
fn check(profiles: &[Profile], action: Do, (ins, nth): (u8, usize), table: &str) {
    let mut rows = 0;
    for profile in profiles {
        for row in table.lines().filter(|row| !row.trim().is_empty()) {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let [status, outcome, fragments] = cells[..] else {
                panic!("not a row: {row}");
            };
            let (id, tries) = outcome.split_once(' ').unwrap_or((outcome, ""));
            let code = u16::from_str_radix(status, 16).unwrap();
            let error = forced(*profile, action, ins, nth, code);
            let text = error.to_string();
            let what = format!("{action:?} on {profile}, {ins:02X} answered {status}: {text}");
            assert_eq!(error.id(), id, "{what}");
            assert_eq!(error.tries_left(), tries.parse().ok(), "{what}");
            for fragment in fragments.split(';').map(str::trim) {
                assert!(text.contains(fragment), "no \"{fragment}\" in {what}");
            }
            assert!(id != "refused" || text.contains(status), "{what}");
            // What happened, and at least one sentence on what to do next.
            assert!(text.contains(". "), "{what}");
            rows += 1;
        }
    }
    assert!(rows > 0);
}

/// LL/verify-pin; SP 800-73-5 Part 2, 3.2.1.
#[test]
fn verify() {
    let table = "
        63C2 | wrong 2   | PIN is wrong; 2 tries are left; unblock it
        63C1 | wrong 1   | PIN is wrong; one try is left; blocks it
        63C0 | blocked 0 | PIN is blocked; no try is left; Unblock it
        6983 | blocked 0 | PIN is blocked; no try is left; Unblock it
        6300 | wrong     | PIN is wrong; no count of tries
        6A80 | refused   | changed nothing and spent no try; give another
        6A88 | refused   | changed nothing and spent no try; No PIN is set
        6A81 | refused   | changed nothing and spent no try; contact reader
        6982 | refused   | changed nothing and spent no try; contact reader
        6D00 | refused   | changed nothing and spent no try; does not know this command
        6F00 | refused   | may have spent a try; Read the token again
        6581 | refused   | may have spent a try; memory is failing
    ";
    check(&[Piv, C2300, C4000], Do::Authenticate, (VERIFY, 1), table);
    // Only a C4000 enforces a forced change.
    let table = "6985 | refused  | spent no try; present state";
    check(&[Piv, C2300], Do::Authenticate, (VERIFY, 1), table);
    let table = "6985 | not-sent | change the PIN first; No try was spent";
    check(&[C4000], Do::Authenticate, (VERIFY, 1), table);
    // The question before it: nothing is sent then.
    let table = "
        63C1 | not-sent 1 | only one try is left; no try was spent; Agree
        63C0 | not-sent 0 | blocked; Unblock it; no try was spent
        6983 | not-sent 0 | blocked; Unblock it; no try was spent
    ";
    check(&[Piv, C2300, C4000], Do::Authenticate, (VERIFY, 0), table);
    // The card does not tell: it may be the last try.
    let table = "
        6300 | not-sent | does not tell how many tries; Agree; no try was spent
        6303 | not-sent | does not tell how many tries; Agree; no try was spent
        6700 | not-sent | does not tell how many tries; Agree; no try was spent
        6A80 | not-sent | does not tell how many tries; Agree; no try was spent
        6D00 | not-sent | does not tell how many tries; 6D00; no try was spent
    ";
    check(&[Piv, C2300, C4000], Do::Authenticate, (VERIFY, 0), table);
    let table = "6A88 | not-sent | no PIN; 6A88; set up first; no try was spent";
    check(&[Piv], Do::Authenticate, (VERIFY, 0), table);
    // There it is another applet's PIN.
    let table = "6A88 | not-sent | does not tell how many tries; Agree; no try was spent";
    check(&[C2300, C4000], Do::Authenticate, (VERIFY, 0), table);
}

/// LL/change-pin; SP 800-73-5 Part 2, 3.2.2.
#[test]
fn change_of_the_pin() {
    let table = "
        63C2 | wrong 2   | PIN is wrong; 2 tries are left
        63C0 | blocked 0 | no try is left; Unblock it
        6983 | blocked 0 | no try is left; Unblock it
        6A80 | refused   | spent no try; old one still holds; choose another new PIN
        6A88 | refused   | spent no try; No PIN is set
        6A81 | refused   | spent no try; contact reader
        6982 | refused   | spent no try; contact reader
        6985 | refused   | spent no try; old one still holds
        6F00 | refused   | may have spent a try; Read the token again
    ";
    check(&[Piv, C2300, C4000], Do::ChangePin, (CHANGE, 0), table);
}

#[test]
fn change_of_the_puk() {
    let table = "
        63C2 | wrong 2   | PUK is wrong; 2 tries are left; rather than guess
        63C1 | wrong 1   | PUK is wrong; one try is left
        6300 | wrong     | PUK is wrong; no count of tries
        63C0 | blocked 0 | PUK is blocked; challenge/response
        6983 | blocked 0 | PUK is blocked; challenge/response
        6A80 | refused   | spent no try; old one still holds; eight
        6A88 | refused   | spent no try; no PUK
        6982 | refused   | spent no try; contact reader
    ";
    check(&[Piv], Do::ChangePuk, (CHANGE, 0), table);
}

/// SP 800-73-5 Part 2, 3.2.3; on the 4000 the project's profile.
#[test]
fn reset_retry_counter() {
    let table = "
        63C2 | wrong 2   | PUK is wrong; 2 tries are left
        6300 | wrong     | PUK is wrong; no count of tries
        63C0 | blocked 0 | PUK is blocked; challenge/response
        6983 | blocked 0 | PUK is blocked; challenge/response
        6A80 | refused   | spent no try; new PIN; blocked as before
        6A88 | refused   | spent no try; No PIN is set
        6A81 | refused   | spent no try; contact reader
        6982 | refused   | spent no try; contact reader
        6F00 | refused   | may have spent a try; Read the token again
    ";
    let command = (RESET_RETRY_COUNTER, 0);
    check(&[Piv, C4000], Do::UnblockWithPuk, command, table);
}

#[test]
fn challenge_response_and_unlock() {
    let check = |ins, table| check(&[C2300, C4000], Do::UnblockWithKey, (ins, 0), table);
    check(
        SELECT,
        "6A82 | refused | changed nothing; no access control applet",
    );
    check(
        GET_CHALLENGE,
        "6A88 | refused | changed nothing; no admin key; set an admin key",
    );
    // LL/external-auth-xauth.
    let table = "
        6300 | wrong   | admin key; is wrong; ask for a new one
        6985 | refused | changed nothing; does not hold any more; new challenge
        6A88 | refused | changed nothing; no admin key; erased
    ";
    check(EXTERNAL_AUTHENTICATE, table);
    // LL/unlock-pin: what 63CX counts are unlocks.
    let table = "
        63C4 | refused   | not authenticated; 4 unlocks left; changed nothing; new challenge
        63C1 | refused   | not authenticated; 1 unlock left; used up
        63C0 | blocked 0 | unlocks are used up; set up again
        6983 | blocked 0 | unlocks are used up; set up again
        6A80 | refused   | changed nothing; blocked as before; another new PIN
        6982 | refused   | changed nothing; new challenge
    ";
    check(UNLOCK_PIN, table);
}

#[test]
fn administration_of_a_crescendo() {
    // LL/put-xauth-key, LL/reset-card.
    let table = "
        6982 | refused | changed nothing; authenticate again
        6A80 | refused | changed nothing; give another
    ";
    check(&[C2300, C4000], Do::SetAdminKey, (PUT_XAUTH_KEY, 0), table);
    let table = "6982 | refused | changed nothing; not erased; Start over";
    check(&[C2300, C4000], Do::Recycle, (RESET_CARD, 0), table);
    let table = "6A82 | refused | changed nothing; PIV application; another token";
    check(&[C4000], Do::SetPolicy, (SELECT, 1), table);
}

/// SP 800-73-5 Part 2, 3.1.2 and 3.3.1; 6985 is the project's profile.
#[test]
fn get_data_and_put_data() {
    let table = "
        6982 | refused | changed nothing; present the PIN
        6A84 | refused | changed nothing; no room
        6A81 | refused | changed nothing; no place
    ";
    check(&[C4000], Do::SetPolicy, (PUT_DATA, 0), table);
    check(&[C2300, C4000], Do::KeepRecovery, (PUT_DATA, 0), table);
    let table = "6985 | policy | Nothing was changed";
    check(&[C4000], Do::SetPolicy, (PUT_DATA, 0), table);
    let table = "6982 | authentication-lost | locked again; authenticate again";
    check(&[C2300, C4000], Do::KeepRecovery, (GET_DATA, 0), table);
}

/// SP 800-73-5 Part 2, 3.1.2.
#[test]
fn the_pairing_code_behind_the_pin() {
    let table = "
        6A82 | unavailable | there is no pairing code on it; Nothing on the token was changed
        6982 | refused     | changed nothing; contact interface only; start over
        6A81 | refused     | changed nothing; contact reader
        6F00 | refused     | nothing was changed; Read the token again
    ";
    check(&[Piv], Do::RetrievePairingCode, (GET_DATA, 0), table);
    let table = "
        63C2 | wrong 2   | PIN is wrong; 2 tries are left; unblock it
        6983 | blocked 0 | PIN is blocked; no try is left; Unblock it
    ";
    check(&[Piv], Do::RetrievePairingCode, (VERIFY, 1), table);
}

/// SP 800-73-5 Part 2, 3.2.4; 6D00 on a Crescendo without a 9B key is from
/// third parties.
#[test]
fn general_authenticate() {
    let check = |action, nth, table| check(&[Piv], action, (GENERAL_AUTHENTICATE, nth), table);
    let table = "
        6A86 | refused | changed nothing; another algorithm
        6A80 | refused | changed nothing; another algorithm
        6A88 | refused | changed nothing; another algorithm
        6D00 | refused | changed nothing; no management key
        6982 | refused | changed nothing; authenticate again
    ";
    check(Do::CheckManagementKey, 0, table);
    check(
        Do::CheckManagementKey,
        1,
        "6A80 | refused | another algorithm",
    );
    let table = "
        6982 | authentication-lost | locked again; authenticate again
        6A80 | refused             | changed nothing; slot; read the token again
        6A86 | refused             | changed nothing; slot; read the token again
        6A88 | refused             | changed nothing; slot; read the token again
    ";
    check(Do::UseKey, 0, table);
}

/// A wrong management key is told by the second command, and is no error of
/// the check.
#[test]
fn a_wrong_management_key_is_an_answer() {
    for status in [0x6982, 0x6300] {
        let desk = desk(Piv);
        let fault = Fault::Status(StatusWord::new(status));
        let mut session = desk.open_with(2, fault);
        let check = session.check_management_key(&management_key());
        assert_eq!(check.unwrap(), KeyCheck::Wrong);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a card answers to whatever command: an end, and a sentence.
    #[test]
    fn no_status_word_is_a_panic(
        profile in prop::sample::select(vec![Piv, C2300, C4000]),
        action in prop::sample::select(Do::ALL.to_vec()),
        k in 1_u64..16,
        status in any::<u16>(),
        likely in prop::sample::select(vec![0_u16, 0x6200, 0x6300, 0x63C0, 0x6900, 0x6980, 0x6A80]),
    ) {
        let status = if likely == 0 { status } else { likely | status & 0x0F };
        let desk = desk(profile);
        let mut session = desk.open_with(k, Fault::Status(StatusWord::new(status)));
        if let Err(error) = action.run(&mut session, profile) {
            let text = error.to_string();
            prop_assert!(text.len() > 20, "{}", text);
            prop_assert!(error.tries_left().is_none_or(|left| left < 16), "{}", text);
        }
    }
}
