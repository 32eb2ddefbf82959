//! A secret in the clipboard, for a short while.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A clipboard for text.
pub trait Clipboard {
    /// Puts `text` in, and asks programs that keep a history to pass it over.
    ///
    /// # Errors
    /// [`ClipboardError`].
    fn put(&mut self, text: &str) -> Result<(), ClipboardError>;

    /// What is in it; `None` if it is empty or holds no text.
    ///
    /// # Errors
    /// [`ClipboardError`]: nobody could look.
    fn get(&mut self) -> Result<Option<Zeroizing<String>>, ClipboardError>;

    /// Empties it.
    ///
    /// # Errors
    /// [`ClipboardError`].
    fn clear(&mut self) -> Result<(), ClipboardError>;
}

/// Why there is no clipboard, or it does nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClipboardError {
    /// The feature `clipboard` was left out.
    #[error("the clipboard cannot be used: it was left out of this build")]
    LeftOut,
    /// The program runs where there is no display.
    #[error(
        "the clipboard cannot be used: there is no display (neither DISPLAY nor WAYLAND_DISPLAY is \
         set)"
    )]
    NoDisplay,
    /// The system says why.
    #[error("the clipboard cannot be used: {0}")]
    System(String),
}

/// What became of a secret that was in the clipboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lent {
    /// It was still there, and is no more.
    Cleared,
    /// Something else had taken its place, and was left alone.
    Replaced,
}

impl Lent {
    /// What to tell the person.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Cleared => "The clipboard was cleared.",
            Self::Replaced => "The clipboard holds something else by now, and was left alone.",
        }
    }
}

