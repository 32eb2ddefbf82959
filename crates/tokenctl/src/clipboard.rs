//! A secret in the clipboard, for a short while, as the terminal tells it.

use std::cell::Cell;
use std::sync::mpsc::channel;
use std::time::Duration;

use token_desktop::ClipboardError;

use crate::error::{Kind, Report, Result};
use crate::output::Output;
use crate::signal;
use crate::text::{DIM, Text};

/// Puts `secret` into the clipboard for `seconds` and takes it out again, if it
/// is still there; Ctrl-C takes it out at once. `what` names it.
///
/// # Errors
/// `other`: there is no clipboard, as where there is no display; `instead` then
/// says what else can be done.
pub(crate) fn lend(
    secret: &str,
    what: &str,
    seconds: u16,
    instead: &str,
    output: &Output,
) -> Result {
    let failed = |error: ClipboardError| Report::new(Kind::Other, error.to_string()).next(instead);
    let mut clipboard = token_desktop::clipboard().map_err(failed)?;
    let (stop, stopped) = channel();
    signal::on_interrupt(move || {
        // Fails only if it is over already.
        let _ = stop.send(());
    })?;
    let was_in = Cell::new(false);
    let tick = |left: u64| {
        was_in.set(true);
        let text = format!("\r{what} is in the clipboard for {left} s; Ctrl-C clears it. ");
        output.transient(&text);
    };
    output.detail(format!("The clipboard is cleared after {seconds} s"));
    let time = Duration::from_secs(seconds.into());
    let lent = token_desktop::lend(&mut *clipboard, secret, time, &stopped, tick);
    let lent = lent.map_err(|error| {
        let report = failed(error);
        if was_in.get() {
            report.next("It may still be in the clipboard: copy something else over it")
        } else {
            report
        }
    })?;
    output.transient("\r\x1b[K");
    output.remark(&Text::styled(lent.sentence(), DIM));
    Ok(())
}
