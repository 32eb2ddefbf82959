//! `puk`: show the secret that unblocks the token, forget it, change the PUK.

use std::ops::RangeInclusive;

use piv_apdu::secret::Puk;
use token_manager::token_profile::RecoveryKind;
use token_manager::{Action, RecoveryDoubt, RecoveryPlace, RecoverySecret, Session};

use crate::authority;
use crate::cli::{PukChangeArgs, PukCommand, PukForgetArgs, PukShowArgs};
use crate::commands::pin;
use crate::error::{Failure, Kind, Report, Result};
use crate::json;
use crate::manage::{self, RiskArgs};
use crate::output::{self, Output};
use crate::secret;
use crate::source::{self, Source};
use crate::text::{DIM, GOOD, Text};

/// Bytes of a PUK: SP 800-73 has eight, and cards that take fewer pad from six.
const PUK_LENGTHS: RangeInclusive<usize> = 6..=8;

/// Does what was asked.
pub(crate) fn run(command: &PukCommand, source: &Source, output: &Output) -> Result {
    match command {
        PukCommand::Show(arguments) => show(arguments, source, output),
        PukCommand::Forget(arguments) => forget(arguments, source, output),
        PukCommand::Change(arguments) => change(arguments, source, output),
    }
}

fn show(arguments: &PukShowArgs, source: &Source, output: &Output) -> Result {
    arguments.reveal.check(output)?;
    let mut session = manage::open(source, RiskArgs::default(), output)?;
    pin::ready(&session, Action::ViewPuk)?;
    let pin = arguments.pin.read(&mut session, output)?;
    let secret = pin.attempt(&mut session, output, |session, pin, last_try| {
        session.view_puk(pin, last_try)
    })?;
    output.detail(format!("{} commands to the card", session.round_trips()));
    let value = secret.reveal();
    if output.json {
        let body = json::PukShow {
            token: source::token_name(session.token()),
            kind: kind(secret.kind()),
            place: session.record().recovery.map(RecoveryPlace::id),
            value: &value,
            doubt: secret.doubt().map(RecoveryDoubt::id),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    if let Some(doubt) = secret.doubt() {
        output.remark(&Text::styled(format!("{doubt}."), DIM));
    }
    let question = format!(
        "This token has a recovery secret: {}. Show it?",
        secret.name()
    );
    arguments
        .reveal
        .give(secret.name(), &value, &question, output)
}

fn forget(arguments: &PukForgetArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, arguments.risks, output)?;
    pin::ready(&session, Action::ViewPuk)?;
    let question = "It is erased and never shown again, here or anywhere; whoever has not written \
                    it down cannot unblock the token with it. Forget it?";
    if !arguments.yes && !secret::confirm(question, "--yes")? {
        return Err(not_confirmed());
    }
    let pin = arguments.pin.read(&mut session, output)?;
    let place = session.record().recovery.unwrap_or(RecoveryPlace::Token);
    let management = arguments.management.read_for(&session, place)?;
    pin.attempt(
        &mut session,
        output,
        |session, pin, last_try| match &management {
            Some(key) => session.forget_recovery_with_key(pin, last_try, key),
            None => session.forget_recovery(pin, last_try),
        },
    )?;
    finish(
        &session,
        "forget",
        "It is forgotten. It still unblocks the token.",
        output,
    )
}

fn change(arguments: &PukChangeArgs, source: &Source, output: &Output) -> Result {
    let mut session = manage::open(source, arguments.risks, output)?;
    pin::ready(&session, Action::ChangePuk)?;
    say_tries(&session, output);
    let old = secret::puk(arguments.puk_fd, "Present PUK", "--puk-fd")?;
    let new = new_puk(arguments)?;
    let kept = match session.record().recovery {
        Some(place @ (RecoveryPlace::Token | RecoveryPlace::Host)) => {
            let text = "The PUK is kept behind the PIN: the new one takes the old one's place.";
            output.remark(&Text::from(text));
            let pin = arguments.pin.read(&mut session, output)?;
            Some((place, pin, arguments.management.read_for(&session, place)?))
        }
        _ => None,
    };
    let unattended = arguments.puk_fd.is_some();
    pin::attempt(
        &mut session,
        arguments.pin.last_try,
        unattended,
        |session, last_try| session.change_puk(&old, &new, last_try),
    )?;
    if let Some((place, pin, management)) = &kept {
        let secret = RecoverySecret::new(RecoveryKind::Puk, new.as_bytes())
            .map_err(|error| authority::unusable(&error.to_string()))?;
        pin.attempt(&mut session, output, |session, pin, last_try| {
            session.keep_recovery(pin, last_try, management.as_ref(), *place, &secret)
        })
        .map_err(kept_the_old)?;
    } else if session.recovery_places().contains(&RecoveryPlace::Token) {
        let text = "If another computer has kept the PUK on this token, that one is the old one \
                    now: `tokenctl puk forget` erases it.";
        output.remark(&Text::styled(text, DIM));
    }
    finish(
        &session,
        Action::ChangePuk.id(),
        "The PUK is changed.",
        output,
    )
}

/// The tries left of the PUK, which no card tells unasked: what it told last.
pub(crate) fn say_tries(session: &Session, output: &Output) {
    let told = match session.record().puk_tries_left {
        Some(0) => "blocked when it was last told".to_owned(),
        Some(1) => "1 try left when it was last told".to_owned(),
        Some(left) => format!("{left} tries left when it was last told"),
        None => "the tries left are told only when it is wrong".to_owned(),
    };
    output.remark(&Text::from(format!("PUK: {told}")));
}

/// That the card has the new PUK, and what is kept is still the old one.
fn kept_the_old(failure: Failure) -> Failure {
    match failure {
        Failure::Failed(mut report) => {
            report.message = format!(
                "the PUK is changed, but the one that is kept is the old one: {}",
                report.message
            );
            report.next = Some(
                "Write the new PUK down, and erase the old one: `tokenctl puk forget`".to_owned(),
            );
            Failure::Failed(report)
        }
        other => other,
    }
}

/// The new PUK, typed twice at the terminal.
fn new_puk(arguments: &PukChangeArgs) -> Result<Puk> {
    let rules = |typed: &[u8]| {
        let fits = PUK_LENGTHS.contains(&typed.len());
        let (least, most) = PUK_LENGTHS.into_inner();
        vec![(format!("{least} to {most} characters"), fits)]
    };
    let new = secret::new_secret(arguments.new_puk_fd, "New PUK", "--new-puk-fd", &rules)?;
    Ok(Puk::new(&new).map_err(|error| authority::unusable(&error.to_string()))?)
}

fn finish(session: &Session, action: &'static str, done: &str, output: &Output) -> Result {
    output.detail(format!("{} commands to the card", session.round_trips()));
    if output.json {
        let body = json::PukResult {
            token: source::token_name(session.token()),
            action,
            kept: session.record().recovery.map(RecoveryPlace::id),
        };
        return Ok(output::document(&json::Document::new(body))?);
    }
    output.remark(&Text::styled(done, GOOD));
    Ok(())
}

/// A kind of recovery secret in JSON.
pub(crate) fn kind(kind: RecoveryKind) -> &'static str {
    match kind {
        RecoveryKind::Puk => "puk",
        RecoveryKind::XauthKey => "admin-key",
        RecoveryKind::UnlockCode => "unlock-code",
    }
}

/// That the person said no.
pub(crate) fn not_confirmed() -> Failure {
    Report::new(Kind::NotSent, "it was not confirmed")
        .next("Nothing was sent to the token")
        .into()
}
