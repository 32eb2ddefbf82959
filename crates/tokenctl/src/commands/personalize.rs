//! `personalize`: set a token up for a person.

use piv_apdu::secret::{Pin, Puk};
use token_manager::token_profile::Policy;
use token_manager::{
    Action, ActionError, FidoErasure, NotSent, PersonalizeOptions, Personalized, Plan,
    PresentSecrets, RecoveryPlace, Session,
};

use crate::authority::{self, Given};
use crate::cli::PersonalizeArgs;
use crate::commands::{admin_key, pin, policy, recycle};
use crate::describe;
use crate::error::{Failure, Kind, Report, Result};
use crate::handover::Hands;
use crate::json;
use crate::manage;
use crate::output::{self, Output};
use crate::plan::{self, Steps};
use crate::secret;
use crate::source::{self, Source};
use crate::text::{GOOD, Text};

/// Says what will be done, asks for what it takes, and does it.
pub(crate) fn run(arguments: &PersonalizeArgs, source: &Source, output: &Output) -> Result {
    let authority = &arguments.authority;
    let erasing = authority.is_admin_key() || authority.pin.pin_pad;
    if erasing && !arguments.recycle {
        let message = "the admin key and the PIN pad only serve to erase the token first";
        return Err(Report::new(Kind::Usage, message)
            .next("Give --recycle too, or the PIN; nothing was sent to the token")
            .into());
    }
    let mut hands = Hands::new(&arguments.hand_over)?;
    if !arguments.dry_run {
        hands = hands.expecting()?;
    }
    let mut session = manage::open(source, arguments.risks, Action::Personalize, output)?;
    hands.name(session.token());
    plan::say_where_it_stands(&session, output);
    let setup = Setup::new(arguments, &session);
    let plan = setup.plan(&session)?;
    if arguments.dry_run {
        return plan::write(&plan, session.token(), output);
    }
    if arguments.recycle {
        authority.ready(&session)?;
    }
    let before = session.token().identity.id();
    recycle::say_which(&session, output);
    plan::remark(&plan, output);
    let secrets = Secrets::ask(&setup, &mut session, output)?;
    let steps = Steps::of(&plan, output);
    let result = carry_out(&setup, &secrets, &mut session, &mut hands, &steps, output);
    let result = hands
        .explain(result)
        .map_err(|failure| half_way(failure, &steps));
    output.detail(format!("{} commands to the card", session.round_trips()));
    let steps = steps.into_outcomes();
    if output.json && (result.is_ok() || !steps.is_empty()) {
        let done = result.as_ref().ok();
        let body = json::Personalize {
            token: source::token_name(session.token()),
            completed: done.is_some(),
            finished_earlier_run: done.is_some_and(|done| done.finished_earlier_run),
            steps,
            recovery: done.map(|done| done.recovery.id()),
            kept: done.map(|done| done.place.id()),
            saved: admin_key::saved(&arguments.hand_over),
            pin: describe::pin(&session.token().pin.status),
            fido_erasure: done.and_then(|done| done.fido_erasure).map(FidoErasure::id),
        };
        output::document(&json::Document::new(body))?;
    }
    let result = result?;
    let mut done = result.sentences();
    if result.place != RecoveryPlace::Nowhere {
        done.push_str(" `tokenctl puk show` shows it.");
    }
    if session.token().wants_pin_change() {
        done.push_str(" Its holder has to change the PIN first: `tokenctl pin change`.");
    }
    output.remark(&Text::styled(done, GOOD));
    if let Some(erasure) = result.fido_erasure {
        recycle::say_what_fido_tells(erasure, &session, output);
    }
    if let Some(left) = result.leftover() {
        output.warning(left);
    }
    recycle::say_new_id(before.as_deref(), &session, output);
    Ok(())
}

/// What to do next is another thing where something is changed already.
fn half_way(mut failure: Failure, steps: &Steps) -> Failure {
    if let Failure::Failed(report) = &mut failure
        && steps.has_changed_the_token()
        && report.aftermath.is_none()
    {
        let next = "Some steps are done. Start it again with the same new PIN, and what was in \
                    the way out of it: it goes on from there";
        report.next = Some(next.to_owned());
    }
    failure
}

/// What was decided, before any secret is asked for.
struct Setup<'a> {
    arguments: &'a PersonalizeArgs,
    policy: Policy,
    place: RecoveryPlace,
}

impl<'a> Setup<'a> {
    fn new(arguments: &'a PersonalizeArgs, session: &Session) -> Self {
        let base = if arguments.recycle {
            Policy::DELIVERY
        } else {
            session.managed_policy()
        };
        Setup {
            arguments,
            policy: policy::changed(&arguments.policy, base),
            place: arguments.keep.0,
        }
    }

