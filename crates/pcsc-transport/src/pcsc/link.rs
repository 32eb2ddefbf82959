//! One connection, served by a thread of its own (see the module above for
//! why).

use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use pcsc::{Disposition, Protocols, ReaderState, ShareMode, State};
use piv_apdu::atr::Atr;
use zeroize::{Zeroize, Zeroizing};

use super::convert::{at_reader, guarded, in_use, protocol, unknown_code};
use super::features::ReaderFeatures;
use super::{insertion, service};
use crate::backend::Sharing;
use crate::error::LinkError;
use crate::link::{
    CardLink, Continuity, ExtendedMemory, Insertion, Interface, Leave, LinkInfo, Protocol,
};
use crate::pin_pad::{PinModify, PinPadFeatures, PinVerify};

/// What the link asks of its thread.
enum Request {
    Begin,
    Exchange(Outgoing),
    Insertion,
    PinPad,
    End(Leave),
}

/// What goes to the card.
enum Outgoing {
    Command(Zeroizing<Vec<u8>>),
    /// Commands that the reader completes with what is typed on it.
    Verify(PinVerify),
    Modify(PinModify),
}

/// What the thread answers to each.
enum Reply {
    Begun(Result<Begun, LinkError>),
    Answered(Result<Zeroizing<Vec<u8>>, LinkError>),
    Insertion(Option<Insertion>),
    PinPad(PinPadFeatures),
    Ended(Result<(), LinkError>),
}

struct Begun {
    continuity: Continuity,
    /// The protocol may be another one after a reset.
    protocol: Protocol,
}

/// A connection to a card through PC/SC. Dropping it disconnects and leaves the
/// card as it is.
pub(super) struct PcscLink {
    info: LinkInfo,
    requests: Option<Sender<Request>>,
    replies: Receiver<Reply>,
    worker: Option<thread::JoinHandle<()>>,
}

impl PcscLink {
    pub(super) fn connect(
        name: CString,
        reader: &str,
        sharing: Sharing,
    ) -> Result<Self, LinkError> {
        let (requests, worker_requests) = channel();
        let (worker_replies, replies) = channel();
        let (connected, connection) = channel();
        let reader_name = reader.to_owned();
        let worker =
            thread::Builder::new().name("pcsc-link".into()).spawn(
                move || match Worker::connect(&name, &reader_name, sharing) {
                    Ok((worker, info)) => {
                        if connected.send(Ok(info)).is_ok() {
                            worker.serve(&worker_requests, &worker_replies);
                        } else {
                            worker.disconnect();
                        }
                    }
                    Err(error) => {
                        let _ = connected.send(Err(at_reader(error, &reader_name)));
                    }
                },
            )?;
        let info = connection.recv().map_err(|_| unknown_code())??;
        Ok(PcscLink {
            info,
            requests: Some(requests),
            replies,
            worker: Some(worker),
        })
    }

    pub(super) fn set_memory(&mut self, memory: ExtendedMemory) {
        self.info.extended_memory = memory;
    }

    fn ask(&self, request: Request) -> Result<Reply, LinkError> {
        let sent = self.requests.as_ref().map(|r| r.send(request));
        match (sent, self.replies.recv()) {
            (Some(Ok(())), Ok(reply)) => Ok(reply),
            // The thread ends only with the link, or by a panic.
            _ => Err(unknown_code()),
        }
    }

    fn exchange(&self, outgoing: Outgoing) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        match self.ask(Request::Exchange(outgoing))? {
            Reply::Answered(answer) => answer,
            _ => Err(LinkError::OutOfOrder("another answer than to a command")),
        }
    }
}

