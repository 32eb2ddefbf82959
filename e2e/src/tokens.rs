//! Software tokens for the tests, the same ones every time.

use std::sync::OnceLock;

use piv_apdu::key::KeyReference;
use virtual_token::{
    Content, CreateOptions, KeyAlgorithm, Profile, SharedToken, Vci, VirtualToken,
};

/// A token of `profile` as `tokenctl virtual create` makes it: with keys,
/// certificates and data objects. Each call gives a new card.
#[must_use]
pub fn personal(profile: Profile) -> SharedToken {
    // Making RSA keys takes seconds: once is enough.
    static MADE: [OnceLock<VirtualToken>; 4] = [const { OnceLock::new() }; 4];
    let place = Profile::ALL
        .iter()
        .position(|candidate| *candidate == profile)
        .unwrap();
    let made = MADE[place].get_or_init(|| create(profile, &options(profile)));
    SharedToken::new(VirtualToken::from_state(made.to_state()).unwrap())
}

/// Another person's token of the same kind.
#[must_use]
pub fn of_another(profile: Profile) -> SharedToken {
    let fourth = match profile {
        Profile::Crescendo4000 => None,
        Profile::Piv => Some(KeyReference::CARD_AUTHENTICATION),
        _ => KeyReference::retired(1),
    };
    let others = fourth.map(|fourth| {
        [
            KeyReference::DIGITAL_SIGNATURE,
            KeyReference::KEY_MANAGEMENT,
            fourth,
        ]
    });
    // Elliptic curves only, since making an RSA key takes seconds.
    let slots = [KeyReference::PIV_AUTHENTICATION]
        .into_iter()
        .chain(others.into_iter().flatten());
    let options = slots.fold(options(profile).seed(99), |options, slot| {
        options.key(slot, KeyAlgorithm::EccP256)
    });
    SharedToken::new(create(profile, &options))
}

/// A plain PIV card with a key of this algorithm in 9A, which also answers what
/// Yubico's programs ask first.
#[must_use]
pub fn piv_for_yubico(algorithm: KeyAlgorithm) -> SharedToken {
    let options = options(Profile::Piv)
        .yubico(true)
        .key(KeyReference::PIV_AUTHENTICATION, algorithm);
    SharedToken::new(create(Profile::Piv, &options))
}

/// A plain PIV card with four P-256 certificates, each of two GET RESPONSEs
/// where the card takes short APDUs only.
#[must_use]
pub fn piv(extended_length: bool) -> SharedToken {
    SharedToken::new(create(
        Profile::Piv,
        &four_p256().extended_length(extended_length),
    ))
}

/// The same, which also answers what Yubico's programs ask first.
#[must_use]
pub fn piv_for_counting(extended_length: bool) -> SharedToken {
    let options = four_p256().extended_length(extended_length).yubico(true);
    SharedToken::new(create(Profile::Piv, &options))
}

/// A plain PIV card with a pairing code.
#[must_use]
pub fn piv_with_pairing_code() -> SharedToken {
    SharedToken::new(create(Profile::Piv, &four_p256().pairing_code(true)))
}

/// A token of `profile` with the virtual contact interface, and a P-256 key in 9A.
#[must_use]
pub fn with_vci(profile: Profile, vci: Vci, seed: u64) -> SharedToken {
    let options = CreateOptions::default()
        .seed(seed)
        .vci(vci)
        .key(KeyReference::PIV_AUTHENTICATION, KeyAlgorithm::EccP256);
    SharedToken::new(create(profile, &options))
}

/// What [`piv`] is made with.
#[must_use]
pub fn four_p256() -> CreateOptions {
    let slots = [
        KeyReference::PIV_AUTHENTICATION,
        KeyReference::DIGITAL_SIGNATURE,
        KeyReference::KEY_MANAGEMENT,
        KeyReference::CARD_AUTHENTICATION,
    ];
    slots
        .into_iter()
        .fold(options(Profile::Piv), |options, slot| {
            options.key(slot, KeyAlgorithm::EccP256)
        })
}

/// A token without keys and certificates: quickly made.
#[must_use]
pub fn empty(profile: Profile) -> SharedToken {
    SharedToken::new(create(profile, &options(profile).content(Content::Empty)))
}

/// What each profile's token is made with: no two are the same person's.
fn options(profile: Profile) -> CreateOptions {
    let place = Profile::ALL
        .iter()
        .position(|candidate| *candidate == profile)
        .unwrap();
    CreateOptions::default().seed(20 + place as u64)
}

fn create(profile: Profile, options: &CreateOptions) -> VirtualToken {
    VirtualToken::create(profile, options).unwrap()
}