    fn options<'s>(
        &self,
        present: PresentSecrets<'s>,
        confirmation: Option<&'s str>,
    ) -> PersonalizeOptions<'s> {
        let mut options = PersonalizeOptions::new(present);
        options.policy = self.policy.clone();
        options.recovery = self.place;
        options.recycle_first = confirmation;
        options
    }

    /// The plan, which does not depend on the values of secrets: those that are
    /// asked for later are stood in for.
    fn plan(&self, session: &Session) -> Result<Plan> {
        let failed = |error: &ActionError| manage::action_failed(error, &session.token().reader);
        let zeros = [b'0'; 8];
        let length = usize::from(session.policy().without_profile().minimum);
        let stand_in = |error: piv_apdu::secret::PinError| authority::unusable(&error.to_string());
        let pin = Pin::new(zeros.get(..length).unwrap_or(&zeros)).map_err(stand_in)?;
        let puk = Puk::new(&zeros).map_err(stand_in)?;
        let confirmation = session.confirmation();
        let present = if self.arguments.recycle || self.arguments.delivery_pin {
            PresentSecrets::Delivery
        } else {
            PresentSecrets::Typed {
                pin: &pin,
                puk: Some(&puk),
            }
        };
        let confirmation = self.arguments.recycle.then_some(confirmation.as_str());
        let options = self.options(present, confirmation);
        Ok(session
            .plan_personalize(&options)
            .map_err(|error| failed(&error))?)
    }
}

/// What the person gave.
struct Secrets {
    confirmation: Option<String>,
    present: Option<(Pin, Option<Puk>)>,
    given: Option<Given>,
    new_pin: Pin,
}

impl Secrets {
    /// Asks, in the order that the help tells.
    fn ask(setup: &Setup<'_>, session: &mut Session, output: &Output) -> Result<Self> {
        let arguments = setup.arguments;
        let token = session.token();
        let needs =
            token.personalize_needs(arguments.recycle, !arguments.delivery_pin, setup.place);
        let mut given = None;
        let mut present = None;
        let mut confirmation = None;
        if needs.authority {
            confirmation = Some(recycle::confirmation(arguments.confirm.as_ref(), session)?);
            given = Some(arguments.authority.read(session, output)?);
        }
        if needs.present_pin {
            pin::say_tries(session, output);
            let from = arguments.authority.pin.pin_fd;
            let pin = secret::pin(from, "Present PIN", "--pin-fd")?;
            let puk = || secret::puk(arguments.puk_fd, "Present PUK", "--puk-fd");
            present = Some((pin, needs.present_puk.then(puk).transpose()?));
        }
        let rule = session.token().pin_policy_under(&setup.policy);
        let mut line = format!(
            "The new PIN: {} to {} {}",
            rule.minimum,
            rule.maximum,
            rule.alphabet.name()
        );
        if rule.refuse_weak {
            line.push_str("; no weak PIN");
        }
        output.remark(&Text::from(line));
        let new_pin = secret::new_pin(arguments.new_pin_fd, &rule, "--new-pin-fd")?;
        if needs.management_key {
            given = Some(Given::ManagementKey(arguments.management.read()?));
        }
        Ok(Secrets {
            confirmation,
            present,
            given,
            new_pin,
        })
    }
}

/// Does it, and asks for what only the attempt shows to be missing.
fn carry_out(
    setup: &Setup<'_>,
    secrets: &Secrets,
    session: &mut Session,
    hands: &mut Hands<'_>,
    steps: &Steps,
    output: &Output,
) -> Result<Personalized> {
    let arguments = setup.arguments;
    let interrupted = |from| {
        let prompt = "PUK that the interrupted run has handed over";
        secret::puk(from, prompt, "--interrupted-puk-fd")
    };
    let mut interrupted_puk = match arguments.interrupted_puk_fd {
        Some(from) => Some(interrupted(Some(from))?),
        None => None,
    };
    let mut last_try = pin::last_try(arguments.authority.pin.last_try);
    loop {
        let present = match &secrets.present {
            Some((pin, puk)) => PresentSecrets::Typed {
                pin,
                puk: puk.as_ref(),
            },
            None => PresentSecrets::Delivery,
        };
        let mut options = setup.options(present, secrets.confirmation.as_deref());
        options.interrupted_puk = interrupted_puk.as_ref();
        let authority = secrets.given.as_ref().map(|given| given.authority(output));
        let result = session.personalize(
            &options,
            &secrets.new_pin,
            authority,
            &mut |secret| hands.take(secret),
            last_try,
            &mut |report| steps.note(report),
        );
        match result {
            Ok(done) => return Ok(done),
            Err(ActionError::NotSent(NotSent::InterruptedPuk))
                if interrupted_puk.is_none() && secret::is_terminal() =>
            {
                interrupted_puk = Some(interrupted(None)?);
            }
            Err(error) => {
                let unattended = arguments.authority.pin.pin_fd.is_some();
                let reader = &session.token().reader;
                last_try = pin::may_use_last_try(&error, unattended, reader)?;
            }
        }
    }
}
