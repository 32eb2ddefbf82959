//! Many tokens side by side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use pcsc_transport::{Backend, Card, LinkError, Sharing};

use crate::error::LoadError;
use crate::load::{Limits, deadline, load_within};
use crate::options::LoadOptions;
use crate::token::Token;

/// Connects to the card in `reader`, shared, and loads it. The connection is
/// closed again afterwards and the card left as it was.
///
/// Sends what [`load`](crate::load) sends.
///
/// # Errors
/// [`LoadError::Link`] if connecting fails, and all that
/// [`load`](crate::load) returns.
pub fn load_reader(
    backend: &dyn Backend,
    reader: &str,
    options: &LoadOptions,
) -> Result<Token, LoadError> {
    connect_and_load(backend, reader, options, &Limits::of(options))
}

/// Loads the token in each reader of `backend`, all at once: a thread a reader,
/// so that a slow or broken token delays nobody. Readers without a card are
/// left out.
///
/// The iterator yields each token as it is done; [`LoadAll::ordered`] waits for
/// all and puts them in the readers' order. A token that takes longer than
/// [`LoadOptions::timeout`] is yielded as [`LoadError::Timeout`]; with a reader
/// that never answers its thread stays behind until the reader does.
///
/// Sends what [`load`](crate::load) sends, to each card.
///
/// # Errors
/// A [`LinkError`] if the readers cannot be listed. What goes wrong with one
/// token is in its own [`Loaded`].
pub fn load_all(backend: &Arc<dyn Backend>, options: &LoadOptions) -> Result<LoadAll, LinkError> {
    let occupied = backend
        .readers()?
        .into_iter()
        .filter(|reader| reader.card.is_present());
    let (results, receiver) = mpsc::channel();
    let cancelled = Arc::new(AtomicBool::new(false));
    let mut pending = BTreeMap::new();
    for (index, reader) in occupied.enumerate() {
        let name = reader.name;
        pending.insert(index, name.clone());
        let job = Job {
            backend: Arc::clone(backend),
            reader: name.clone(),
            options: options.clone(),
            limits: Limits::of(options).cancelled_by(&cancelled),
        };
        let sender = results.clone();
        let spawned = thread::Builder::new()
            .name(format!("load {index}"))
            .spawn(move || {
                let _ = sender.send((index, job.run()));
            });
        if let Err(error) = spawned {
            let _ = results.send((index, Err(link_error(&name, LinkError::Io(error)))));
        }
    }
    Ok(LoadAll {
        receiver,
        pending,
        deadline: deadline(options),
        timeout: options.timeout.unwrap_or_default(),
        cancelled,
    })
}

/// One reader's token, or why there is none.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The reader's name.
    pub reader: String,
    /// The token, or what went wrong with it.
    pub result: Result<Token, LoadError>,
}

/// The tokens of [`load_all`], as each is done. Dropping it stops the loads
/// that are still going, each before its next command.
#[derive(Debug)]
pub struct LoadAll {
    receiver: mpsc::Receiver<(usize, Result<Token, LoadError>)>,
    /// Readers that nothing was yielded for yet, by their place in the list.
    pending: BTreeMap<usize, String>,
    deadline: Option<Instant>,
    timeout: Duration,
    cancelled: Arc<AtomicBool>,
}

impl LoadAll {
    /// How many tokens are still to come.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Waits for all that are still to come and returns them in the order in
    /// which the backend lists their readers.
    pub fn ordered(mut self) -> Vec<Loaded> {
        let mut all = BTreeMap::new();
        while let Some((index, loaded)) = self.next_indexed() {
            all.insert(index, loaded);
        }
        all.into_values().collect()
    }

    fn next_indexed(&mut self) -> Option<(usize, Loaded)> {
        while !self.pending.is_empty() {
            let received = match self.deadline {
                Some(deadline) => self
                    .receiver
                    .recv_timeout(deadline.saturating_duration_since(Instant::now())),
                None => self
                    .receiver
                    .recv()
                    .map_err(|_| RecvTimeoutError::Disconnected),
            };
            match received {
                // A result of one that was already given up is dropped.
                Ok((index, result)) => {
                    if let Some(reader) = self.pending.remove(&index) {
                        return Some((index, Loaded { reader, result }));
                    }
                }
                Err(error) => {
                    let (index, reader) = self.pending.pop_first()?;
                    let result = Err(match error {
                        RecvTimeoutError::Timeout => LoadError::Timeout {
                            reader: reader.clone(),
                            after: self.timeout,
                        },
                        RecvTimeoutError::Disconnected => LoadError::Aborted {
                            reader: reader.clone(),
                        },
                    });
                    return Some((index, Loaded { reader, result }));
                }
            }
        }
        None
    }
}

impl Iterator for LoadAll {
    type Item = Loaded;

    fn next(&mut self) -> Option<Loaded> {
        self.next_indexed().map(|(_, loaded)| loaded)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.pending.len(), Some(self.pending.len()))
    }
}

impl ExactSizeIterator for LoadAll {}

impl std::iter::FusedIterator for LoadAll {}

impl Drop for LoadAll {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

/// What one thread does.
struct Job {
    backend: Arc<dyn Backend>,
    reader: String,
    options: LoadOptions,
    limits: Limits,
}

impl Job {
    fn run(self) -> Result<Token, LoadError> {
        connect_and_load(&*self.backend, &self.reader, &self.options, &self.limits)
    }
}

fn connect_and_load(
    backend: &dyn Backend,
    reader: &str,
    options: &LoadOptions,
    limits: &Limits,
) -> Result<Token, LoadError> {
    let link = backend
        .connect(reader, Sharing::Shared)
        .map_err(|source| link_error(reader, source))?;
    load_within(&mut Card::new(link), options, limits)
}

fn link_error(reader: &str, source: LinkError) -> LoadError {
    LoadError::Link {
        reader: reader.to_owned(),
        source,
    }
}
