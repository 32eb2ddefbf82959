//! Whole conversations as data: what a host sends, and what the card must answer.
//!
//! In an answer `*` stands for any number of bytes.

use virtual_token::{CreateOptions, Profile, Protocol, VirtualToken};

use crate::common::{blank, hex, options};
use virtual_token::Content;

type Exchange = (&'static str, &'static str, &'static str);

/// Runs a conversation on a token that was just powered on.
fn converse(mut token: VirtualToken, conversation: &[Exchange]) -> VirtualToken {
    token.power_on();
    for (what, command, expected) in conversation {
        let answer = token.process(&hex(command));
        assert!(
            matches(&answer, expected),
            "{what}: sent {command}, expected {expected}, got {:02X?}",
            &*answer,
        );
    }
    token
}

fn matches(answer: &[u8], expected: &str) -> bool {
    match expected.split_once('*') {
        None => answer == hex(expected),
        Some((start, end)) => {
            let (start, end) = (hex(start), hex(end));
            answer.len() >= start.len() + end.len()
                && answer.starts_with(&start)
                && answer.ends_with(&end)
        }
    }
}

fn blank_with(profile: Profile, options: &CreateOptions) -> VirtualToken {
    VirtualToken::create(profile, &options.clone().content(Content::Empty)).unwrap()
}

const SELECT_PIV: Exchange = (
    "SELECT PIV",
    "00A40400 0B A000000308000010000100 00",
    "61 * 9000",
);
const SELECT_ISD: Exchange = ("SELECT ISD", "00A40400 07 A0000001510000 00", "6F * 9000");
const SELECT_ACA: Exchange = (
    "SELECT ACA",
    "00A40400 07 A0000000791000 00",
    "6F12 8407A0000000791000 A507 0105 1003000301 9000",
);

#[test]
fn a_plain_card_selects_by_full_and_by_truncated_name() {
    converse(
        blank(Profile::Piv),
        &[
            (
                "nothing of PIV before it is selected",
                "00CB3FFF 05 5C035FC102 00",
                "6D00",
            ),
            SELECT_PIV,
            (
                "nine bytes",
                "00A40400 09 A00000030800001000 00",
                "61 * 9000",
            ),
            (
                "without an answer",
                "00A4040C 09 A00000030800001000",
                "9000",
            ),
            (
                "ten bytes are nobody's",
                "00A40400 0A A0000003080000100001 00",
                "6A82",
            ),
            (
                "the RID is Yubico's habit",
                "00A40400 05 A000000308 00",
                "6A82",
            ),
            (
                "another version",
                "00A40400 0B A000000308000010000200 00",
                "6A82",
            ),
            ("by file identifier", "00A40000 02 3F00 00", "6A86"),
            (
                "next occurrence",
                "00A40402 09 A00000030800001000 00",
                "6A86",
            ),
            (
                "no access control applet",
                "00A40400 07 A0000000791000 00",
                "6A82",
            ),
            ("no OATH", "00A40400 07 A0000000792300 00", "6A82"),
            ("no Yubico instructions", "00FD0000 00", "6D00"),
            ("no Yubico instructions", "00F80000 00", "6D00"),
            SELECT_ISD,
            (
                "the empty name is the security domain",
                "00A40400 00",
                "6F * 9000",
            ),
        ],
    );
}

#[test]
fn the_answer_to_select_names_the_application() {
    converse(
        blank(Profile::Crescendo2300),
        &[(
            "SELECT PIV",
            "00A40400 0B A000000308000010000100 00",
            "6137 4F0B A000000308000010000100 7907 4F05 A000000308
             501F 48494420476C6F62616C20416374697649442041 70706C657420332E302E33 9000",
        )],
    );
}

#[test]
fn classes_and_instructions_that_are_not_there() {
    for profile in Profile::ALL {
        converse(
            blank(profile),
            &[
                SELECT_PIV,
                ("unknown instruction", "00020000 00", "6D00"),
                ("logical channel 1", "01CB3FFF 05 5C035FC102 00", "6881"),
                ("logical channel 4", "40CB3FFF 05 5C035FC102 00", "6881"),
                ("secure messaging", "0CCB3FFF 05 5C035FC102 00", "6882"),
                (
                    "secure messaging, chained",
                    "1CCB3FFF 05 5C035FC102",
                    "6882",
                ),
                ("reserved class", "20CB3FFF 05 5C035FC102 00", "6E00"),
                ("proprietary class", "A0CB3FFF 05 5C035FC102 00", "6E00"),
                (
                    "proprietary class of this applet, unknown",
                    "80FD0000 00",
                    "6E00",
                ),
                ("Yubico's version", "00FD0000 00", "6D00"),
                ("Yubico's serial", "00F80000 00", "6D00"),
                ("Yubico's metadata", "00F7009A 00", "6D00"),
                ("Yubico's attestation", "00F99A00 00", "6D00"),
                (
                    "the instruction's length is nonsense",
                    "00CB3FFF 07 5C03",
                    "6700",
                ),
                ("three bytes", "00CB3F", "6700"),
                ("nothing", "", "6700"),
            ],
        );
    }
}

#[test]
fn a_pin_is_asked_about_verified_and_logged_out() {
    converse(
        blank(Profile::Piv),
        &[
            SELECT_PIV,
            ("how many tries", "00200080", "63C3"),
            ("wrong", "00200080 08 313233343537FFFF", "63C2"),
            ("still two", "00200080", "63C2"),
            (
                "not a PIN: too short, costs nothing",
                "00200080 08 3132333435FFFFFF",
                "6A80",
            ),
            (
                "not a PIN: letters, costs nothing",
                "00200080 08 31323334353641FF",
                "6A80",
            ),
            ("not a block", "00200080 06 313233343536", "6A80"),
            ("right", "00200080 08 313233343536FFFF", "9000"),
            ("already verified", "00200080", "9000"),
            ("log out", "0020FF80", "9000"),
            ("all tries are back", "00200080", "63C3"),
            ("log out with a PIN", "0020FF80 08 313233343536FFFF", "6700"),
            ("no such P1", "00200180", "6A86"),
            ("no global PIN", "00200000", "6A88"),
            ("no pairing code", "00200098", "6A88"),
            ("right", "00200080 08 313233343536FFFF", "9000"),
            (
                "a wrong one ends it",
                "00200080 08 313233343537FFFF",
                "63C2",
            ),
            ("ended", "00200080", "63C2"),
        ],
    );
}

#[test]
fn a_blocked_pin_is_unblocked_with_the_puk() {
    converse(
        blank(Profile::Piv),
        &[
            SELECT_PIV,
            ("wrong", "00200080 08 313233343537FFFF", "63C2"),
            ("wrong", "00200080 08 313233343537FFFF", "63C1"),
            ("wrong, and blocked", "00200080 08 313233343537FFFF", "6983"),
            (
                "the right one is refused too",
                "00200080 08 313233343536FFFF",
                "6983",
            ),
            ("asked", "00200080", "6983"),
            (
                "change",
                "00240080 10 313233343536FFFF 363534333231FFFF",
                "6983",
            ),
            (
                "wrong PUK",
                "002C0080 10 3132333435363739 363534333231FFFF",
                "63C2",
            ),
            (
                "new PIN too short, costs no try",
                "002C0080 10 3132333435363738 36353433FFFFFFFF",
                "6A80",
            ),
            ("half a command", "002C0080 08 3132333435363738", "6A80"),
            (
                "another reference",
                "002C0081 10 3132333435363738 363534333231FFFF",
                "6A88",
            ),
            (
                "right PUK",
                "002C0080 10 3132333435363738 363534333231FFFF",
                "9000",
            ),
            ("not verified by that", "00200080", "63C3"),
            ("new PIN", "00200080 08 363534333231FFFF", "9000"),
        ],
    );
}

#[test]
fn pin_and_puk_are_changed_by_who_knows_them() {
    converse(
        blank(Profile::Piv),
        &[
            SELECT_PIV,
            (
                "wrong old PIN",
                "00240080 10 313233343537FFFF 363534333231FFFF",
                "63C2",
            ),
            (
                "new PIN too short",
                "00240080 10 313233343536FFFF 3635343332FFFFFF",
                "6A80",
            ),
            (
                "new PIN not digits",
                "00240080 10 313233343536FFFF 61626364656667FF",
                "6A80",
            ),
            ("neither cost a try", "00200080", "63C2"),
            (
                "right",
                "00240080 10 313233343536FFFF 363534333231FFFF",
                "9000",
            ),
            ("old PIN", "00200080 08 313233343536FFFF", "63C2"),
            ("new PIN", "00200080 08 363534333231FFFF", "9000"),
            (
                "wrong old PUK",
                "00240081 10 3132333435363739 4142434445464748",
                "63C2",
            ),
            (
                "right",
                "00240081 10 3132333435363738 4142434445464748",
                "9000",
            ),
            (
                "old PUK",
                "002C0080 10 3132333435363738 313131313131FFFF",
                "63C2",
            ),
            (
                "new PUK",
                "002C0080 10 4142434445464748 313131313131FFFF",
                "9000",
            ),
            (
                "no such reference",
                "00240000 10 3132333435363738 4142434445464748",
                "6A88",
            ),
            (
                "wrong old PUK",
                "00240081 10 3132333435363739 4142434445464748",
                "63C2",
            ),
            (
                "wrong old PUK",
                "00240081 10 3132333435363739 4142434445464748",
                "63C1",
            ),
            (
                "wrong old PUK, blocked",
                "00240081 10 3132333435363739 4142434445464748",
                "6983",
            ),
            (
                "blocked",
                "002C0080 10 4142434445464748 313131313131FFFF",
                "6983",
            ),
        ],
    );
}

#[test]
fn security_state_on_a_plain_card_belongs_to_the_selected_application() {
    let mut token = converse(
        blank(Profile::Piv),
        &[
            SELECT_PIV,
            ("PIN", "00200080 08 313233343536FFFF", "9000"),
            (
                "PIV again",
                "00A40400 0B A000000308000010000100 00",
                "61 * 9000",
            ),
            ("kept", "00200080", "9000"),
            (
                "an application that is not there",
                "00A40400 07 A0000000791000 00",
                "6A82",
            ),
            ("kept, and PIV is still selected", "00200080", "9000"),
            SELECT_ISD,
            SELECT_PIV,
            ("gone", "00200080", "63C3"),
            ("PIN", "00200080 08 313233343536FFFF", "9000"),
        ],
    );
    token.reset();
    assert_eq!(
        *token.process(&hex("00200080")),
        [0x6D, 0x00],
        "nothing selected"
    );
    converse(
        token,
        &[SELECT_PIV, ("gone with the reset", "00200080", "63C3")],
    );
}

#[test]
fn security_state_on_a_crescendo_is_card_wide() {
    converse(
        blank(Profile::Crescendo2300),
        &[
            SELECT_ACA,
            ("VERIFY PIN", "00200000 08 3030303030303030", "9000"),
            SELECT_PIV,
            ("verified in PIV too", "00200080", "9000"),
            (
                "an empty container behind the PIN",
                "00CB3FFF 05 5C035FC109 00",
                "5300 9000",
            ),
            SELECT_ACA,
            SELECT_PIV,
            ("still", "00200080", "9000"),
            SELECT_ISD,
            SELECT_PIV,
            ("the security domain is outside", "00200080", "63C6"),
            ("behind the PIN", "00CB3FFF 05 5C035FC109 00", "6982"),
            ("PIN in PIV", "00200080 08 3030303030303030", "9000"),
            SELECT_ACA,
            (
                "opens the ACA's management",
                "00D80100 15 00 08 11 10 00000000000000000000000000000000 00",
                "9000",
            ),
        ],
    );
}

#[test]
fn data_objects_of_a_plain_card() {
    converse(
        blank(Profile::Piv),
        &[
            SELECT_PIV,
            ("nothing there", "00CB3FFF 05 5C035FC102 00", "6A82"),
            ("not a PIV tag", "00CB3FFF 05 5C035FFFFF 00", "6A80"),
            ("not a PIV tag", "00CB3FFF 05 5C035F1F7F 00", "6A80"),
            ("no tag", "00CB3FFF 02 5C00 00", "6A80"),
            ("no data", "00CB3FFF 00", "6700"),
            ("other parameters", "00CB0000 05 5C035FC102 00", "6A86"),
            (
                "writing wants the management key",
                "00DB3FFF 09 5C035FC102 53023412",
                "6982",
            ),
        ],
    );
}

#[test]
fn yubicos_first_questions_are_answered_when_asked_for() {
    converse(
        blank_with(Profile::Piv, &options().yubico(true)),
        &[
            (
                "SELECT by the RID, without Le",
                "00A40400 05 A000000308",
                "61 * 9000",
            ),
            ("GET VERSION", "00FD0000 00", "050207 9000"),
            ("GET SERIAL", "00F80000 00", "* 9000"),
            ("GET METADATA came with 5.3", "00F7009A 00", "6D00"),
            ("attestation", "00F99A00 00", "6D00"),
            ("other parameters", "00FD0001 00", "6A86"),
            (
                "the management key is 3DES",
                "0087039B 04 7C028100 00",
                "7C0A 8108 * 9000",
            ),
        ],
    );
}

#[test]
fn access_control_applet() {
    converse(
        blank(Profile::Crescendo2300),
        &[
            SELECT_ACA,
            (
                "GET PIN PROPERTIES",
                "00560200 01 31 00",
                "3105 04 08 0000 00 9000",
            ),
            ("other P1", "00560100 01 31 00", "6A86"),
            ("other tag", "00560200 01 32 00", "6A80"),
            ("wrong PIN", "00200000 08 3131313131313131", "63C5"),
            ("P2 is 00 here", "00200080 08 3030303030303030", "6A86"),
            ("a PIN without padding", "00200000 04 30303030", "6700"),
            (
                "new PIN too short",
                "00240100 10 3030303030303030 313233FFFFFFFFFF",
                "6A80",
            ),
            (
                "new PIN with FF inside",
                "00240100 10 3030303030303030 31323334FF36FFFF",
                "6A80",
            ),
            (
                "wrong old PIN",
                "00240100 10 3030303030303031 31323334FFFFFFFF",
                "63C4",
            ),
            (
                "CHANGE PIN to 1234",
                "00240100 10 3030303030303030 31323334FFFFFFFF",
                "9000",
            ),
            (
                "PIV takes it too",
                "00A40400 0B A000000308000010000100 00",
                "61 * 9000",
            ),
            ("1234", "00200080 08 31323334FFFFFFFF", "9000"),
            ("no management key here", "0087039B 04 7C028100 00", "6D00"),
            (
                "no PUK either",
                "002C0080 10 3132333435363738 363534333231FFFF",
                "6A88",
            ),
            (
                "no PUK either",
                "00240081 10 3132333435363738 363534333231FFFF",
                "6A88",
            ),
            SELECT_ACA,
            (
                "PIV's instructions are not the ACA's",
                "00CB3FFF 05 5C035FC102 00",
                "6D00",
            ),
            ("proprietary class", "80200000 08 3030303030303030", "6D00"),
        ],
    );
}

#[test]
fn card_production_life_cycle_data() {
    converse(
        blank(Profile::Crescendo4000),
        &[
            SELECT_ISD,
            ("GET CPLC", "80CA9F7F 00", "9F7F2A 9999 * 9000"),
            ("other data", "80CA0066 00", "6A88"),
            ("other instruction", "80500000 00", "6D00"),
        ],
    );
}

#[test]
fn only_a_key_has_oath_slots() {
    converse(
        blank(Profile::CrescendoKey),
        &[
            (
                "slot 1",
                "00A40400 07 A0000000792300 00",
                "6F09 8407A0000000792300 9000",
            ),
            (
                "slot 2",
                "00A40400 07 A0000000792301 00",
                "6F09 8407A0000000792301 9000",
            ),
            (
                "slot 3",
                "00A40400 07 A0000000792302 00",
                "6F09 8407A0000000792302 9000",
            ),
            ("HOTP of an empty slot", "80880000 00", "6A88"),
            ("TOTP of an empty slot", "80881100 04 65920080 00", "6A88"),
            ("TOTP without the time", "80881100 00", "6700"),
            ("HOTP with data", "80880000 01 00 00", "6700"),
            ("neither", "80882200 00", "6A86"),
            ("another instruction", "80870000 00", "6D00"),
            ("no slot 4", "00A40400 07 A0000000792303 00", "6A82"),
        ],
    );
    converse(
        blank(Profile::Crescendo2300),
        &[("a card has none", "00A40400 07 A0000000792300 00", "6A82")],
    );
}

#[test]
fn a_crescendo_4000_has_a_puk_by_this_projects_profile() {
    converse(
        blank(Profile::Crescendo4000),
        &[
            SELECT_PIV,
            ("PIN of six", "00200080 08 303030303030FFFF", "9000"),
            (
                "new PIN",
                "002C0080 10 3132333435363738 34333231FFFFFFFF",
                "9000",
            ),
            (
                "too short",
                "002C0080 10 3132333435363738 343332FFFFFFFFFF",
                "6A80",
            ),
            ("verified it stays", "00200080", "9000"),
            (
                "and it is the new one",
                "00200080 08 34333231FFFFFFFF",
                "9000",
            ),
        ],
    );
}

#[test]
fn t0_has_answers_fetched_and_lengths_corrected() {
    converse(
        blank_with(Profile::Piv, &options().protocol(Protocol::T0)),
        &[
            ("SELECT", "00A40400 09 A00000030800001000", "612B"),
            ("too much wanted", "00C00000 00", "6C2B"),
            ("a part", "00C00000 08", "61294F0BA0000003 6123"),
            ("the rest", "00C00000 23", "* 9000"),
            ("no more", "00C00000 23", "6985"),
            (
                "SELECT with Le, as a sloppy driver sends it",
                "00A40400 09 A00000030800001000 00",
                "612B",
            ),
            ("security domain", "00A40400 07 A0000001510000", "6112"),
            ("Le too large", "80CA9F7F 00", "6C2D"),
            ("sent again", "80CA9F7F 2D", "9F7F2A * 9000"),
            ("right at once", "80CA9F7F 2D", "9F7F2A * 9000"),
            ("extended length", "80CA9F7F 00 0000", "6700"),
        ],
    );
}
