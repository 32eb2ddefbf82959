//! The PIV card application: SP 800-73-5, Part 2, and what vendors add to it.

mod access;
mod authenticate;
mod crescendo;
mod data;
mod generate;
mod management;
mod pairing_code;
mod pin;
mod yubico;

use piv_apdu::aid::{self, Aid};
use piv_apdu::apdu::Command;
use piv_apdu::command::{ApplicationProperties, PivCommand};
use piv_apdu::key::KeyReference;
use piv_apdu::sm::CipherSuite;
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use crate::card::{Answer, Card};
use crate::profile::Profile;
use crate::secure_messaging;
use crate::state::{HexId, SecureMessagingKey, TokenState};

pub(crate) use crescendo::allocate_containers;
pub(crate) use data::PIV_CAPACITY;

/// `61 { 4F <AID>, 79 { 4F <RID> }, 50 <label> }`, and `AC { 80 <cipher suite>, 06 00 }` of a
/// card that has secure messaging.
pub(crate) fn select_answer(state: &TokenState) -> Zeroizing<Vec<u8>> {
    let label = match state.profile {
        // Of a live C2300 (third-party).
        Profile::Crescendo2300 | Profile::CrescendoKey => "HID Global ActivID Applet 3.0.3",
        // Inferred from it and from the version that the C4000 page shows.
        Profile::Crescendo4000 => "HID Global ActivID Applet 4.0.0",
        Profile::Piv => "Software PIV card",
    };
    let key = state.secure_messaging.as_ref();
    let suite = key.and_then(SecureMessagingKey::suite);
    let properties = ApplicationProperties {
        aid: Aid::new(aid::PIV),
        authority: Aid::new(aid::RID_NIST),
        label: Some(label.to_owned()),
        algorithms: suite.map(CipherSuite::algorithm).into_iter().collect(),
        ..ApplicationProperties::default()
    };
    Zeroizing::new(properties.encode())
}

pub(crate) fn execute(card: &mut Card, command: &Command) -> Answer {
    access::check_interface(card, command)?;
    if let Some(answer) = crescendo::execute(card, command) {
        return answer;
    }
    if let Some(answer) = yubico::execute(card, command) {
        return answer;
    }
    match PivCommand::from_command(command).map_err(|error| error.status_word())? {
        PivCommand::GetData(command) => data::get(card, command),
        PivCommand::PutData(command) => data::put(card, &command),
        PivCommand::Verify(command) => pin::verify(card, &command),
        PivCommand::ChangeReferenceData(command) => pin::change_reference_data(card, &command),
        PivCommand::ResetRetryCounter(command) => pin::reset_retry_counter(card, &command),
        PivCommand::GeneralAuthenticate(command)
            if command.key == KeyReference::CARD_MANAGEMENT =>
        {
            management::authenticate(card, &command)
        }
        PivCommand::GeneralAuthenticate(command)
            if command.key == KeyReference::SECURE_MESSAGING =>
        {
            secure_messaging::establish(card, &command)
        }
        PivCommand::GeneralAuthenticate(command) => authenticate::authenticate(card, &command),
        PivCommand::GenerateAsymmetric(command) => generate::generate(card, &command),
        _ => Err(StatusWord::INS_NOT_SUPPORTED),
    }
}

/// Whether the card may be written to: on a plain PIV card the management key opens it,
/// on a Crescendo the PIN or XAUTH key 1 does, and the management key too if it is one of
/// the few that have it.
fn may_administer(card: &Card) -> Result<(), StatusWord> {
    let crescendo = card.state.profile.is_crescendo();
    if card.access.management || crescendo && card.access.pin_or_xauth() {
        Ok(())
    } else {
        Err(StatusWord::SECURITY_STATUS_NOT_SATISFIED)
    }
}

/// Whether the card has a place for this key. A plain PIV card has those of the
/// standard, a Crescendo those that it was made with.
fn has_key_container(card: &Card, key: KeyReference) -> bool {
    if card.state.profile.is_crescendo() {
        card.state.keys.contains_key(&HexId::from(key))
    } else {
        key.certificate_object().is_some()
    }
}
