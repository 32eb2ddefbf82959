//! CBOR as any authenticator might write it.

use minicbor::Encoder;
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Integer(i64),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

/// How an authenticator writes. The canonical way is the default.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// Maps and lists without their length, texts and byte strings in pieces.
    pub(crate) indefinite: bool,
    /// Maps in another order.
    pub(crate) backwards: bool,
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Value::Text(text.to_owned())
    }

    pub(crate) fn numbers(numbers: &[u64]) -> Self {
        let number = |number: &u64| Value::Integer(i64::try_from(*number).unwrap());
        Value::List(numbers.iter().map(number).collect())
    }

    pub(crate) fn texts(texts: &[String]) -> Self {
        Value::List(texts.iter().map(|text| Value::text(text)).collect())
    }

    pub(crate) fn encode(&self, habits: Habits) -> Vec<u8> {
        let mut out = Encoder::new(Vec::new());
        self.write(habits, &mut out);
        out.into_writer()
    }

    fn write(&self, habits: Habits, out: &mut Encoder<Vec<u8>>) {
        match (self, habits.indefinite) {
            (Value::Integer(number), _) => drop(out.i64(*number)),
            (Value::Bool(value), _) => drop(out.bool(*value)),
            (Value::Text(text), false) => drop(out.str(text)),
            (Value::Text(text), true) => {
                out.begin_str().unwrap();
                for character in text.chars() {
                    out.str(character.encode_utf8(&mut [0; 4])).unwrap();
                }
                out.end().unwrap();
            }
            (Value::Bytes(bytes), false) => drop(out.bytes(bytes)),
            (Value::Bytes(bytes), true) => {
                out.begin_bytes().unwrap();
                for piece in bytes.chunks(7) {
                    out.bytes(piece).unwrap();
                }
                out.end().unwrap();
            }
            (Value::List(items), indefinite) => {
                if indefinite {
                    out.begin_array().unwrap();
                } else {
                    out.array(items.len() as u64).unwrap();
                }
                for item in items {
                    item.write(habits, out);
                }
                if indefinite {
                    out.end().unwrap();
                }
            }
            (Value::Map(entries), indefinite) => {
                if indefinite {
                    out.begin_map().unwrap();
                } else {
                    out.map(entries.len() as u64).unwrap();
                }
                let mut entries: Vec<_> = entries.iter().collect();
                if habits.backwards {
                    entries.reverse();
                }
                for (key, value) in entries {
                    key.write(habits, out);
                    value.write(habits, out);
                }
                if indefinite {
                    out.end().unwrap();
                }
            }
        }
    }
}

pub(crate) fn any_habits() -> impl Strategy<Value = Habits> {
    any::<(bool, bool)>().prop_map(|(indefinite, backwards)| Habits {
        indefinite,
        backwards,
    })
}

/// Any value, also of the kinds and with the keys that answers have.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (-4_i64..0x18).prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Bool),
        "[a-z]{0,12}".prop_map(Value::Text),
        vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        vec(any::<u8>(), 32).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(3, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::List),
            vec(
                ((-4_i64..0x18).prop_map(Value::Integer), inner.clone()),
                0..6
            )
            .prop_map(Value::Map),
            vec(("[a-z]{0,5}".prop_map(Value::Text), inner), 0..4).prop_map(Value::Map),
        ]
    })
}
