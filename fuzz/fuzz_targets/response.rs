#![no_main]
//! The status word, and the answer to every PIV command as a host reads it.

use libfuzzer_sys::fuzz_target;
use piv_apdu::apdu::Response;
use piv_apdu::command::{
    ApplicationProperties, ChangeReferenceData, DynamicAuthenticationTemplate, GeneralAuthenticate,
    GenerateAsymmetric, GetData, PublicKey, PutData, ResetRetryCounter, Select, TypedCommand,
    Verify,
};

fuzz_target!(|data: &[u8]| {
    let Ok(response) = Response::decode(data) else {
        return;
    };
    assert_eq!(*response.encode(), data);
    let status = response.status();
    let _ = (
        status.to_string(),
        status.meaning(),
        status.tries_left(),
        status.correct_le(),
    );

    if let Ok(answer) = Select::decode_answer(&response) {
        assert_eq!(ApplicationProperties::decode(&answer.encode()), Ok(answer));
    }
    if let Ok(answer) = GenerateAsymmetric::decode_answer(&response) {
        assert_eq!(PublicKey::decode(&answer.encode()), Ok(answer));
    }
    if let Ok(answer) = GeneralAuthenticate::decode_answer(&response) {
        assert_eq!(
            DynamicAuthenticationTemplate::decode(&answer.encode()),
            Ok(answer)
        );
    }
    let _ = GetData::decode_answer(&response);
    let _ = PutData::decode_answer(&response);
    let _ = Verify::decode_answer(&response);
    let _ = ChangeReferenceData::decode_answer(&response);
    let _ = ResetRetryCounter::decode_answer(&response);
});
