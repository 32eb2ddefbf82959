//! The life of a Crescendo 4000 that enforces its PIN policy itself: set up for
//! a person, used, blocked, unblocked, ruled by a policy that other programs
//! can't get round, erased, set up again.
//!
//! ```sh
//! cargo run -p toolkit-examples --example life_of_a_crescendo_4000
//! ```
//!
//! Without arguments it makes a software token, which keeps the token management
//! profile: this project's own way to keep a policy on a token (see
//! `token-profile`). With `--pcsc READER --yes-erase-this-token` it lives through
//! the token in that reader, which has to be such a software token as delivered:
//! **what is on it is erased, its PIN is the one below, and PUK, admin key and
//! unlock code are the last ones that are printed.** On a vendor's C4000 it stops
//! before anything is sent that changes the token: how that keeps a policy, or a
//! PUK, is not public.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use crescendo_ext::aca::{ChangePin, VerifyPin};
use crescendo_ext::aid;
use crescendo_ext::xauth::{XauthCryptogram, XauthKey};
use pcsc_transport::{Card, Sharing};
use piv_apdu::command::TypedCommand;
use piv_apdu::secret::{Pin, Puk};
use piv_apdu::status::StatusWord;
use token_manager::token_profile::{Alphabet, ChallengeType, Policy, RecoveryKind};
use token_manager::{
    ActionError, Authority, Enforcer, LastTry, Manager, NotSent, PersonalizeOptions, PinEntry,
    PolicyRefusal, PresentSecrets, RecoveryPlace, Session,
};
use toolkit_examples::{
    Spare, block_the_pin, change_pin, helpdesk, refused_on_the_host, spare_token,
};
use virtual_token::{Content, Profile};

#[allow(
    clippy::too_many_lines,
    reason = "a life, told from its beginning to its end"
)]
fn main() -> Result<()> {
    if helpdesk::answer_if_asked()? {
        return Ok(());
    }
    let spare = spare_token(Profile::Crescendo4000, Content::Empty)?;
    let manager = Manager::new(Arc::clone(&spare.backend));
    let mut token = manager.open(&spare.reader)?;
    let identity = &token.token().identity;
    println!("{}, PIN: {}", identity.name, token.token().pin.status);
    ensure!(
        token.policy().enforced_by_card,
        "this token does not enforce the token management profile"
    );

    println!("Personalize");
    let mut pin = Pin::new(b"481516")?;
    let secrets = personalize(&mut token, &Policy::DELIVERY, &pin)?;

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
    pin = Pin::new(b"108642")?;
    let unblocked = token.unblock_with_puk(&secrets.puk, &pin, LastTry::Spare)?;
    println!("  with the PUK, PIN: {}", unblocked.after);

    println!("Block it again");
    block_the_pin(&mut token)?;
    // The holder tells the challenge to the helpdesk, which has the key.
    let challenge = token.unblock_challenge()?;
    println!("  challenge: {}", challenge.challenge());
    let response = helpdesk::ask(challenge.challenge(), &secrets.admin_key)?;
    pin = Pin::new(b"314159")?;
    let unblocked = token.unblock_with_response(&challenge, &response, &pin)?;
    println!("  by challenge/response, PIN: {}", unblocked.after);

    println!("View the PUK");
    let shown = token.view_puk(PinEntry::Typed(&pin), LastTry::Spare)?;
    println!("  {}: {}", shown.name(), *shown.reveal());
    ensure!(shown.puk().as_ref() == Some(&secrets.puk));

    println!("Set the PIN policy");
    set_policy(&mut token, &pin, |policy| policy.minimum = 6)?;
    refused_on_the_host(&mut token, &pin, b"27182")?;
    refused_by_the_card(&spare, &pin, b"27182")?;
    set_policy(&mut token, &pin, |policy| policy.maximum = 7)?;
    refused_on_the_host(&mut token, &pin, b"27182818")?;
    refused_by_the_card(&spare, &pin, b"27182818")?;
    set_policy(&mut token, &pin, |policy| {
        policy.alphabet = Alphabet::Digits;
    })?;
    refused_on_the_host(&mut token, &pin, b"2718ab")?;
    refused_by_the_card(&spare, &pin, b"2718ab")?;
    set_policy(&mut token, &pin, |policy| policy.refuse_weak = true)?;
    refused_on_the_host(&mut token, &pin, b"123456")?;
    refused_by_the_card(&spare, &pin, b"123456")?;

    set_policy(&mut token, &pin, |policy| policy.force_change = true)?;
    match token.authenticate(PinEntry::Typed(&pin), LastTry::Spare) {
        Err(ActionError::NotSent(NotSent::ForcePinChange { .. })) => {
            println!("  the PIN opens nothing");
        }
        _ => bail!("the PIN should have to be changed first"),
    }
    let verified = past_the_host(&spare, &VerifyPin { pin: pin.padded() })?;
    println!("  VERIFY past the host's check: {verified}");
    ensure!(verified == StatusWord::CONDITIONS_NOT_SATISFIED);
    pin = change_pin(&mut token, &pin, b"271828")?;
    drop(token.authenticate(PinEntry::Typed(&pin), LastTry::Spare)?);

    set_policy(&mut token, &pin, |policy| {
        policy.challenge = ChallengeType::Static;
    })?;
    let challenge = token.unblock_challenge()?;
    ensure!(challenge == token.unblock_challenge()?, "always the same");
    println!("  challenge, always: {}", challenge.challenge());

    let mut shared = token.managed_policy();
    shared.fido_shared_pin = true;
    match token.set_policy(PinEntry::Typed(&pin), LastTry::Spare, &shared) {
        Err(ActionError::Policy(refusal @ PolicyRefusal::SharedPinOutsidePersonalize)) => {
            println!("  {refusal}");
        }
        _ => bail!("the shared PIN is decided when the token is personalized"),
    }

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

    println!("Personalize again, with the PIN shared with FIDO and a fixed unlock code");
    // `shared` has all that was set above, and the shared PIN.
    pin = Pin::new(b"602214")?;
    let secrets = personalize(&mut token, &shared, &pin)?;
    ensure!(token.managed_policy().fido_shared_pin);
    block_the_pin(&mut token)?;
    let code = secrets.unlock_code.context("there should be a code")?;
    pin = Pin::new(b"662607")?;
    let unblocked = token.unblock_with_code(&code, &pin)?;
    println!("  with the unlock code, PIN: {}", unblocked.after);
    println!("Its second life begins");
    Ok(())
}

