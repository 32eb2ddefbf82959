//! Each documented status word in each documented condition: HID's pages for the access
//! control applet (LL/…), SP 800-73-5 Part 2 for the PIV applet. 6A88 of CHANGE PIN
//! (there is no PIN) is the one that no token here can be brought to; a fault gives it.

use virtual_token::{Content, CreateOptions, Profile, SymmetricAlgorithm, VirtualToken};

use crate::common::{SELECT_ACA, SELECT_PIV, encrypt, hex, options, raw};

/// What leads to a condition, and the command that meets it.
struct Case {
    page: &'static str,
    condition: &'static str,
    token: fn() -> VirtualToken,
    before: &'static [Step],
    command: &'static str,
    status: u16,
}

/// One command, or the same one again and again, whatever it answers.
#[derive(Clone, Copy)]
enum Step {
    Send(&'static str),
    Repeat(u8, &'static str),
    /// GET CHALLENGE and EXTERNAL AUTHENTICATE with the key as delivered.
    Xauth,
}
use Step::{Repeat, Send, Xauth};

fn create(profile: Profile, options: &CreateOptions) -> VirtualToken {
    VirtualToken::create(profile, options).unwrap()
}

fn empty() -> CreateOptions {
    options().content(Content::Empty)
}

fn c2300() -> VirtualToken {
    create(Profile::Crescendo2300, &empty())
}

fn c2300_with_9b() -> VirtualToken {
    let options = empty().management_key(SymmetricAlgorithm::TripleDes);
    create(Profile::Crescendo2300, &options)
}

fn c4000() -> VirtualToken {
    create(Profile::Crescendo4000, &empty())
}

fn piv() -> VirtualToken {
    create(Profile::Piv, &empty())
}

const ACA: Step = Send(SELECT_ACA);
const PIV: Step = Send(SELECT_PIV);
const PIN: &str = "00200000 08 3030303030303030";
const WRONG: &str = "00200000 08 3131313131313131";
const GET_CHALLENGE: &str = "00840000 00";
const RESET: &str = "00380000";
const UNLOCK: &str = "002C0200 08 31323334FFFFFFFF";
const PUT_XAUTH: &str = "00D80100 15 00 08 11 10 000102030405060708090A0B0C0D0E0F 00";
const PUT_HISTORY: &str = "00DB3FFF 0A 5C035FC10C 5303 C10100";
const PUT_LONG_HISTORY: &str = "00DB3FFF 12 5C035FC10C 530B 0000000000000000000000";
const REQUEST_9B: &str = "0087039B 04 7C028100 00";

/// One line a condition: page, condition, token, what comes before, command, status.
macro_rules! cases {
    ($($page:literal $condition:literal: $token:ident, $before:expr, $command:expr => $status:literal;)*) => {
        &[$(Case {
            page: $page,
            condition: $condition,
            token: $token,
            before: &$before,
            command: $command,
            status: $status,
        }),*]
    };
}

const CASES: &[Case] = cases! {
    "VERIFY PIN" "right": c2300, [ACA], PIN => 0x9000;
    "VERIFY PIN" "wrong, five left": c2300, [ACA], WRONG => 0x63C5;
    "VERIFY PIN" "wrong, one left": c2300, [ACA, Repeat(4, WRONG)], WRONG => 0x63C1;
    "VERIFY PIN" "the last try": c2300, [ACA, Repeat(5, WRONG)], WRONG => 0x6983;
    "VERIFY PIN" "blocked": c2300, [ACA, Repeat(6, WRONG)], PIN => 0x6983;

    "CHANGE PIN" "right": c2300, [ACA], "00240100 10 3030303030303030 31323334FFFFFFFF" => 0x9000;
    "CHANGE PIN" "wrong old PIN": c2300, [ACA], "00240100 10 3131313131313131 31323334FFFFFFFF" => 0x63C5;
    "CHANGE PIN" "new PIN too short": c2300, [ACA], "00240100 10 3030303030303030 313233FFFFFFFFFF" => 0x6A80;
    "CHANGE PIN" "padding in the new PIN": c2300, [ACA], "00240100 10 3030303030303030 3132FF3334FFFFFF" => 0x6A80;
    "CHANGE PIN" "blocked": c2300, [ACA, Repeat(6, WRONG)], "00240100 10 3030303030303030 31323334FFFFFFFF" => 0x6983;

    "GET PIN PROPERTIES" "as documented": c2300, [ACA], "00560200 01 31 00" => 0x9000;
    "GET PIN PROPERTIES" "P1 is not 02": c2300, [ACA], "00560100 01 31 00" => 0x6A86;

    "EXTERNAL AUTHENTICATE" "wrong": c2300, [ACA, Send(GET_CHALLENGE)], "00820001 08 0000000000000000" => 0x6300;
    "EXTERNAL AUTHENTICATE" "wrong length": c2300, [ACA, Send(GET_CHALLENGE)], "00820001 04 00000000" => 0x6300;
    "EXTERNAL AUTHENTICATE" "no challenge": c2300, [ACA], "00820001 08 0000000000000000" => 0x6985;
    "EXTERNAL AUTHENTICATE" "challenge used up": c2300, [ACA, Xauth], "00820001 08 0000000000000000" => 0x6985;
    "EXTERNAL AUTHENTICATE" "key not initialised": c2300, [ACA, Send(PIN), Send(RESET), ACA, Send(GET_CHALLENGE)], "00820001 08 0000000000000000" => 0x6A88;

    "UNLOCK PIN" "authenticated": c2300, [ACA, Repeat(6, WRONG), Xauth], UNLOCK => 0x9000;
    "UNLOCK PIN" "not authenticated, ten unlocks left": c2300, [ACA], UNLOCK => 0x63CA;
    "UNLOCK PIN" "the PIN is not enough": c2300, [ACA, Send(PIN)], UNLOCK => 0x63CA;
    "UNLOCK PIN" "not authenticated, nine unlocks left": c2300, [ACA, Xauth, Send(UNLOCK), Send("00A40400 00"), ACA], UNLOCK => 0x63C9;
    "UNLOCK PIN" "new PIN's format": c2300, [ACA, Xauth], "002C0200 08 313233FFFFFFFFFF" => 0x6A80;
    "UNLOCK PIN" "unlocks used up": c2300, [ACA, Xauth, Repeat(10, UNLOCK)], UNLOCK => 0x6983;
    "UNLOCK PIN" "used up, not authenticated": c2300, [ACA, Xauth, Repeat(10, UNLOCK), Send("00A40400 00"), ACA], UNLOCK => 0x6983;

    "PUT XAUTH KEY" "nobody": c2300, [ACA], PUT_XAUTH => 0x6982;
    "PUT XAUTH KEY" "by PIN": c2300, [ACA, Send(PIN)], PUT_XAUTH => 0x9000;
    "PUT XAUTH KEY" "by XAUTH": c2300, [ACA, Xauth], PUT_XAUTH => 0x9000;

    "RESET CARD" "nobody": c2300, [ACA], RESET => 0x6982;
    "RESET CARD" "after a wrong PIN": c2300, [ACA, Send(PIN), Send(WRONG)], RESET => 0x6982;
    "RESET CARD" "by PIN": c2300, [ACA, Send(PIN)], RESET => 0x9000;
    "RESET CARD" "by XAUTH": c2300, [ACA, Xauth], RESET => 0x9000;

    "GET PIV PROPERTIES" "as documented": c2300, [PIV], "00CB3FFF 05 5C03FFFF7F 00" => 0x9000;
    "GET PIV PROPERTIES" "other P1 and P2": c2300, [PIV], "00CB3F00 05 5C03FFFF7F 00" => 0x6A86;

    "GENERAL AUTHENTICATE" "no 9B key": c2300, [PIV], REQUEST_9B => 0x6D00;
    "GENERAL AUTHENTICATE" "a unit with a 9B key": c2300_with_9b, [PIV], REQUEST_9B => 0x9000;
    "GENERAL AUTHENTICATE" "another algorithm": c2300_with_9b, [PIV], "00870C9B 04 7C028100 00" => 0x6A86;
    "GENERAL AUTHENTICATE" "wrong response": c2300_with_9b, [PIV, Send(REQUEST_9B)], "0087039B 0C 7C0A 8208 0000000000000000" => 0x6982;
    "GENERAL AUTHENTICATE" "no challenge": c2300_with_9b, [PIV], "0087039B 0C 7C0A 8208 0000000000000000" => 0x6985;

    "GET DATA" "no such object": c2300, [PIV], "00CB3FFF 05 5C035FC121 00" => 0x6A82;
    "GET DATA" "without the PIN": c2300, [PIV], "00CB3FFF 05 5C035FC109 00" => 0x6982;
    "PUT DATA" "nobody": c2300, [PIV], PUT_HISTORY => 0x6982;
    "PUT DATA" "by PIN, verified in the other instance": c2300, [ACA, Send(PIN), PIV], PUT_HISTORY => 0x9000;
    "PUT DATA" "by XAUTH": c2300, [ACA, Xauth, PIV], PUT_HISTORY => 0x9000;
    "PUT DATA" "does not fit": c2300, [ACA, Send(PIN), PIV], PUT_LONG_HISTORY => 0x6A84;
    "PUT DATA" "a plain card, by PIN": piv, [PIV, Send("00200080 08 313233343536FFFF")], PUT_HISTORY => 0x6982;

    "VERIFY" "tries left": piv, [PIV], "00200080" => 0x63C3;
    "VERIFY" "already verified": piv, [PIV, Send("00200080 08 313233343536FFFF")], "00200080" => 0x9000;
    "VERIFY" "blocked": piv, [PIV, Repeat(3, "00200080 08 313131313131FFFF")], "00200080" => 0x6983;
    "VERIFY" "logged out": piv, [PIV, Send("00200080 08 313233343536FFFF"), Send("0020FF80")], "00200080" => 0x63C3;
    "VERIFY" "no pairing code": piv, [PIV], "00200098 08 3132333435363738" => 0x6A88;
    "CHANGE REFERENCE DATA" "wrong PIN": piv, [PIV], "00240080 10 313131313131FFFF 323334353637FFFF" => 0x63C2;
    "CHANGE REFERENCE DATA" "new PIN's format": piv, [PIV], "00240080 10 313233343536FFFF 32333435FFFFFFFF" => 0x6A80;
    "CHANGE REFERENCE DATA" "wrong PUK": piv, [PIV], "00240081 10 3131313131313131 0001020304050607" => 0x63C2;
    "CHANGE REFERENCE DATA" "PUK blocked": piv, [PIV, Repeat(3, "00240081 10 3131313131313131 0001020304050607")], "00240081 10 3132333435363738 0001020304050607" => 0x6983;
    "CHANGE REFERENCE DATA" "a PUK of any bytes": c4000, [PIV], "00240081 10 3132333435363738 00010203FFFFFFFF" => 0x9000;
    "CHANGE REFERENCE DATA" "no PUK": c2300, [PIV], "00240081 10 3132333435363738 0001020304050607" => 0x6A88;
    "RESET RETRY COUNTER" "wrong PUK": piv, [PIV], "002C0080 10 3131313131313131 323334353637FFFF" => 0x63C2;
    "RESET RETRY COUNTER" "PUK blocked": piv, [PIV, Repeat(3, "002C0080 10 3131313131313131 323334353637FFFF")], "002C0080 10 3132333435363738 323334353637FFFF" => 0x6983;
    "RESET RETRY COUNTER" "new PIN's format": piv, [PIV], "002C0080 10 3132333435363738 32333435FFFFFFFF" => 0x6A80;
    "RESET RETRY COUNTER" "the PIN is blocked": c4000, [ACA, Repeat(6, WRONG), PIV], "002C0080 10 3132333435363738 32333435FFFFFFFF" => 0x9000;
    "RESET RETRY COUNTER" "no PUK": c2300, [PIV], "002C0080 10 3132333435363738 323334353637FFFF" => 0x6A88;
};

fn take(token: &mut VirtualToken, step: Step) {
    match step {
        Send(command) => drop(raw(token, &hex(command))),
        Repeat(times, command) => {
            for _ in 0..times {
                raw(token, &hex(command));
            }
        }
        Xauth => {
            let challenge = raw(token, &hex(GET_CHALLENGE));
            let mut command = hex("00820001 08");
            command.extend(encrypt::<des::TdesEde3>(&[0; 24], challenge.data()));
            assert_eq!(raw(token, &command).status().get(), 0x9000);
        }
    }
}

#[test]
fn every_documented_condition_has_its_documented_status_word() {
    for case in CASES {
        let mut token = (case.token)();
        for step in case.before {
            take(&mut token, *step);
        }
        let status = raw(&mut token, &hex(case.command)).status().get();
        assert_eq!(
            format!("{status:04X}"),
            format!("{:04X}", case.status),
            "{}: {}",
            case.page,
            case.condition
        );
    }
}