impl CardLink for PcscLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        let begun = match self.ask(Request::Begin)? {
            Reply::Begun(begun) => begun.map_err(|e| at_reader(e, &self.info.reader))?,
            _ => return Err(LinkError::OutOfOrder("another answer than to begin")),
        };
        self.info.protocol = begun.protocol;
        Ok(begun.continuity)
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.exchange(Outgoing::Command(Zeroizing::new(command.to_vec())))
    }

    fn insertion(&mut self) -> Option<Insertion> {
        match self.ask(Request::Insertion) {
            Ok(Reply::Insertion(insertion)) => insertion,
            _ => None,
        }
    }

    fn pin_pad(&mut self) -> PinPadFeatures {
        match self.ask(Request::PinPad) {
            Ok(Reply::PinPad(pad)) => pad,
            _ => PinPadFeatures::NONE,
        }
    }

    fn verify_on_pin_pad(&mut self, request: &PinVerify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.exchange(Outgoing::Verify(*request))
    }

    fn modify_on_pin_pad(&mut self, request: &PinModify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.exchange(Outgoing::Modify(*request))
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        match self.ask(Request::End(leave))? {
            Reply::Ended(ended) => ended,
            _ => Err(LinkError::OutOfOrder("another answer than to end")),
        }
    }
}

