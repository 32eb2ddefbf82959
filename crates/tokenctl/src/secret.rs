//! Where a PIN, a PUK or a key comes from: the terminal or a file descriptor,
//! never the argument list.

mod descriptor;
mod line;
mod prompt;

use std::fmt::Write as _;

use piv_apdu::secret::{Pin, Puk};
use token_manager::PinPolicy;
use zeroize::Zeroizing;

pub(crate) use descriptor::Descriptor;
#[allow(
    unused_imports,
    reason = "for the actions that erase, which are on their way"
)]
pub(crate) use prompt::{ask, confirm, confirm_typing, is_terminal};

use crate::error::{Kind, Report, Result};

/// A PIN that the token has.
pub(crate) fn pin(from: Option<Descriptor>, prompt: &str, option: &str) -> Result<Pin> {
    let typed = secret(from, prompt, option)?;
    Pin::new(&typed).map_err(|error| not_one("PIN", &error.to_string()))
}

/// A PUK that the token has.
pub(crate) fn puk(from: Option<Descriptor>, prompt: &str, option: &str) -> Result<Puk> {
    let typed = secret(from, prompt, option)?;
    Puk::new(&typed).map_err(|error| not_one("PUK", &error.to_string()))
}

/// A new PIN: at the terminal with the policy's rules under the line, each met
/// or not as it is typed, and typed twice.
pub(crate) fn new_pin(from: Option<Descriptor>, policy: &PinPolicy, option: &str) -> Result<Pin> {
    let typed = match from {
        Some(descriptor) => descriptor.line()?,
        None => prompt::new_secret("New PIN", "New PIN again", option, &|typed| {
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

/// Bytes from a descriptor, or typed at the terminal unseen.
pub(crate) fn secret(
    from: Option<Descriptor>,
    prompt: &str,
    option: &str,
) -> Result<Zeroizing<Vec<u8>>> {
    match from {
        Some(descriptor) => descriptor.line(),
        None => ask(prompt, option),
    }
}

/// The policy in force, as a line before the new PIN is asked for.
pub(crate) fn policy_line(policy: &PinPolicy) -> String {
    let mut line = format!("The new PIN: {policy}");
    if policy.refuse_weak {
        let _ = write!(line, "; no weak PIN");
    }
    line
}

fn not_one(what: &str, why: &str) -> crate::error::Failure {
    let message = format!("what was given is no {what}: {why}");
    Report::new(Kind::NotSent, message)
        .next("Nothing was sent and no try was spent")
        .into()
}
