//! How a token is to be made.

use std::collections::BTreeMap;
use std::time::SystemTime;

use piv_apdu::key::KeyReference;
use piv_apdu::sm::CipherSuite;

use crate::crypto::{KeyAlgorithm, SymmetricAlgorithm};
use crate::oath::{Button, OathCredential};
use crate::profile::Protocol;

/// What a token is made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Content {
    /// As delivered: no keys, no certificates, every container empty.
    Empty,
    /// As personalized for somebody: keys and certificates in the slots that the
    /// family has, CHUID, CCC, key history, printed information.
    #[default]
    Personal,
}

/// The virtual contact interface of a token: secure messaging with a key and a card
/// verifiable certificate of the card's own, who signed that (object `5FC122`), a pairing
/// code of eight random digits that no one can choose (`5FC123`, behind the PIN), and a
/// discovery object that announces it.
///
/// The certificates are of the token's own test authority
/// ([`issuer_certificate`](crate::VirtualToken::issuer_certificate) is the trust anchor).
///
/// Source: SP 800-73-5 Part 1, 3.3.2, 3.3.7, 3.3.8 and 5.5.
///
/// ```
/// use piv_apdu::sm::CipherSuite;
/// use virtual_token::{CreateOptions, Vci};
///
/// let vci = Vci::new(CipherSuite::Cs2).without_pairing_code();
/// let options = CreateOptions::default().vci(vci);
/// assert!(options.vci.is_some_and(|vci| !vci.pairing_code));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Vci {
    /// The cipher suite. A token with CS2 has P-256 keys where it would have P-384 ones for
    /// signing (9C) and key management (9D, 82 to 95), which the standard has with CS7
    /// alone.
    pub suite: CipherSuite,
    /// Whether the interface wants the pairing code. The token has one in either case.
    pub pairing_code: bool,
    /// Whether the card's certificate is signed by way of an intermediate one, which an RSA
    /// key of the authority's signs.
    pub intermediate: bool,
}

impl Vci {
    /// With this cipher suite and a pairing code, which the standard recommends.
    pub const fn new(suite: CipherSuite) -> Self {
        Vci {
            suite,
            pairing_code: true,
            intermediate: false,
        }
    }

    /// The interface wants no pairing code.
    #[must_use]
    pub const fn without_pairing_code(mut self) -> Self {
        self.pairing_code = false;
        self
    }

    /// With an intermediate card verifiable certificate.
    #[must_use]
    pub const fn through_intermediate(mut self) -> Self {
        self.intermediate = true;
        self
    }
}

/// Options for [`VirtualToken::create`](crate::VirtualToken::create). The default is a
/// personalized token, made now from the system's random numbers.
///
/// ```
/// use virtual_token::{Content, CreateOptions};
///
/// let options = CreateOptions::default().seed(7).content(Content::Empty);
/// assert_eq!(options.seed, Some(7));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CreateOptions {
    /// Makes every random choice follow from this number: identity, keys, certificates.
    /// Two tokens of the same seed, options and [`created`](Self::created) are the
    /// same. Not for a token that is to keep a secret.
    pub seed: Option<u64>,
    /// The day from which certificates are valid and the CHUID's expiry is counted; by
    /// default now.
    pub created: Option<SystemTime>,
    /// What is on the token.
    pub content: Content,
    /// Whether the card takes extended length fields. By default the plain PIV card does
    /// (over T=1) and says so in its ATR, and a Crescendo does not, about which nothing
    /// is public.
    pub extended_length: Option<bool>,
    /// The transmission protocol, on the plain PIV card. A Crescendo is T=1.
    pub protocol: Protocol,
    /// Makes a plain PIV card answer what Yubico's programs ask first: SELECT by NIST's
    /// 5-byte RID, GET VERSION (FD, answered 5.2.7) and GET SERIAL (F8). Its 9B key is
    /// 3DES then, as on that version.
    pub yubico: bool,
    /// The algorithm of the card management key 9B. Its value is the bytes 01 to 08,
    /// repeated to the key's length. A plain PIV card has one, AES-256 by default. A
    /// Crescendo has none by default; with one it plays the minority of units that are
    /// documented to have a 9B key and list it in GET PIV PROPERTIES (third-party).
    pub management_key: Option<SymmetricAlgorithm>,
    /// The algorithm of XAUTH key 1 of a Crescendo, 3DES (by default) or AES-128. Its
    /// value is all zeros.
    pub xauth_key: Option<SymmetricAlgorithm>,
    /// Puts an issuer's signature into the CHUID of a personalized token, which makes it
    /// look managed. It is CMS as SP 800-73 has it, but by the token's own test authority,
    /// which nobody has a reason to trust.
    pub issuer_signed: bool,
    /// Gives a personalized token the virtual contact interface. A real Crescendo is not
    /// known to have it, so none has it unless it is asked for, and one that has it is this
    /// project's composition: it then has the containers for it, and lists them in GET PIV
    /// PROPERTIES.
    pub vci: Option<Vci>,
    /// Gives a personalized plain PIV card a pairing code, and with it the virtual contact
    /// interface that the code is for: as [`vci`](Self::vci), of the cipher suite that the
    /// card's keys call for (SP 800-73-5 Part 2, 4.1.4), unless that is given too.
    pub pairing_code: bool,
    /// Other algorithms for the keys that [`Content::Personal`] makes, by key reference.
    pub keys: BTreeMap<KeyReference, KeyAlgorithm>,
    /// What the OATH slots of a Crescendo Key hold, by number from 1 to 3; slot 1 takes HOTP
    /// alone. Where nothing is given, a personalized Key has HOTP in slot 1 and TOTP in slot
    /// 2, with random secrets.
    pub oath: BTreeMap<u8, OathCredential>,
    /// Who presses the button of a Crescendo Key.
    pub button: Button,
}