impl Drop for PcscLink {
    fn drop(&mut self) {
        // Without requests to come, the thread disconnects and ends. Waiting
        // for it means that the card is free when the link is gone.
        self.requests = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// The thread's side.
struct Worker {
    context: pcsc::Context,
    reader: CString,
    card: pcsc::Card,
    mode: ShareMode,
    /// Where the card was when the link was made.
    interface: Interface,
    protocol: Protocol,
    features: ReaderFeatures,
    /// What `begin` reports if nothing else is known.
    continuity: Continuity,
}

impl Worker {
    fn connect(
        name: &CString,
        reader: &str,
        sharing: Sharing,
    ) -> Result<(Self, LinkInfo), LinkError> {
        let mode = match sharing {
            Sharing::Shared => ShareMode::Shared,
            Sharing::Exclusive => ShareMode::Exclusive,
        };
        let context = service::establish()?;
        let card = guarded(|| context.connect(name, mode, Protocols::T0 | Protocols::T1))?;
        let mut worker = Worker {
            context,
            reader: name.clone(),
            card,
            mode,
            interface: Interface::Contact,
            protocol: Protocol::Other,
            features: ReaderFeatures::default(),
            // Whatever was done before this connection is not known.
            continuity: Continuity::Shared,
        };
        match worker.describe(reader) {
            Ok(info) => Ok((worker, info)),
            Err(error) => {
                worker.disconnect();
                Err(error)
            }
        }
    }

    fn describe(&mut self, reader: &str) -> Result<LinkInfo, LinkError> {
        let mut status = guarded(|| self.card.status2_owned());
        if let Err(LinkError::Reset) = status {
            self.reconnect(Disposition::LeaveCard)?;
            status = guarded(|| self.card.status2_owned());
        }
        let status = status?;
        let atr = Atr::parse(status.atr()).map_err(|error| {
            tracing::debug!(%error, "the card's answer to reset is none");
            LinkError::Unresponsive
        })?;
        self.interface = Interface::of(&atr);
        self.protocol = protocol(status.protocol2());
        self.features = ReaderFeatures::ask(&self.card);
        Ok(LinkInfo::new(reader, atr)
            .with_protocol(self.protocol)
            .with_extended(self.features.extended_length()))
    }

    fn reconnect(&mut self, initialization: Disposition) -> Result<(), LinkError> {
        let protocols = Protocols::T0 | Protocols::T1;
        guarded(|| self.card.reconnect(self.mode, protocols, initialization))?;
        self.protocol = protocol(guarded(|| self.card.status2_owned())?.protocol2());
        Ok(())
    }

    fn disconnect(self) {
        // Dropping the card would reset it; a panic must not drop it either.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if let Err((card, error)) = self.card.disconnect(Disposition::LeaveCard) {
                tracing::debug!(%error, "disconnecting failed");
                // The handle is not valid any more: the drop reaches nothing.
                drop(card);
            }
        }));
    }

    fn serve(mut self, requests: &Receiver<Request>, replies: &Sender<Reply>) {
        while let Ok(request) = requests.recv() {
            let reply = match request {
                Request::Begin => match self.transaction(requests, replies) {
                    Some(reply) => reply,
                    None => break,
                },
                Request::PinPad => Reply::PinPad(self.features.pin_pad(&self.card)),
                Request::Insertion => Reply::Insertion(None),
                Request::Exchange(_) => Reply::Answered(Err(NO_TRANSACTION)),
                Request::End(_) => Reply::Ended(Err(NO_TRANSACTION)),
            };
            if replies.send(reply).is_err() {
                break;
            }
        }
        self.disconnect();
    }

    /// Begins a transaction and serves it until it ends. Gives the reply to
    /// the last request, or `None` if the link is gone.
    fn transaction(
        &mut self,
        requests: &Receiver<Request>,
        replies: &Sender<Reply>,
    ) -> Option<Reply> {
        // Each reconnect may be overtaken by another reset, but not forever.
        for attempt in 0..3 {
            match self.begin_once(requests, replies) {
                Outcome::Over(reply) => return reply,
                Outcome::Failed(LinkError::Reset) if attempt < 2 => {
                    if let Err(error) = self.reconnect(Disposition::LeaveCard) {
                        return Some(Reply::Begun(Err(in_use(error))));
                    }
                }
                Outcome::Failed(LinkError::Unresponsive) if attempt < 2 => {
                    // Without power, or mute: power it up anew.
                    if let Err(error) = self.reconnect(Disposition::UnpowerCard) {
                        return Some(Reply::Begun(Err(in_use(error))));
                    }
                }
                Outcome::Failed(error) => return Some(Reply::Begun(Err(in_use(error)))),
            }
            // Stays so until a transaction has begun and told it.
            self.continuity = Continuity::Lost;
        }
        Some(Reply::Begun(Err(LinkError::Reset)))
    }

    fn begin_once(&mut self, requests: &Receiver<Request>, replies: &Sender<Reply>) -> Outcome {
        let card = &mut self.card;
        let transaction = match guarded(move || card.transaction()) {
            Ok(transaction) => transaction,
            Err(error) => return Outcome::Failed(error),
        };
        // It was connected anew: what is there may be another card.
        if self.continuity == Continuity::Lost
            && let Err(error) = is_on(self.interface, &transaction)
        {
            end(transaction, Disposition::LeaveCard).ok();
            return Outcome::Failed(error);
        }
        let begun = Reply::Begun(Ok(Begun {
            continuity: self.continuity,
            protocol: self.protocol,
        }));
        self.continuity = match self.mode {
            ShareMode::Exclusive => Continuity::Unbroken,
            _ => Continuity::Shared,
        };
        if replies.send(begun).is_err() {
            end(transaction, Disposition::LeaveCard).ok();
            return Outcome::Over(None);
        }
        let mut buffer = Zeroizing::new(vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED]);
        let mut was_reset = false;
        while let Ok(request) = requests.recv() {
            let reply = match request {
                Request::Begin => {
                    Reply::Begun(Err(LinkError::OutOfOrder("begin within a transaction")))
                }
                Request::PinPad => Reply::PinPad(self.features.pin_pad(&transaction)),
                Request::Insertion => Reply::Insertion(insertion::of(&self.context, &self.reader)),
                Request::Exchange(_) if was_reset => Reply::Answered(Err(LinkError::Reset)),
                Request::Exchange(outgoing) => {
                    let answer = exchange(&transaction, &mut self.features, &outgoing, &mut buffer)
                        .map_err(in_use);
                    was_reset = matches!(answer, Err(LinkError::Reset));
                    Reply::Answered(answer)
                }
                Request::End(Leave::AsIs) => {
                    let ended = end(transaction, Disposition::LeaveCard).map_err(in_use);
                    return Outcome::Over(Some(Reply::Ended(ended)));
                }
                Request::End(Leave::Reset) => {
                    let ended = end(transaction, Disposition::ResetCard).map_err(in_use);
                    if ended.is_ok() {
                        self.continuity = Continuity::Lost;
                    }
                    return Outcome::Over(Some(Reply::Ended(ended)));
                }
            };
            if replies.send(reply).is_err() {
                break;
            }
        }
        end(transaction, Disposition::LeaveCard).ok();
        Outcome::Over(None)
    }
}

