//! The life of a plain PIV card, as far as the standard goes: set up for a
//! person, used, blocked, unblocked, ruled by a policy, set up again; and what
//! it can't do, each with the reason.
//!
//! ```sh
//! cargo run -p toolkit-examples --example life_of_a_piv_card
//! ```
//!
//! Without arguments it makes a software card. With `--pcsc READER
//! --yes-erase-this-token` it lives through the card in that reader, and asks
//! for its PIN and its PUK, a line each: **the PIN becomes the one below, and the
//! PUK the last one that is printed. Keys and certificates stay:** the standard
//! has no command that erases a card.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use crescendo_ext::xauth::{XauthAlgorithm, XauthKey};
use piv_apdu::secret::{Pin, Puk};
use token_manager::token_profile::{Alphabet, ChallengeType, Policy};
use token_manager::{
    Action, ActionError, Authority, Enforcer, LastTry, Manager, MemorySecretStore, Overrides,
    PersonalizeOptions, PinEntry, PresentSecrets, Reason, RecoveryPlace, Session, SetKey,
};
use toolkit_examples::{block_the_pin, change_pin, refused_on_the_host, secret_line, spare_token};
use virtual_token::{Content, Profile};

fn main() -> Result<()> {
    let profile = Profile::Piv;
    let spare = spare_token(profile, Content::Personal)?;
    let (mut pin, puk) = if spare.is_software {
        let puk = profile.factory_puk().context("it has a PUK")?;
        (Pin::new(profile.factory_pin())?, Puk::new(puk)?)
    } else {
        println!("Its PIN and its PUK, a line each:");
        let (pin, puk) = (secret_line()?, secret_line()?);
        (Pin::new(pin.as_bytes())?, Puk::new(puk.as_bytes())?)
    };
    // A PUK can be kept on the card with the management key only; this program
    // has none, and keeps it on the host.
    let manager =
        Manager::new(Arc::clone(&spare.backend)).with_secrets(Arc::new(MemorySecretStore::new()));
    let token = manager.open(&spare.reader)?;
    let identity = &token.token().identity;
    println!("{}, PIN: {}", identity.name, token.token().pin.status);

    println!("Personalize");
    // There is something on it, and nothing tells whether an issuer put it there.
    let present = PresentSecrets::Typed {
        pin: &pin,
        puk: Some(&puk),
    };
    match token.plan_personalize(&PersonalizeOptions::new(present)) {
        Err(ActionError::Unavailable { reason, .. }) => println!("  not unasked: {reason}"),
        _ => bail!("it should not be administered unasked"),
    }
    drop(token);
    let agreed = Overrides::default().allow_managed(true);
    let mut token = manager.with_overrides(agreed).open(&spare.reader)?;
    let first = Pin::new(b"481516")?;
    let puk = personalize(&mut token, (&pin, &puk), &first)?;
    pin = first;

    println!("Authenticate");
    let open = token.authenticate(PinEntry::Typed(&pin), LastTry::Spare)?;
    println!("  the card is open");
    println!("  locked again, PIN: {}", open.lock()?);

    println!("Change the PIN");
    pin = change_pin(&mut token, &pin, b"234281")?;
    drop(token.authenticate(PinEntry::Typed(&pin), LastTry::Spare)?);

    println!("Block the PIN");
    block_the_pin(&mut token)?;

    println!("Unblock the PIN");
    pin = Pin::new(b"1086420")?;
    let unblocked = token.unblock_with_puk(&puk, &pin, LastTry::Spare)?;
    println!("  with the PUK, PIN: {}", unblocked.after);
    let challenge = token.unblock_challenge().map(drop);
    cannot(challenge, Reason::NotSupportedByFamily)?;

    println!("View the PUK");
    let shown = token.view_puk(PinEntry::Typed(&pin), LastTry::Spare)?;
    println!("  {}: {}", shown.name(), *shown.reveal());
    ensure!(shown.puk().as_ref() == Some(&puk));

    println!("Retrieve the pairing code");
    pairing_code(&mut token, &pin)?;

    println!("Set the PIN policy");
    set_policy(&mut token, &pin, |policy| policy.minimum = 7)?;
    refused_on_the_host(&mut token, &pin, b"271828")?;
    set_policy(&mut token, &pin, |policy| policy.maximum = 7)?;
    refused_on_the_host(&mut token, &pin, b"27182818")?;
    set_policy(&mut token, &pin, |policy| {
        policy.alphabet = Alphabet::Digits;
    })?;
    refused_on_the_host(&mut token, &pin, b"27182ab")?;
    set_policy(&mut token, &pin, |policy| policy.refuse_weak = true)?;
    refused_on_the_host(&mut token, &pin, b"1234567")?;
    set_policy(&mut token, &pin, |policy| policy.force_change = true)?;
    ensure!(token.policy().force_change, "hosts should ask for it now");
    pin = change_pin(&mut token, &pin, b"2718281")?;
    ensure!(!token.policy().force_change, "it is done");

    println!("What it can't do");
    let mut policy = token.managed_policy();
    policy.challenge = ChallengeType::Static;
    let refused = token.plan_policy(&policy).map(drop);
    cannot(refused, Reason::NotSupportedByFamily)?;
    let mut policy = token.managed_policy();
    policy.fido_shared_pin = true;
    let refused = token.plan_policy(&policy).map(drop);
    cannot(refused, Reason::NotSupportedByFamily)?;
    let key = XauthKey::new(XauthAlgorithm::Aes128, &[7; 16])?;
    let refused = token.unblock_with_key(&key, &pin).map(drop);
    cannot(refused, Reason::NotSupportedByFamily)?;
    let authority = Authority::Pin(PinEntry::Typed(&pin));
    let refused = token.set_admin_key(authority, SetKey::Given(key), &mut |_| true, LastTry::Spare);
    cannot(refused.map(drop), Reason::NotInStandard)?;
    let confirmation = token.confirmation();
    let refused = token.recycle(authority, &confirmation, LastTry::Spare, &mut |_| {});
    cannot(refused.map(drop), Reason::NotSupportedByFamily)?;
    // The rest is nothing but asked about, as a menu would.
    for action in [Action::ReadPinPolicy, Action::Otp] {
        let capability = token.token().capabilities.get(action);
        ensure!(capability.reason() == Some(Reason::NotSupportedByFamily));
        println!("  {action}: {capability}");
    }

    println!("Personalize again, without erasing anything");
    let second = Pin::new(b"602214")?;
    personalize(&mut token, (&pin, &puk), &second)?;
    drop(token.authenticate(PinEntry::Typed(&second), LastTry::Spare)?);
    println!("Its second life begins");
    Ok(())
}

