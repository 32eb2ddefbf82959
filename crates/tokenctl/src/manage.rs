//! The way from the command line to an action on a token: which token, what
//! this computer keeps about it, the risks that were agreed to, and what a
//! failed action means here.

use clap::Args;
use token_manager::{
    Action, ActionError, Aftermath, LoadError, Manager, NotSent, Overrides, PolicySource, Reason,
    Secret, Session, Token,
};

use crate::contactless::{self, SessionFor};
use crate::error::{Failure, Kind, Report, Result};
use crate::output::Output;
use crate::source::{self, Source};

/// Risks that a person can agree to.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Risks")]
pub(crate) struct RiskArgs {
    /// Send commands that change a real C4000 although only third parties describe them.
    #[arg(
        long,
        long_help = "Send commands that change a real C4000 although only third parties describe \
            them.\n\nIf a description is wrong, the token may refuse, or end up in a state that \
            nobody can name. Software tokens need no such consent."
    )]
    pub(crate) allow_unverified: bool,

    /// Administer a token that an issuer manages, or may manage.
    #[arg(
        long,
        long_help = "Administer a token that an issuer manages, or may manage.\n\nThe issuer's \
            system may then no longer be able to, and what it put on the token may be lost."
    )]
    pub(crate) allow_managed: bool,
}

impl RiskArgs {
    fn overrides(self, source: &Source) -> Overrides {
        Overrides::default()
            .allow_any_pin(source.allows_any_pin())
            .allow_unverified(self.allow_unverified)
            .allow_managed(self.allow_managed)
    }
}

/// A manager of the source's tokens, with what this computer keeps about them.
pub(crate) fn manager(source: &Source, risks: RiskArgs) -> Result<Manager> {
    let desktop = source.desktop();
    desktop
        .manager(source.backend(), risks.overrides(source))
        .map_err(|error| Report::of(Kind::Other, &error).into())
}

/// The same, without what this computer keeps about them.
fn bare_manager(source: &Source, risks: RiskArgs) -> Manager {
    let desktop = source.desktop();
    desktop.manager_without_records(source.backend(), risks.overrides(source))
}

/// The one token that is meant, connected and read for this action.
pub(crate) fn open(
    source: &Source,
    risks: RiskArgs,
    action: Action,
    output: &Output,
) -> Result<Session> {
    open_by(&manager(source, risks)?, source, action, output)
}

/// The same, read by this manager. The pairing code is asked for only if the secure session
/// is all that the action lacks: what is for contact alone, or not of this token, is left
/// to be refused for that.
pub(crate) fn open_by(
    manager: &Manager,
    source: &Source,
    action: Action,
    output: &Output,
) -> Result<Session> {
    let card = source.connect_one(output)?;
    let reader = card.info().reader.clone();
    let session = manager
        .session(card)
        .map_err(|error| action_failed(&error, &reader))?;
    let lacks_session = |session: &Session| {
        let lacking = matches!(session.ensure(action), Err(ActionError::Vci { .. }));
        lacking.then_some(SessionFor::Acting)
    };
    opened(session, lacks_session, source, output)
}

/// Opens the secure session too, if there is something that it is wanted for. The token was
/// chosen by what is remembered, or may have been exchanged since: what was read now has to
/// be what was named.
fn opened(
    mut session: Session,
    wanted: impl FnOnce(&Session) -> Option<SessionFor>,
    source: &Source,
    output: &Output,
) -> Result<Session> {
    if !source.means(session.token()) {
        return Err(source.no_such_token().into());
    }
    let wanted = wanted(&session);
    source.contactless().open(&mut session, wanted, output)?;
    Ok(session)
}

/// The one token that is meant, to look at and not to change, and what its secure session
/// is wanted for, if for anything. That what this computer keeps about the token can't be
/// read is told, and is no reason not to look at it.
pub(crate) fn open_to_read(
    source: &Source,
    wanted: impl FnOnce(&Session) -> Option<SessionFor>,
    output: &Output,
) -> Result<Session> {
    let card = source.connect_one(output)?;
    let reader = card.info().reader.clone();
    let without_records = |unreadable: Failure| {
        unreadable.warn(output);
        bare_manager(source, RiskArgs::default()).open(&reader)
    };
    let session = match manager(source, RiskArgs::default()) {
        Ok(manager) => match manager.session(card) {
            Err(error @ ActionError::Store(_)) => {
                without_records(action_failed(&error, &reader).into())
            }
            session => session,
        },
        Err(failure) => without_records(failure),
    };
    let session = session.map_err(|error| action_failed(&error, &reader))?;
    opened(session, wanted, source, output)
}

/// Adds what this computer keeps about a token that was read. That it can't be
/// read is told, and is no reason not to show the token.
pub(crate) fn complete(source: &Source, token: &mut Token, output: &Output) {
    let completed = manager(source, RiskArgs::default()).and_then(|manager| {
        manager
            .complete(token)
            .map_err(|error| action_failed(&error, &token.reader).into())
    });
    if let Err(unreadable) = completed {
        unreadable.warn(output);
    }
}

