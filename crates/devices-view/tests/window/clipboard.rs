//! A clipboard that a test looks into.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devices_view::Lending;
use token_desktop::{Clipboard, ClipboardError};
use zeroize::Zeroizing;

/// The same one in each clone.
#[derive(Clone, Default)]
pub(crate) struct FakeClipboard {
    text: Arc<Mutex<Option<String>>>,
    /// Whether it can't be cleared.
    holds: bool,
    /// Whether nobody can look what is in it.
    hides: bool,
}

impl FakeClipboard {
    /// One that can't be cleared.
    pub(crate) fn that_holds() -> Self {
        Self {
            holds: true,
            ..Self::default()
        }
    }

    /// One in which nobody can look.
    pub(crate) fn that_hides() -> Self {
        Self {
            hides: true,
            ..Self::default()
        }
    }

    /// As the window takes it.
    pub(crate) fn lending(&self, time: Duration) -> Lending {
        let clipboard = self.clone();
        Lending {
            open: Arc::new(move || Ok(Box::new(clipboard.clone()))),
            time,
        }
    }

    pub(crate) fn text(&self) -> Option<String> {
        self.text
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// As another program does.
    pub(crate) fn set(&self, text: Option<&str>) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text.map(str::to_owned);
    }
}

impl Clipboard for FakeClipboard {
    fn put(&mut self, text: &str) -> Result<(), ClipboardError> {
        self.set(Some(text));
        Ok(())
    }

    fn get(&mut self) -> Result<Option<Zeroizing<String>>, ClipboardError> {
        if self.hides {
            return Err(ClipboardError::System("it does not answer".to_owned()));
        }
        Ok(self.text().map(Zeroizing::new))
    }

    fn clear(&mut self) -> Result<(), ClipboardError> {
        if self.holds {
            return Err(ClipboardError::System("it is busy".to_owned()));
        }
        self.set(None);
        Ok(())
    }
}
