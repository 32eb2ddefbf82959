//! A software token reached within the process, without any PC/SC.

use pcsc_transport::{
    CardLink, Continuity, ExtendedLength, ExtendedMemory, Holder, Insertion, Interface, Leave,
    LinkError, LinkInfo, PinModify, PinPadFeatures, PinVerify, Protocol, Sharing,
};
use zeroize::Zeroizing;

use crate::SharedToken;
use crate::fault::is_extended;
use crate::keypad::{Completed, Keypad};
use crate::shared::{Failure, Refusal, ResetNotice, Session, Since, wrong_length};

/// What the reader of a [`VirtualLink`] is like.
///
/// As made, it takes what PC/SC readers take: shared access, extended length that
/// nobody has announced. Over T=0 (if the token's ATR offers no T=1) it carries no
/// extended length and no command with both data and Le, as no T=0 reader can: that is
/// [`LinkError::NotTransacted`].
#[derive(Debug, Clone)]
pub struct LinkOptions {
    reader: String,
    exclusive: bool,
    contactless: bool,
    announced: ExtendedLength,
    carries: ExtendedCarriage,
    memory: ExtendedMemory,
    keypad: Option<Keypad>,
    insertion: Option<Insertion>,
}

/// What a reader does with a command in extended form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtendedCarriage {
    /// Passes it on.
    #[default]
    Passes,
    /// Answers `67 00` in the card's place, which never sees the command.
    Refuses,
    /// Gives an error ([`LinkError::NotTransacted`]); the card never sees the command.
    Fails,
}

impl LinkOptions {
    /// A reader of this name.
    pub fn new(reader: impl Into<String>) -> Self {
        Self {
            reader: reader.into(),
            exclusive: false,
            contactless: false,
            announced: ExtendedLength::Untested,
            carries: ExtendedCarriage::default(),
            memory: ExtendedMemory::new(),
            keypad: None,
            insertion: None,
        }
    }

    /// The reader's name.
    pub fn reader(&self) -> &str {
        &self.reader
    }

    /// Holds the card exclusively: other links are refused until this one is dropped.
    #[must_use]
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    pub(crate) fn sharing(mut self, sharing: Sharing) -> Self {
        self.exclusive = sharing == Sharing::Exclusive;
        self
    }

    /// A contactless reader: a card in it lies on its contactless interface
    /// ([`VirtualToken::set_interface`](crate::VirtualToken::set_interface)).
    #[must_use]
    pub fn contactless(mut self) -> Self {
        self.contactless = true;
        self
    }

    /// What the reader says about extended length.
    #[must_use]
    pub fn announces(mut self, extended: ExtendedLength) -> Self {
        self.announced = extended;
        self
    }

    /// What the reader does with extended length, whatever it says.
    #[must_use]
    pub fn carries(mut self, extended: ExtendedCarriage) -> Self {
        self.carries = extended;
        self
    }

    /// The reader's service tells for certain that it is this stay of a card in the
    /// reader ([`CardLink::insertion`]); by default it doesn't tell.
    #[must_use]
    pub fn insertion(mut self, insertion: Insertion) -> Self {
        self.insertion = Some(insertion);
        self
    }

    /// Gives the reader a PIN pad of its own.
    #[must_use]
    pub fn pin_pad(mut self, keypad: &Keypad) -> Self {
        self.keypad = Some(keypad.clone());
        self
    }

    fn info(&self, token: &SharedToken) -> LinkInfo {
        let atr = token.atr();
        let (protocol, extended) = if atr.offers_protocol(1) {
            (Protocol::T1, self.announced)
        } else {
            (Protocol::T0, ExtendedLength::No)
        };
        LinkInfo::new(&self.reader, atr)
            .with_interface(token.interface())
            .with_protocol(protocol)
            .with_extended(extended)
            .with_extended_memory(self.memory.clone())
    }

    pub(crate) fn of(mut self, interface: Interface) -> Self {
        self.contactless = interface == Interface::Contactless;
        self
    }

    /// The interface of a card in this reader.
    pub(crate) fn interface(&self) -> Interface {
        if self.contactless {
            Interface::Contactless
        } else {
            Interface::Contact
        }
    }
}

/// A link to a [`SharedToken`] in this process.
///
/// Several links to one token behave as programs that share a card: a transaction
/// keeps the others out, [`CardLink::begin`] says exactly whether another link has
/// spoken or the card was reset since, and an exclusive link is alone. Dropping the
/// last one powers the card off.
pub struct VirtualLink {
    info: LinkInfo,
    carries: ExtendedCarriage,
    keypad: Option<Keypad>,
    insertion: Option<Insertion>,
    session: Session,
    in_transaction: bool,
}

impl SharedToken {
    /// A shared link through a reader of this name, over the interface that the card lies
    /// on. If the card is in no reader, or
    /// another link holds it exclusively, the link is to a card that is gone: use
    /// [`SharedToken::connect`] to be told.
    pub fn link(&self, reader: &str) -> VirtualLink {
        let options = LinkOptions::new(reader);
        let session = Session::open(self, false, ResetNotice::Session, None)
            .unwrap_or_else(|_| Session::dead(self));
        VirtualLink::new(&options, session)
    }

