//! A clipboard that a test looks into.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devices_view::Lending;
use token_desktop::{Clipboard, ClipboardError};
use zeroize::Zeroizing;

/// The same one in each clone.
#[derive(Clone, Default)]
pub(crate) struct FakeClipboard(Arc<Mutex<Option<String>>>);

impl FakeClipboard {
    /// As the window takes it.
    pub(crate) fn lending(&self, time: Duration) -> Lending {
        let clipboard = self.clone();
        Lending {
            open: Arc::new(move || Ok(Box::new(clipboard.clone()))),
            time,
        }
    }

    pub(crate) fn text(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// As another program does.
    pub(crate) fn set(&self, text: Option<&str>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text.map(str::to_owned);
    }
}

impl Clipboard for FakeClipboard {
    fn put(&mut self, text: &str) -> Result<(), ClipboardError> {
        self.set(Some(text));
        Ok(())
    }

    fn get(&mut self) -> Option<Zeroizing<String>> {
        self.text().map(Zeroizing::new)
    }

    fn clear(&mut self) -> Result<(), ClipboardError> {
        self.set(None);
        Ok(())
    }
}