const NO_TRANSACTION: LinkError = LinkError::OutOfOrder("no transaction is open");

/// How an attempt to have a transaction went.
enum Outcome {
    /// It was begun and is over, with the reply that is still to be given.
    Over(Option<Reply>),
    /// It could not be begun.
    Failed(LinkError),
}

fn exchange(
    card: &pcsc::Card,
    features: &mut ReaderFeatures,
    outgoing: &Outgoing,
    buffer: &mut [u8],
) -> Result<Zeroizing<Vec<u8>>, LinkError> {
    let received = match outgoing {
        Outgoing::Command(command) => guarded(|| card.transmit(command, buffer).map(<[u8]>::len))?,
        Outgoing::Verify(request) => {
            let (code, structure) = features.verify(card, request)?;
            guarded(|| card.control(code, &structure, buffer).map(<[u8]>::len))?
        }
        Outgoing::Modify(request) => {
            let (code, structure) = features.modify(card, request)?;
            guarded(|| card.control(code, &structure, buffer).map(<[u8]>::len))?
        }
    };
    if received == 0 {
        return Err(nothing_came(card));
    }
    let answer = Zeroizing::new(buffer[..received].to_vec());
    buffer[..received].zeroize();
    Ok(answer)
}

/// Whether a card that was connected anew still lies on this interface. Whoever uses the
/// link goes by where it was, and sends a PIN in the clear on contact only: to him a card
/// on the other interface is gone. (The whole answer to reset is not compared: that of a
/// warm reset may be another one, ISO 7816-3.)
fn is_on(interface: Interface, card: &pcsc::Card) -> Result<(), LinkError> {
    let status = guarded(|| card.status2_owned())?;
    match Atr::parse(status.atr()) {
        Ok(atr) if Interface::of(&atr) == interface => Ok(()),
        _ => Err(LinkError::Removed),
    }
}

/// What it means that the service reports success and no answer at all, as it
/// does (seen: pcsc-lite with vpcd) when the card is pulled out under a
/// command. The service learns of the removal only when it next looks, with
/// pcsc-lite after 0.4 s: that is waited for.
fn nothing_came(card: &pcsc::Card) -> LinkError {
    match still_present(card) {
        Ok(false) | Err(LinkError::Removed | LinkError::Reset) => LinkError::Removed,
        Ok(true) | Err(_) => LinkError::NotTransacted,
    }
}

/// Whether a card is in the reader, and still is a second later.
fn still_present(card: &pcsc::Card) -> Result<bool, LinkError> {
    let status = guarded(|| card.status2_owned())?;
    let Some(name) = status.reader_names().first().cloned() else {
        return Ok(true);
    };
    let context = service::establish()?;
    let mut reader = [ReaderState::new(name, State::UNAWARE)];
    guarded(|| context.get_status_change(Duration::ZERO, &mut reader))?;
    if reader[0].event_state().contains(State::PRESENT) {
        reader[0].sync_current_state();
        guarded(|| context.get_status_change(Duration::from_secs(1), &mut reader))?;
    }
    Ok(reader[0].event_state().contains(State::PRESENT))
}

fn end(transaction: pcsc::Transaction<'_>, disposition: Disposition) -> Result<(), LinkError> {
    guarded(move || {
        // A transaction that cannot be ended is dropped, which tries once more
        // to end it and leave the card as it is.
        transaction.end(disposition).map_err(|(_, error)| error)
    })
}
