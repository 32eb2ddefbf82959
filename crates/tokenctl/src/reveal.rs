//! How a secret that was asked for is given: on stdout, in the clipboard for a
//! short while, or on a page of the terminal that is cleared again.

use std::io::Write as _;

use clap::Args;

use crate::clipboard;
use crate::error::{Kind, Report, Result};
use crate::handover;
use crate::output::Output;
use crate::secret;
use crate::text::Text;

/// How a secret is given.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct RevealArgs {
    /// Write the secret to stdout without asking.
    #[arg(long)]
    show: bool,

    /// Put the secret into the clipboard for SECONDS, or 30, instead of showing it.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30",
        value_parser = clap::value_parser!(u16).range(1..=600),
        conflicts_with_all = ["json", "show"]
    )]
    copy: Option<u16>,
}

impl RevealArgs {
    /// Sees that there is a way to give it, before anything is asked or sent.
    ///
    /// # Errors
    /// `usage`: it would go to stdout, and nothing says so.
    pub(crate) fn check(self, output: &Output) -> Result {
        let asks = !self.show && self.copy.is_none();
        if asks && (output.json || !secret::is_terminal()) {
            let message = "a secret is written to stdout only if --show says so";
            return Err(Report::new(Kind::Usage, message)
                .next("Nothing was sent to the token")
                .into());
        }
        Ok(())
    }

    /// Gives it; `question` asks first whether it may be shown.
    pub(crate) fn give(self, name: &str, value: &str, question: &str, output: &Output) -> Result {
        if let Some(seconds) = self.copy {
            let instead = "Leave --copy out, and it is shown";
            let what = format!("The {name}");
            return clipboard::lend(value, &what, seconds, instead, output);
        }
        if self.show {
            // Past the buffer that text is written through: it is not wiped.
            let mut out = std::io::stdout().lock();
            out.write_all(value.as_bytes())?;
            out.write_all(b"\n")?;
            out.flush()?;
            output.remark(&Text::from(format!("This is the {name}.")));
            return Ok(());
        }
        if secret::confirm(question, "--show")? {
            handover::show(name, value, "Seen? It is cleared then", "--show")?;
        }
        Ok(())
    }
}
