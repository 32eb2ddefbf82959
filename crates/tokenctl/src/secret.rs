//! Where a PIN, a PUK, a key or a passphrase comes from: a file descriptor,
//! pinentry, or a prompt on the terminal. Never the argument list, which other
//! users can see and shells write down.
//!
//! Each function takes the descriptor that the command line names, if any, and
//! the option that names one, for the sentence about what to give instead.
//! Without a descriptor pinentry is asked if `--pinentry` was given, and else
//! the terminal, which need be neither stdin nor stdout. Several secrets may
//! come from one descriptor, a line each, in the order in which the command
//! asks for them; its help says which.
//!
//! Each fails with `usage` where there is no way to ask or the descriptor has
//! no line of 1 to 256 bytes, and with `not-sent` where the person leaves or
//! what was given cannot be right. No failure repeats what was given.

mod buffer;
mod descriptor;
pub(crate) mod key_file;
mod pinentry;
mod prompt;
mod terminal;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use piv_apdu::secret::{PairingCode, Pin, Puk};
use subtle::ConstantTimeEq as _;
use token_manager::PinPolicy;
use zeroize::Zeroizing;

pub(crate) use buffer::{Secret, characters};
pub(crate) use descriptor::Descriptor;
use pinentry::{Pinentry, PinentryError};
use prompt::Stopped;
use terminal::Terminal;

use crate::error::{Failure, Kind, Report, Result};

/// The rules of a new secret, each with whether what was typed so far meets
/// it. Called with each key; the same rules in the same order every time.
pub(crate) type Rules<'a> = dyn Fn(&[u8]) -> Vec<(String, bool)> + 'a;

/// The pinentry that the command line names.
static PINENTRY: OnceLock<PathBuf> = OnceLock::new();

/// How often a new secret is asked for through pinentry.
const ATTEMPTS: usize = 3;

/// Asks through pinentry from now on: `program`, which is looked for in the
/// path if it is a bare name.
pub(crate) fn use_pinentry(program: &Path) {
    // Said once, when the command line was read.
    let _ = PINENTRY.set(program.to_owned());
}

/// Whether there is a terminal to ask at.
pub(crate) fn is_terminal() -> bool {
    Terminal::is_there()
}

/// Whether there is any way to ask for a secret that exists already.
pub(crate) fn can_ask() -> bool {
    PINENTRY.get().is_some() || is_terminal()
}

/// A PIN that the token has.
pub(crate) fn pin(from: Option<Descriptor>, prompt: &str, option: &str) -> Result<Pin> {
    let typed = secret(from, prompt, option)?;
    Pin::new(&typed).map_err(|error| not_one("PIN", &error.to_string()))
}

/// The pairing code that a card has; `None` if the person leaves the line empty or ends
/// the input (Ctrl-D).
pub(crate) fn pairing_code(
    from: Option<Descriptor>,
    prompt: &str,
    option: &str,
) -> Result<Option<PairingCode>> {
    let typed = match (from, PINENTRY.get()) {
        (Some(descriptor), _) => descriptor.line(option)?,
        (None, Some(program)) => by_pinentry(program, prompt)?,
        (None, None) => at_terminal(&give(option), |terminal| {
            prompt::hidden_line_or_nothing(terminal, prompt)
        })?,
    };
    if typed.is_empty() {
        return Ok(None);
    }
    let code = PairingCode::new(&typed);
    code.map(Some)
        .map_err(|error| not_one("pairing code", &error.to_string()))
}

/// Reads over the line of a secret that is not needed, so that it is not taken for the
/// next one. That there is none is not missed.
pub(crate) fn skip(from: Descriptor) {
    let _ = from.line("");
}

/// A PUK that the token has.
pub(crate) fn puk(from: Option<Descriptor>, prompt: &str, option: &str) -> Result<Puk> {
    let typed = secret(from, prompt, option)?;
    Puk::new(&typed).map_err(|error| not_one("PUK", &error.to_string()))
}