/// What the person has in hand after the token was set up.
struct Secrets {
    admin_key: XauthKey,
    puk: Puk,
    /// With a static challenge only.
    unlock_code: Option<XauthCryptogram>,
}

/// Sets the token, which is as delivered, up for a person.
fn personalize(token: &mut Session, policy: &Policy, pin: &Pin) -> Result<Secrets> {
    let mut options = PersonalizeOptions::new(PresentSecrets::Delivery);
    options.policy = policy.clone();
    options.recovery = RecoveryPlace::Token;
    for step in token.plan_personalize(&options)?.steps {
        println!("  will {}", step.text);
    }
    let (mut admin_key, mut puk, mut unlock_code) = (None, None, None);
    let personalized = token.personalize(
        &options,
        pin,
        None,
        // The token does not get it before the person has it: `false` stops.
        &mut |secret| {
            let text = secret.reveal();
            println!("  write down the {}: {}", secret.name(), *text);
            match secret.kind() {
                RecoveryKind::XauthKey => admin_key = secret.xauth_key(),
                RecoveryKind::Puk => puk = secret.puk(),
                RecoveryKind::UnlockCode => unlock_code = XauthCryptogram::from_hex(&text).ok(),
            }
            true
        },
        LastTry::Spare,
        &mut |report| println!("  {}: {}", report.id, report.outcome.id()),
    )?;
    println!("  done, PIN: {}", personalized.pin);
    Ok(Secrets {
        admin_key: admin_key.context("it should get an admin key")?,
        puk: puk.context("it should get a PUK")?,
        unlock_code,
    })
}

/// Changes the policy that is in force. The PIN confirms it.
fn set_policy(token: &mut Session, pin: &Pin, change: impl FnOnce(&mut Policy)) -> Result<()> {
    let mut policy = token.managed_policy();
    change(&mut policy);
    let set = token.set_policy(PinEntry::Typed(pin), LastTry::Spare, &policy)?;
    for (part, enforcer) in token.enforcement() {
        if set.changed.contains(&part) {
            println!("  {part}: {enforcer}");
            ensure!(enforcer == Enforcer::Card);
        }
    }
    Ok(())
}

/// Changes the PIN as a program would that knows of no policy: the card refuses
/// it, and the right old PIN costs no try.
fn refused_by_the_card(spare: &Spare, old: &Pin, new: &[u8]) -> Result<()> {
    let new = Pin::new(new)?.padded();
    let old = old.padded();
    let answer = past_the_host(spare, &ChangePin { old, new })?;
    println!("  CHANGE PIN past the host's check: {answer}");
    ensure!(answer == StatusWord::WRONG_DATA, "6A80 was expected");
    Ok(())
}

/// Sends a command to the access control applet, with nothing in between that
/// knows a policy. Gives the card's answer.
fn past_the_host(spare: &Spare, command: &impl TypedCommand) -> Result<StatusWord> {
    let mut card = Card::new(spare.backend.connect(&spare.reader, Sharing::Shared)?);
    let mut transaction = card.begin()?;
    let selected = transaction.select(aid::ACA)?.status();
    ensure!(selected == StatusWord::SUCCESS, "SELECT: {selected}");
    let answer = transaction.exchange(&command.to_command())?.status();
    transaction.end()?;
    card.close()?;
    Ok(answer)
}
