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
use crate::link::{CardLink, Continuity, Leave, LinkInfo};

/// A link that writes a trace of what goes over it. See the
/// [module](crate::trace) for what it shows and the format.
///
/// If the trace cannot be written any more, the card is not disturbed: the
/// recorder stops writing and says so in the log (`tracing`, level warn).
pub struct Recorder<W> {
    link: Box<dyn CardLink>,
    trace: Option<W>,
    policy: Policy,
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