/// Puts `secret` into the clipboard for `time` and takes it out again, if it is still
/// there. Returns when that is done: a window calls it on a thread of its own, in which
/// it opens the clipboard too, and waits for the thread before it ends.
///
/// `stopped` takes it out at once: when something is sent, and also when the sender is
/// dropped, since nobody could stop it any more. `tick` is called about once a second
/// with the seconds that are left, rounded up.
///
/// # Errors
/// [`ClipboardError`]: the secret was not put in, could not be taken out, or nobody could look
/// whether it is still in.
pub fn lend(
    clipboard: &mut dyn Clipboard,
    secret: &str,
    time: Duration,
    stopped: &Receiver<()>,
    mut tick: impl FnMut(u64),
) -> Result<Lent, ClipboardError> {
    clipboard.put(secret)?;
    let began = Instant::now();
    loop {
        let left = time.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        tick(seconds);
        match stopped.recv_timeout(left.min(Duration::from_secs(1))) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let is_ours = clipboard
        .get()?
        .is_some_and(|text| text.as_bytes().ct_eq(secret.as_bytes()).into());
    if !is_ours {
        return Ok(Lent::Replaced);
    }
    clipboard.clear()?;
    Ok(Lent::Cleared)
}

/// The desktop's clipboard.
///
/// # Errors
/// [`ClipboardError::NoDisplay`], [`ClipboardError::System`].
#[cfg(feature = "clipboard")]
pub fn clipboard() -> Result<Box<dyn Clipboard>, ClipboardError> {
    Ok(Box::new(desktop::Desktop::open()?))
}

/// The desktop's clipboard, which this build does not know.
///
/// # Errors
/// [`ClipboardError::LeftOut`].
#[cfg(not(feature = "clipboard"))]
pub fn clipboard() -> Result<Box<dyn Clipboard>, ClipboardError> {
    Err(ClipboardError::LeftOut)
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

    use super::{Clipboard, ClipboardError};

    /// The desktop's clipboard.
    pub(super) struct Desktop(arboard::Clipboard);

    impl Desktop {
        pub(super) fn open() -> Result<Self, ClipboardError> {
            arboard::Clipboard::new().map(Desktop).map_err(|error| {
                let no_display = cfg!(all(unix, not(target_os = "macos")))
                    && ["DISPLAY", "WAYLAND_DISPLAY"]
                        .iter()
                        .all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty()));
                if no_display {
                    ClipboardError::NoDisplay
                } else {
                    failed(error)
                }
            })
        }
    }

    #[allow(clippy::needless_pass_by_value, reason = "as map_err gives it")]
    fn failed(error: arboard::Error) -> ClipboardError {
        ClipboardError::System(error.to_string())
    }

    impl Clipboard for Desktop {
        fn put(&mut self, text: &str) -> Result<(), ClipboardError> {
            let set = self.0.set().exclude_from_history();
            #[cfg(windows)]
            let set = set.exclude_from_cloud().exclude_from_monitoring();
            set.text(text).map_err(failed)
        }

        fn get(&mut self) -> Result<Option<Zeroizing<String>>, ClipboardError> {
            match self.0.get_text() {
                Ok(text) => Ok(Some(Zeroizing::new(text))),
                Err(arboard::Error::ContentNotAvailable) => Ok(None),
                Err(error) => Err(failed(error)),
            }
        }

        fn clear(&mut self) -> Result<(), ClipboardError> {
            self.0.clear().map_err(failed)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::cell::RefCell;
    use std::rc::Rc;
    use std::sync::mpsc::channel;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A clipboard that others can reach, too.
    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Option<String>>>);

    impl Clipboard for Shared {
        fn put(&mut self, text: &str) -> Result<(), ClipboardError> {
            *self.0.borrow_mut() = Some(text.to_owned());
            Ok(())
        }

        fn get(&mut self) -> Result<Option<Zeroizing<String>>, ClipboardError> {
            Ok(self.0.borrow().clone().map(Zeroizing::new))
        }

        fn clear(&mut self) -> Result<(), ClipboardError> {
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
        let outcome = lend(&mut clipboard.clone(), "1234", SECOND, &stopped, |left| {
            seen.borrow_mut().push((left, clipboard.0.borrow().clone()));
        });
        assert_eq!(outcome, Ok(Lent::Cleared));
        assert!(began.elapsed() >= Duration::from_secs(1));
        assert_eq!(seen.borrow()[0], (1, Some("1234".to_owned())));
        assert_eq!(clipboard.get(), Ok(None));
    }

    #[test]
    fn stopping_takes_it_out_at_once() {
        let mut clipboard = Shared::default();
        let (stop, stopped) = channel();
        stop.send(()).unwrap();
        let outcome = lend(&mut clipboard, "1234", SECOND * 600, &stopped, |_| {});
        assert_eq!(outcome, Ok(Lent::Cleared));
        assert_eq!(clipboard.get(), Ok(None));
    }

    #[test]
    fn it_is_taken_out_at_once_if_nobody_could_stop_it_any_more() {
        let mut clipboard = Shared::default();
        let (stop, stopped) = channel();
        drop(stop);
        let outcome = lend(&mut clipboard, "1234", SECOND * 600, &stopped, |_| {});
        assert_eq!(outcome, Ok(Lent::Cleared));
        assert_eq!(clipboard.get(), Ok(None));
    }

    #[test]
    fn what_came_after_it_stays() {
        let mut clipboard = Shared::default();
        let (stop, stopped) = channel();
        let other = clipboard.clone();
        let outcome = lend(&mut clipboard, "1234", SECOND * 600, &stopped, |_| {
            *other.0.borrow_mut() = Some("12345".to_owned());
            stop.send(()).unwrap();
        });
        assert_eq!(outcome, Ok(Lent::Replaced));
        assert_eq!(clipboard.get().unwrap().unwrap().as_str(), "12345");
    }

    /// Puts in, and nobody can look any more.
    struct Gone;

    impl Clipboard for Gone {
        fn put(&mut self, _: &str) -> Result<(), ClipboardError> {
            Ok(())
        }

        fn get(&mut self) -> Result<Option<Zeroizing<String>>, ClipboardError> {
            Err(ClipboardError::NoDisplay)
        }

        fn clear(&mut self) -> Result<(), ClipboardError> {
            Ok(())
        }
    }

    #[test]
    fn where_nobody_can_look_it_is_not_taken_for_something_else() {
        let (_, stopped) = channel();
        let outcome = lend(&mut Gone, "1234", SECOND, &stopped, |_| {});
        assert_eq!(outcome, Err(ClipboardError::NoDisplay));
    }
}
