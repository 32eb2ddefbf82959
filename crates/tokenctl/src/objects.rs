//! What is in a data object, for `show`.

use std::time::SystemTime;

use piv_apdu::object::{Chuid, DataGroup, Discovery, KeyHistory};
use token_manager::ObjectValue;

use crate::hex;
use crate::json::ObjectContent;
use crate::output::Fields;
use crate::text::{BAD, DIM, Text};

/// The content in JSON.
pub(crate) fn json(value: &ObjectValue) -> Option<ObjectContent> {
    Some(match value {
        ObjectValue::Chuid(chuid) => ObjectContent::Chuid {
            guid: chuid.guid.to_string(),
            fasc_n: chuid.fasc_n.as_ref().map(|fasc_n| hex::encode(&fasc_n.0)),
            fasc_n_fields: fasc_n_fields(chuid),
            expiry: chuid.expiry.map(|date| date.to_string()),
            cardholder_uuid: chuid.cardholder_uuid.as_ref().map(ToString::to_string),
            signed: !chuid.signature.is_empty(),
        },
        ObjectValue::CardCapabilityContainer(ccc) => ObjectContent::CardCapabilityContainer {
            card_identifier: hex::encode(&ccc.card_identifier),
            data_model: ccc.data_model,
        },
        ObjectValue::Discovery(discovery) => {
            let usage = discovery.pin_usage;
            ObjectContent::Discovery {
                aid: hex::encode(discovery.aid.as_bytes()),
                pin_usage_policy: format!("{:04X}", usage.0),
                piv_pin: usage.piv_pin(),
                global_pin: usage.global_pin(),
                global_pin_preferred: usage.global_preferred(),
                on_card_comparison: usage.occ(),
                virtual_contact_interface: usage.vci(),
                pairing_code_needed: usage.vci() && !usage.vci_without_pairing_code(),
            }
        }
        ObjectValue::KeyHistory(history) => ObjectContent::KeyHistory {
            on_card: history.on_card,
            off_card: history.off_card,
            url: history.url.clone(),
        },
        ObjectValue::SecurityObject(object) => ObjectContent::SecurityObject {
            containers: object.mapping.iter().copied().map(container).collect(),
            signature_size: object.signed.len(),
        },
        ObjectValue::Raw(bytes) => ObjectContent::Raw {
            hex: hex::encode(bytes),
        },
        _ => return None,
    })
}

/// The content for people.
pub(crate) fn fields(value: &ObjectValue, now: SystemTime) -> Fields {
    match value {
        ObjectValue::Chuid(chuid) => chuid_fields(chuid, now),
        ObjectValue::CardCapabilityContainer(ccc) => {
            let mut fields = Fields::new();
            fields.add("Card identifier", dim_hex(&ccc.card_identifier));
            fields
        }
        ObjectValue::Discovery(discovery) => discovery_fields(discovery),
        ObjectValue::KeyHistory(history) => history_fields(history),
        ObjectValue::SecurityObject(object) => {
            let mut fields = Fields::new();
            let containers: Vec<String> = object.mapping.iter().copied().map(container).collect();
            fields.add("Containers", containers.join(", "));
            fields.add(
                "Signature",
                format!("{} bytes, not verified", object.signed.len()),
            );
            fields
        }
        ObjectValue::Raw(bytes) => {
            let mut fields = Fields::new();
            fields.add("Content", dim_hex(bytes));
            fields
        }
        _ => Fields::new(),
    }
}

