//! Which interface lets what be done: SP 800-73-5 Part 1, tables 2, 4 and 5 (data objects,
//! reference data, keys), and Part 2, table 2 (commands).
//!
//! The contact interface lets do everything that this crate's cards can; what is behind the
//! PIN is said by [`ObjectTag::read_access`] and in `authenticate`. The contactless
//! interface lets do what is in here, and as much as contact once it is a virtual contact
//! interface, but for administration.

use piv_apdu::apdu::Command;
use piv_apdu::object::{DataObject as _, Discovery, ObjectTag, PinUsagePolicy};
use piv_apdu::status::StatusWord;

use crate::card::Card;
use crate::state::HexId;

/// As many tries of the PIN are left to the contact interface, so that nobody can block a
/// card through its holder's pocket: the standard's "intermediate retry value", which is
/// the issuer's to choose (Part 2, 3.2.1).
const TRIES_FOR_CONTACT: u8 = 1;

/// Part 1, table 2: the data objects that the contactless interface gives to anybody. All
/// others of the standard want the virtual contact interface; so do a vendor's own, as this
/// project's choice.
fn is_given_to_anybody(tag: ObjectTag) -> bool {
    matches!(
        tag,
        ObjectTag::CHUID
            | ObjectTag::DISCOVERY
            | ObjectTag::CARD_AUTHENTICATION_CERTIFICATE
            | ObjectTag::BIT_GROUP
            | ObjectTag::SM_SIGNER
    )
}

/// Part 2, table 2: RESET RETRY COUNTER, GENERATE ASYMMETRIC KEY PAIR and PUT DATA are for
/// contact alone, and `6A81` otherwise. INJECT PKI KEY, of which nothing is public about
/// the contactless interface, is refused with them.
pub(super) fn check_interface(card: &Card, command: &Command) -> Result<(), StatusWord> {
    let contact_alone = matches!(
        (command.cla(), command.ins()),
        (0x00, 0x2C | 0x47 | 0xDB) | (0x80, 0xD8)
    );
    if contact_alone && card.state.contactless {
        return Err(StatusWord::FUNCTION_NOT_SUPPORTED);
    }
    Ok(())
}

/// Whether this object may be read over the interface in use, whatever else it wants.
pub(super) fn may_read(card: &Card, tag: ObjectTag) -> bool {
    is_given_to_anybody(tag) || card.has_contact()
}

/// Whether the interface lets the PIN be compared now: it has to be contact, by wire or
/// virtually (Part 1, table 4). The standard names no status word for what fails here;
/// `6982` is the nearest that it has for VERIFY.
pub(super) fn check_pin_interface(card: &Card) -> Result<(), StatusWord> {
    if card.has_contact() {
        Ok(())
    } else {
        Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
    }
}

/// Whether a try of the PIN may be spent over the interface in use.
pub(super) fn check_tries(card: &Card) -> Result<(), StatusWord> {
    if card.state.contactless && card.state.pin.tries_left <= TRIES_FOR_CONTACT {
        Err(StatusWord::AUTHENTICATION_METHOD_BLOCKED)
    } else {
        Ok(())
    }
}

/// What the discovery object says of the PIN and of the virtual contact interface; nothing
/// if it is not there.
pub(super) fn pin_usage(card: &Card) -> PinUsagePolicy {
    card.state
        .objects
        .get(&HexId::from(ObjectTag::DISCOVERY))
        .and_then(|object| Discovery::decode(&object.content.0).ok())
        .map_or(PinUsagePolicy(0), |discovery| discovery.pin_usage)
}

impl Card {
    /// Whether the command being executed came over the contact interface or the virtual
    /// one. Virtual is what comes under secure messaging if the discovery object says that
    /// there is such an interface, and either the pairing code has been verified or the
    /// discovery object says that it need not be (Part 1, 5.5).
    pub(crate) fn has_contact(&self) -> bool {
        let usage = pin_usage(self);
        let paired = self.access.pairing_code || usage.vci_without_pairing_code();
        !self.state.contactless || self.over_secure_messaging && usage.vci() && paired
    }
}
