//! Writes what goes over a link.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use piv_apdu::apdu::Command;
use piv_apdu::status::StatusWord;
use zeroize::Zeroizing;

use super::describe::describe;
use super::format::{self, MAGIC, Masked};
use super::policy::Policy;
use crate::error::LinkError;
use crate::link::{CardLink, Continuity, Insertion, Leave, LinkInfo};
use crate::pin_pad::{PinModify, PinPadFeatures, PinVerify};

/// A link that writes a trace of what goes over it. See the
/// [module](crate::trace) for what it shows and the format.
///
/// If the trace cannot be written any more, the card is not disturbed: the
/// recorder stops writing and says so in the log (`tracing`, level warn).
pub struct Recorder<W> {
    link: Box<dyn CardLink>,
    trace: Option<W>,
    policy: Policy,
    /// What the PIN pad can do, once it was asked for and written down.
    pin_pad: Option<PinPadFeatures>,
}

impl<W: Write + Send> Recorder<W> {
    /// Wraps a link, and writes the head of the trace: reader name, ATR and
    /// what the link carries. Sends nothing.
    ///
    /// # Errors
    ///
    /// If the head cannot be written.
    pub fn new(link: Box<dyn CardLink>, mut trace: W) -> io::Result<Self> {
        let info = link.info();
        writeln!(trace, "{MAGIC}")?;
        writeln!(trace, "reader {}", format::escape(&info.reader))?;
        writeln!(trace, "atr {}", format::hex(info.atr.as_bytes()))?;
        let carries = format::link(info.interface, info.protocol, info.extended);
        writeln!(trace, "link {carries}")?;
        Ok(Recorder {
            link,
            trace: Some(trace),
            policy: Policy::default(),
            pin_pad: None,
        })
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        if let Some(trace) = &mut self.trace
            && let Err(error) = writeln!(trace, "{line}").and_then(|()| trace.flush())
        {
            tracing::warn!(%error, "the trace cannot be written and ends here");
            self.trace = None;
        }
    }

    /// An exchange on the PIN pad. The template has no PIN in it, and nothing of
    /// the answer but its status word is public.
    fn on_pin_pad(
        &mut self,
        mark: &str,
        template: &[u8],
        ask: impl FnOnce(&mut dyn CardLink) -> Result<Zeroizing<Vec<u8>>, LinkError>,
    ) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.policy.interrupted();
        let words = Command::decode(template).map_or_else(|_| String::new(), |c| describe(&c));
        let template = format::hex(template);
        self.line(format_args!(
            "{mark} {template}  # {words}, typed on the reader"
        ));
        let result = ask(&mut *self.link);
        match &result {
            Ok(answer) => self.answer(answer),
            Err(error) => self.failed(error),
        }
        result
    }

    fn failed(&mut self, error: &LinkError) {
        self.policy.interrupted();
        self.line(format_args!("! {}", format::failure(error)));
    }

    fn answer(&mut self, answer: &[u8]) {
        let Some((data, status)) = answer.split_last_chunk::<2>() else {
            self.policy.interrupted();
            let masked = Masked::answer(answer);
            self.line(format_args!("< {masked}  # no status word"));
            return;
        };
        let status = StatusWord::new(u16::from_be_bytes(*status));
        if self.policy.answer(status, data) && !data.is_empty() {
            self.line(format_args!("< {} {:04X}", format::hex(data), status.get()));
        } else {
            self.line(format_args!("< {}  # {status}", Masked::answer(answer)));
        }
    }
}

impl<W: Write + Send> CardLink for Recorder<W> {
    fn info(&self) -> &LinkInfo {
        self.link.info()
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        self.policy.interrupted();
        let result = self.link.begin();
        match &result {
            Ok(continuity) => self.line(format_args!("begin {}", format::continuity(*continuity))),
            Err(error) => self.line(format_args!("begin ! {}", format::failure(error))),
        }
        result
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        let shown = self.policy.command(command);
        let masked = if shown.request {
            Masked::open(command)
        } else {
            Masked::command(command)
        };
        let words = Command::decode(command)
            .map_or_else(|_| "not a command APDU".to_owned(), |c| describe(&c));
        self.line(format_args!("> {masked}  # {words}"));
        let result = self.link.transmit(command);
        match &result {
            Ok(answer) => self.answer(answer),
            Err(error) => self.failed(error),
        }
        result
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        self.policy.interrupted();
        let result = self.link.end(leave);
        let how = format::leave(leave);
        match &result {
            Ok(()) => self.line(format_args!("end {how}")),
            Err(error) => self.line(format_args!("end {how} ! {}", format::failure(error))),
        }
        result
    }

    fn insertion(&mut self) -> Option<Insertion> {
        self.link.insertion()
    }

    fn pin_pad(&mut self) -> PinPadFeatures {
        let pad = self.link.pin_pad();
        if self.pin_pad.replace(pad) != Some(pad) {
            self.line(format_args!("pin-pad {}", format::pin_pad(pad)));
        }
        pad
    }

    fn verify_on_pin_pad(&mut self, request: &PinVerify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.on_pin_pad(format::PAD_VERIFY, &request.template(), |link| {
            link.verify_on_pin_pad(request)
        })
    }

    fn modify_on_pin_pad(&mut self, request: &PinModify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.on_pin_pad(format::PAD_MODIFY, &request.template(), |link| {
            link.modify_on_pin_pad(request)
        })
    }
}

impl<W> fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("info", self.link.info())
            .field("writing", &self.trace.is_some())
            .finish_non_exhaustive()
    }
}

/// A trace in memory that can be read while a [`Recorder`] writes to it. Clones
/// share the content.
#[derive(Clone, Debug, Default)]
pub struct TraceBuffer(Arc<Mutex<Vec<u8>>>);

impl TraceBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written so far.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for TraceBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
