//! What an authenticator says of itself: written in many ways, read as the same.

use std::collections::BTreeMap;

use ctap_apdu::get_info::{Aaguid, ClientPinState, Info};
use ctap_apdu::{MalformedAnswer, PinProtocol};
use hex_literal::hex;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::cbor::{Habits, Value, any_habits, any_value};

/// The answer's map.
fn written(info: &Info) -> Vec<(i64, Value)> {
    let mut fields = vec![
        (0x01, Value::texts(&info.versions)),
        (0x02, Value::texts(&info.extensions)),
        (0x03, Value::Bytes(info.aaguid.0.to_vec())),
        (0x04, named(&info.options, |value| Value::Bool(*value))),
        (0x06, Value::numbers(&info.pin_uv_auth_protocols)),
        (0x09, Value::texts(&info.transports)),
        (0x0A, algorithms(&info.algorithms)),
        (0x13, named(&info.certifications, |level| number(*level))),
        (0x15, Value::numbers(&info.vendor_prototype_config_commands)),
    ];
    let optional = [
        (0x05, info.max_message_size),
        (0x07, info.max_credential_count_in_list),
        (0x08, info.max_credential_id_length),
        (0x0B, info.max_serialized_large_blob_array),
        (0x0D, info.min_pin_length),
        (0x0E, info.firmware_version),
        (0x0F, info.max_cred_blob_length),
        (0x10, info.max_rp_ids_for_set_min_pin_length),
        (0x11, info.preferred_platform_uv_attempts),
        (0x12, info.uv_modality),
        (0x14, info.remaining_discoverable_credentials),
    ];
    fields.extend(
        optional
            .iter()
            .filter_map(|(key, n)| Some((*key, number((*n)?)))),
    );
    fields.extend(
        info.force_pin_change
            .map(|value| (0x0C, Value::Bool(value))),
    );
    fields.sort_by_key(|(key, _)| *key);
    fields
}

fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap())
}

fn named<T>(entries: &BTreeMap<String, T>, value: impl Fn(&T) -> Value) -> Value {
    let entries = entries.iter();
    Value::Map(
        entries
            .map(|(name, it)| (Value::text(name), value(it)))
            .collect(),
    )
}

fn algorithms(algorithms: &[i64]) -> Value {
    let one = |algorithm: &i64| {
        Value::Map(vec![
            (Value::text("alg"), Value::Integer(*algorithm)),
            (Value::text("type"), Value::text("public-key")),
        ])
    };
    Value::List(algorithms.iter().map(one).collect())
}

fn encode(fields: Vec<(i64, Value)>, habits: Habits) -> Vec<u8> {
    let entries = fields
        .into_iter()
        .map(|(key, value)| (Value::Integer(key), value));
    Value::Map(entries.collect()).encode(habits)
}

fn any_info() -> impl Strategy<Value = Info> {
    let texts = || vec("[A-Z_0-9]{0,10}", 0..4);
    let numbers = || vec(0..1_u64 << 40, 0..4);
    let lists = (
        texts(),
        texts(),
        texts(),
        numbers(),
        numbers(),
        vec(any::<i64>(), 0..3),
    );
    let maps = (
        btree_map("[a-zA-Z]{0,10}", any::<bool>(), 0..5),
        btree_map("[A-Z]{0,10}", 0..100_u64, 0..3),
    );
    let optional = vec(option::of(0..1_u64 << 33), 11);
    (
        lists,
        maps,
        optional,
        any::<[u8; 16]>(),
        option::of(any::<bool>()),
    )
        .prop_map(|(lists, maps, optional, aaguid, force_pin_change)| {
            let mut info = Info::default();
            info.versions = lists.0;
            info.extensions = lists.1;
            info.transports = lists.2;
            info.pin_uv_auth_protocols = lists.3;
            info.vendor_prototype_config_commands = lists.4;
            info.algorithms = lists.5;
            info.options = maps.0;
            info.certifications = maps.1;
            info.max_message_size = optional[0];
            info.max_credential_count_in_list = optional[1];
            info.max_credential_id_length = optional[2];
            info.max_serialized_large_blob_array = optional[3];
            info.min_pin_length = optional[4];
            info.firmware_version = optional[5];
            info.max_cred_blob_length = optional[6];
            info.max_rp_ids_for_set_min_pin_length = optional[7];
            info.preferred_platform_uv_attempts = optional[8];
            info.uv_modality = optional[9];
            info.remaining_discoverable_credentials = optional[10];
            info.aaguid = Aaguid(aaguid);
            info.force_pin_change = force_pin_change;
            info
        })
}

