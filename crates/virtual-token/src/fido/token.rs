//! The pinUvAuthToken: what a host holds after it has shown the PIN, and what it may do
//! with it (CTAP 2.1, 6.5.2).

use zeroize::Zeroizing;

use super::pin;
use super::pin_protocol::PinProtocol;
use super::status::Status;
use crate::card::Card;

/// makeCredential.
pub(super) const MAKE_CREDENTIAL: u64 = 0x01;
/// getAssertion.
pub(super) const GET_ASSERTION: u64 = 0x02;

/// The token in use. There is one at a time.
pub(super) struct PinUvAuthToken {
    pub(super) protocol: PinProtocol,
    pub(super) value: Zeroizing<Vec<u8>>,
    /// A set of the permissions above.
    pub(super) permissions: u64,
    /// The relying party that it is for; one that was asked for without is bound by its
    /// first use.
    pub(super) rp_id: Option<String>,
}

/// What a command carries to show that a token is behind it.
#[derive(Default)]
pub(super) struct Proof<'b> {
    /// pinUvAuthParam.
    pub(super) signature: Option<&'b [u8]>,
    /// pinUvAuthProtocol.
    pub(super) protocol: Option<u64>,
}

impl Proof<'_> {
    /// Whether the command is a question: an empty signature asks which of several
    /// authenticators is meant, and whether that one has a PIN.
    pub(super) fn check_not_a_question(&self, card: &Card) -> Result<(), Status> {
        match self.signature {
            Some([]) if pin::is_set(&card.state) => Err(Status::PinInvalid),
            Some([]) => Err(Status::PinNotSet),
            _ => Ok(()),
        }
    }

    /// Whether the user was verified for this command and this relying party. A proof that
    /// is not right is an error, and none at all is not.
    pub(super) fn verifies_user(
        &self,
        card: &mut Card,
        client_data_hash: &[u8],
        permission: u64,
        rp_id: &str,
    ) -> Result<bool, Status> {
        let Some(signature) = self.signature else {
            return Ok(false);
        };
        let protocol = PinProtocol::named(self.protocol)?;
        let token = card.fido.token.as_mut().ok_or(Status::PinAuthInvalid)?;
        if token.protocol != protocol {
            return Err(Status::PinAuthInvalid);
        }
        protocol.verify(&token.value, &[client_data_hash], signature)?;
        if token.permissions & permission == 0 {
            return Err(Status::PinAuthInvalid);
        }
        if token.rp_id.get_or_insert_with(|| rp_id.to_owned()) != rp_id {
            return Err(Status::PinAuthInvalid);
        }
        Ok(true)
    }
}

/// What the presence of the user was used for uses up the token's permissions.
pub(super) fn use_up(card: &mut Card) {
    if let Some(token) = &mut card.fido.token {
        token.permissions = 0;
    }
}