/// A new PIN: typed with the policy's rules under the line, each met or not,
/// and typed twice. One from a descriptor is checked against the policy by the
/// action that sets it.
pub(crate) fn new_pin(from: Option<Descriptor>, policy: &PinPolicy, option: &str) -> Result<Pin> {
    let typed = match from {
        Some(descriptor) => descriptor.line(option)?,
        None => new_secret(None, "New PIN", option, &|typed| {
            let rules = policy.rules(typed);
            rules
                .iter()
                .map(|state| (state.rule.to_string(), state.met))
                .collect()
        })?,
    };
    Pin::new(&typed).map_err(|error| not_one("PIN", &error.to_string()))
}

/// Text such as a key in hexadecimal, which the terminal does not show.
pub(crate) fn text(
    from: Option<Descriptor>,
    prompt: &str,
    option: &str,
) -> Result<Zeroizing<String>> {
    let mut typed = secret(from, prompt, option)?;
    String::from_utf8(std::mem::take(&mut *typed))
        .map(Zeroizing::new)
        .map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            not_one("text", "it is not UTF-8")
        })
}

/// A secret that exists already, as bytes. Nothing shows how long it is.
pub(crate) fn secret(from: Option<Descriptor>, prompt: &str, option: &str) -> Result<Secret> {
    if let Some(descriptor) = from {
        return descriptor.line(option);
    }
    if let Some(program) = PINENTRY.get() {
        let typed = by_pinentry(program, prompt)?;
        if typed.is_empty() {
            return Err(Report::new(Kind::NotSent, "nothing was typed").into());
        }
        return Ok(typed);
    }
    at_terminal(&give(option), |terminal| {
        prompt::hidden_line(terminal, prompt)
    })
}

/// A new secret that meets every rule, as bytes; typed twice where a person
/// types it. One from a descriptor that does not meet them is `not-sent`, with
/// the rules that it breaks.
pub(crate) fn new_secret(
    from: Option<Descriptor>,
    prompt: &str,
    option: &str,
    rules: &Rules<'_>,
) -> Result<Secret> {
    if let Some(descriptor) = from {
        let given = descriptor.line(option)?;
        let unmet = unmet(rules, &given);
        if unmet.is_empty() {
            return Ok(given);
        }
        let message = format!("what {option} gave does not meet: {}", unmet.join("; "));
        return Err(Report::new(Kind::NotSent, message).into());
    }
    match PINENTRY.get() {
        Some(program) => new_by_pinentry(program, prompt, rules),
        None => at_terminal(&give(option), |terminal| {
            prompt::new_secret(terminal, prompt, rules)
        }),
    }
}