proptest! {
    #[test]
    fn whatever_is_told_is_read_however_it_is_written(
        info in any_info(),
        habits in any_habits(),
        unknown in vec((0x16_i64..1000, any_value()), 0..3),
    ) {
        let mut fields = written(&info);
        for (key, value) in unknown {
            if fields.iter().all(|(known, _)| *known != key) {
                fields.push((key, value));
            }
        }
        prop_assert_eq!(Info::decode(&encode(fields, habits)), Ok(info));
    }

    #[test]
    fn a_field_that_comes_twice_is_refused(
        info in any_info(),
        habits in any_habits(),
        at in any::<prop::sample::Index>(),
    ) {
        let mut fields = written(&info);
        fields.push(fields[at.index(fields.len())].clone());
        let read = Info::decode(&encode(fields, habits));
        prop_assert!(matches!(read, Err(MalformedAnswer::Duplicate { .. })), "{:?}", read);
    }
}

#[test]
fn an_option_that_comes_twice_is_refused() {
    // {1: [], 3: .., 4: {"rk": true, "rk": false}}
    let answer = hex!(
        "A3 01 80 03 50 00000000000000000000000000000000
         04 A2 62 726B F5 62 726B F4"
    );
    assert_eq!(
        Info::decode(&answer),
        Err(MalformedAnswer::Duplicate { offset: 27 })
    );
}

#[test]
fn what_must_be_there_is_missed_by_its_name() {
    let without = |key| {
        let fields = written(&Info::default());
        let rest = fields.into_iter().filter(|(known, _)| *known != key);
        Info::decode(&encode(rest.collect(), Habits::default()))
    };
    for (key, field) in [(0x01, "versions"), (0x03, "aaguid")] {
        assert_eq!(without(key), Err(MalformedAnswer::Missing { field }));
    }
    assert_eq!(without(0x04), Ok(Info::default()));
    let aaguid = hex!("A2 01 80 03 41 00");
    let field = "aaguid";
    assert_eq!(Info::decode(&aaguid), Err(MalformedAnswer::Value { field }));
}

#[test]
fn what_is_cut_off_or_never_ends_is_refused() {
    let whole = encode(
        written(&Info::default()),
        Habits {
            indefinite: true,
            ..Habits::default()
        },
    );
    assert_eq!(Info::decode(&whole), Ok(Info::default()));
    for length in 0..whole.len() {
        let read = Info::decode(&whole[..length]);
        assert!(
            matches!(read, Err(MalformedAnswer::Cbor { .. })),
            "{length}"
        );
    }
    // A break where a value belongs; lengths that no card could send.
    for hostile in [
        hex!("BF 18 63 FF FF").as_slice(),
        &hex!("BB FFFFFFFFFFFFFFFF"),
        &hex!("A1 01 9B FFFFFFFFFFFFFFFF"),
        &hex!("A1 01 81 7B FFFFFFFFFFFFFFFF"),
        &hex!("A1 03 5B FFFFFFFFFFFFFFFF"),
        &hex!("A1 18 63 9B FFFFFFFFFFFFFFFF 00"),
    ] {
        let read = Info::decode(hostile);
        assert!(
            matches!(read, Err(MalformedAnswer::Cbor { .. })),
            "{hostile:02X?}"
        );
    }
    // A value of lists in lists, as deep as an answer can be.
    let mut deep = hex!("A1 18 63").to_vec();
    deep.resize(deep.len() + 16_000, 0x81);
    assert!(Info::decode(&deep).is_err());
    deep.iter_mut().skip(3).for_each(|byte| *byte = 0x9F);
    assert!(Info::decode(&deep).is_err());
}

#[test]
fn the_pin_s_state_length_and_protocol_follow_from_the_fields() {
    let mut info = Info::default();
    assert_eq!(info.client_pin(), ClientPinState::NotSupported);
    assert_eq!(info.min_pin_length(), 4);
    assert_eq!(info.pin_protocol(), None);
    info.options.insert("clientPin".into(), false);
    assert_eq!(info.client_pin(), ClientPinState::NotSet);
    info.options.insert("clientPin".into(), true);
    assert_eq!(info.client_pin(), ClientPinState::Set);
    info.min_pin_length = Some(6);
    assert_eq!(info.min_pin_length(), 6);
    info.min_pin_length = Some(1);
    assert_eq!(info.min_pin_length(), 4);
    info.pin_uv_auth_protocols = vec![3, 1, 2];
    assert_eq!(info.pin_protocol(), Some(PinProtocol::One));
    info.pin_uv_auth_protocols = vec![2, 1];
    assert_eq!(info.pin_protocol(), Some(PinProtocol::Two));
}

#[test]
fn an_algorithm_of_another_type_is_passed_over() {
    let mut fields = written(&Info::default());
    let other = Value::Map(vec![
        (Value::text("alg"), Value::Integer(-7)),
        (Value::text("type"), Value::text("something-else")),
    ]);
    fields.retain(|(key, _)| *key != 0x0A);
    fields.push((0x0A, Value::List(vec![other])));
    let info = Info::decode(&encode(fields, Habits::default())).unwrap();
    assert!(info.algorithms.is_empty());
}
