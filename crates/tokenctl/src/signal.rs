//! Ctrl-C, and being asked to end.

use crate::error::{Kind, Report, Result};

/// Calls `stop` when the process is asked to end (SIGINT, SIGTERM, SIGHUP, or
/// the console's Ctrl-C), so that the command can end in an orderly way. Asked
/// a second time, the process ends at once.
pub(crate) fn on_interrupt(stop: impl Fn() + Send + 'static) -> Result {
    let mut asked = false;
    ctrlc::set_handler(move || {
        if asked {
            // 128 + SIGINT, as shells have it.
            std::process::exit(130);
        }
        asked = true;
        stop();
    })
    .map_err(|error| {
        Report::new(Kind::Other, format!("Ctrl-C cannot be waited for: {error}")).into()
    })
}
