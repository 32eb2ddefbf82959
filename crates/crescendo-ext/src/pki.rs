//! PKI keys of the PIV instance, beyond the standard: taking one out.
//!
//! How one is put in (INJECT PKI KEY with a key) is not here.

use piv_apdu::apdu::{Command, Response};
use piv_apdu::command::{AnswerError, CommandError, TypedCommand, answer_data};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::tlv::TemplateError;

use crate::identity::Family;
use crate::wire;

const INJECT_PKI_KEY: u8 = 0xD8;

/// INJECT PKI KEY with a length of zero, to the PIV instance: takes a key out
/// of its container.
///
/// - C2300: `80 D8 00 key 03 00 A3 00` (RSA), `80 D8 03 key 03 00 B1 00`
///   (elliptic curves);
/// - C4000: `80 D8 algorithm key 03 00 00 00`.
///
/// **Irreversible.** Needs the PIN; no status words are documented. May be sent only where the family is known from the historical bytes of the
/// ATR. Evidence: **third-party**, a reading of the vendor's tables
/// (LL/inject-pki-key; C4 pages) that was not confirmed on hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemovePkiKey {
    key: KeyReference,
    form: Form,
}

/// P1 and data of each family's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    RsaC2300,
    EccC2300,
    C4000(Algorithm),
}

impl Form {
    fn new(family: Family, algorithm: Algorithm) -> Option<Self> {
        let rsa = algorithm.rsa_bits().is_some();
        let ecc = matches!(algorithm, Algorithm::EccP256 | Algorithm::EccP384);
        match family {
            Family::C2300 if rsa => Some(Self::RsaC2300),
            Family::C2300 if ecc => Some(Self::EccC2300),
            Family::C4000 if rsa || ecc => Some(Self::C4000(algorithm)),
            _ => None,
        }
    }

    const fn p1(self) -> u8 {
        match self {
            Self::RsaC2300 => 0x00,
            Self::EccC2300 => 0x03,
            Self::C4000(algorithm) => algorithm.to_u8(),
        }
    }

    /// The length of zero at the end is what takes the key out.
    const fn data(self) -> [u8; 3] {
        match self {
            Self::RsaC2300 => [0x00, 0xA3, 0x00],
            Self::EccC2300 => [0x00, 0xB1, 0x00],
            Self::C4000(_) => [0x00, 0x00, 0x00],
        }
    }
}

impl RemovePkiKey {
    /// The command for the container of `key`, which is for keys of
    /// `algorithm` ([`GetPivProperties`](crate::properties::GetPivProperties)
    /// says which). `None` for an algorithm that is neither RSA nor P-256 nor
    /// P-384: no form is known for it.
    pub fn new(family: Family, key: KeyReference, algorithm: Algorithm) -> Option<Self> {
        Form::new(family, algorithm).map(|form| Self { key, form })
    }

    /// The key that is taken out.
    pub const fn key(&self) -> KeyReference {
        self.key
    }

    /// The family whose form this is.
    pub const fn family(&self) -> Family {
        match self.form {
            Form::RsaC2300 | Form::EccC2300 => Family::C2300,
            Form::C4000(_) => Family::C4000,
        }
    }
}

impl TypedCommand for RemovePkiKey {
    type Answer = ();

    fn to_command(&self) -> Command {
        Command::new(0x80, INJECT_PKI_KEY, self.form.p1(), self.key.get())
            .with_data(&self.form.data())
    }

    fn from_command(command: &Command) -> Result<Self, CommandError> {
        let (p1, p2) = (command.p1(), command.p2());
        wire::expect_header(command, [0x80, INJECT_PKI_KEY, p1, p2])?;
        let form = match (p1, command.data()) {
            (0x00, [0x00, 0xA3, 0x00]) => Some(Form::RsaC2300),
            (0x03, [0x00, 0xB1, 0x00]) => Some(Form::EccC2300),
            (_, [0x00, 0xA3 | 0xB1, 0x00]) => None,
            (_, [0x00, 0x00, 0x00]) => Form::new(Family::C4000, Algorithm::from_u8(p1)),
            // A key to be put in, or nothing of this command.
            (_, data) => {
                let length = data.len();
                return Err(TemplateError::TotalLength { length }.into());
            }
        };
        let key = KeyReference(p2);
        form.map(|form| Self { key, form })
            .ok_or(CommandError::Parameters { p1, p2 })
    }

    fn decode_answer(response: &Response) -> Result<(), AnswerError> {
        answer_data(response).map(drop)
    }
}
