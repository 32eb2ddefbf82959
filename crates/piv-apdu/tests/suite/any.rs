//! Strategies for any value of each type.

use piv_apdu::aid::Aid;
use piv_apdu::apdu::{Command, Le};
use piv_apdu::command::{
    ApplicationProperties, ChangeReferenceData, DynamicAuthenticationTemplate, GeneralAuthenticate,
    GenerateAsymmetric, GetData, PivCommand, PublicKey, PutData, ResetRetryCounter, Select, Verify,
    VerifyAction,
};
use piv_apdu::key::{Algorithm, KeyReference};
use piv_apdu::object::ObjectTag;
use piv_apdu::secret::PinBlock;
use piv_apdu::tlv::Tag;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..=max)
}

pub(crate) fn le(max: u32) -> impl Strategy<Value = Option<Le>> {
    prop_oneof![
        Just(None),
        Just(Le::new(max)),
        (1..=max).prop_map(Le::new),
        (1..=256_u32).prop_map(Le::new),
    ]
}

pub(crate) fn command(max_data: usize, max_le: u32) -> impl Strategy<Value = Command> {
    (any::<[u8; 4]>(), bytes(max_data), le(max_le)).prop_map(|([cla, ins, p1, p2], data, le)| {
        let command = Command::new(cla, ins, p1, p2).with_data(&data);
        match le {
            Some(le) => command.with_le(le),
            None => command,
        }
    })
}

pub(crate) fn tag() -> impl Strategy<Value = Tag> {
    let number = prop_oneof![0..=0xFF_u32, 0x1F00..=0xFFFF_u32, 0x1F_8000..=0xFF_FFFF_u32];
    number.prop_filter_map("not a tag", |number| Tag::try_from(number).ok())
}

pub(crate) fn object_tag() -> impl Strategy<Value = ObjectTag> {
    prop_oneof![
        proptest::sample::select(ObjectTag::ALL),
        tag().prop_map(ObjectTag::from),
    ]
}

pub(crate) fn aid() -> impl Strategy<Value = Aid> {
    bytes(16).prop_map(|bytes| Aid::new(&bytes).unwrap())
}

pub(crate) fn algorithm() -> impl Strategy<Value = Algorithm> {
    any::<u8>().prop_map(Algorithm::from_u8)
}

fn key() -> impl Strategy<Value = KeyReference> {
    any::<u8>().prop_map(KeyReference)
}

fn block() -> impl Strategy<Value = PinBlock> {
    any::<[u8; 8]>().prop_map(PinBlock::from)
}

pub(crate) fn properties() -> impl Strategy<Value = ApplicationProperties> {
    (
        option::of(aid()),
        option::of(aid()),
        option::of(".{0,40}"),
        option::of(".{0,40}"),
        vec(algorithm(), 0..5),
    )
        .prop_map(
            |(aid, authority, label, url, algorithms)| ApplicationProperties {
                aid,
                authority,
                label,
                url,
                algorithms,
            },
        )
}

pub(crate) fn template() -> impl Strategy<Value = DynamicAuthenticationTemplate> {
    let field = || option::of(bytes(300).prop_map(Into::into));
    (field(), field(), field(), field()).prop_map(
        |(witness, challenge, response, exponentiation)| DynamicAuthenticationTemplate {
            witness,
            challenge,
            response,
            exponentiation,
        },
    )
}

pub(crate) fn public_key() -> impl Strategy<Value = PublicKey> {
    let some = |max| vec(any::<u8>(), 1..=max);
    prop_oneof![
        (some(512), some(8)).prop_map(|(modulus, exponent)| PublicKey::Rsa { modulus, exponent }),
        some(97).prop_map(|point| PublicKey::Ecc { point }),
    ]
}

pub(crate) fn piv_command() -> impl Strategy<Value = PivCommand> {
    let action = prop_oneof![
        Just(VerifyAction::Query),
        block().prop_map(VerifyAction::Check),
        Just(VerifyAction::Logout),
    ];
    prop_oneof![
        aid().prop_map(|aid| PivCommand::Select(Select::new(aid))),
        object_tag().prop_map(|tag| PivCommand::GetData(GetData::new(tag))),
        (object_tag(), bytes(600))
            .prop_map(|(tag, content)| PivCommand::PutData(PutData::new(tag, &content))),
        (key(), action)
            .prop_map(|(reference, action)| PivCommand::Verify(Verify { reference, action })),
        (key(), block(), block()).prop_map(|(reference, old, new)| {
            PivCommand::ChangeReferenceData(ChangeReferenceData {
                reference,
                old,
                new,
            })
        }),
        (key(), block(), block()).prop_map(|(reference, puk, new)| {
            PivCommand::ResetRetryCounter(ResetRetryCounter {
                reference,
                puk,
                new,
            })
        }),
        (algorithm(), key(), template()).prop_map(|(algorithm, key, template)| {
            PivCommand::GeneralAuthenticate(GeneralAuthenticate {
                algorithm,
                key,
                template,
            })
        }),
        (key(), algorithm(), option::of(bytes(8))).prop_map(|(key, algorithm, parameters)| {
            PivCommand::GenerateAsymmetric(GenerateAsymmetric {
                key,
                algorithm,
                parameters,
            })
        }),
    ]
}
