//! The commands, in their order.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{ManagementError, ManagementKey};
use crate::command::{DynamicAuthenticationTemplate, GeneralAuthenticate};
use crate::key::KeyReference;

/// Mutual authentication with the card management key, in two commands: each
/// side proves the key to the other.
///
/// | host | card |
/// |---|---|
/// | `00 87 alg 9B 04 7C { 80 00 } 00`: [`request_witness`](Self::request_witness) | `7C { 80 witness, encrypted }` |
/// | `00 87 alg 9B Lc 7C { 80 witness, in the clear; 81 challenge; 82 00 } 00`: [`answer_witness`](Self::answer_witness) | `7C { 82 challenge, encrypted }` |
/// | compares: [`Answered::check_response`] | |
///
/// A wrong key is refused at the second command, by most cards with `6982`.
/// Success lasts until another application is selected or the card is reset.
///
/// Source: SP 800-73-5 Part 2, A.2.
#[derive(Clone, Copy, Debug)]
pub struct MutualAuthentication<'k> {
    key: &'k ManagementKey,
}

impl<'k> MutualAuthentication<'k> {
    /// With this key.
    pub fn new(key: &'k ManagementKey) -> Self {
        MutualAuthentication { key }
    }

    /// The first command: asks for a witness.
    pub fn request_witness(self) -> GeneralAuthenticate {
        command(self.key, DynamicAuthenticationTemplate::request_witness())
    }

    /// The second command: gives the witness back in the clear, and a
    /// challenge of [`block_length`](super::ManagementAlgorithm::block_length) fresh
    /// random bytes.
    ///
    /// # Errors
    /// [`ManagementError::Witness`] if the card gave none of that length,
    /// [`ManagementError::Challenge`] if the challenge has another length.
    pub fn answer_witness(
        self,
        answer: &DynamicAuthenticationTemplate,
        challenge: &[u8],
    ) -> Result<(GeneralAuthenticate, Answered), ManagementError> {
        let witness = answer.witness.as_deref().ok_or(ManagementError::Witness)?;
        let witness = self.key.decrypt(witness).ok_or(ManagementError::Witness)?;
        let expected = self
            .key
            .encrypt(challenge)
            .ok_or(ManagementError::Challenge)?;
        let template = DynamicAuthenticationTemplate::default()
            .with_witness(&witness)
            .with_challenge(challenge)
            .asking_for_response();
        Ok((command(self.key, template), Answered { expected }))
    }
}

fn command(key: &ManagementKey, template: DynamicAuthenticationTemplate) -> GeneralAuthenticate {
    GeneralAuthenticate {
        algorithm: key.algorithm().algorithm(),
        key: KeyReference::CARD_MANAGEMENT,
        template,
    }
}

/// What the card has to answer to the challenge.
pub struct Answered {
    expected: Zeroizing<Vec<u8>>,
}

impl Answered {
    /// Compares the card's response in constant time.
    ///
    /// # Errors
    /// [`ManagementError::CardNotGenuine`]: the card accepted the host, and
    /// has not proven that it knows the key.
    pub fn check_response(
        self,
        answer: &DynamicAuthenticationTemplate,
    ) -> Result<(), ManagementError> {
        let response = answer.response.as_deref().map_or(&[][..], Vec::as_slice);
        if bool::from(self.expected.ct_eq(response)) {
            Ok(())
        } else {
            Err(ManagementError::CardNotGenuine)
        }
    }
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answered(..)")
    }
}

/// Single authentication with the card management key, in two commands: the
/// host proves the key to the card, and the card proves nothing.
///
/// | host | card |
/// |---|---|
/// | `00 87 alg 9B 04 7C { 81 00 } 00`: [`request_challenge`](Self::request_challenge) | `7C { 81 challenge }` |
/// | `00 87 alg 9B Lc 7C { 82 challenge, encrypted } 00`: [`answer_challenge`](Self::answer_challenge) | `9000` |
///
/// Whoever poses as the card chooses what is encrypted.
///
/// Source: SP 800-73-5 Part 2, A.1.
#[derive(Clone, Copy, Debug)]
pub struct SingleAuthentication<'k> {
    key: &'k ManagementKey,
}

impl<'k> SingleAuthentication<'k> {
    /// With this key.
    pub fn new(key: &'k ManagementKey) -> Self {
        SingleAuthentication { key }
    }

    /// The first command: asks for a challenge.
    pub fn request_challenge(self) -> GeneralAuthenticate {
        command(self.key, DynamicAuthenticationTemplate::request_challenge())
    }

    /// The second command: gives the challenge back, encrypted.
    ///
    /// # Errors
    /// [`ManagementError::Witness`] if the card gave no challenge of one block.
    pub fn answer_challenge(
        self,
        answer: &DynamicAuthenticationTemplate,
    ) -> Result<GeneralAuthenticate, ManagementError> {
        let challenge = answer
            .challenge
            .as_deref()
            .ok_or(ManagementError::Witness)?;
        let response = self
            .key
            .encrypt(challenge)
            .ok_or(ManagementError::Witness)?;
        let template = DynamicAuthenticationTemplate::default().with_response(&response);
        Ok(command(self.key, template))
    }
}
