//! What is of concern about a certificate: its dates, and what today is too weak.

use std::fmt;
use std::time::{Duration, SystemTime};

use const_oid::ObjectIdentifier;

use crate::certificate::{CertificateInfo, PublicKeyAlgorithm, Validity};

/// How long before its end a certificate is said to expire soon.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// RSA below these many bits is weak (SP 800-131A).
const RSA_BITS: u32 = 2048;

/// Something about a certificate that a person should know. It is told from the
/// certificate alone: neither its signature nor its revocation is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateConcern {
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It expires within 30 days.
    ExpiresSoon,
    /// Its key is RSA below 2048 bits, or on a curve below 224 bits (SP 800-131A).
    WeakKey,
    /// It was signed with MD2, MD4, MD5 or SHA-1. Of an RSASSA-PSS signature the hash is
    /// not looked at.
    WeakSignature,
}

impl CertificateConcern {
    /// A stable identifier for programs: `expired`, `not-yet-valid`, `expires-soon`,
    /// `weak-key`, `weak-signature`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::ExpiresSoon => "expires-soon",
            Self::WeakKey => "weak-key",
            Self::WeakSignature => "weak-signature",
        }
    }

    /// In a few words, to go on after "certificate 9A".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::ExpiresSoon => "expires soon",
            Self::WeakKey => "has a weak key",
            Self::WeakSignature => "has a weak signature",
        }
    }

    /// What it means and what to do, as a sentence without a full stop.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Expired => {
                "The certificate has expired, and who checks it refuses it: ask its issuer for \
                 another one"
            }
            Self::NotYetValid => {
                "The certificate is not valid yet, and who checks it refuses it until then; if its \
                 day has come, this computer's clock is wrong"
            }
            Self::ExpiresSoon => {
                "The certificate expires within 30 days: ask its issuer for another one in time"
            }
            Self::WeakKey => {
                "The certificate's key is too short for today: ask its issuer for one with a longer \
                 key"
            }
            Self::WeakSignature => {
                "The certificate was signed with an algorithm that is broken, and many programs \
                 refuse it: ask its issuer for another one"
            }
        }
    }
}

impl fmt::Display for CertificateConcern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.phrase())
    }
}

