//! The kernel's session keyring (`keyrings(7)`, `session-keyring(7)`).

use linux_keyutils::{
    Key, KeyError, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, KeySerialId, Permission,
};
use piv_apdu::object::Guid;
use piv_apdu::secret::PairingCode;
use zeroize::Zeroizing;

use super::{NoLoginSession, card_named};
use crate::pairing_codes::{KeptUntil, PairingCodeStore};
use crate::secrets::SecretStoreError;

/// A key's description is this and the card's GUID.
const PREFIX: &str = "piv:pairing-code:";

/// What the kernel calls the keyrings of a user, in place of a session's: they
/// stay when the user logs out.
const OF_USER: &str = "_uid";

/// The session keyring that this program was started with.
#[derive(Debug)]
pub(super) struct SessionKeyring {
    ring: KeyRing,
}

impl SessionKeyring {
    /// The session keyring, if it is one that ends with the session and can be
    /// written to.
    ///
    /// None is made where there is none: it would end with this program.
    pub(super) fn open() -> Result<Self, NoLoginSession> {
        let ring = KeyRing::from_special_id(KeyRingIdentifier::Session, false).map_err(unusable)?;
        let about = ring.metadata().map_err(unusable)?;
        if about.get_description().starts_with(OF_USER) {
            return Err(NoLoginSession::None);
        }
        let keyring = Self { ring };
        keyring.probe().map_err(unusable)?;
        Ok(keyring)
    }