/// Sets the card up for a person. Gives the PUK that it has then.
fn personalize(token: &mut Session, present: (&Pin, &Puk), pin: &Pin) -> Result<Puk> {
    let mut options = PersonalizeOptions::new(PresentSecrets::Typed {
        pin: present.0,
        puk: Some(present.1),
    });
    options.recovery = RecoveryPlace::Host;
    for step in token.plan_personalize(&options)?.steps {
        println!("  will {}", step.text);
    }
    let mut puk = None;
    let personalized = token.personalize(
        &options,
        pin,
        None,
        // The card does not get it before the person has it: `false` stops.
        &mut |secret| {
            println!("  write down the {}: {}", secret.name(), *secret.reveal());
            puk = secret.puk();
            true
        },
        LastTry::Spare,
        &mut |report| println!("  {}: {}", report.id, report.outcome.id()),
    )?;
    println!("  done, PIN: {}", personalized.pin);
    puk.context("it should get a PUK")
}

/// Shows the pairing code, if the card has one, and keeps it: for the card's GUID,
/// and here only until this program ends.
fn pairing_code(token: &mut Session, pin: &Pin) -> Result<()> {
    match token.retrieve_pairing_code(PinEntry::Typed(pin), LastTry::Spare) {
        Ok(code) => println!("  {}", std::str::from_utf8(code.as_bytes())?),
        Err(ActionError::Unavailable { reason, .. }) => {
            println!("  none: {reason}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    token.cache_pairing_code(PinEntry::Typed(pin), LastTry::Spare)?;
    println!("  kept until this program ends");
    Ok(())
}

/// Changes the policy that is in force. The PIN confirms it.
fn set_policy(token: &mut Session, pin: &Pin, change: impl FnOnce(&mut Policy)) -> Result<()> {
    let mut policy = token.managed_policy();
    change(&mut policy);
    let set = token.set_policy(PinEntry::Typed(pin), LastTry::Spare, &policy)?;
    for (part, enforcer) in token.enforcement() {
        if set.changed.contains(&part) {
            println!("  {part}: {enforcer}");
            ensure!(enforcer != Enforcer::Card, "the standard has no policy");
        }
    }
    Ok(())
}

/// What the card can't do, for this reason: nothing was sent.
fn cannot(refused: Result<(), ActionError>, expected: Reason) -> Result<()> {
    match refused {
        Err(ActionError::Unavailable { action, reason }) if reason == expected => {
            println!("  {action}: {reason}");
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(()) => bail!("it should have been refused: {expected}"),
    }
}
