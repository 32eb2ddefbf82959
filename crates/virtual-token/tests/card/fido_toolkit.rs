//! The toolkit's own host of FIDO, `ctap-apdu`, on the software card. The two share no code.

use core::convert::Infallible;

use ctap_apdu::client_pin::{
    ChangePin, GetKeyAgreement, GetPinRetries, GetPinToken, Permissions, SetPin,
};
use ctap_apdu::framing::{Protocols, Select};
use ctap_apdu::status::CtapStatus;
use ctap_apdu::{
    CallError, ClientPinState, CtapCommand, CtapError, FidoPin, GetInfo, PinProtocol, Reset,
    SharedSecret, call,
};
use piv_apdu::command::TypedCommand;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use virtual_token::{Profile, VirtualToken};

use crate::common::{blank, send};

const PROTOCOLS: [PinProtocol; 2] = [PinProtocol::One, PinProtocol::Two];

fn pin(text: &str) -> FidoPin {
    FidoPin::new(text).unwrap()
}

/// A command to the card: its answer, or the status that refuses it.
fn ask<C: CtapCommand>(token: &mut VirtualToken, command: &C) -> Result<C::Answer, CtapStatus> {
    match call(command, |apdu| Ok::<_, Infallible>(send(token, apdu))) {
        Ok(answer) => Ok(answer),
        Err(CallError::Ctap(CtapError::Status(status))) => Err(status),
        Err(other) => panic!("{other}"),
    }
}

fn selected() -> VirtualToken {
    let mut token = blank(Profile::Crescendo4000);
    let protocols = Select::decode_answer(&send(&mut token, &Select.to_command())).unwrap();
    assert_eq!(protocols, Protocols::Ctap2);
    token
}

fn agree(
    token: &mut VirtualToken,
    protocol: PinProtocol,
    random: &mut ChaCha20Rng,
) -> SharedSecret {
    let key = ask(token, &GetKeyAgreement { protocol }).unwrap();
    SharedSecret::agree(protocol, &key, random).unwrap()
}

#[test]
fn the_pin_is_set_verified_and_changed() {
    for protocol in PROTOCOLS {
        let mut token = selected();
        let random = &mut ChaCha20Rng::seed_from_u64(3);
        let info = ask(&mut token, &GetInfo).unwrap();
        assert_eq!(info.client_pin(), ClientPinState::NotSet);
        assert_eq!(info.pin_protocol(), Some(PinProtocol::Two));
        assert_eq!(info.min_pin_length(), 4);

        let secret = agree(&mut token, protocol, random);
        let set = SetPin::new(&secret, &pin("2718"), random).unwrap();
        assert_eq!(ask(&mut token, &set), Ok(()));
        let info = ask(&mut token, &GetInfo).unwrap();
        assert_eq!(info.client_pin(), ClientPinState::Set);

        let change = ChangePin::new(&secret, &pin("2718"), &pin("Grüße"), random).unwrap();
        assert_eq!(ask(&mut token, &change), Ok(()));
        let wrong = GetPinToken::new(&secret, &pin("2718"), random).unwrap();
        assert_eq!(ask(&mut token, &wrong).err(), Some(CtapStatus::PIN_INVALID));
        let retries = ask(&mut token, &GetPinRetries { protocol }).unwrap();
        assert_eq!((retries.left, retries.power_cycle_needed), (7, Some(false)));

        let secret = agree(&mut token, protocol, random);
        let right = GetPinToken::with_permissions(
            &secret,
            &pin("Grüße"),
            Permissions::GET_ASSERTION,
            Some("example.com"),
            random,
        );
        assert!(ask(&mut token, &right.unwrap()).is_ok());
    }
}

#[test]
fn reset_is_for_the_first_moments() {
    let mut token = selected();
    let random = &mut ChaCha20Rng::seed_from_u64(3);
    let secret = agree(&mut token, PinProtocol::Two, random);
    let set = SetPin::new(&secret, &pin("2718"), random).unwrap();
    assert_eq!(ask(&mut token, &set), Ok(()));
    assert_eq!(ask(&mut token, &Reset), Err(CtapStatus::NOT_ALLOWED));
    token.reset();
    send(&mut token, &Select.to_command());
    assert_eq!(ask(&mut token, &Reset), Ok(()));
    let info = ask(&mut token, &GetInfo).unwrap();
    assert_eq!(info.client_pin(), ClientPinState::NotSet);
}