    /// Puts a key in and takes it out, since some sandboxes refuse no sooner.
    fn probe(&self) -> Result<(), KeyError> {
        match self.ring.add_key(&format!("{PREFIX}probe"), b"-") {
            Ok(key) => {
                // Fails if another program's probe has taken out the same one.
                let _ = self.take_out(key);
                Ok(())
            }
            // What is there can be read all the same.
            Err(KeyError::QuotaExceeded) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes a key useless at once, and takes it out of the keyring, where the
    /// kernel's collector would find it some time later.
    fn take_out(&self, key: Key) -> Result<(), KeyError> {
        key.invalidate()?;
        // Fails if the collector came first.
        let _ = self.ring.unlink_key(key);
        Ok(())
    }

    /// The key of a card's code, if there is one.
    fn find(&self, card: &Guid) -> Result<Option<Key>, SecretStoreError> {
        match self.ring.search(&description(card)) {
            Ok(key) => Ok(Some(key)),
            Err(error) if is_gone(error) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, error: KeyError) -> SecretStoreError {
        let detail = match error {
            KeyError::QuotaExceeded => {
                "this user's keys take up all the room that the kernel gives them. Remove some that \
                 are not needed (`keyctl show`)"
                    .to_owned()
            }
            KeyError::KeyRevoked | KeyError::KeyExpired => {
                "the login session is over. Log in again".to_owned()
            }
            KeyError::AccessDenied | KeyError::PermissionDenied => {
                "the kernel does not let this program at it".to_owned()
            }
            other => format!("the kernel says {other:?}"),
        };
        SecretStoreError {
            store: self.name().to_owned(),
            detail,
        }
    }
}

impl PairingCodeStore for SessionKeyring {
    #[allow(clippy::unnecessary_literal_bound, reason = "the trait's signature")]
    fn name(&self) -> &str {
        "the login session's keyring"
    }

    fn kept_until(&self) -> KeptUntil {
        KeptUntil::Logout
    }

    fn put(&self, card: &Guid, code: &PairingCode) -> Result<(), SecretStoreError> {
        let failed = |error| self.failed(error);
        let key = self.ring.add_key(&description(card), code.as_bytes());
        let key = key.map_err(failed)?;
        // All but linking it elsewhere, and nothing for anybody else.
        let possessor = Permission::ALL.difference(Permission::LINK);
        let permissions = KeyPermissionsBuilder::builder().posessor(possessor).build();
        key.set_perms(permissions).map_err(|error| {
            let _ = self.take_out(key);
            failed(error)
        })
    }

    fn get(&self, card: &Guid) -> Result<Option<PairingCode>, SecretStoreError> {
        let Some(key) = self.find(card)? else {
            return Ok(None);
        };
        let mut digits = Zeroizing::new([0; 8]);
        let length = match key.read(&mut *digits) {
            Ok(length) => length,
            Err(error) if is_gone(error) => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        match PairingCode::new(&*digits) {
            Ok(code) if length == digits.len() => Ok(Some(code)),
            _ => Err(SecretStoreError {
                store: self.name().to_owned(),
                detail:
                    "what it holds for this card is no pairing code. Forget it, and retrieve the \
                         code again"
                        .to_owned(),
            }),
        }
    }

    fn forget(&self, card: &Guid) -> Result<bool, SecretStoreError> {
        match self.find(card)?.map(|key| self.take_out(key)) {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(error)) if is_gone(error) => Ok(false),
            Some(Err(error)) => Err(self.failed(error)),
        }
    }

    fn list(&self) -> Result<Vec<Guid>, SecretStoreError> {
        let mut cards: Vec<_> = keys()
            .map_err(|error| self.failed(error))?
            .into_iter()
            .filter_map(|key| card_of(key.metadata().ok()?.get_description()))
            .collect();
        cards.sort();
        Ok(cards)
    }
}

/// All that is linked to the session keyring.
///
/// A keyring is read like a key: serial numbers of four bytes in the machine's
/// order. `KeyRing::get_links` does not see to it that its buffer is filled.
fn keys() -> Result<Vec<Key>, KeyError> {
    const ROOM: usize = 1 << 10;
    let session = Key::from_id(KeySerialId::new(KeyRingIdentifier::Session as i32));
    let mut serials = vec![0; ROOM];
    let mut length = session.read(&mut serials)?;
    while length > serials.len() {
        serials.resize(length + ROOM, 0);
        length = session.read(&mut serials)?;
    }
    let serials = serials[..length].as_chunks::<4>().0;
    Ok(serials
        .iter()
        .map(|serial| Key::from_id(KeySerialId::new(i32::from_ne_bytes(*serial))))
        .collect())
}

fn description(card: &Guid) -> String {
    format!("{PREFIX}{card}")
}

/// The card whose code a key of this description holds.
fn card_of(description: &str) -> Option<Guid> {
    card_named(description.strip_prefix(PREFIX)?)
}

/// Whether it is not there, or not any more.
fn is_gone(error: KeyError) -> bool {
    matches!(
        error,
        KeyError::KeyDoesNotExist | KeyError::KeyRevoked | KeyError::KeyExpired
    )
}

fn unusable(error: KeyError) -> NoLoginSession {
    match error {
        KeyError::KeyRevoked | KeyError::KeyExpired => NoLoginSession::Over,
        KeyError::KeyDoesNotExist | KeyError::KeyringDoesNotExist => NoLoginSession::None,
        KeyError::AccessDenied | KeyError::PermissionDenied => {
            NoLoginSession::Refused("access denied".to_owned())
        }
        KeyError::OperationNotSupported => NoLoginSession::Refused("not supported".to_owned()),
        other => NoLoginSession::Refused(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_names_one_card_and_nothing_else_does() {
        let card = Guid(*b"\x12\x34\x56\x78\x9A\xBC\x4D\xEF\x80\x01\x02\x03\x04\x05\x06\x07");
        let description = description(&card);
        assert_eq!(
            description,
            "piv:pairing-code:12345678-9abc-4def-8001-020304050607"
        );
        assert_eq!(card_of(&description), Some(card));
        for other in [
            "piv:pairing-code:probe",
            "piv:pairing-code:",
            "piv:pairing-code:123456789abc4def8001020304050607",
            "piv:pairing-code:+2345678-9abc-4def-8001-020304050607",
            "12345678-9abc-4def-8001-020304050607",
            "_ses",
        ] {
            assert_eq!(card_of(other), None, "{other}");
        }
    }
}
