//! A token in a virtual reader of the system's PC/SC service.
//!
//! vsmartcard's `vpcd` is a reader driver for pcscd which takes its cards over TCP:
//! one connection is one card in the reader, closing it pulls the card out. This is
//! a client of it, so that every program on the machine finds a software token as
//! if it were plugged in. On Debian and Ubuntu the driver is the package
//! `vsmartcard-vpcd`; its two slots listen at ports 35963 and 35964.
//!
//! [`Served::insert`] puts a token in and serves it from a thread of its own;
//! [`Served::eject`], or dropping it, pulls it out. [`serve`] does the same in the
//! caller's thread, for a program that does nothing else.
//!
//! ```no_run
//! use virtual_token::vpcd::{DEFAULT_PORT, Served};
//! use virtual_token::{CreateOptions, Profile, SharedToken, VirtualToken};
//!
//! let token = VirtualToken::create(Profile::CrescendoKey, &CreateOptions::default())?;
//! let served = Served::insert(SharedToken::new(token), ("127.0.0.1", DEFAULT_PORT))?;
//! // ... other programs use the card ...
//! served.eject()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The protocol (vsmartcard's documentation, "Virtual Smart Card API"; read in its
//! `vpcd.c`): each message is a length of two bytes, big-endian, and so many bytes.
//! To the card: one control byte (00 power off, 01 power on, 02 reset, 04 send the
//! ATR), or a command APDU. From the card: the ATR or a response APDU; the other
//! control bytes are not answered. An answer of no bytes counts as a removal.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::SharedToken;
use crate::shared::{Failure, Power, Refusal, ResetNotice, Session};

/// The port of vpcd's first slot; the second one is the next.
pub const DEFAULT_PORT: u16 = 35963;

const POWER_OFF: u8 = 0x00;
const POWER_ON: u8 = 0x01;
const RESET: u8 = 0x02;
const SEND_ATR: u8 = 0x04;

/// The longest message, in bytes, without its length.
const MAX_MESSAGE: usize = 0xFFFF;

/// Why a token is not, or no longer, in a virtual reader.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VpcdError {
    /// Nothing takes cards at this address.
    #[error(
        "no virtual reader takes cards at {address} ({source}); start pcscd with vsmartcard's vpcd \
         driver (Debian and Ubuntu: `apt install vsmartcard-vpcd`, then restart pcscd)"
    )]
    NotListening {
        /// The address that was tried.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// The address means nothing.
    #[error("the virtual reader's address cannot be found: {0}")]
    Address(io::Error),
    /// The token is held exclusively by a link within this process.
    #[error("the token is in use exclusively within this program; close that link first")]
    InUse,
    /// The connection failed in the middle.
    #[error("the connection to the virtual reader failed, the token was pulled out: {0}")]
    Connection(#[from] io::Error),
    /// The other end sent what vpcd does not send.
    #[error("what listens there is not vpcd: it sent an empty message")]
    NotVpcd,
}

/// How a token came out of the virtual reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was pulled out: by its owner, by a fault, or put into another reader.
    Ejected,
    /// The reader went away: pcscd was stopped, or it closed the connection.
    ReaderGone,
}

/// A token in a virtual reader, served by a thread. Dropping it pulls the token out.
#[derive(Debug)]
pub struct Served {
    stop: StopHandle,
    noticed: Arc<Noticed>,
    thread: Option<JoinHandle<Result<Ended, VpcdError>>>,
}

impl Served {
    /// Puts a token into the virtual reader at `address`, taking it out of the one it
    /// was in, and returns when the connection stands. pcscd notices the card a little
    /// later, when it next looks; see [`Served::wait_until_noticed`].
    ///
    /// # Errors
    ///
    /// [`VpcdError::NotListening`] or [`VpcdError::Address`], and then the token
    /// stays where it was; [`VpcdError::Connection`].
    pub fn insert(token: SharedToken, address: impl ToSocketAddrs) -> Result<Self, VpcdError> {
        let connection = Connection::open(token, address)?;
        let stop = connection.stop.clone();
        let noticed = Arc::clone(&connection.noticed);
        let thread = thread::Builder::new()
            .name(format!("vpcd {}", connection.peer))
            .spawn(move || connection.run())?;
        Ok(Self {
            stop,
            noticed,
            thread: Some(thread),
        })
    }

    /// Pulls the token out. When this returns, the connection is closed, the thread
    /// has ended, and nothing more is sent. A command under way is lost, unless the
    /// card is executing it at this moment; then this waits, and its answer is lost.
    ///
    /// # Errors
    ///
    /// What went wrong while the token was served, if anything did.
    pub fn eject(mut self) -> Result<Ended, VpcdError> {
        self.stop.stop();
        self.join()
    }

    /// Waits until the token comes out for another reason.
    ///
    /// # Errors
    ///
    /// [`VpcdError::Connection`] or [`VpcdError::NotVpcd`].
    pub fn wait(mut self) -> Result<Ended, VpcdError> {
        self.join()
    }

    /// Waits until the reader has first spoken to the card. False if it has not
    /// within `timeout`, or will not: the card was pulled out. Where another card is
    /// in the slot already, it does not.
    pub fn wait_until_noticed(&self, timeout: Duration) -> bool {
        self.noticed.wait(timeout)
    }

    /// Is the token still in the reader?
    pub fn is_inserted(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }

    /// Something that pulls the token out from another thread.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    fn join(&mut self) -> Result<Ended, VpcdError> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            // The thread does not panic; if a hook of the caller's did, the card is
            // out all the same.
            Some(Err(_)) | None => Ok(Ended::Ejected),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.stop();
        let _ = self.join();
    }
}