/// A line that is no secret, such as a challenge: typed at the terminal, which
/// shows it. `instead` says what to give where there is none.
pub(crate) fn visible_line(prompt: &str, instead: &str) -> Result<String> {
    let line = at_terminal(instead, |terminal| prompt::visible_line(terminal, prompt))?;
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// Asks a question that is answered with y or n; no unless it is plainly yes.
/// `option` says yes on the command line. At the terminal, or through pinentry
/// where there is none.
pub(crate) fn confirm(question: &str, option: &str) -> Result<bool> {
    if let Some(program) = PINENTRY.get().filter(|_| !is_terminal()) {
        let answer = Pinentry::start(program).and_then(|mut dialog| dialog.confirm(question));
        return answer.map_err(|error| pinentry_failed(&error));
    }
    let prompt = format!("{question} [y/N]");
    let answer = at_terminal(&agree_with(option), |terminal| {
        prompt::or_nothing(prompt::visible_line(terminal, &prompt))
    })?;
    let answer = answer.trim_ascii().to_ascii_lowercase();
    Ok(["y", "yes"].map(str::as_bytes).contains(&answer.as_slice()))
}

/// Asks to type a word, so that nobody confirms by habit what cannot be
/// undone. Always at the terminal.
pub(crate) fn confirm_typing(question: &str, word: &str, option: &str) -> Result<bool> {
    Ok(visible_line(question, &agree_with(option))? == word)
}

fn agree_with(option: &str) -> String {
    format!("Give {option} to agree; nothing was sent to the token")
}

/// The policy in force, as a line before the new PIN is asked for.
pub(crate) fn policy_line(policy: &PinPolicy) -> String {
    let mut line = format!("The new PIN: {policy}");
    if policy.refuse_weak {
        let _ = write!(line, "; no weak PIN");
    }
    line
}

/// What pinentry is given, which may be nothing.
fn by_pinentry(program: &Path, prompt: &str) -> Result<Secret> {
    let typed = Pinentry::start(program).and_then(|mut dialog| dialog.secret(prompt, None));
    typed.map_err(|error| pinentry_failed(&error))
}

/// Asks at the terminal; `instead` says what to give where there is none.
fn at_terminal(
    instead: &str,
    ask: impl FnOnce(&mut Terminal) -> std::result::Result<Secret, Stopped>,
) -> Result<Secret> {
    if !is_terminal() {
        return Err(Report::new(Kind::Usage, "there is no terminal to ask at")
            .next(instead)
            .into());
    }
    // The terminal is put back before anything else is said.
    let asked = Terminal::hidden().map_err(Stopped::Io);
    asked
        .and_then(|mut terminal| ask(&mut terminal))
        .map_err(stopped)
}

/// The rules that a secret does not meet.
fn unmet(rules: &Rules<'_>, secret: &[u8]) -> Vec<String> {
    let unmet = rules(secret).into_iter().filter(|(_, met)| !met);
    unmet.map(|(rule, _)| rule).collect()
}

fn new_by_pinentry(program: &Path, prompt: &str, rules: &Rules<'_>) -> Result<Secret> {
    let wanted: Vec<String> = rules(&[]).into_iter().map(|(rule, _)| rule).collect();
    let description = format!("{prompt}\n{}", wanted.join("\n"));
    let again = format!("{prompt}\nThe same again");
    let failed = |error| pinentry_failed(&error);
    let mut remark: Option<String> = None;
    for _ in 0..ATTEMPTS {
        let mut dialog = Pinentry::start(program).map_err(failed)?;
        let first = dialog
            .secret(&description, remark.as_deref())
            .map_err(failed)?;
        let unmet = unmet(rules, &first);
        if !unmet.is_empty() {
            remark = Some(format!("Not yet: {}", unmet.join("; ")));
            continue;
        }
        let second = dialog.secret(&again, None).map_err(failed)?;
        if bool::from(first.ct_eq(&second)) {
            return Ok(first);
        }
        remark = Some("The two were not the same".to_owned());
    }
    let message = format!(
        "given up after {ATTEMPTS} times: {}",
        remark.unwrap_or_default()
    );
    Err(Report::new(Kind::NotSent, message).into())
}

fn not_one(what: &str, why: &str) -> Failure {
    let message = format!("what was given is no {what}: {why}");
    Report::new(Kind::NotSent, message)
        .next("Nothing was sent and no try was spent")
        .into()
}

fn give(option: &str) -> String {
    format!("Give it with {option} N or --pinentry; nothing was sent to the token")
}

fn cancelled() -> Failure {
    Report::new(Kind::NotSent, "cancelled")
        .next("Nothing was sent to the token after that")
        .into()
}

fn stopped(stopped: Stopped) -> Failure {
    match stopped {
        Stopped::Cancelled | Stopped::Ended => cancelled(),
        Stopped::Io(error) => {
            let message = format!("the terminal could not be used: {error}");
            Report::new(Kind::Other, message).into()
        }
    }
}

fn pinentry_failed(error: &PinentryError) -> Failure {
    let report = Report::new(Kind::Other, error.to_string());
    match error {
        PinentryError::Cancelled => cancelled(),
        PinentryError::NotStarted(..) => report
            .next("Install one (Debian: apt install pinentry-curses), or name another: --pinentry=PROGRAM")
            .into(),
        _ => report.next("Nothing was sent to the token after that").into(),
    }
}
