//! One software token: its state, and the session since it was powered on.

use core::fmt;

use pcsc_transport::Interface;
use piv_apdu::atr::Atr;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use crate::atr;
use crate::card::Card;
use crate::card::transmission::Transmission;
use crate::create::{self, CreateError, CreateOptions};
use crate::profile::{Profile, Protocol};
use crate::state::{StateError, TokenState};

/// A smart card in software.
///
/// Command APDUs go in as bytes and response APDUs come out, as from a card behind a
/// reader that leaves chaining, GET RESPONSE and 6Cxx to the host. What lasts without
/// power is a [`TokenState`]; power-off and reset drop everything else: the selected
/// applet, what was verified, chains and answers under way.
///
/// ```
/// use virtual_token::{Content, CreateOptions, Profile, VirtualToken};
///
/// let options = CreateOptions::default().seed(1).content(Content::Empty);
/// let mut token = VirtualToken::create(Profile::Piv, &options)?;
/// token.power_on();
///
/// // SELECT the PIV application, then ask how many tries the PIN has left.
/// let select = b"\x00\xA4\x04\x00\x0B\xA0\x00\x00\x03\x08\x00\x00\x10\x00\x01\x00\x00";
/// assert!(token.process(select).ends_with(&[0x90, 0x00]));
/// assert_eq!(*token.process(b"\x00\x20\x00\x80"), [0x63, 0xC3]);
/// # Ok::<(), virtual_token::CreateError>(())
/// ```
pub struct VirtualToken {
    atr: Atr,
    pub(crate) card: Card,
    transmission: Transmission,
}

impl VirtualToken {
    /// Makes a new token. With [`Content::Personal`](crate::Content) this generates keys,
    /// RSA ones among them, and so takes a noticeable fraction of a second.
    ///
    /// # Errors
    /// [`CreateError`] if an option does not go with the profile, or if the system gives
    /// no random numbers.
    pub fn create(profile: Profile, options: &CreateOptions) -> Result<Self, CreateError> {
        let mut random = match options.seed {
            Some(seed) => ChaCha20Rng::seed_from_u64(seed),
            None => system_random()?,
        };
        let state = create::state(profile, options, &mut random)?;
        let mut token = Self::with_random(state, random)?;
        token.card.mark_changed();
        Ok(token)
    }

    /// Brings a token back from its state, without power. Its random numbers are the
    /// system's, also if it was made from a seed.
    ///
    /// # Errors
    /// [`StateError`] if the state is of another version or does not hold together, or
    /// if the system gives no random numbers.
    pub fn from_state(state: TokenState) -> Result<Self, StateError> {
        state.check()?;
        Self::with_random(state, system_random()?)
    }

    fn with_random(state: TokenState, random: ChaCha20Rng) -> Result<Self, StateError> {
        let atr = atr::of(&state).map_err(|_| StateError::Damaged {
            what: "no answer to reset can be made",
        })?;
        Ok(VirtualToken {
            atr,
            card: Card::new(state, random),
            transmission: Transmission::default(),
        })
    }

    /// A copy of the state to keep. It holds secrets: see [`TokenState`].
    pub fn to_state(&self) -> TokenState {
        self.card.state.clone()
    }

    /// Whether the state has changed since the last call, so that it wants to be kept.
    /// True after [`create`](Self::create).
    pub fn take_dirty(&mut self) -> bool {
        self.card.take_changed()
    }

    /// The answer to reset.
    pub fn atr(&self) -> Atr {
        self.atr
    }

    /// The interface that the card lies on. A new one lies on contact.
    pub fn interface(&self) -> Interface {
        if self.card.state.contactless {
            Interface::Contactless
        } else {
            Interface::Contact
        }
    }

    /// Puts the card on another interface, which takes its power away: the session ends.
    /// All else is the same card: its PIN, its tries left, its keys. The ATR is then
    /// the one that PC/SC builds for a contactless card from its historical bytes, or the
    /// card's own again.
    ///
    /// A card has one interface at a time. Over the contactless one it gives and does less:
    /// see the crate's README.
    pub fn set_interface(&mut self, interface: Interface) {
        if self.interface() == interface {
            return;
        }
        self.forget();
        self.card.state.contactless = interface == Interface::Contactless;
        // A card of which no ATR can be made does not come to be, and both are made of the
        // same historical bytes.
        if let Ok(atr) = atr::of(&self.card.state) {
            self.atr = atr;
        }
        self.card.mark_changed();
    }

    /// Gives the card power: a session begins, with nothing verified and the issuer
    /// security domain selected. Answers the ATR.
    pub fn power_on(&mut self) -> Atr {
        self.forget();
        self.atr()
    }

    /// Takes the power away: the session ends.
    pub fn power_off(&mut self) {
        self.forget();
    }

    /// Resets the card: the session ends and another begins. Answers the ATR.
    pub fn reset(&mut self) -> Atr {
        self.power_on()
    }

    fn forget(&mut self) {
        self.card.forget();
        self.transmission = Transmission::default();
    }

    /// Presses the button of a Crescendo Key, for the OATH slot that is selected: its next
    /// command for a code finds it pressed. A press is forgotten when another application is
    /// selected, and with the power.
    pub fn press_button(&mut self) {
        self.card.button_pressed = true;
    }

    /// One command APDU in, one response APDU out: at least the two bytes of a status
    /// word, at most 65,538 bytes. Whatever the bytes are, it answers.
    ///
    /// It does not ask whether [`power_on`](Self::power_on) was called: a token that was
    /// just made or taken from its state behaves as one that was just powered on.
    pub fn process(&mut self, command: &[u8]) -> Zeroizing<Vec<u8>> {
        self.transmission.process(&mut self.card, command)
    }

    /// The kind of card.
    pub fn profile(&self) -> Profile {
        self.card.state.profile
    }

    /// The protocol that the ATR offers: T=1 over the contactless interface.
    pub fn protocol(&self) -> Protocol {
        self.card.protocol()
    }

    /// Whether the card takes extended length fields.
    pub fn extended_length(&self) -> bool {
        self.card.state.extended_length
    }

    /// The token's identifier, a UUID in text. It is the GUID of the CHUID that the
    /// token was made with, and does not change when that is overwritten or cleared.
    pub fn id(&self) -> &str {
        &self.card.state.id
    }

    /// The PIN that the token was made with.
    pub fn factory_pin(&self) -> &'static [u8] {
        self.profile().factory_pin()
    }

    /// The PUK that the token was made with, if it has one.
    pub fn factory_puk(&self) -> Option<&'static [u8]> {
        self.profile().factory_puk()
    }

    /// The certificate (DER) of the test authority that signed the certificates the
    /// token was made with; `None` if it was made without any. Its private key was
    /// forgotten when the token was made.
    pub fn issuer_certificate(&self) -> Option<&[u8]> {
        self.card
            .state
            .issuer_certificate
            .as_ref()
            .map(|certificate| certificate.0.as_slice())
    }

    /// Makes every random number from here on follow from a seed: challenges, witnesses,
    /// generated keys. For tests that want the same conversation every time.
    pub fn set_random_seed(&mut self, seed: u64) {
        self.card.random = ChaCha20Rng::seed_from_u64(seed);
    }
}

impl fmt::Debug for VirtualToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualToken")
            .field("profile", &self.profile())
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// A generator that the system seeds, so that nothing can fail once a token is there.
fn system_random() -> Result<ChaCha20Rng, StateError> {
    ChaCha20Rng::try_from_rng(&mut getrandom::SysRng)
        .map_err(|error| StateError::Random(error.to_string()))
}
