//! Every operation of a Crescendo that is publicly known, as data.
//!
//! [`OPERATIONS`] is what `docs/support.md` is generated from, and what a
//! program can ask before it sends something: how well the operation is
//! founded for this family, and whether it changes the token.
//!
//! ```
//! use crescendo_ext::{Evidence, identity::Family, operations};
//!
//! let reset = operations::find("RESET CARD").unwrap();
//! assert!(reset.changes_token);
//! assert_eq!(reset.evidence(Family::C2300), Some(Evidence::Vendor));
//! assert_eq!(reset.evidence(Family::C4000), Some(Evidence::ThirdParty));
//! ```

use crate::Evidence;
use crate::identity::Family;

/// The instance on the card that an operation is addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Instance {
    /// The access control applet, [`crate::aid::ACA`].
    Aca,
    /// The PIV instance, [`piv_apdu::aid::PIV`].
    Piv,
    /// The issuer security domain, [`crate::aid::ISD`].
    Isd,
    /// An OATH slot, one of [`crate::aid::OATH_SLOTS`].
    Oath,
}

impl Instance {
    /// Short name: `ACA`, `PIV`, `ISD`, `OATH`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aca => "ACA",
            Self::Piv => "PIV",
            Self::Isd => "ISD",
            Self::Oath => "OATH",
        }
    }
}

/// Whether this crate has the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The command and its answer are there, both ways.
    Implemented,
    /// Not yet.
    Planned,
}

/// One operation: what is sent, to whom, who takes it, and how we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Operation {
    /// The operation's name in the vendor's documentation, or in the
    /// standard's; a form that only one family has is named after it.
    pub name: &'static str,
    /// The instance that has to be selected.
    pub instance: Instance,
    /// The command APDU in hexadecimal, with placeholders in words. Empty
    /// where only an earlier row's command is sent.
    pub apdu: &'static str,
    /// What the token asks for first: `always`, `PIN`, `XAUTH1`, ….
    pub access: &'static str,
    /// Whether it changes what is on the token, beyond the state of a session
    /// and a retry counter.
    pub changes_token: bool,
    /// The evidence for the C2300 family; `None` where the family has another
    /// form of it.
    pub c2300: Option<Evidence>,
    /// The evidence for the C4000 family; `None` where the family has another
    /// form of it.
    pub c4000: Option<Evidence>,
    /// Where it is stated. `LL/x` is
    /// `docs.hidglobal.com/crescendo/api/low-level/x.htm`, `C4/x` is
    /// `docs.hidglobal.com/crescendo/api/c4000/x.htm`.
    pub source: &'static str,
    /// Whether this crate has it.
    pub status: Status,
    /// What a user of it should know; empty if nothing.
    pub note: &'static str,
}

impl Operation {
    /// How well the operation is founded for a family; `None` if the family
    /// has another form of it.
    pub const fn evidence(&self, family: Family) -> Option<Evidence> {
        match family {
            Family::C2300 => self.c2300,
            Family::C4000 => self.c4000,
        }
    }
}

/// The operation of that name in [`OPERATIONS`].
pub fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

const VENDOR: Option<Evidence> = Some(Evidence::Vendor);
const THIRD_PARTY: Option<Evidence> = Some(Evidence::ThirdParty);
const INFERRED: Option<Evidence> = Some(Evidence::Inferred);
const UNKNOWN: Option<Evidence> = Some(Evidence::Unknown);

/// What most rows share; each row says the rest.
const ROW: Operation = Operation {
    name: "",
    instance: Instance::Aca,
    apdu: "",
    access: "always",
    changes_token: false,
    c2300: VENDOR,
    c4000: THIRD_PARTY,
    source: "",
    status: Status::Planned,
    note: "",
};

