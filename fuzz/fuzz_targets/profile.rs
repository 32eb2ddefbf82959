#![no_main]
//! The token management profile and the recovery record: what was read is
//! written and read again.

use libfuzzer_sys::fuzz_target;
use token_profile::{ManagementProfile, RecoveryRecord};

fuzz_target!(|content: &[u8]| {
    if let Ok(profile) = ManagementProfile::decode(content) {
        assert!(profile.policy.check().is_ok());
        assert_eq!(
            ManagementProfile::decode(&profile.encode()).as_ref(),
            Ok(&profile)
        );
        let _ = profile.policy.rules(content);
    }
    if let Ok(record) = RecoveryRecord::decode(content) {
        assert_eq!(
            RecoveryRecord::decode(&record.encode()).as_ref(),
            Ok(&record)
        );
    }
});
