//! What this host keeps about a token: the token management profile where the
//! token has no room for one, where its recovery secret is kept, and how far an
//! action of several steps has come. Never a secret.

mod file;
mod memory;

use std::fmt;

use serde::{Deserialize, Serialize};
use token_profile::{Alphabet, ChallengeType, ManagementProfile, Policy, RecoveryKind};

pub use file::FileStore;
pub use memory::MemoryStore;

use crate::actions::{CHANGE_PUK, KEEP_RECOVERY};
use crate::certificate::hex;
use crate::token::TokenIdentity;

/// Names a token on this host: by its serial number, which stays when the
/// token is erased, or else by its GUID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKey(String);

impl TokenKey {
    /// The key as text: lower-case letters, digits and dashes; at most 70
    /// characters. Fit for a file's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a token; `None` if it has neither a serial number nor a
    /// GUID: nothing then tells it from another, so nothing is kept about it.
    pub fn of(identity: &TokenIdentity) -> Option<Self> {
        Self::by_serial(identity).or_else(|| Self::by_guid(identity))
    }

    fn by_serial(identity: &TokenIdentity) -> Option<Self> {
        let serial = identity.serial.as_ref()?;
        let plain = serial.len() <= 32 && serial.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| Self(format!("serial-{}", serial.to_ascii_lowercase())))
    }

    fn by_guid(identity: &TokenIdentity) -> Option<Self> {
        let guid = identity.guid.as_ref()?;
        Some(Self(format!("guid-{}", hex(&guid.0))))
    }
}

impl fmt::Display for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The version of [`HostRecord`] that this crate writes.
pub const RECORD_VERSION: u32 = 1;

/// What this host knows about one token besides what the token tells. Holds no
/// secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostRecord {
    version: u32,
    /// The token management profile, for a token that has no place for it.
    #[serde(
        default,
        with = "profile_as_fields",
        skip_serializing_if = "Option::is_none"
    )]
    pub profile: Option<ManagementProfile>,
    /// Where the secret is kept that unblocks the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryPlace>,
    /// What speaks against a PUK that is kept, on the token or on this host; see
    /// [`kept_puk`](Self::kept_puk()).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_puk: Option<KeptPuk>,
    /// An action of several steps that was begun and not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Journal>,
    /// Tries left for the PUK when the card last told, after a wrong one. The
    /// standard has no way to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub puk_tries_left: Option<u8>,
}

impl HostRecord {
    /// A record that says nothing.
    pub fn new() -> Self {
        Self {
            version: RECORD_VERSION,
            ..Self::default()
        }
    }

    /// The version it was written with.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What speaks against a PUK that is kept, an action of several steps that is
    /// not finished included. `None`: nothing that this host knows of.
    pub fn kept_puk(&self) -> Option<KeptPuk> {
        let journal = self.journal.as_ref();
        let by_journal = journal.and_then(|journal| {
            let begun = |step| journal.has_done(step) || journal.is_doubtful(step);
            if !begun(CHANGE_PUK) {
                None
            } else if journal.has_done(CHANGE_PUK) && !begun(KEEP_RECOVERY) {
                Some(KeptPuk::Old)
            } else {
                Some(KeptPuk::MayBeOld)
            }
        });
        self.kept_puk.max(by_journal)
    }

    /// Whether there is anything in it.
    pub fn is_empty(&self) -> bool {
        self.profile.is_none()
            && self.recovery.is_none()
            && self.kept_puk.is_none()
            && self.journal.is_none()
            && self.puk_tries_left.is_none()
    }
}

/// What speaks against a PUK that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum KeptPuk {
    /// A change of the PUK was begun, and how it ended is not known: it is shown
    /// along with that.
    MayBeOld,
    /// The PUK was changed, and the new one was not kept: it is not shown.
    Old,
}

/// Where the secret is kept that unblocks a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecoveryPlace {
    /// In an object on the token that the PIN protects.
    Token,
    /// In this host's secret store.
    Host,
    /// Nowhere but with the person.
    Nowhere,
}

impl RecoveryPlace {
    /// The name for people, as that of a choice.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "On the token",
            Self::Host => "In this computer's secret store",
            Self::Nowhere => "Nowhere besides",
        }
    }

    /// What it means to keep the secret there, as sentences.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Token => "Behind the PIN: whoever has the token and knows the PIN can see it.",
            Self::Host => "It is shown on this computer only, after the token has taken the PIN.",
            Self::Nowhere => "Only you have it. If it is lost, the PIN can't be unblocked.",
        }
    }

    /// A stable identifier for programs: `token`, `host`, `nowhere`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Host => "host",
            Self::Nowhere => "nowhere",
        }
    }
}

/// How far an action of several steps has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Journal {
    /// The action, by its identifier ([`Action::id`](crate::Action::id)).
    pub action: String,
    /// The step that was begun last, by its identifier
    /// ([`Step::id`](crate::Step)). It may or may not have been carried out.
    pub begun: String,
    /// The steps that are certainly done.
    #[serde(default)]
    pub done: Vec<String>,
    /// Steps that were under way at an earlier interruption, and of which it is
    /// not known yet whether they were carried out.
    #[serde(default)]
    pub doubtful: Vec<String>,
    /// Whether there was anything to see on the token when its erasure was
    /// begun: if there is nothing now, it is erased.
    #[serde(default)]
    pub had_content: bool,
}

impl Journal {
    /// A journal of an action that has not begun its first step.
    pub fn new(action: crate::Action) -> Self {
        Self {
            action: action.id().to_owned(),
            begun: String::new(),
            done: Vec::new(),
            doubtful: Vec::new(),
            had_content: false,
        }
    }

