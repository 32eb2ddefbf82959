//! What a refused command means at its step: what the status word says, what
//! became of the token, and what a person can do.

use std::fmt::Write as _;

use ctap_apdu::status::CtapStatus;
use piv_apdu::status::StatusWord as Sw;

use super::Aftermath;

/// The status word and its meaning at this step.
pub(super) fn meaning(step: &str, status: Sw) -> String {
    let code = status.get();
    match (step, status.tries_left()) {
        // Vendor, LL/unlock-pin: the counter is that of the unlocks.
        (UNLOCK, Some(1)) => format!("{code:04X}: not authenticated; 1 unlock left"),
        (UNLOCK, Some(left)) => format!("{code:04X}: not authenticated; {left} unlocks left"),
        _ => format!("{code:04X}: {}", status.meaning()),
    }
}

/// The state and the next step, as sentences; `aftermath` is the state if the command was
/// carried out all the same.
pub(super) fn sentences(step: &str, status: Sw, aftermath: Aftermath) -> String {
    let mut text = String::from(match (certainly_not_done(status), presents(step)) {
        (true, true) => "This step changed nothing and spent no try",
        (true, false) => "This step changed nothing",
        (false, true) if matches!(step, VERIFY | VERIFY_FIDO) => "It may have spent a try",
        (false, true) => "It may have spent a try, and changed what it was to change",
        (false, false) if step.starts_with("read-") => "It was only asked, and nothing was changed",
        (false, false) => "It may have changed what it was to change",
    });
    // Reading the token again does not tell which of two FIDO PINs it has.
    let advice = match aftermath {
        Aftermath::FidoPinOldOrNew
        | Aftermath::FidoPinNewOrNotSet
        | Aftermath::SharedPinOldOrNew
            if !certainly_not_done(status) =>
        {
            aftermath.sentence()
        }
        _ => advice(step, status),
    };
    let _ = write!(text, ". {advice}");
    text
}

/// The same after a refusal by the FIDO application.
pub(super) fn of_fido(status: CtapStatus, aftermath: Aftermath) -> &'static str {
    match status {
        doubtful if doubtful.leaves_doubt() => aftermath.sentence(),
        CtapStatus::PIN_POLICY_VIOLATION => {
            "This step changed nothing. Choose another new PIN, one that the token takes"
        }
        _ => "This step changed nothing. Read the token again to see how it stands",
    }
}

/// The same after an answer that says nothing.
pub(super) fn of_malformed(aftermath: Aftermath) -> &'static str {
    match aftermath {
        Aftermath::Unchanged => "Read the token again before going on",
        doubtful => doubtful.sentence(),
    }
}

/// Whether the step presents a PIN or a PUK, so that it may cost a try.
pub(super) fn presents(step: &str) -> bool {
    matches!(
        step,
        VERIFY | CHANGE | CHANGE_PUK | RESET_RETRY | VERIFY_FIDO | CHANGE_FIDO
    )
}

/// Whether the card says that it has not carried the command out: the checking
/// errors 67 to 6E, and 64, of ISO 7816-4, 5.6; and `63CX`, by which a card
/// says that somebody is not authenticated.
pub(super) fn certainly_not_done(status: Sw) -> bool {
    matches!(status.sw1(), 0x64 | 0x67..=0x6E) || status.tries_left().is_some()
}

const VERIFY: &str = "verify-pin";
const CHANGE: &str = "change-pin";
const VERIFY_FIDO: &str = "verify-fido-pin";
const CHANGE_FIDO: &str = "change-fido-pin";
const CHANGE_PUK: &str = "change-puk";
const RESET_RETRY: &str = "reset-retry-counter";
const CHALLENGE: &str = "challenge";
const RESPONSE: &str = "external-authenticate";
const UNLOCK: &str = "unlock-pin";
const USE_KEY: &str = "general-authenticate";
const MANAGEMENT: &str = "management-key";
const RESET_CARD: &str = "reset-card";
const READ_CODE: &str = "read-pairing-code";
const ONE_TIME_PASSWORD: &str = "one-time-password";
/// Writing with PUT DATA.
const WRITES: [&str; 3] = ["write-policy", "write-recovery", "erase-recovery"];

fn advice(step: &str, status: Sw) -> &'static str {
    if let Some(advice) = at(step, status) {
        return advice;
    }
    match status {
        Sw::SECURITY_STATUS_NOT_SATISFIED => {
            "It wants an authentication that it did not get, or that another program ended: \
             authenticate again"
        }
        Sw::CONDITIONS_NOT_SATISFIED => {
            "It is not in a state to do it: another program may have used the token in between. \
             Start over"
        }
        Sw::WRONG_DATA => "It does not accept the value that was given: give another",
        Sw::NOT_ENOUGH_MEMORY => "There is no room for it on the token: remove something first",
        Sw::FILE_NOT_FOUND | Sw::REFERENCED_DATA_NOT_FOUND => {
            "The token has no such application, object or key: read it again to see what it has"
        }
        Sw::FUNCTION_NOT_SUPPORTED => OTHER_INTERFACE,
        Sw::INS_NOT_SUPPORTED | Sw::CLA_NOT_SUPPORTED | Sw::INCORRECT_P1P2 => {
            "The token does not know this command: it can't do it"
        }
        Sw::MEMORY_FAILURE => "Its memory is failing: save what can be saved, and replace it",
        _ => "Read the token again to see how it stands",
    }
}

