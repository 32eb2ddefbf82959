//! The life of a Crescendo 2300, from the factory to its second owner: set up
//! for a person, used, blocked, unblocked, ruled by a policy, erased, set up
//! again.
//!
//! ```sh
//! cargo run -p toolkit-examples --example life_of_a_crescendo_2300
//! ```
//!
//! Without arguments it makes a software token. With `--pcsc READER
//! --yes-erase-this-token` it lives through the token in that reader, which has
//! to be as delivered: **what is on it is erased, its PIN is the one below, and
//! its admin key the last one that is printed.**
//!
//! No public document describes a PUK on the wire of this family: the admin key
//! plays its part. It keeps no policy either, so that the policy is kept, and
//! enforced, by the computers that run this software.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use crescendo_ext::xauth::XauthKey;
use piv_apdu::secret::{Pin, Puk};
use token_manager::token_profile::{Alphabet, ChallengeType, Policy};
use token_manager::{
    Action, ActionError, Authority, Enforcer, LastTry, Manager, PersonalizeOptions, PinEntry,
    PresentSecrets, RecoveryPlace, Session,
};
use toolkit_examples::{block_the_pin, change_pin, helpdesk, refused_on_the_host, spare_token};
use virtual_token::{Content, Profile};

fn main() -> Result<()> {
    if helpdesk::answer_if_asked()? {
        return Ok(());
    }
    let spare = spare_token(Profile::Crescendo2300, Content::Empty)?;
    // A program that stays would also say where it keeps its records.
    let manager = Manager::new(Arc::clone(&spare.backend));
    let mut token = manager.open(&spare.reader)?;
    let identity = &token.token().identity;
    println!("{}, PIN: {}", identity.name, token.token().pin.status);

    println!("Personalize");
    let mut pin = Pin::new(b"481516")?;
    let admin_key = personalize(&mut token, &pin)?;

    println!("Authenticate");
    let open = token.authenticate(PinEntry::Typed(&pin), LastTry::Spare)?;
    println!("  the token is open");
    println!("  locked again, PIN: {}", open.lock()?);

    println!("Change the PIN");
    pin = change_pin(&mut token, &pin, b"234281")?;
    drop(token.authenticate(PinEntry::Typed(&pin), LastTry::Spare)?);

    println!("Block the PIN");
    block_the_pin(&mut token)?;

    println!("Unblock the PIN");
    let puk = Puk::new(b"12345678")?;
    match token.unblock_with_puk(&puk, &pin, LastTry::Spare) {
        Err(ActionError::Unavailable { reason, .. }) => println!("  with a PUK: {reason}"),
        _ => bail!("nothing is known of a PUK on this family"),
    }
    // The holder tells the challenge to the helpdesk, which has the key.
    let challenge = token.unblock_challenge()?;
    println!("  challenge: {}", challenge.challenge());
    let response = helpdesk::ask(challenge.challenge(), &admin_key)?;
    pin = Pin::new(b"108642")?;
    let unblocked = token.unblock_with_response(&challenge, &response, &pin)?;
    println!("  by challenge/response, PIN: {}", unblocked.after);

    println!("View the PUK, or what plays its part");
    let secret = token.view_puk(PinEntry::Typed(&pin), LastTry::Spare)?;
    println!("  {}: {}", secret.name(), *secret.reveal());
    ensure!(secret.xauth_key().as_ref() == Some(&admin_key));

    println!("Set the PIN policy");
    set_policy(&mut token, &pin, |policy| policy.minimum = 6)?;
    refused_on_the_host(&mut token, &pin, b"27182")?;
    set_policy(&mut token, &pin, |policy| policy.maximum = 7)?;
    refused_on_the_host(&mut token, &pin, b"27182818")?;
    set_policy(&mut token, &pin, |policy| {
        policy.alphabet = Alphabet::Digits;
    })?;
    refused_on_the_host(&mut token, &pin, b"2718ab")?;
    set_policy(&mut token, &pin, |policy| policy.refuse_weak = true)?;
    refused_on_the_host(&mut token, &pin, b"123456")?;

    set_policy(&mut token, &pin, |policy| policy.force_change = true)?;
    ensure!(token.policy().force_change, "hosts should ask for it now");
    pin = change_pin(&mut token, &pin, b"271828")?;
    ensure!(!token.policy().force_change, "it is done");

    not_on_this_token(&token, |policy| policy.challenge = ChallengeType::Static)?;
    not_on_this_token(&token, |policy| policy.fido_shared_pin = true)?;

    println!("Recycle");
    for fate in token.plan_recycle()?.fates {
        let becomes = match fate.erased {
            Some(true) => "erased",
            Some(false) => "kept",
            None => "not documented",
        };
        println!("  {}: {becomes}", fate.content);
    }
    // A program has the person type this.
    let confirmation = token.confirmation();
    let authority = Authority::Pin(PinEntry::Typed(&pin));
    let recycled = token.recycle(authority, &confirmation, LastTry::Spare, &mut |report| {
        println!("  {}: {}", report.id, report.outcome.id());
    })?;
    println!("  erased, PIN: {}", recycled.pin);
    ensure!(token.managed_policy() == Policy::DELIVERY);

    println!("Personalize again");
    let second_pin = Pin::new(b"602214")?;
    let second_key = personalize(&mut token, &second_pin)?;
    ensure!(second_key != admin_key, "each time another one");
    drop(token.authenticate(PinEntry::Typed(&second_pin), LastTry::Spare)?);
    println!("Its second life begins");
    Ok(())
}

/// Sets the token, which is as delivered, up for a person. Gives the admin key
/// that it has then.
fn personalize(token: &mut Session, pin: &Pin) -> Result<XauthKey> {
    let mut options = PersonalizeOptions::new(PresentSecrets::Delivery);
    options.recovery = RecoveryPlace::Token;
    for step in token.plan_personalize(&options)?.steps {
        println!("  will {}", step.text);
    }
    let mut key = None;
    let personalized = token.personalize(
        &options,
        pin,
        None,
        // The token does not get it before the person has it: `false` stops.
        &mut |secret| {
            println!("  write down the {}: {}", secret.name(), *secret.reveal());
            key = secret.xauth_key();
            true
        },
        LastTry::Spare,
        &mut |report| println!("  {}: {}", report.id, report.outcome.id()),
    )?;
    println!("  done, PIN: {}", personalized.pin);
    key.context("a Crescendo should get an admin key")
}

/// Changes the policy that is in force. The PIN confirms it.
fn set_policy(token: &mut Session, pin: &Pin, change: impl FnOnce(&mut Policy)) -> Result<()> {
    let mut policy = token.managed_policy();
    change(&mut policy);
    let set = token.set_policy(PinEntry::Typed(pin), LastTry::Spare, &policy)?;
    for (part, enforcer) in token.enforcement() {
        if set.changed.contains(&part) {
            println!("  {part}: {enforcer}");
            let kept_by_card = enforcer == Enforcer::Card;
            ensure!(!kept_by_card, "this family keeps no policy");
        }
    }
    Ok(())
}

/// A policy that this family has no public way to keep.
fn not_on_this_token(token: &Session, change: impl FnOnce(&mut Policy)) -> Result<()> {
    let mut policy = token.managed_policy();
    change(&mut policy);
    match token.plan_policy(&policy) {
        Err(ActionError::Unavailable { action, reason }) => {
            ensure!([Action::UpdateChallengeType, Action::UpdateFidoSharedPin].contains(&action));
            println!("  {action}: {reason}");
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => bail!("it should have been refused"),
    }
}
