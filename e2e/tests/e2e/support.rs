//! What several of the tests need.

use std::ffi::CString;

use e2e::READERS;
use pcsc::{Context, Protocols, Scope, ShareMode};
use pcsc_transport::{Backend as _, Card, SendError, Sharing, Transaction, pcsc::PcscBackend};
use piv_apdu::{
    aid,
    command::{
        AnswerError, ChangeReferenceData, PinQuery, PinStatus, ResetRetryCounter, TypedCommand,
        Verify,
    },
    key::KeyReference,
    secret::{Pin, PinBlock, Puk},
    status::StatusWord,
};

/// The card in the slot, through our transport, shared.
pub(crate) fn open(slot: usize) -> Card {
    Card::new(
        PcscBackend::new()
            .connect(READERS[slot], Sharing::Shared)
            .unwrap(),
    )
}

/// Another program's connection to the card in the first slot.
pub(crate) fn other_program() -> pcsc::Card {
    let context = Context::establish(Scope::User).unwrap();
    let reader = CString::new(READERS[0]).unwrap();
    context
        .connect(&reader, ShareMode::Shared, Protocols::ANY)
        .unwrap()
}

/// Begins a transaction in which the PIV application is selected.
pub(crate) fn piv(card: &mut Card) -> Transaction<'_> {
    let mut transaction = card.begin().unwrap();
    if let Some(response) = transaction.ensure_selected(aid::PIV).unwrap() {
        assert_eq!(response.status(), StatusWord::SUCCESS, "SELECT PIV");
    }
    transaction
}

/// Sends `command` with the PIV application selected, in a transaction of its
/// own.
pub(crate) fn send<C: TypedCommand>(card: &mut Card, command: &C) -> Result<C::Answer, SendError> {
    let mut transaction = piv(card);
    let answer = transaction.send(command);
    transaction.end().unwrap();
    answer
}

/// What the card says of its PIN, without spending a try.
pub(crate) fn pin_status(card: &mut Card) -> PinStatus {
    send(card, &PinQuery::new(KeyReference::PIV_PIN)).unwrap()
}

pub(crate) fn verify(pin: &[u8]) -> Verify {
    Verify::check(KeyReference::PIV_PIN, block(pin))
}

pub(crate) fn change(old: &[u8], new: &[u8]) -> ChangeReferenceData {
    ChangeReferenceData {
        reference: KeyReference::PIV_PIN,
        old: block(old),
        new: block(new),
    }
}

pub(crate) fn unblock(puk: &[u8], new: &[u8]) -> ResetRetryCounter {
    let puk = Puk::new(puk).unwrap().padded();
    ResetRetryCounter {
        reference: KeyReference::PIV_PIN,
        puk,
        new: block(new),
    }
}

fn block(pin: &[u8]) -> PinBlock {
    Pin::new(pin).unwrap().padded()
}

/// The status word with which the card refused.
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, SendError>) -> StatusWord {
    match answer {
        Err(SendError::Answer(AnswerError::Status(status))) => status,
        other => panic!("the card should refuse: {other:?}"),
    }
}
