//! The response APDU.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::DecodeError;
use crate::status::StatusWord;

/// A response APDU: data and a status word.
///
/// `Debug` prints the length of the data and the status word, never the data.
///
/// Source: ISO 7816-4 (command-response pairs).
#[derive(Clone)]
pub struct Response {
    data: Zeroizing<Vec<u8>>,
    status: StatusWord,
}

impl Response {
    /// A response with a copy of `data`.
    pub fn new(data: &[u8], status: StatusWord) -> Self {
        Self::from_owned(Zeroizing::new(data.to_vec()), status)
    }

    /// A response that takes `data` over.
    pub fn from_owned(data: Zeroizing<Vec<u8>>, status: StatusWord) -> Self {
        Response { data, status }
    }

    /// A response without data.
    pub fn from_status(status: StatusWord) -> Self {
        Self::new(&[], status)
    }

    /// Decodes data and status word.
    ///
    /// # Errors
    /// [`DecodeError::TooShort`] if there are fewer than the two bytes of a
    /// status word.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_last_chunk::<2>() {
            Some((data, status)) => Ok(Self::new(
                data,
                StatusWord::new(u16::from_be_bytes(*status)),
            )),
            None => Err(DecodeError::TooShort {
                length: bytes.len(),
                min: 2,
            }),
        }
    }

    /// Data, then the two bytes of the status word.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(self.data.len() + 2));
        out.extend_from_slice(&self.data);
        out.extend_from_slice(&self.status.get().to_be_bytes());
        out
    }

    /// The data, without the status word.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The status word.
    pub fn status(&self) -> StatusWord {
        self.status
    }

    /// The data, taken out of the response.
    pub fn into_data(self) -> Zeroizing<Vec<u8>> {
        self.data
    }
}

impl PartialEq for Response {
    fn eq(&self, other: &Self) -> bool {
        self.status == other.status && bool::from(self.data.ct_eq(&other.data))
    }
}

impl Eq for Response {}

impl From<StatusWord> for Response {
    fn from(status: StatusWord) -> Self {
        Self::from_status(status)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Response({} data bytes, {:04X})",
            self.data.len(),
            self.status.get()
        )
    }
}