impl CertificateInfo {
    /// What is of concern about the certificate at `now`: its dates first, then its key,
    /// then its signature. Nothing for most.
    pub fn concerns(&self, now: SystemTime) -> Vec<CertificateConcern> {
        let by_date = match self.validity(now) {
            Validity::Expired => Some(CertificateConcern::Expired),
            Validity::NotYetValid => Some(CertificateConcern::NotYetValid),
            Validity::Valid => self
                .not_after
                .duration_since(now)
                .is_ok_and(|left| left <= SOON)
                .then_some(CertificateConcern::ExpiresSoon),
        };
        let weak_key = match self.public_key {
            PublicKeyAlgorithm::Rsa { bits } => bits < RSA_BITS,
            _ => self.weak_curve,
        };
        let weak_key = weak_key.then_some(CertificateConcern::WeakKey);
        let weak_signature = self
            .weak_signature
            .then_some(CertificateConcern::WeakSignature);
        [by_date, weak_key, weak_signature]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Whether a signature algorithm hashes with MD2, MD4, MD5 or SHA-1.
pub(crate) fn is_weak_signature(algorithm: &ObjectIdentifier) -> bool {
    const WEAK: [ObjectIdentifier; 10] = [
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.2"), // md2WithRSAEncryption
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.3"), // md4WithRSAEncryption
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.4"), // md5WithRSAEncryption
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5"), // sha1WithRSAEncryption
        ObjectIdentifier::new_unwrap("1.3.14.3.2.3"),         // OIW md5WithRSA
        ObjectIdentifier::new_unwrap("1.3.14.3.2.27"),        // OIW dsaWithSHA1
        ObjectIdentifier::new_unwrap("1.3.14.3.2.29"),        // OIW sha1WithRSASignature
        ObjectIdentifier::new_unwrap("1.2.840.10040.4.3"),    // id-dsa-with-sha1
        ObjectIdentifier::new_unwrap("1.2.840.10045.4.1"),    // ecdsa-with-SHA1
        ObjectIdentifier::new_unwrap("1.3.14.3.2.25"),        // OIW md5WithRSASignature
    ];
    WEAK.contains(algorithm)
}

/// Whether a named curve has fewer than 224 bits. Curves are known by their numbers below
/// one arc: X9.62 prime and binary, SEC 2, Brainpool (RFC 5639).
pub(crate) fn is_weak_curve(curve: &ObjectIdentifier) -> bool {
    const X962_BINARY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.0");
    const X962_PRIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1");
    const SEC2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0");
    const BRAINPOOL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.36.3.3.2.8.1.1");

    let (Some(family), Some(number)) = (curve.parent(), curve.arcs().last()) else {
        return false;
    };
    match family {
        X962_BINARY => (1..=10).contains(&number),
        X962_PRIME => (1..=3).contains(&number),
        // 112, 113, 128, 131, 160, 163, 192 and 193 bits.
        SEC2 => matches!(number, 1 | 2 | 4..=9 | 15 | 22..=25 | 28..=31),
        BRAINPOOL => (1..=4).contains(&number),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const RSA: &[u8] = include_bytes!("../tests/data/digital_signature.der");
    const DAY: Duration = Duration::from_secs(86_400);

    fn ids(info: &CertificateInfo, now: SystemTime) -> Vec<&'static str> {
        info.concerns(now)
            .into_iter()
            .map(CertificateConcern::id)
            .collect()
    }

    #[test]
    fn dates_are_of_concern_from_thirty_days_before_the_end() {
        let info = CertificateInfo::parse(RSA).unwrap();
        let second = Duration::from_secs(1);
        for (now, concerns) in [
            (info.not_before - second, vec!["not-yet-valid"]),
            (info.not_before, vec![]),
            (info.not_after - 30 * DAY - second, vec![]),
            (info.not_after - 30 * DAY, vec!["expires-soon"]),
            (info.not_after, vec!["expires-soon"]),
            (info.not_after + second, vec!["expired"]),
        ] {
            assert_eq!(ids(&info, now), concerns);
        }
    }

    #[test]
    fn short_keys_and_broken_hashes_are_of_concern() {
        let mut info = CertificateInfo::parse(RSA).unwrap();
        let now = info.not_before;
        info.public_key = PublicKeyAlgorithm::Rsa { bits: 2047 };
        assert_eq!(ids(&info, now), ["weak-key"]);
        info.public_key = PublicKeyAlgorithm::Rsa { bits: 2048 };
        assert_eq!(ids(&info, now), [""; 0]);

        // The same certificate as if it were signed with SHA-1: 1.2.840.113549.1.1.11 to .5.
        let sha256 = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B];
        let mut der = RSA.to_vec();
        let places: Vec<usize> = (0..der.len() - sha256.len())
            .filter(|&place| der[place..].starts_with(&sha256))
            .collect();
        assert_eq!(places.len(), 2, "once in what is signed and once beside it");
        for place in places {
            der[place + 8] = 0x05;
        }
        let info = CertificateInfo::parse(&der).unwrap();
        assert_eq!(
            ids(&info, info.not_after + DAY),
            ["expired", "weak-signature"]
        );
    }

    #[test]
    fn curves_below_224_bits_are_weak_and_others_are_not() {
        let oid = |text| ObjectIdentifier::new(text).unwrap();
        for weak in [
            "1.2.840.10045.3.1.1",  // P-192
            "1.2.840.10045.3.0.1",  // c2pnb163v1
            "1.3.132.0.8",          // secp160r1
            "1.3.132.0.31",         // secp192k1
            "1.3.36.3.3.2.8.1.1.3", // brainpoolP192r1
        ] {
            assert!(is_weak_curve(&oid(weak)), "{weak}");
        }
        for strong in [
            "1.2.840.10045.3.1.7",  // P-256
            "1.3.132.0.33",         // P-224
            "1.3.132.0.34",         // P-384
            "1.3.132.0.10",         // secp256k1
            "1.3.132.0.3",          // sect239k1
            "1.3.36.3.3.2.8.1.1.7", // brainpoolP256r1
        ] {
            assert!(!is_weak_curve(&oid(strong)), "{strong}");
        }
    }

    #[test]
    fn every_concern_has_its_own_words() {
        use CertificateConcern::{Expired, ExpiresSoon, NotYetValid, WeakKey, WeakSignature};
        use std::collections::BTreeSet;
        let all = [Expired, NotYetValid, ExpiresSoon, WeakKey, WeakSignature];
        let phrases: BTreeSet<_> = all.iter().map(|concern| concern.phrase()).collect();
        let sentences: BTreeSet<_> = all.iter().map(|concern| concern.sentence()).collect();
        assert_eq!((phrases.len(), sentences.len()), (all.len(), all.len()));
    }
}