/// Every publicly known operation, the read side first.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "SELECT ACA",
        apdu: "00 A4 04 00 07 A0000000791000 00",
        source: "LL/select",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "GET PIN PROPERTIES",
        apdu: "00 56 02 00 01 31 00",
        source: "LL/get-pin-properties",
        status: Status::Implemented,
        note: "The polarity of the last byte (numeric-only) is unknown: 00 is read as no, anything \
               else as yes (inferred).",
        ..ROW
    },
    Operation {
        name: "GET PIV PROPERTIES (C2300)",
        instance: Instance::Piv,
        apdu: "00 CB 3F FF 05 5C 03 FFFF7F 00",
        c4000: None,
        source: "LL/get-piv-properties",
        status: Status::Implemented,
        note: "The command is vendor; the answer's fields are third-party, from a live unit.",
        ..ROW
    },
    Operation {
        name: "GET PIV PROPERTIES (C4000)",
        instance: Instance::Piv,
        apdu: "80 56 00 00 00",
        c2300: None,
        source: "C4/get-piv-properties, through a third party",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "SELECT ISD",
        instance: Instance::Isd,
        apdu: "00 A4 04 00 08 A000000151000000 00",
        c2300: THIRD_PARTY,
        c4000: INFERRED,
        source: "GlobalPlatform Card Specification; third party",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "GET CPLC",
        instance: Instance::Isd,
        apdu: "80 CA 9F 7F 00",
        c2300: THIRD_PARTY,
        c4000: INFERRED,
        source: "GlobalPlatform Card Specification; third party",
        status: Status::Implemented,
        note: "Gives the printed serial number. Selecting the ISD drops the security state: done \
               before any authentication.",
        ..ROW
    },
    Operation {
        name: "SELECT OATH",
        instance: Instance::Oath,
        apdu: "00 A4 04 00 07 A00000007923nn 00",
        c4000: INFERRED,
        source: "LL/select",
        status: Status::Implemented,
        note: "Crescendo Key only. The answer's content is not looked at: success means that the \
               slot is there.",
        ..ROW
    },
    Operation {
        name: "VERIFY PIN",
        apdu: "00 20 00 00 08 PIN",
        source: "LL/verify-pin",
        note: "P2 is 00 in this instance. Opens its access condition on the whole card, so it also \
               authorises administration.",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "VERIFY, empty (tries left)",
        instance: Instance::Piv,
        apdu: "00 20 00 80",
        c2300: INFERRED,
        c4000: INFERRED,
        source: "SP 800-73, Part 2",
        status: Status::Implemented,
        note: "The standard's command, from piv-apdu; it costs no try. That the PIV instance of \
               these families answers it is inferred; 63C6 was seen on one Key V3 (third-party).",
        ..ROW
    },
    Operation {
        name: "CHANGE PIN",
        apdu: "00 24 01 00 10 oldPIN newPIN",
        changes_token: true,
        source: "LL/change-pin",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "GET CHALLENGE",
        apdu: "00 84 00 00 00",
        c4000: None,
        source: "LL/external-auth-xauth",
        note: "8 bytes: XAUTH key 1 is TDES; 16 bytes: AES-128.",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "GET CHALLENGE (C4000)",
        apdu: "00 84 00 01 00",
        c2300: THIRD_PARTY,
        source: "C4 pages, through a third party",
        note: "Also works on a live C2300.",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "EXTERNAL AUTHENTICATE",
        apdu: "00 82 00 01 Lc cryptogram",
        access: "after GET CHALLENGE",
        source: "LL/external-auth-xauth; crescendo-tools/MiniDriver/unlock-pin",
        note: "The cryptogram is the challenge, ECB-encrypted with XAUTH key 1.",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "UNLOCK PIN",
        apdu: "00 2C 02 00 08 newPIN",
        access: "XAUTH1",
        changes_token: true,
        source: "LL/unlock-pin",
        note: "63CX: not authenticated, X unlocks left.",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "PUT XAUTH KEY",
        apdu: "00 D8 01 00 Lc 00 algorithm keylen+1 keylen key 00",
        access: "PIN or XAUTH1",
        changes_token: true,
        source: "LL/put-xauth-key",
        note: "Key lengths 10 (AES-128) and 18 (TDES) are vendor; the algorithm bytes 03 (TDES) and \
               08 (AES-128) and Lc 1D and 15 are third-party.",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "RESET CARD",
        apdu: "00 38 00 00",
        access: "PIN or XAUTH1",
        changes_token: true,
        source: "LL/reset-card",
        note: "Irreversible. The XAUTH key 1 is removed, not put back to its delivery value. What \
               becomes of FIDO content on a C2300 is not documented; on a C4000 it is cleared.",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "INJECT PKI KEY",
        instance: Instance::Piv,
        apdu: "80 D8 P1 keyref …",
        access: "PIN",
        changes_token: true,
        source: "LL/inject-pki-key",
        ..ROW
    },
    Operation {
        name: "INJECT PKI KEY, removal (C2300)",
        instance: Instance::Piv,
        apdu: "80 D8 00 keyref 03 00 A3 00 (RSA) · 80 D8 03 keyref 03 00 B1 00 (EC)",
        access: "PIN",
        changes_token: true,
        c2300: THIRD_PARTY,
        c4000: None,
        source: "LL/inject-pki-key, a third party's reading",
        status: Status::Implemented,
        note: "Not confirmed on hardware.",
        ..ROW
    },
    Operation {
        name: "INJECT PKI KEY, removal (C4000)",
        instance: Instance::Piv,
        apdu: "80 D8 algorithm keyref 03 00 00 00",
        access: "PIN",
        changes_token: true,
        c2300: None,
        source: "C4 pages, through a third party",
        status: Status::Implemented,
        note: "Not confirmed on hardware.",
        ..ROW
    },
    Operation {
        name: "GENERAL AUTHENTICATE with 9B",
        instance: Instance::Piv,
        apdu: "00 87 algorithm 9B …",
        changes_token: false,
        c2300: THIRD_PARTY,
        c4000: UNKNOWN,
        source: "SP 800-73, Part 2; third party",
        note: "Only where the properties list a 9B key container, which a minority of units have; \
               elsewhere 6D00.",
        status: Status::Implemented,
        ..ROW
    },
    Operation {
        name: "HOTP",
        instance: Instance::Oath,
        apdu: "80 88 00 00 00",
        access: "button",
        changes_token: true,
        c4000: UNKNOWN,
        source: "LL/hotp-authenticate",
        status: Status::Implemented,
        note: "Crescendo Key only. 6985: waiting for the button, to be sent again. The code is BCD, \
               two digits a byte. Moves the slot's counter on.",
        ..ROW
    },
    Operation {
        name: "TOTP",
        instance: Instance::Oath,
        apdu: "80 88 11 00 04 unix-time 00",
        access: "PIN and button",
        c4000: UNKNOWN,
        source: "LL/totp-authenticate; LL/oath-usage-sequences",
        status: Status::Implemented,
        note: "Crescendo Key only. 6985: waiting for the button, to be sent again. The PIN is \
               verified in the ACA. The code is BCD, two digits a byte; the slot knows its time step.",
        ..ROW
    },
];

