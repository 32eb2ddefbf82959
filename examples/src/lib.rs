//! What the examples share: where their tokens come from.

use std::sync::Arc;

use anyhow::{Result, bail};
use pcsc_transport::Backend;
use virtual_token::{CreateOptions, MemoryBackend, Profile, SharedToken, VirtualToken};

/// The system's readers if the program was started with `--pcsc`, else one
/// software token of each kind.
///
/// # Errors
/// For any other argument, or if `--pcsc` was left out when this was built.
pub fn backend_from_arguments() -> Result<Arc<dyn Backend>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(Arc::new(software_tokens()?)),
        #[cfg(feature = "pcsc")]
        ["--pcsc"] => Ok(Arc::new(pcsc_transport::pcsc::PcscBackend::new())),
        #[cfg(not(feature = "pcsc"))]
        ["--pcsc"] => bail!("built without the feature `pcsc`"),
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

/// The program in the project's README, so that it keeps compiling.
#[cfg(all(doctest, feature = "pcsc"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