/// Serves a token in the caller's thread until it is pulled out. `inserted` is called
/// once the connection stands, with a handle that ends it.
///
/// # Errors
///
/// As [`Served::insert`] and [`Served::wait`].
pub fn serve(
    token: &SharedToken,
    address: impl ToSocketAddrs,
    inserted: impl FnOnce(StopHandle),
) -> Result<Ended, VpcdError> {
    let connection = Connection::open(token.clone(), address)?;
    inserted(connection.stop.clone());
    connection.run()
}

/// Pulls a served token out, from any thread, at any time, any number of times.
#[derive(Clone)]
pub struct StopHandle {
    token: SharedToken,
    insertion: u64,
}

impl StopHandle {
    /// Pulls the token out. Does not wait for the serving thread to end. Does nothing
    /// if the token is out, or in another reader.
    pub fn stop(&self) {
        self.token.eject_insertion(self.insertion);
    }
}

impl fmt::Debug for StopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StopHandle(..)")
    }
}

/// Whether the reader has spoken: none while it may yet.
#[derive(Debug, Default)]
struct Noticed {
    state: Mutex<Option<bool>>,
    changed: Condvar,
}

impl Noticed {
    fn set(&self, noticed: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_none() {
            *state = Some(noticed);
            drop(state);
            self.changed.notify_all();
        }
    }

    fn wait(&self, timeout: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, _) = self
            .changed
            .wait_timeout_while(state, timeout, |state| state.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        state.unwrap_or(false)
    }
}

/// A card in the reader.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    session: Session,
    stop: StopHandle,
    noticed: Arc<Noticed>,
}

impl Connection {
    fn open(token: SharedToken, address: impl ToSocketAddrs) -> Result<Self, VpcdError> {
        let (stream, peer) = connect(address)?;
        // Without it an answer waits for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        let closer = stream.try_clone()?;
        let insertion = token.move_to(Box::new(move || {
            let _ = closer.shutdown(Shutdown::Both);
        }));
        let session =
            Session::open(&token, false, ResetNotice::None, None).map_err(
                |refusal| match refusal {
                    Refusal::InUse => VpcdError::InUse,
                    Refusal::Absent => {
                        VpcdError::Connection(io::Error::other("pulled out while it was put in"))
                    }
                },
            )?;
        Ok(Self {
            stream,
            peer,
            session,
            stop: StopHandle { token, insertion },
            noticed: Arc::default(),
        })
    }

    /// Serves until the card is out.
    fn run(mut self) -> Result<Ended, VpcdError> {
        let result = self.serve();
        let ejected = !self.session.is_in();
        self.stop.stop();
        self.noticed.set(false);
        match result {
            // Whatever a closing socket reports, the card was pulled out on purpose.
            _ if ejected => Ok(Ended::Ejected),
            Err(VpcdError::Connection(error)) if is_closed(&error) => Ok(Ended::ReaderGone),
            result => result.map(|()| Ended::ReaderGone),
        }
    }

    fn serve(&mut self) -> Result<(), VpcdError> {
        while let Some(message) = self.receive()? {
            self.noticed.set(true);
            let answer = match message.as_slice() {
                [] => return Err(VpcdError::NotVpcd),
                [control] => self.control(*control),
                _ => match self.session.transmit(&message) {
                    Ok(answer) => Some(answer),
                    // vpcd knows no reader that fails: the nearest is a card that is gone.
                    Err(
                        Failure::Removed | Failure::Reader | Failure::Reset | Failure::Unresponsive,
                    ) => {
                        self.stop.stop();
                        return Ok(());
                    }
                },
            };
            if let Some(answer) = answer {
                self.send(&answer)?;
            }
        }
        Ok(())
    }

    fn control(&mut self, control: u8) -> Option<Zeroizing<Vec<u8>>> {
        match control {
            POWER_OFF => self.session.power(Power::Off),
            POWER_ON => self.session.power(Power::On),
            RESET => self.session.power(Power::Reset),
            SEND_ATR => {
                let atr = self.session.token().atr();
                return Some(Zeroizing::new(atr.as_bytes().to_vec()));
            }
            // vpcd has no others.
            _ => {}
        }
        None
    }

    /// The next message; none when the other end has closed the connection.
    fn receive(&mut self) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        let mut length = [0; 2];
        if !self.fill(&mut length)? {
            return Ok(None);
        }
        let mut message = Zeroizing::new(vec![0; usize::from(u16::from_be_bytes(length))]);
        Ok(self.fill(&mut message)?.then_some(message))
    }

    /// Fills the buffer; false if the connection is closed before it is full.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            acknowledge_at_once(&self.stream);
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => return Ok(false),
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn send(&mut self, answer: &[u8]) -> io::Result<()> {
        // Only a fault makes a longer answer.
        let answer = &answer[..answer.len().min(MAX_MESSAGE)];
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX);
        // One write, one packet.
        let mut message = Zeroizing::new(Vec::with_capacity(2 + answer.len()));
        message.extend(length.to_be_bytes());
        message.extend(answer);
        self.stream.write_all(&message)
    }
}

fn connect(address: impl ToSocketAddrs) -> Result<(TcpStream, SocketAddr), VpcdError> {
    let addresses: Vec<_> = address
        .to_socket_addrs()
        .map_err(VpcdError::Address)?
        .collect();
    let stream =
        TcpStream::connect(addresses.as_slice()).map_err(|source| VpcdError::NotListening {
            address: addresses
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" or "),
            source,
        })?;
    let peer = stream.peer_addr()?;
    Ok((stream, peer))
}

/// vpcd sends a message's length and body apart and waits, between the two, for the
/// acknowledgement of the first, which the system delays by some 40 ms unless asked
/// not to. It has to be asked before every receive: the setting does not last.
fn acknowledge_at_once(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}
