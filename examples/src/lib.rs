//! What the examples share: where their tokens come from, and the far end of
//! challenge and response.

pub mod helpdesk;

use std::io::stdin;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use pcsc_transport::Backend;
use piv_apdu::Zeroizing;
use piv_apdu::secret::Pin;
use token_manager::{ActionError, LastTry, NotSent, PinChangeEntry, PinEntry, Session};
use virtual_token::{Content, CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};

/// The system's readers if the program was started with `--pcsc`, else one
/// software token of each kind.
///
/// # Errors
/// For any other argument, or if `--pcsc` was left out when this was built.
pub fn backend_from_arguments() -> Result<Arc<dyn Backend>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Arc::new(software_tokens()?)),
        ["--pcsc"] => pcsc(),
        _ => bail!("the only argument is --pcsc: use real readers"),
    }
}

/// One software token of each kind, each in a reader of its own.
///
/// # Errors
/// If a token cannot be made.
pub fn software_tokens() -> Result<MemoryBackend> {
    let readers = MemoryBackend::new();
    for profile in Profile::ALL {
        let token = VirtualToken::create(profile, &CreateOptions::default())?;
        readers.insert(&format!("Virtual {profile}"), &SharedToken::new(token))?;
    }
    Ok(readers)
}

/// A token that a program may use up.
pub struct Spare {
    /// The backend that has its reader.
    pub backend: Arc<dyn Backend>,
    /// Its reader.
    pub reader: String,
    /// It was made for this run, and nobody will miss it.
    pub is_software: bool,
}

/// A new software token, or, with `--pcsc READER --yes-erase-this-token`, the
/// one in that reader.
///
/// # Errors
/// For other arguments: what is on a token is not erased unasked.
pub fn spare_token(profile: Profile, content: Content) -> Result<Spare> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let pairing_code = profile == Profile::Piv && content == Content::Personal;
            let options = CreateOptions::default()
                .content(content)
                .pairing_code(pairing_code);
            let token = SharedToken::new(VirtualToken::create(profile, &options)?);
            let readers = MemoryBackend::new();
            readers.insert("Desk", &token)?;
            Ok(Spare {
                backend: Arc::new(readers),
                reader: "Desk".to_owned(),
                is_software: true,
            })
        }
        ["--pcsc", reader, "--yes-erase-this-token"] => Ok(Spare {
            backend: pcsc()?,
            reader: reader.to_owned(),
            is_software: false,
        }),
        _ => bail!(
            "no arguments: a software token is made and used up. --pcsc READER \
             --yes-erase-this-token: the token in that reader is; its PIN, PUK and admin key are \
             changed, and what is on it may be lost"
        ),
    }
}

#[cfg(feature = "pcsc")]
#[allow(clippy::unnecessary_wraps, reason = "the other one fails")]
fn pcsc() -> Result<Arc<dyn Backend>> {
    Ok(Arc::new(pcsc_transport::pcsc::PcscBackend::new()))
}

#[cfg(not(feature = "pcsc"))]
fn pcsc() -> Result<Arc<dyn Backend>> {
    bail!("built without the feature `pcsc`")
}

/// Presents a wrong PIN until the card takes none any more. The last try is
/// used only when that is asked for.
///
/// # Errors
/// If the card does anything but count down.
pub fn block_the_pin(token: &mut Session) -> Result<()> {
    let wrong = Pin::new(b"97531864")?;
    let mut last_try = LastTry::Spare;
    loop {
        let verified = token.authenticate(PinEntry::Typed(&wrong), last_try);
        match verified.map(drop) {
            Err(ActionError::Wrong {
                tries_left: Some(left),
                ..
            }) => println!("  wrong PIN, tries left: {left}"),
            Err(ActionError::NotSent(NotSent::LastTry { .. })) => {
                println!("  the last try is not used unasked");
                last_try = LastTry::Use;
            }
            Err(ActionError::Blocked { .. }) => break,
            Err(error) => return Err(error.into()),
            Ok(()) => bail!("that should have been a wrong PIN"),
        }
    }
    println!("  wrong PIN: blocked");
    match token.authenticate(PinEntry::Typed(&wrong), LastTry::Use) {
        Err(ActionError::NotSent(NotSent::Blocked { .. })) => Ok(()),
        _ => bail!("a PIN that is known to be blocked should not be sent"),
    }
}

/// Changes the PIN. Gives the new one.
///
/// # Errors
/// If the token or the policy does not take it.
pub fn change_pin(token: &mut Session, old: &Pin, new: &[u8]) -> Result<Pin> {
    let new = Pin::new(new)?;
    let entry = PinChangeEntry::Typed { old, new: &new };
    let changed = token.change_pin(entry, LastTry::Spare)?;
    let why = if changed.was_forced {
        ", as it had to be"
    } else {
        ""
    };
    println!("  changed{why}");
    Ok(new)
}

/// Asks for a new PIN that breaks the policy; the host sees that, and nothing
/// is sent.
///
/// # Errors
/// If it is not refused so.
pub fn refused_on_the_host(token: &mut Session, old: &Pin, new: &[u8]) -> Result<()> {
    let new = Pin::new(new)?;
    let sent = token.round_trips();
    let entry = PinChangeEntry::Typed { old, new: &new };
    match token.change_pin(entry, LastTry::Spare) {
        Err(ActionError::NotSent(NotSent::NewPin { rule })) => {
            println!("  refused on the host: a PIN has to have {rule}");
        }
        Err(error) => return Err(error.into()),
        Ok(_) => bail!("this PIN should have been refused"),
    }
    ensure!(token.round_trips() == sent, "nothing should have been sent");
    Ok(())
}

/// A line from standard input; a program that asks a person switches the echo
/// off.
///
/// # Errors
/// If there is none.
pub fn secret_line() -> Result<Zeroizing<String>> {
    // Long enough for every secret here, so that no copy is left behind.
    let mut line = Zeroizing::new(String::with_capacity(256));
    ensure!(stdin().read_line(&mut line)? > 0, "a line is missing");
    let end = line.trim_end().len();
    line.truncate(end);
    Ok(line)
}

/// The program in the project's README, so that it keeps compiling.
#[cfg(all(doctest, feature = "pcsc"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