fn chuid_fields(chuid: &Chuid, now: SystemTime) -> Fields {
    let mut fields = Fields::new();
    fields.add("GUID", chuid.guid.to_string());
    if let Some(date) = chuid.expiry {
        let date = date.to_string();
        // Both are YYYY-MM-DD, so their order is that of time.
        let expired = date < token_manager::date(now);
        let note = if expired { " expired" } else { "" };
        fields.add("Expires", Text::from(date).then(note, BAD));
    }
    fields.add_some(
        "FASC-N",
        fasc_n_fields(chuid).or_else(|| {
            let fasc_n = chuid.fasc_n.as_ref()?;
            Some(hex::encode(&fasc_n.0))
        }),
    );
    fields.add_some(
        "Cardholder",
        chuid.cardholder_uuid.as_ref().map(ToString::to_string),
    );
    if chuid.signature.is_empty() {
        fields.add("Signature", Text::styled("none", DIM));
    } else {
        let length = chuid.signature.len();
        fields.add("Signature", format!("{length} bytes, not verified"));
    }
    fields
}

/// The numbers of the FASC-N, if it is sound.
fn fasc_n_fields(chuid: &Chuid) -> Option<String> {
    let fasc_n = chuid.fasc_n.as_ref()?;
    fasc_n.fields().ok().map(|fields| fields.to_string())
}

fn discovery_fields(discovery: &Discovery) -> Fields {
    let usage = discovery.pin_usage;
    let mut pins = Vec::new();
    if usage.piv_pin() {
        pins.push("PIV PIN");
    }
    if usage.global_pin() {
        pins.push(if usage.global_preferred() {
            "global PIN (preferred)"
        } else {
            "global PIN"
        });
    }
    if usage.occ() {
        pins.push("on-card comparison");
    }
    let mut fields = Fields::new();
    fields.add("Opens with", pins.join(", "));
    fields.add(
        "VCI",
        match (usage.vci(), usage.vci_without_pairing_code()) {
            (false, _) => "no",
            (true, true) => "yes, without pairing code",
            (true, false) => "yes, with pairing code",
        },
    );
    fields
}

fn history_fields(history: &KeyHistory) -> Fields {
    let mut fields = Fields::new();
    fields.add(
        "Retired keys",
        format!(
            "{} with a certificate on the card, {} without",
            history.on_card, history.off_card
        ),
    );
    fields.add_some("Certificates at", history.url.as_ref());
    fields
}

/// A container that the security object vouches for, by its number in
/// SP 800-73 Part 1, Table 2.
fn container(group: DataGroup) -> String {
    format!("{:04X}", group.container)
}

/// Bytes, as many as fit a line or two.
fn dim_hex(bytes: &[u8]) -> Text {
    const SHOWN: usize = 48;
    let shown = &bytes[..bytes.len().min(SHOWN)];
    let text = Text::styled(hex::encode(shown), DIM);
    if bytes.len() > SHOWN {
        text.then(format!("… {} bytes in all", bytes.len()), DIM)
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use piv_apdu::object::{Date, Guid};

    use super::*;

    fn written(value: &ObjectValue, now: SystemTime) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        fields(value, now).write(&mut out, 0, 16).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn an_expired_chuid_says_so() {
        let mut chuid = Chuid::new(Guid([7; 16]));
        chuid.expiry = Date::new(2024, 2, 29);
        let value = ObjectValue::Chuid(Box::new(chuid));
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        // 2024-02-29 23:59:59 and a second later.
        assert!(!written(&value, at(1_709_251_199)).contains("expired"));
        assert!(written(&value, at(1_709_251_200)).contains("2024-02-29 expired"));
    }

    #[test]
    fn long_content_is_cut_for_people_and_whole_in_json() {
        let value = ObjectValue::Raw(vec![0xAB; 300]);
        assert!(written(&value, SystemTime::UNIX_EPOCH).contains("300 bytes in all"));
        let ObjectContent::Raw { hex } = json(&value).unwrap() else {
            unreachable!()
        };
        assert_eq!(hex.len(), 600);
    }

    #[test]
    fn a_url_from_the_card_is_made_safe() {
        let value = ObjectValue::KeyHistory(KeyHistory {
            on_card: 1,
            off_card: 2,
            url: Some("http://x/\u{1b}[2J".to_owned()),
        });
        assert!(!written(&value, SystemTime::UNIX_EPOCH).contains('\u{1b}'));
    }
}