impl CreateOptions {
    /// Sets [`seed`](Self::seed).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets [`created`](Self::created).
    #[must_use]
    pub fn created(mut self, created: SystemTime) -> Self {
        self.created = Some(created);
        self
    }

    /// Sets [`content`](Self::content).
    #[must_use]
    pub fn content(mut self, content: Content) -> Self {
        self.content = content;
        self
    }

    /// Sets [`extended_length`](Self::extended_length).
    #[must_use]
    pub fn extended_length(mut self, extended_length: bool) -> Self {
        self.extended_length = Some(extended_length);
        self
    }

    /// Sets [`protocol`](Self::protocol).
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets [`yubico`](Self::yubico).
    #[must_use]
    pub fn yubico(mut self, yubico: bool) -> Self {
        self.yubico = yubico;
        self
    }

    /// Sets [`management_key`](Self::management_key).
    #[must_use]
    pub fn management_key(mut self, algorithm: SymmetricAlgorithm) -> Self {
        self.management_key = Some(algorithm);
        self
    }

    /// Sets [`xauth_key`](Self::xauth_key).
    #[must_use]
    pub fn xauth_key(mut self, algorithm: SymmetricAlgorithm) -> Self {
        self.xauth_key = Some(algorithm);
        self
    }

    /// Sets [`issuer_signed`](Self::issuer_signed).
    #[must_use]
    pub fn issuer_signed(mut self, issuer_signed: bool) -> Self {
        self.issuer_signed = issuer_signed;
        self
    }

    /// Sets [`vci`](Self::vci).
    #[must_use]
    pub fn vci(mut self, vci: Vci) -> Self {
        self.vci = Some(vci);
        self
    }

    /// Sets [`pairing_code`](Self::pairing_code).
    #[must_use]
    pub fn pairing_code(mut self, pairing_code: bool) -> Self {
        self.pairing_code = pairing_code;
        self
    }

    /// Puts a credential into the OATH slot of this number; see [`oath`](Self::oath).
    #[must_use]
    pub fn oath_slot(mut self, number: u8, credential: OathCredential) -> Self {
        self.oath.insert(number, credential);
        self
    }

    /// Sets [`button`](Self::button).
    #[must_use]
    pub fn button(mut self, button: Button) -> Self {
        self.button = button;
        self
    }

    /// Asks for the key of this reference to have another algorithm; see
    /// [`keys`](Self::keys).
    #[must_use]
    pub fn key(mut self, reference: KeyReference, algorithm: KeyAlgorithm) -> Self {
        self.keys.insert(reference, algorithm);
        self
    }
}
