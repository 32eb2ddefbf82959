//! A secret in the clipboard, for a short while.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::error::{Kind, Report, Result};
use crate::output::Output;
use crate::signal;
use crate::text::{DIM, Text};

/// A clipboard for text.
trait Clipboard {
    /// Puts `text` in, and asks programs that keep a history to pass it over.
    fn put(&mut self, text: &str) -> std::result::Result<(), String>;

    /// What is in it; `None` if it is empty or holds no text.
    fn get(&mut self) -> Option<Zeroizing<String>>;

    /// Empties it.
    fn clear(&mut self) -> std::result::Result<(), String>;
}

/// What became of a secret that was in the clipboard.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It was still there, and is no more.
    Cleared,
    /// Something else had taken its place, and was left alone.
    Replaced,
}

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
    let failed = |error: String| {
        let message = format!("the clipboard cannot be used: {error}");
        Report::new(Kind::Other, message).next(instead)
    };
    let mut clipboard = open().map_err(failed)?;
    let (stop, stopped) = channel();
    signal::on_interrupt(move || {
        // Fails only if it is over already.
        let _ = stop.send(());
    })?;
    let say = |left: u64| {
        let text = format!("\r{what} is in the clipboard for {left} s; Ctrl-C clears it. ");
        output.transient(&text);
    };
    output.detail(format!("The clipboard is cleared after {seconds} s"));
    let outcome = lend_to(&mut clipboard, secret, seconds, &stopped, say).map_err(failed)?;
    output.transient("\r\x1b[K");
    output.remark(&Text::styled(
        match outcome {
            Outcome::Cleared => "The clipboard was cleared.",
            Outcome::Replaced => "The clipboard holds something else by now, and was left alone.",
        },
        DIM,
    ));
    Ok(())
}

fn lend_to(
    clipboard: &mut impl Clipboard,
    secret: &str,
    seconds: u16,
    stopped: &Receiver<()>,
    say: impl Fn(u64),
) -> std::result::Result<Outcome, String> {
    clipboard.put(secret)?;
    let end = Instant::now() + Duration::from_secs(seconds.into());
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        say(left
            .as_millis()
            .div_ceil(1000)
            .try_into()
            .unwrap_or(u64::MAX));
        let tick = left.min(Duration::from_secs(1));
        match stopped.recv_timeout(tick) {
            Ok(()) => break,
            Err(RecvTimeoutError::Timeout) => {}
            // Nobody will stop it: only time does.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(tick),
        }
    }
    let is_ours = clipboard
        .get()
        .is_some_and(|text| text.as_bytes().ct_eq(secret.as_bytes()).into());
    if !is_ours {
        return Ok(Outcome::Replaced);
    }
    clipboard.clear()?;
    Ok(Outcome::Cleared)
}

#[cfg(feature = "clipboard")]
fn open() -> std::result::Result<impl Clipboard, String> {
    desktop::Desktop::open()
}

#[cfg(not(feature = "clipboard"))]
fn open() -> std::result::Result<absent::Absent, String> {
    Err("it was left out of this build".to_owned())
}

#[cfg(feature = "clipboard")]
mod desktop {
    use zeroize::Zeroizing;

    #[cfg(target_os = "macos")]
    use arboard::SetExtApple as _;
    #[cfg(all(unix, not(target_os = "macos")))]
    use arboard::SetExtLinux as _;
    #[cfg(windows)]
    use arboard::SetExtWindows as _;

    use super::Clipboard;

    /// The desktop's clipboard.
    pub(super) struct Desktop(arboard::Clipboard);

    impl Desktop {
        pub(super) fn open() -> Result<Self, String> {
            arboard::Clipboard::new().map(Desktop).map_err(|error| {
                let no_display = cfg!(all(unix, not(target_os = "macos")))
                    && ["DISPLAY", "WAYLAND_DISPLAY"]
                        .iter()
                        .all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty()));
                if no_display {
                    "there is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)".to_owned()
                } else {
                    error.to_string()
                }
            })
        }
    }

    impl Clipboard for Desktop {
        fn put(&mut self, text: &str) -> Result<(), String> {
            let set = self.0.set().exclude_from_history();
            #[cfg(windows)]
            let set = set.exclude_from_cloud().exclude_from_monitoring();
            set.text(text).map_err(|error| error.to_string())
        }

        fn get(&mut self) -> Option<Zeroizing<String>> {
            self.0.get_text().ok().map(Zeroizing::new)
        }

        fn clear(&mut self) -> Result<(), String> {
            self.0.clear().map_err(|error| error.to_string())
        }
    }
}

/// A clipboard that nobody can make.
#[cfg(not(feature = "clipboard"))]
mod absent {
    use zeroize::Zeroizing;

    pub(super) enum Absent {}

    impl super::Clipboard for Absent {
        fn put(&mut self, _: &str) -> Result<(), String> {
            match *self {}
        }

        fn get(&mut self) -> Option<Zeroizing<String>> {
            match *self {}
        }

        fn clear(&mut self) -> Result<(), String> {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// A clipboard that others can reach, too.
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Option<String>>>);

    impl Clipboard for Shared {
        fn put(&mut self, text: &str) -> std::result::Result<(), String> {
            *self.0.borrow_mut() = Some(text.to_owned());
            Ok(())
        }

        fn get(&mut self) -> Option<Zeroizing<String>> {
            self.0.borrow().clone().map(Zeroizing::new)
        }

        fn clear(&mut self) -> std::result::Result<(), String> {
            *self.0.borrow_mut() = None;
            Ok(())
        }
    }

    #[test]
    fn a_secret_is_taken_out_when_its_time_is_over() {
        let mut clipboard = Shared::default();
        let (_keep, stopped) = channel();
        let seen = RefCell::new(Vec::new());
        let began = Instant::now();
        let outcome = lend_to(&mut clipboard.clone(), "1234", 1, &stopped, |left| {
            seen.borrow_mut().push((left, clipboard.0.borrow().clone()));
        });
        assert_eq!(outcome, Ok(Outcome::Cleared));
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(seen.borrow()[0], (1, Some("1234".to_owned())));
        assert_eq!(clipboard.get(), None);
    }

    #[test]
    fn stopping_takes_it_out_at_once() {
        let mut clipboard = Shared::default();
        let (stop, stopped) = channel();
        stop.send(()).unwrap();
        let outcome = lend_to(&mut clipboard, "1234", 600, &stopped, |_| {});
        assert_eq!(outcome, Ok(Outcome::Cleared));
        assert_eq!(clipboard.get(), None);
    }

    #[test]
    fn what_came_after_it_stays() {
        let mut clipboard = Shared::default();
        let (stop, stopped) = channel();
        let other = clipboard.clone();
        let outcome = lend_to(&mut clipboard, "1234", 600, &stopped, |_| {
            *other.0.borrow_mut() = Some("12345".to_owned());
            stop.send(()).unwrap();
        });
        assert_eq!(outcome, Ok(Outcome::Replaced));
        assert_eq!(clipboard.get().unwrap().as_str(), "12345");
    }
}