    /// How far it came, as sentences without the last full stop.
    pub fn sentence(&self) -> String {
        let named = |steps: &mut dyn Iterator<Item = &String>| {
            let names: Vec<&str> = steps.map(|step| step_name(step)).collect();
            names.join(", ")
        };
        let begun = Some(&self.begun).filter(|begun| !begun.is_empty());
        let doubtful = self.doubtful.iter().chain(begun);
        let done = named(&mut self.done.iter());
        let doubtful = named(&mut doubtful.filter(|step| !self.has_done(step)));
        let mut text = format!("an earlier {} did not come to its end", self.action);
        for (label, steps) in [("Done", done), ("Perhaps done", doubtful)] {
            if !steps.is_empty() {
                text = format!("{text}. {label}: {steps}");
            }
        }
        text
    }

    /// Whether a step is certainly done.
    pub fn has_done(&self, step: &str) -> bool {
        self.done.iter().any(|done| done == step)
    }

    /// Whether a step was begun and is not certainly done.
    pub fn is_doubtful(&self, step: &str) -> bool {
        self.begun == step || self.doubtful.iter().any(|doubtful| doubtful == step)
    }
}

/// What a step is about, for people; one of another version by its identifier.
fn step_name(id: &str) -> &str {
    match id {
        "reset-card" => "the erasure of the token",
        "forget-records" => "forgetting what this computer kept about it",
        "write-challenge" => "its static challenge",
        "put-admin-key" => "the new admin key",
        "change-puk" => "the new PUK",
        "change-pin" => "the new PIN",
        "keep-recovery" => "keeping what unblocks it",
        "write-policy" => "its policy",
        other => other,
    }
}

/// Keeps [`HostRecord`]s, one a token.
///
/// Must be safe to use from several threads and processes at once: a reader
/// sees a record as it was before or after a write, never between.
pub trait HostStore: Send + Sync {
    /// The record of a token; an empty one if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn read(&self, token: &TokenKey) -> Result<HostRecord, StoreError>;

    /// Replaces the record of a token; an empty one removes it.
    ///
    /// # Errors
    /// [`StoreError`]; the record is then as it was.
    fn write(&self, token: &TokenKey, record: &HostRecord) -> Result<(), StoreError>;

    /// Changes the record of a token as it is now, and gives it. `change` may be
    /// called more than once. Nothing is written if it changes nothing.
    ///
    /// A store that several programs use has to see to it that nobody else writes
    /// in between: what the one notes must not undo what the other noted. As it
    /// is given here, it only reads and writes.
    ///
    /// # Errors
    /// [`StoreError`]; the record is then as it was.
    fn update(
        &self,
        token: &TokenKey,
        change: &mut dyn FnMut(&mut HostRecord),
    ) -> Result<HostRecord, StoreError> {
        let before = self.read(token)?;
        let mut record = before.clone();
        change(&mut record);
        if record != before {
            self.write(token, &record)?;
        }
        Ok(record)
    }
}

/// What this host keeps about a token could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file could not be read or written.
    #[error(
        "what this computer keeps about the token ({path}) could not be {done}: {source}. The token \
         itself is not concerned; check the folder's rights and its free space"
    )]
    Io {
        /// The file.
        path: String,
        /// What was tried: `read` or `written`.
        done: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not one that this software wrote, or it is damaged.
    #[error(
        "what this computer keeps about the token ({path}) can't be understood: {detail}. The token \
         itself is not concerned; move the file away to go on without it"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        detail: String,
    },
}

/// A profile in a record, field by field, so that a person can read the file.
mod profile_as_fields {
    use super::{Alphabet, ChallengeType, ManagementProfile, Policy};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[allow(clippy::struct_excessive_bools, reason = "as they stand in the file")]
    struct Fields {
        minimum: u8,
        maximum: u8,
        digits_only: bool,
        force_change: bool,
        static_challenge: bool,
        refuse_weak: bool,
        fido_shared_pin: bool,
        personalized: bool,
    }

    #[allow(clippy::ref_option, reason = "the form that serde calls")]
    pub(super) fn serialize<S: Serializer>(
        profile: &Option<ManagementProfile>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        profile
            .as_ref()
            .map(|profile| Fields {
                minimum: profile.policy.minimum,
                maximum: profile.policy.maximum,
                digits_only: profile.policy.alphabet == Alphabet::Digits,
                force_change: profile.policy.force_change,
                static_challenge: profile.policy.challenge == ChallengeType::Static,
                refuse_weak: profile.policy.refuse_weak,
                fido_shared_pin: profile.policy.fido_shared_pin,
                personalized: profile.personalized,
            })
            .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<ManagementProfile>, D::Error> {
        let Some(fields) = Option::<Fields>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let policy = Policy {
            minimum: fields.minimum,
            maximum: fields.maximum,
            alphabet: if fields.digits_only {
                Alphabet::Digits
            } else {
                Alphabet::Any
            },
            force_change: fields.force_change,
            challenge: if fields.static_challenge {
                ChallengeType::Static
            } else {
                ChallengeType::Dynamic
            },
            refuse_weak: fields.refuse_weak,
            fido_shared_pin: fields.fido_shared_pin,
        };
        policy.check().map_err(serde::de::Error::custom)?;
        Ok(Some(ManagementProfile {
            policy,
            personalized: fields.personalized,
            enforced_by_card: false,
        }))
    }
}

/// What the recovery secret of a token is called, for people.
pub fn recovery_name(kind: RecoveryKind) -> &'static str {
    match kind {
        RecoveryKind::Puk => "PUK",
        RecoveryKind::XauthKey => "admin key (recovery)",
        RecoveryKind::UnlockCode => "unlock code",
    }
}