    /// A link through a reader with options. If nobody else has one, the card is put on
    /// that reader's interface.
    ///
    /// # Errors
    ///
    /// [`LinkError::NoCard`] if the token was pulled out;
    /// [`LinkError::SharingViolation`] if another link holds it exclusively, if
    /// exclusive access is wanted and there is another link, or if there is one over
    /// the other interface.
    pub fn connect(&self, options: &LinkOptions) -> Result<VirtualLink, LinkError> {
        let interface = Some(options.interface());
        match Session::open(self, options.exclusive, ResetNotice::Session, interface) {
            Ok(session) => Ok(VirtualLink::new(options, session)),
            Err(Refusal::Absent) => Err(LinkError::NoCard {
                reader: options.reader.clone(),
            }),
            Err(Refusal::InUse) => Err(LinkError::SharingViolation {
                reader: options.reader.clone(),
                holders: vec![this_process()],
            }),
        }
    }
}

impl VirtualLink {
    fn new(options: &LinkOptions, session: Session) -> Self {
        Self {
            info: options.info(session.token()),
            carries: options.carries,
            keypad: options.keypad.clone(),
            insertion: options.insertion,
            session,
            in_transaction: false,
        }
    }

    /// The token at the other end.
    pub fn token(&self) -> &SharedToken {
        self.session.token()
    }

    fn on_pin_pad(
        &mut self,
        complete: impl FnOnce(&Keypad) -> Result<Completed, LinkError>,
    ) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        let keypad = self.keypad.as_ref().ok_or(LinkError::NoPinPad)?;
        if !self.in_transaction {
            return Err(LinkError::OutOfOrder("a command outside of a transaction"));
        }
        match complete(keypad)? {
            Completed::Command(command) => self.transmit(&command),
            Completed::Status(status) => Ok(Zeroizing::new(status.to_vec())),
        }
    }
}

impl CardLink for VirtualLink {
    fn info(&self) -> &LinkInfo {
        &self.info
    }

    fn begin(&mut self) -> Result<Continuity, LinkError> {
        if self.in_transaction {
            return Err(LinkError::OutOfOrder("a transaction is open already"));
        }
        let since = self.session.begin().map_err(link_error)?;
        self.in_transaction = true;
        Ok(match since {
            Since::Nothing => Continuity::Unbroken,
            Since::OthersSpoke => Continuity::Shared,
            Since::WasReset => Continuity::Lost,
        })
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        if !self.in_transaction {
            return Err(LinkError::OutOfOrder("a command outside of a transaction"));
        }
        if self.info.protocol == Protocol::T0 && !fits_t0(command) {
            return Err(LinkError::NotTransacted);
        }
        if is_extended(command) {
            match self.carries {
                ExtendedCarriage::Passes => {}
                ExtendedCarriage::Refuses => return Ok(wrong_length()),
                ExtendedCarriage::Fails => return Err(LinkError::NotTransacted),
            }
        }
        self.session.transmit(command).map_err(link_error)
    }

    fn end(&mut self, leave: Leave) -> Result<(), LinkError> {
        if !core::mem::take(&mut self.in_transaction) {
            return Err(LinkError::OutOfOrder("no transaction is open"));
        }
        self.session
            .end(leave == Leave::Reset)
            .map(|_| ())
            .map_err(link_error)
    }

    fn insertion(&mut self) -> Option<Insertion> {
        self.insertion
    }

    fn pin_pad(&mut self) -> PinPadFeatures {
        self.keypad
            .as_ref()
            .map_or(PinPadFeatures::NONE, Keypad::features)
    }

    fn verify_on_pin_pad(&mut self, request: &PinVerify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.on_pin_pad(|keypad| keypad.verify(request))
    }

    fn modify_on_pin_pad(&mut self, request: &PinModify) -> Result<Zeroizing<Vec<u8>>, LinkError> {
        self.on_pin_pad(|keypad| keypad.modify(request))
    }
}

impl core::fmt::Debug for VirtualLink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("VirtualLink")
            .field("info", &self.info)
            .field("in_transaction", &self.in_transaction)
            .finish_non_exhaustive()
    }
}

fn link_error(failure: Failure) -> LinkError {
    match failure {
        Failure::Removed => LinkError::Removed,
        Failure::Reset => LinkError::Reset,
        Failure::Unresponsive => LinkError::Unresponsive,
        Failure::Reader => LinkError::NotTransacted,
    }
}

/// A T=0 command is a header, a length, and either data or nothing.
fn fits_t0(command: &[u8]) -> bool {
    match command {
        [_, _, _, _] | [_, _, _, _, _] => true,
        [_, _, _, _, lc, data @ ..] => *lc != 0 && data.len() == usize::from(*lc),
        _ => false,
    }
}

/// Who holds what is held within this process.
pub(crate) fn this_process() -> Holder {
    Holder {
        pid: std::process::id(),
        name: crate::store::program_name(),
    }
}
