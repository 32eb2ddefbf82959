//! Ctrl-C, and being asked to end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Kind, Report, Result};

/// 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// What is done when the process is asked to end.
static AT_END: Mutex<AtEnd> = Mutex::new(AtEnd {
    is_watched: false,
    stop: None,
    restore: BTreeMap::new(),
    next: 0,
});

struct AtEnd {
    is_watched: bool,
    /// Ends the command in an orderly way; of use once.
    stop: Option<Box<dyn FnOnce() + Send>>,
    /// What the terminal has to be freed of first.
    restore: BTreeMap<u64, Box<dyn Fn() + Send>>,
    next: u64,
}

/// Calls `stop` when the process is asked to end (SIGINT, SIGTERM, SIGHUP, or
/// the console's Ctrl-C), so that the command can end in an orderly way. Asked
/// a second time, the process ends at once.
pub(crate) fn on_interrupt(stop: impl FnOnce() + Send + 'static) -> Result {
    let mut at_end = at_end();
    at_end.stop = Some(Box::new(stop));
    watch(&mut at_end).map_err(|error| {
        Report::new(Kind::Other, format!("Ctrl-C cannot be waited for: {error}"))
    })?;
    Ok(())
}

/// Calls `restore` when the process is asked to end while the guard lives, and
/// ends it then: for a terminal that shows nothing that is typed, or a secret.
pub(crate) fn restoring(restore: impl Fn() + Send + 'static) -> Restoring {
    let mut at_end = at_end();
    let number = at_end.next;
    at_end.next += 1;
    at_end.restore.insert(number, Box::new(restore));
    // Where signals can't be waited for, the process ends as it always did.
    let _ = watch(&mut at_end);
    Restoring(number)
}

/// What is to be restored, until this is dropped.
pub(crate) struct Restoring(u64);

impl Drop for Restoring {
    fn drop(&mut self) {
        at_end().restore.remove(&self.0);
    }
}

fn at_end() -> MutexGuard<'static, AtEnd> {
    AT_END.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(at_end: &mut AtEnd) -> std::result::Result<(), ctrlc::Error> {
    if !at_end.is_watched {
        ctrlc::set_handler(asked)?;
        at_end.is_watched = true;
    }
    Ok(())
}

/// On a thread of its own.
fn asked() {
    let mut at_end = at_end();
    let stop = at_end.stop.take();
    match stop {
        Some(stop) if at_end.restore.is_empty() => stop(),
        _ => {
            at_end.restore.values().for_each(|restore| restore());
            std::process::exit(INTERRUPTED);
        }
    }
}