/// Where the step makes a difference.
fn at(step: &str, status: Sw) -> Option<&'static str> {
    Some(match (step, status) {
        (VERIFY, Sw::WRONG_DATA) => "It does not take what was given for a PIN: give another",
        (VERIFY | CHANGE | RESET_RETRY, Sw::REFERENCED_DATA_NOT_FOUND) => {
            "No PIN is set on the token: set it up first"
        }
        (CHANGE, Sw::WRONG_DATA) => {
            "It does not accept the new PIN, and the old one still holds: choose another new PIN, \
             of the length and the characters that the token's policy wants"
        }
        (CHANGE, Sw::CONDITIONS_NOT_SATISFIED) => {
            "It does not change its PIN now, and the old one still holds. Put the token into a \
             contact reader if it is not in one, and start over"
        }
        (RESET_RETRY, Sw::WRONG_DATA) => {
            "It does not accept the new PIN, or the form of the PUK; the PIN is blocked as before: \
             choose another new PIN, of the length and the characters that the token's policy wants"
        }
        (CHANGE_PUK, Sw::WRONG_DATA) => {
            "It does not accept the new PUK, and the old one still holds: choose another, eight \
             characters long"
        }
        (CHANGE_PUK, Sw::REFERENCED_DATA_NOT_FOUND) => {
            "The token has no PUK: see what else it has to unblock its PIN"
        }
        (
            VERIFY | CHANGE | CHANGE_PUK | RESET_RETRY,
            Sw::SECURITY_STATUS_NOT_SATISFIED | Sw::CONDITIONS_NOT_SATISFIED,
        ) => OTHER_INTERFACE,
        (CHALLENGE, Sw::FILE_NOT_FOUND) => {
            "It has no access control applet: it can't be unblocked by challenge and response"
        }
        (RESPONSE, Sw::CONDITIONS_NOT_SATISFIED) => {
            "The challenge does not hold any more: another program used the token, or it was taken \
             out. Ask for a new challenge, and have that one answered"
        }
        (RESPONSE | CHALLENGE, Sw::REFERENCED_DATA_NOT_FOUND) => {
            "The token has no admin key, for instance because it was erased: unblock it in another \
             way, or set an admin key with the PIN"
        }
        (UNLOCK, Sw::WRONG_DATA) => {
            "It does not accept the new PIN; the PIN is blocked as before: choose another new PIN, of \
             the length and the characters that the token's policy wants, and ask for a new challenge"
        }
        (UNLOCK, _) if status.tries_left().is_some() => {
            "It does not hold the admin key for authenticated: another program may have used the \
             token in between. Ask for a new challenge; do not repeat it often, when the unlocks are \
             used up the PIN can't be unblocked so any more"
        }
        (UNLOCK, Sw::SECURITY_STATUS_NOT_SATISFIED) => {
            "It does not hold the admin key for authenticated: ask for a new challenge"
        }
        (MANAGEMENT, Sw::WRONG_DATA | Sw::INCORRECT_P1P2 | Sw::REFERENCED_DATA_NOT_FOUND) => {
            "It has no management key (9B) of this algorithm: choose another algorithm"
        }
        (MANAGEMENT, Sw::INS_NOT_SUPPORTED) => {
            "It has no management key (9B); a Crescendo is administered with its PIN or its admin key"
        }
        (USE_KEY, Sw::WRONG_DATA | Sw::INCORRECT_P1P2 | Sw::REFERENCED_DATA_NOT_FOUND) => {
            "There is no key in this slot, or it is of another algorithm or size: read the token \
             again to see which keys it has"
        }
        (step, Sw::SECURITY_STATUS_NOT_SATISFIED) if WRITES.contains(&step) => {
            "It does not let this be written with what was presented: present the PIN, the admin key \
             or the management key, whichever the token wants for it"
        }
        (step, Sw::FUNCTION_NOT_SUPPORTED) if WRITES.contains(&step) => {
            "It has no place for this object: keep it elsewhere"
        }
        (READ_CODE, Sw::SECURITY_STATUS_NOT_SATISFIED) => {
            "It took the PIN and does not count it as verified for this: a card gives its pairing \
             code on the contact interface only. Put it into a contact reader if it is not in one, \
             and start over"
        }
        (ONE_TIME_PASSWORD, Sw::REFERENCED_DATA_NOT_FOUND | Sw::INCORRECT_P1P2) => {
            "The slot is empty, or gives the other kind of code: ask for that kind, or choose another \
             slot"
        }
        (RESET_CARD, Sw::SECURITY_STATUS_NOT_SATISFIED) => {
            "The token is not erased: it did not count the PIN or the admin key as presented. Start \
             over"
        }
        ("select-piv" | "tries-left" | "still-verified", Sw::FILE_NOT_FOUND) => {
            "The PIV application is not there any more: another token may be in the reader. Read it \
             again"
        }
        _ => return None,
    })
}

const OTHER_INTERFACE: &str = "It does not do it in its present state, or over this interface: put it into a contact reader \
     if it is not in one, and start over";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_word_has_a_sentence_at_every_step() {
        let others = [
            CHALLENGE,
            RESPONSE,
            UNLOCK,
            USE_KEY,
            MANAGEMENT,
            RESET_CARD,
            READ_CODE,
            ONE_TIME_PASSWORD,
        ];
        let pins = [
            VERIFY,
            CHANGE,
            CHANGE_PUK,
            RESET_RETRY,
            VERIFY_FIDO,
            CHANGE_FIDO,
        ];
        for step in others.into_iter().chain(pins).chain(WRITES).chain([""]) {
            for status in (0..=u16::MAX).map(Sw::new) {
                let text = sentences(step, status, Aftermath::Unchanged);
                let sure = text.contains("changed nothing");
                assert_eq!(sure, certainly_not_done(status), "{text}");
                assert!(!text.ends_with('.') && text.contains(". "), "{text}");
                assert!(meaning(step, status).len() > 6);
            }
        }
    }
}