/// What a failed action means here.
pub(crate) fn action_failed(error: &ActionError, reader: &str) -> Report {
    let (message, next) = error.parts();
    let mut report = match error {
        ActionError::Load(LoadError::Link { source, .. }) => {
            source::link_failed(source, Some(reader))
        }
        ActionError::Load(error) => source::load_failed(error),
        ActionError::Interrupted { source, .. } => {
            let mut report = source::link_failed(source, Some(reader));
            if source.is_session_lost() {
                report.kind = Kind::TokenGone;
            }
            report.message = message;
            report.next = next;
            report
        }
        ActionError::SessionLost { .. } => {
            let mut report = Report::new(Kind::Other, message);
            report.next = next;
            report
        }
        ActionError::Vci { source, .. } => contactless::vci_failed(source),
        other => {
            let mut report = Report::new(kind(other), message);
            report.next = next_step(other).map(str::to_owned).or(next);
            report
        }
    };
    report.status_word = error.status().map(piv_apdu::status::StatusWord::get);
    report.tries_left = error.tries_left();
    report.aftermath = error.aftermath().map(Aftermath::id);
    report.in_reader(reader)
}

/// What to do next, where that is a matter of this program: mostly the option that agrees
/// to what an action waits for, and what it risks.
fn next_step(error: &ActionError) -> Option<&'static str> {
    let reason = match error {
        ActionError::Unavailable {
            action: Action::Fido | Action::FidoPin,
            reason: Reason::NotProbed,
        } => {
            return Some(
                "No document says whether a token of this kind has a FIDO application, so none was \
                 looked for. A browser, or other FIDO software, shows whether it has",
            );
        }
        ActionError::Unavailable { reason, .. } => reason,
        ActionError::NotSent(NotSent::CannotBe {
            secret: Secret::Pin,
            whose: PolicySource::Standard,
            ..
        }) => {
            return Some(
                "If its PIN is of another kind all the same, --allow-any-pin sends it; a wrong one \
                 costs a try. Nothing was sent and no try was spent",
            );
        }
        ActionError::NotSent(NotSent::InterruptedPuk) => {
            return Some(
                "--interrupted-puk-fd reads it. It is in the interrupted run's --save FILE, or was \
                 written down. No try was spent",
            );
        }
        _ => return None,
    };
    match reason {
        Reason::DeviceManaged | Reason::ManagementUnknown => Some(
            "--allow-managed does it all the same. The issuer's system may then no longer be able \
             to administer the token, and what it put there may be lost",
        ),
        Reason::SharingUnknown => Some(
            "Nothing was sent. `tokenctl show --fresh` says what could not be read, which may be a \
             policy of a newer version of this program",
        ),
        Reason::Unverified => Some(
            "--allow-unverified does it all the same. If the description is wrong, the token may \
             refuse, or end up in a state that nobody can name",
        ),
        _ => None,
    }
}

fn kind(error: &ActionError) -> Kind {
    match error {
        ActionError::Wrong { .. } | ActionError::WrongUntilPowerCycle { .. } => Kind::Wrong,
        ActionError::Blocked { .. } | ActionError::NotSent(NotSent::Blocked { .. }) => {
            Kind::Blocked
        }
        ActionError::NotSent(_)
        | ActionError::NotTakenOver { .. }
        | ActionError::PinPad(_)
        | ActionError::Policy(_) => Kind::NotSent,
        ActionError::Unavailable { .. } => Kind::Unavailable,
        ActionError::ButtonNotPressed => Kind::NotPressed,
        ActionError::Refused { .. } | ActionError::RefusedByFido { .. } => Kind::CardRefused,
        ActionError::AuthenticationLost => Kind::TokenGone,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_an_answer_that_tells_nothing_leaves_is_told_to_programs_too() {
        let aftermath = Aftermath::FidoPinOldOrNew;
        let error = ActionError::Malformed {
            action: Action::FidoPin,
            step: "change-fido-pin",
            aftermath,
            detail: "it is empty".to_owned(),
        };
        let report = action_failed(&error, "Desk");
        assert_eq!(report.aftermath, Some("fido-pin-old-or-new"));
        assert_eq!(report.next.unwrap(), aftermath.sentence());
        let wrong = ActionError::Wrong {
            secret: Secret::FidoPin,
            tries_left: Some(3),
        };
        assert_eq!(action_failed(&wrong, "Desk").aftermath, None);
    }

    #[test]
    fn documentation_names_every_aftermath() {
        let documentation = include_str!("../../../docs/json.md");
        for aftermath in Aftermath::ALL {
            let name = format!("`{}`", aftermath.id());
            assert!(documentation.contains(&name), "{name}");
        }
    }
}