/// Something that the vendor's software does, or that the standard allows,
/// and for which no public command was found. Nothing is sent for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotPublic {
    /// What is missing.
    pub what: &'static str,
    /// What is known nevertheless, or what this project does instead.
    pub instead: &'static str,
}

const fn not_public(what: &'static str, instead: &'static str) -> NotPublic {
    NotPublic { what, instead }
}

/// What was searched for and not found.
pub const NOT_PUBLIC: &[NotPublic] = &[
    not_public(
        "writing a PIN policy: length, format, force change, challenge type, weak-PIN flag, FIDO \
         shared PIN",
        "lengths and format can be read (GET PIN PROPERTIES)",
    ),
    not_public(
        "the value of the static challenge",
        "with a static challenge the answer to it is constant, so a standalone unlock code may be \
         that answer (inferred)",
    ),
    not_public(
        "where the code shown by \"View PUK\" is kept, and the length of a PUK",
        "the vendor's texts say that viewing needs the PIN and an unlocked card, and that an option \
         hides the code for good",
    ),
    not_public(
        "the sequence that personalizes a token",
        "one can be composed from the public commands; it is then this project's own",
    ),
    not_public(
        "a sign on the wire that a token is managed",
        "shown as unknown",
    ),
    not_public(
        "whether a Crescendo implements the VCI",
        "a C2300 announces no secure messaging",
    ),
    not_public(
        "whether the PIV instance takes RESET RETRY COUNTER (00 2C 00 80) with a PUK",
        "shown as unknown",
    ),
    not_public(
        "the number of tries of the PIN",
        "asked for by an empty VERIFY, never assumed",
    ),
    not_public(
        "the polarity of the numeric-only byte, and the meaning of the fields 26, 39, 3B and 45 of \
         the PIV properties",
        "kept raw",
    ),
    not_public(
        "which kind of code an OATH slot gives, and whether it has a secret",
        "the vendor's texts have HOTP in slot 1 and either in the others, so whoever asks says which; \
         an unset slot is told by its refusal",
    ),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test's way to fail

    use std::collections::HashSet;

    use piv_apdu::command::TypedCommand;

    use super::*;
    use crate::aca::{GetPinProperties, SelectAca};
    use crate::cplc::{GetCplc, SelectIsd};
    use crate::oath::{HotpAuthenticate, SelectOathSlot, TotpAuthenticate};
    use crate::properties::GetPivProperties;

    #[test]
    fn rows_are_whole_and_named_once() {
        let mut names = HashSet::new();
        for operation in OPERATIONS {
            assert!(
                names.insert(operation.name),
                "{} is there twice",
                operation.name
            );
            assert!(!operation.apdu.is_empty(), "{}", operation.name);
            assert!(!operation.source.is_empty(), "{}", operation.name);
            assert!(
                operation.c2300.is_some() || operation.c4000.is_some(),
                "{}",
                operation.name
            );
        }
    }

    #[test]
    fn an_unimplemented_unknown_is_never_claimed() {
        for operation in OPERATIONS {
            if operation.c2300.is_none() && operation.c4000 == UNKNOWN {
                assert_eq!(operation.status, Status::Planned, "{}", operation.name);
            }
        }
    }

    /// The APDU that a row shows is the one that the command sends.
    #[test]
    fn the_table_agrees_with_the_commands() {
        let bytes = |name: &str| {
            let apdu = find(name).unwrap().apdu;
            let digits: String = apdu.chars().filter(|c| *c != ' ').collect();
            (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
                .collect::<Vec<u8>>()
        };
        let sent = |command: &piv_apdu::apdu::Command| command.encode_short().unwrap().to_vec();

        assert_eq!(sent(&SelectAca.to_command()), bytes("SELECT ACA"));
        assert_eq!(
            sent(&GetPinProperties.to_command()),
            bytes("GET PIN PROPERTIES")
        );
        assert_eq!(sent(&SelectIsd.to_command()), bytes("SELECT ISD"));
        assert_eq!(sent(&GetCplc.to_command()), bytes("GET CPLC"));
        for family in Family::ALL {
            assert_eq!(
                sent(&GetPivProperties { family }.to_command()),
                bytes(&format!("GET PIV PROPERTIES ({family})"))
            );
        }
        assert_eq!(
            sent(&SelectOathSlot::all()[0].to_command()),
            [
                0x00, 0xA4, 0x04, 0x00, 0x07, 0xA0, 0x00, 0x00, 0x00, 0x79, 0x23, 0x00, 0x00
            ]
        );
        assert_eq!(sent(&HotpAuthenticate.to_command()), bytes("HOTP"));
        let totp = find("TOTP").unwrap().apdu;
        let time = TotpAuthenticate { time: 0x5E84_A802 };
        assert_eq!(totp, "80 88 11 00 04 unix-time 00");
        assert_eq!(
            sent(&time.to_command()),
            [0x80, 0x88, 0x11, 0x00, 0x04, 0x5E, 0x84, 0xA8, 0x02, 0x00]
        );
    }
}
