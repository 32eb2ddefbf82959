//! How an action fails: what happened, in what state the token is now, and what
//! to do next.

mod advice;

use ctap_apdu::status::CtapStatus;
use pcsc_transport::{LinkError, PinPadError};
use piv_apdu::object::ObjectTag;
use piv_apdu::sm::SmError;
use piv_apdu::status::StatusWord;
use token_profile::{PolicyError, Rule};

use crate::capability::{Action, Reason};
use crate::error::{LoadError, Unreadable};
use crate::pin::PolicySource;
use crate::record::StoreError;
use crate::secrets::SecretStoreError;
use crate::vci::VciError;

/// Why an action did not do what was asked.
///
/// Four things that other tools mix up are told apart: the secret was **not
/// sent** ([`NotSent`](Self::NotSent), [`Unavailable`](Self::Unavailable)); it was
/// sent and is **wrong**, with the tries left ([`Wrong`](Self::Wrong)); it is
/// **blocked** ([`Blocked`](Self::Blocked)); or it was **already verified**, which
/// is no failure ([`Verification`](crate::Verification)).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// The token, or this software, can't do it. Nothing on the token was
    /// changed. Nothing was sent either, unless only the PIN could tell.
    #[error("this token can't do it ({action}): {reason}. Nothing on the token was changed")]
    Unavailable {
        /// What was asked for.
        action: Action,
        /// Why not.
        reason: Reason,
    },
    /// The host knew that it would be of no use, or of more harm than was
    /// agreed to. No secret was sent and no try was spent.
    #[error("{}. {}", .0, .0.what_was_not_done())]
    NotSent(#[from] NotSent),
    /// It was sent and the card says that it is wrong.
    #[error("the {secret} is wrong; {}. {}", tries(*secret, *tries_left), secret.after_wrong())]
    Wrong {
        /// What was wrong.
        secret: Secret,
        /// Tries left, if the card told; at least one.
        tries_left: Option<u8>,
    },
    /// No try is left. If it was sent, it was wrong.
    #[error("the {secret} is blocked, no try is left. {}", secret.after_block())]
    Blocked {
        /// What is blocked.
        secret: Secret,
    },
    /// The card refused a command with this status word.
    #[error(
        "{action}: the card refused at \"{step}\" ({}). {}",
        advice::meaning(step, *status),
        advice::sentences(step, *status, *aftermath)
    )]
    Refused {
        /// What was asked for.
        action: Action,
        /// The step that was refused.
        step: &'static str,
        /// What the card answered.
        status: StatusWord,
        /// In what state the token is if the card has carried the command out all the
        /// same, as not every status word excludes.
        aftermath: Aftermath,
    },
    /// The FIDO application refused a command with this CTAP status code.
    #[error(
        "{action}: the FIDO application refused at \"{step}\": {status}. {}",
        advice::of_fido(*status, *aftermath)
    )]
    RefusedByFido {
        /// What was asked for.
        action: Action,
        /// The step that was refused.
        step: &'static str,
        /// What it answered.
        status: CtapStatus,
        /// In what state the token is if it was carried out all the same, as not every
        /// status code excludes.
        aftermath: Aftermath,
    },
    /// It was sent to the FIDO application and is wrong, for the third time in a row.
    #[error(
        "the {secret} is wrong; {}, and none before the token was without power. Take it out and \
         put it back before you try again. {}",
        tries(*secret, *tries_left),
        secret.after_wrong()
    )]
    WrongUntilPowerCycle {
        /// What was wrong: the FIDO PIN, or one that PIV shares with it.
        secret: Secret,
        /// Tries left after that, if the card told.
        tries_left: Option<u8>,
    },
    /// The card's answer to a step can't be understood.
    #[error(
        "{action}: the card's answer at \"{step}\" can't be understood ({detail}). {}",
        advice::of_malformed(*aftermath)
    )]
    Malformed {
        /// What was asked for.
        action: Action,
        /// The step.
        step: &'static str,
        /// In what state the token is.
        aftermath: Aftermath,
        /// What is wrong with the answer.
        detail: String,
    },
    /// The card accepted the management key, and did not prove in return that it
    /// knows it: mutual authentication, SP 800-73-5 Part 2, A.2.
    #[error(
        "{action}: the card took the management key (9B), but did not prove that it knows it: it \
         is not the card that it says it is, or something between answers for it. Nothing was \
         written with the key. Give it no secret and take it out; ask whoever issued it"
    )]
    CardNotGenuine {
        /// What was asked for.
        action: Action,
    },
    /// The connection was lost at this step: card pulled out, reset, service
    /// gone.
    #[error("{action}: interrupted at \"{step}\" ({source}). {aftermath}")]
    Interrupted {
        /// What was asked for.
        action: Action,
        /// The step that was under way.
        step: &'static str,
        /// In what state the token is.
        aftermath: Aftermath,
        /// What the link said.
        source: LinkError,
    },
    /// On a contactless reader, the virtual contact interface could not be opened again
    /// for this action. Nothing of the action was sent.
    #[error("{action}: {source}")]
    Vci {
        /// What was asked for.
        action: Action,
        /// Why it could not be opened.
        source: VciError,
    },
    /// The secure session with the token failed at this step.
    #[error("{action}: at \"{step}\", {source}. {aftermath}")]
    SessionLost {
        /// What was asked for.
        action: Action,
        /// The step that was under way.
        step: &'static str,
        /// In what state the token is.
        aftermath: Aftermath,
        /// What failed.
        source: SmError,
    },
    /// What was verified is not verified any more: the card was reset, or
    /// another program logged out. Nothing was done.
    #[error(
        "the token is locked again: it was reset, or another program locked it. Nothing was done; \
         authenticate again"
    )]
    AuthenticationLost,
    /// The holder stopped at the reader's PIN pad, or the pad refused. The card
    /// has seen nothing.
    #[error("{0}")]
    PinPad(PinPadError),
    /// The token's button was not pressed as long as it was waited for. No code was
    /// given, and none was used up.
    #[error(
        "the button was not pressed in time. The token gave no code and used none up: ask again, and \
         press the button when its light blinks"
    )]
    ButtonNotPressed,
    /// It was done, and what was read back afterwards is not what it should be.
    #[error(
        "{action}: it was done, but the token does not show it: {detail}. Read the token again before relying on it"
    )]
    NotConfirmed {
        /// What was done.
        action: Action,
        /// What was found.
        detail: String,
    },
    /// The object that was to be written has content that this software has not
    /// put there. It was left as it is.
    #[error(
        "{action}: what is in the token's {object} was not put there by this software, so it was \
         not written over and is as it was. Choose another place"
    )]
    ForeignContent {
        /// What was asked for.
        action: Action,
        /// The object.
        object: ObjectTag,
    },
    /// The person did not take over a secret that the token was to get, so it
    /// did not get it.
    #[error(
        "stopped before the token got the new {}, since it was not taken over. {aftermath}",
        .secret.name_of_new()
    )]
    NotTakenOver {
        /// What it was.
        secret: Secret,
        /// In what state the token is.
        aftermath: Aftermath,
    },
    /// A policy makes no sense, or can't be set now.
    #[error("{0}. Nothing was changed")]
    Policy(#[from] PolicyRefusal),
    /// The token could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// What this host keeps about the token could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host's secret store failed.
    #[error(transparent)]
    Secrets(#[from] SecretStoreError),
    /// The system's random number generator failed; nothing was sent.
    #[error("the system's random number generator failed: {0}. Nothing was sent to the token")]
    Random(String),
}

impl ActionError {
    /// Whether a secret of the holder's may have reached the card: a try may
    /// have been spent. `false` is certain.
    pub fn may_have_spent_a_try(&self) -> bool {
        match self {
            Self::Wrong { .. } | Self::WrongUntilPowerCycle { .. } | Self::Blocked { .. } => true,
            Self::Interrupted { aftermath, .. } | Self::SessionLost { aftermath, .. } => {
                aftermath.try_uncertain()
            }
            Self::Refused { step, status, .. } => {
                advice::presents(step) && !advice::certainly_not_done(*status)
            }
            // Whatever the card did, it did not say.
            Self::RefusedByFido { step, .. } | Self::Malformed { step, .. } => {
                advice::presents(step)
            }
            _ => false,
        }
    }

    /// In what state the token is, where the action ended in a way that leaves that in
    /// doubt: the connection was lost, or the answer tells nothing.
    pub fn aftermath(&self) -> Option<Aftermath> {
        match self {
            Self::Interrupted { aftermath, .. }
            | Self::SessionLost { aftermath, .. }
            | Self::Malformed { aftermath, .. } => Some(*aftermath),
            Self::Refused {
                status, aftermath, ..
            } => (!advice::certainly_not_done(*status)).then_some(*aftermath),
            Self::RefusedByFido {
                status, aftermath, ..
            } => status.leaves_doubt().then_some(*aftermath),
            _ => None,
        }
    }

    /// Tries left of the secret that was wrong, if the card told.
    pub fn tries_left(&self) -> Option<u8> {
        match self {
            Self::Wrong { tries_left, .. } | Self::WrongUntilPowerCycle { tries_left, .. } => {
                *tries_left
            }
            Self::Blocked { .. } | Self::NotSent(NotSent::Blocked { .. }) => Some(0),
            Self::NotSent(NotSent::LastTry { .. }) => Some(1),
            Self::NotSent(NotSent::KeptForContact { left } | NotSent::PowerCycle { left }) => {
                Some(*left)
            }
            _ => None,
        }
    }

    /// The status word with which the card refused, if that is known.
    pub fn status(&self) -> Option<StatusWord> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// A stable identifier for programs: `not-sent`.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::NotSent(_) => "not-sent",
            Self::Wrong { .. } | Self::WrongUntilPowerCycle { .. } => "wrong",
            Self::Blocked { .. } => "blocked",
            Self::Refused { .. } | Self::RefusedByFido { .. } => "refused",
            Self::Malformed { .. } => "malformed",
            Self::CardNotGenuine { .. } => "card-not-genuine",
            Self::Interrupted { .. } => "interrupted",
            Self::Vci { .. } => "vci",
            Self::SessionLost { .. } => "session-lost",
            Self::AuthenticationLost => "authentication-lost",
            Self::PinPad(_) => "pin-pad",
            Self::ButtonNotPressed => "button-not-pressed",
            Self::NotConfirmed { .. } => "not-confirmed",
            Self::ForeignContent { .. } => "foreign-content",
            Self::NotTakenOver { .. } => "not-taken-over",
            Self::Policy(_) => "policy",
            Self::Load(_) => "load",
            Self::Store(_) => "store",
            Self::Secrets(_) => "secret-store",
            Self::Random(_) => "random",
        }
    }
}

/// A secret that a card compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Secret {
    /// The PIN.
    Pin,
    /// The PUK.
    Puk,
    /// The admin key of a Crescendo (XAUTH key 1), or a response made with it.
    AdminKey,
    /// The PIV card management key (9B).
    ManagementKey,
    /// The unlock code: the constant response to a static challenge.
    UnlockCode,
    /// The PIN of the FIDO application.
    FidoPin,
    /// A PIN that PIV and the FIDO application share, each with tries of its own (project
    /// profile).
    SharedPin(Sides),
}

/// Whose tries of a PIN that PIV and the FIDO application share are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sides {
    /// PIV's.
    Piv,
    /// The FIDO application's.
    Fido,
    /// Those of both.
    Both,
    /// Those of one or of both: it is not known which.
    NotTold,
}

impl Secret {
    /// What it is called in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pin => "PIN",
            Self::Puk => "PUK",
            Self::AdminKey => "admin key, or the response made with it,",
            Self::ManagementKey => "management key",
            Self::UnlockCode => "unlock code",
            Self::FidoPin => "FIDO PIN",
            Self::SharedPin(_) => "PIN that PIV and FIDO share",
        }
    }

    /// The same for one that the token is about to get: nothing was made with it yet.
    fn name_of_new(self) -> &'static str {
        match self {
            Self::AdminKey => "admin key",
            other => other.name(),
        }
    }

    fn after_wrong(self) -> &'static str {
        match self {
            Self::Pin | Self::SharedPin(_) => {
                "Nothing else was changed. If it is forgotten, unblock it rather than guess"
            }
            Self::Puk => {
                "Nothing else was changed. Look it up rather than guess: a blocked PUK can't be \
                 unblocked"
            }
            Self::AdminKey | Self::UnlockCode => {
                "Nothing was changed. A challenge serves once: ask for a new one, and make sure that \
                 the key is this token's"
            }
            Self::ManagementKey => "Nothing was changed. Make sure that the key is this token's",
            Self::FidoPin => {
                "Nothing was changed. Look it up rather than guess: a blocked FIDO PIN can only be \
                 reset, which erases all FIDO credentials"
            }
        }
    }

    fn after_block(self) -> &'static str {
        match self {
            Self::Pin => "Unblock it with the PUK or by challenge/response",
            Self::SharedPin(Sides::Piv) => {
                "Each side has tries of its own, and PIV's are used up: it can't be changed on either. \
                 Unblock it with the PUK or by challenge/response, which gives both a new one"
            }
            Self::SharedPin(Sides::Fido) => {
                "Each side has tries of its own, and FIDO's are used up: it can't be changed on \
                 either. Unblock it with the PUK or by challenge/response, which gives both a new one"
            }
            Self::SharedPin(Sides::Both) => {
                "Each side has tries of its own, and those of both are used up. Unblock it with the \
                 PUK or by challenge/response, which gives both a new one"
            }
            Self::SharedPin(Sides::NotTold) => {
                "Each side has tries of its own, and those of one or of both are used up: it can't be \
                 changed on either. Unblock it with the PUK or by challenge/response, which gives \
                 both a new one"
            }
            Self::Puk => {
                "The PIN can't be unblocked with it any more: unblock by challenge/response where \
                 the token has it, or have the token set up again"
            }
            Self::AdminKey | Self::UnlockCode => {
                "Its unlocks are used up, and the PIN can't be unblocked with it any more. Have the \
                 token set up again, or ask whoever issued it"
            }
            Self::ManagementKey => "Have the token set up again, or ask whoever issued it",
            Self::FidoPin => {
                "Only a reset of the FIDO application makes it usable again, which erases all FIDO \
                 credentials"
            }
        }
    }
}

impl Secret {
    /// Whose the tries are, where there are several.
    fn whose_tries(self) -> &'static str {
        match self {
            Self::SharedPin(Sides::Piv) => " on PIV's side",
            Self::SharedPin(Sides::Fido) => " on FIDO's side",
            _ => "",
        }
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why the host did not even send it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// No try is left.
    #[error("the {secret} is blocked. {}", secret.after_block())]
    Blocked {
        /// What is blocked.
        secret: Secret,
    },
    /// A single try is left, and its use was not agreed to.
    #[error(
        "only one try is left for the {secret}{}: if it is wrong, it is blocked. Agree to use the \
         last try, and give it again", secret.whose_tries()
    )]
    LastTry {
        /// What has one try left.
        secret: Secret,
    },
    /// The card does not tell the tries left, so this may be the last one, and its
    /// use was not agreed to.
    #[error(
        "the card does not tell how many tries are left for the {secret}{} ({why}): if this is the \
         last one and it is wrong, the {secret} is blocked. Agree to use the last try, and give it \
         again", secret.whose_tries()
    )]
    TriesUnknown {
        /// What has an unknown number of tries left.
        secret: Secret,
        /// What the card said instead.
        why: Unreadable,
    },
    /// The card says that it has no PIN (6A88).
    #[error(
        "the card says that it has no PIN to compare this with (6A88), so it can't be right: the \
         card has to be set up first, by whoever issues it"
    )]
    NoPin,
    /// What was given can't be this token's, whatever its value is.
    #[error("this can't be the {secret} of this token, which has {rule}{}", way_round(*secret, *whose))]
    CannotBe {
        /// What was given.
        secret: Secret,
        /// The rule that it breaks.
        rule: Rule,
        /// Whose rule that is. The standard's, for a PIN, is lifted by
        /// [`Overrides::allow_any_pin`](crate::Overrides::allow_any_pin).
        whose: PolicySource,
    },
    /// The new PIN breaks a rule of the policy in force.
    #[error("the new PIN breaks the policy: it has to have {rule}")]
    NewPin {
        /// The first rule that it breaks.
        rule: Rule,
    },
    /// The new one is the old one.
    #[error("the new {secret} is the same as the old one")]
    SameAsOld {
        /// What was to be changed.
        secret: Secret,
    },
    /// The new FIDO PIN is shorter than the token takes.
    #[error("the new FIDO PIN is too short: this token takes {minimum} characters or more")]
    FidoPinTooShort {
        /// The fewest code points that it takes.
        minimum: usize,
    },
    /// There is no FIDO PIN that could be changed.
    #[error("there is no FIDO PIN yet: set one")]
    NoFidoPin,
    /// There is a FIDO PIN already, so that none can be set.
    #[error("there is a FIDO PIN already: change it, knowing the present one")]
    FidoPinIsSet,
    /// Three FIDO PINs in a row were wrong: none is looked at before the token was
    /// without power.
    #[error(
        "three FIDO PINs in a row were wrong, and the token looks at none before it was without \
         power ({left} tries are left then): take it out and put it back"
    )]
    PowerCycle {
        /// Tries left after that.
        left: u8,
    },
    /// The token wants this PIN changed before it is used for anything else.
    #[error("the token wants its {secret} changed before anything else: change the {secret} first")]
    ForcePinChange {
        /// Which PIN.
        secret: Secret,
    },
    /// On a contactless reader: the card keeps its last tries for the contact interface,
    /// and did not look at the PIN.
    #[error(
        "the card keeps the last tries of its PIN ({left} left) for the contact interface, and did \
         not look at what was sent: use a contact reader"
    )]
    KeptForContact {
        /// Tries left.
        left: u8,
    },
    /// The admin key is not of the kind that the token's challenge wants.
    #[error("{0}")]
    KeyDoesNotFit(String),
    /// The challenge that the response belongs to is gone.
    #[error("the token was reset and has forgotten its challenge: ask it for a new one")]
    ChallengeLost,
    /// A plain PIV card is written to with its management key only.
    #[error("this card is written to with its management key (9B) only: give that key, too")]
    ManagementKey,
    /// The new admin key is the one that every token is delivered with.
    #[error(
        "this is the admin key that every token is delivered with: whoever has the token could erase \
         it. Take another, or ask for the delivery value by name"
    )]
    DeliveryKey,
    /// What was given allows nothing of the kind on this token.
    #[error("the {secret} can't allow this on this token")]
    CannotAuthorize {
        /// What was given.
        secret: Secret,
    },
    /// What was typed to confirm is not the name of the token.
    #[error("the confirmation is not this token's: type \"{expected}\" to erase it")]
    Unconfirmed {
        /// What has to be typed.
        expected: String,
    },
    /// The token in the reader is not the one that the action was meant for.
    #[error("another token is in the reader than the one that this was meant for")]
    OtherToken,
    /// The token was reset or exchanged, and nothing tells whether it is the same.
    #[error(
        "the token was reset or exchanged, and it has nothing that tells it from another one: read \
         it again, and start over"
    )]
    MayBeOtherToken,
    /// Erasing takes the PIN or the admin key, and none was given.
    #[error("erasing takes the PIN or the admin key: give one of them")]
    NoAuthority,
    /// The delivery values may only be presented to a Crescendo that is empty, and
    /// that this software has not set up.
    #[error(
        "the token does not look as it is delivered, or was set up here already, so its delivery \
         values are not tried: give the \
         secrets that it has now, or erase it first where it can be erased"
    )]
    NotAsDelivered,
    /// The token has a PUK, and the one that it has now was not given.
    #[error("the token has a PUK: give the one that it has now")]
    NoPuk,
    /// An interrupted run has handed a PUK over, and the token may have it.
    #[error(
        "an interrupted run has handed a PUK over, which the token may have by now: give that PUK, \
         or erase the token where it can be erased"
    )]
    InterruptedPuk,
    /// This host's clock tells a time that can't be asked for: it has to be between 1970
    /// and 2106.
    #[error("this computer's clock is wrong: it is not between 1970 and 2106. Set it")]
    Clock,
    /// There is nothing that the reader's PIN pad could be used for here.
    #[error("the reader has no PIN pad for this; type it on the host")]
    NoPinPad,
}

impl NotSent {
    fn what_was_not_done(&self) -> &'static str {
        match self {
            // It may be the card that says so, to a PIN that it did not look at.
            Self::ForcePinChange { .. } | Self::KeptForContact { .. } | Self::PowerCycle { .. } => {
                "No try was spent"
            }
            // It was asked who it is.
            Self::OtherToken | Self::MayBeOtherToken => "No secret was sent to it",
            _ => "Nothing was sent and no try was spent",
        }
    }
}

/// Why a policy is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyRefusal {
    /// It contradicts itself.
    #[error("the policy makes no sense: {0}")]
    Nonsense(#[from] PolicyError),
    /// The present PIN would break it, and no PIN change is forced with it.
    #[error(
        "the present PIN would break the policy ({rule}). Change the PIN first, or force a PIN \
         change along with the policy"
    )]
    PresentPin {
        /// The rule that the present PIN breaks.
        rule: Rule,
    },
    /// The card, which has the present PIN, says so; it does not say which rule.
    #[error(
        "the card says that its present PIN would break the policy. Change the PIN first, or force a \
         PIN change along with the policy"
    )]
    PresentPinByCard,
    /// There is something in the policy's place on the token that this software
    /// can't read, so it is not written over.
    #[error("the policy that is on the token can't be used, and is not written over: {0}")]
    ProfileUnusable(String),
    /// The card's own range leaves no PIN that would satisfy both.
    #[error(
        "no PIN would satisfy both the policy and the card, which takes {minimum} to {maximum} characters"
    )]
    OutsideCard {
        /// The card's least length.
        minimum: u8,
        /// The card's greatest length.
        maximum: u8,
    },
    /// The shared PIN is decided when the token is personalized, and never after.
    #[error(
        "whether the PIN is shared with FIDO is decided when the token is personalized. Recycle the \
         token and personalize it again to change it"
    )]
    SharedPinOutsidePersonalize,
}

/// In what state an interrupted action leaves the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Aftermath {
    /// Nothing on the token was changed, and no try was spent.
    Unchanged,
    /// The PIN was on its way: it may have cost a try if it was wrong. Nothing
    /// else was changed.
    TryUncertain,
    /// The PIN is the old one or the new one.
    PinOldOrNew,
    /// The PIN is the new one, or still blocked.
    PinNewOrBlocked,
    /// The FIDO PIN is the old one or the new one.
    FidoPinOldOrNew,
    /// The FIDO PIN is the new one, or none is set.
    FidoPinNewOrNotSet,
    /// The PIN that PIV and FIDO share is the old one or the new one, the same for both.
    SharedPinOldOrNew,
    /// The PUK is the old one or the new one.
    PukOldOrNew,
    /// The admin key is the old one or the new one.
    KeyOldOrNew,
    /// An object may have been written or not.
    ObjectOldOrNew,
    /// The token is erased, or as it was.
    ErasedOrUnchanged,
    /// A one-time password may have been given that did not arrive. No try was spent.
    CodeUsedOrNot,
    /// Some of the steps are done. The same action, started again, finishes
    /// them.
    Resumable,
}

impl Aftermath {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Unchanged,
        Self::TryUncertain,
        Self::PinOldOrNew,
        Self::PinNewOrBlocked,
        Self::FidoPinOldOrNew,
        Self::FidoPinNewOrNotSet,
        Self::SharedPinOldOrNew,
        Self::PukOldOrNew,
        Self::KeyOldOrNew,
        Self::ObjectOldOrNew,
        Self::ErasedOrUnchanged,
        Self::CodeUsedOrNot,
        Self::Resumable,
    ];

    /// A stable identifier for programs: `pin-old-or-new`.
    pub fn id(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::TryUncertain => "try-uncertain",
            Self::PinOldOrNew => "pin-old-or-new",
            Self::PinNewOrBlocked => "pin-new-or-blocked",
            Self::FidoPinOldOrNew => "fido-pin-old-or-new",
            Self::FidoPinNewOrNotSet => "fido-pin-new-or-not-set",
            Self::SharedPinOldOrNew => "shared-pin-old-or-new",
            Self::PukOldOrNew => "puk-old-or-new",
            Self::KeyOldOrNew => "key-old-or-new",
            Self::ObjectOldOrNew => "object-old-or-new",
            Self::ErasedOrUnchanged => "erased-or-unchanged",
            Self::CodeUsedOrNot => "code-used-or-not",
            Self::Resumable => "resumable",
        }
    }

    fn try_uncertain(self) -> bool {
        !matches!(
            self,
            Self::Unchanged | Self::FidoPinNewOrNotSet | Self::ObjectOldOrNew | Self::CodeUsedOrNot
        )
    }

    /// The state and what to do next, as sentences.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Unchanged => {
                "Nothing on the token was changed and no try was spent. Insert it again and start \
                 over"
            }
            Self::TryUncertain => {
                "The PIN may have reached the card: if it was wrong, that cost a try. Nothing else \
                 was changed. Insert the token again and look at the tries left before going on"
            }
            Self::PinOldOrNew => {
                "The PIN is now either the old or the new one. Insert the token again and verify \
                 the new PIN first; if it is wrong, the old one still holds. Keep both until then"
            }
            Self::PinNewOrBlocked => {
                "Either the PIN is the new one, or nothing was changed. Insert the token again: if \
                 it shows tries left, the new PIN holds, else unblock it again"
            }
            Self::FidoPinOldOrNew => {
                "The FIDO PIN is now either the old or the new one, and a try may have been spent. \
                 Insert the token again, look at the tries left, and verify the new one first; if \
                 it is wrong, which costs a try, the old one still holds. Keep both until then"
            }
            Self::FidoPinNewOrNotSet => {
                "Either the FIDO PIN is the new one, or none is set. Insert the token again: if it \
                 shows that one is set, it is the new one, else set it again. Keep it until then"
            }
            Self::SharedPinOldOrNew => {
                "The PIN is now either the old or the new one, and still the same one for PIV and \
                 FIDO; a try may have been spent. Insert the token again, look at the tries left, and \
                 verify the new PIN first, on either side; if it is wrong, which costs a try, the old \
                 one still holds. Keep both until then"
            }
            Self::PukOldOrNew => {
                "The PUK is now either the old or the new one. Keep both; the next change or \
                 unblock tells"
            }
            Self::KeyOldOrNew => {
                "The admin key is now either the old or the new one. Keep both, and check which \
                 holds: that costs no try"
            }
            Self::ObjectOldOrNew => {
                "What was to be written is on the token or not; nothing else was changed. Insert \
                 the token again and repeat it"
            }
            Self::ErasedOrUnchanged => {
                "The token is erased, or as it was. Insert it again: reading it tells which, and \
                 the same action finishes it"
            }
            Self::CodeUsedOrNot => {
                "The token may have given a code that did not arrive; nothing else was changed and no \
                 try was spent. Insert it again and ask for the next code, which servers allow for"
            }
            Self::Resumable => {
                "A part is done. With the token in the reader, start the same action again: it says \
                 where the token stands, and finishes"
            }
        }
    }
}

impl std::fmt::Display for Aftermath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.sentence())
    }
}

/// What to do about a rule that the card has not told.
fn way_round(secret: Secret, whose: PolicySource) -> &'static str {
    match (secret, whose) {
        (Secret::Pin, PolicySource::Standard) => {
            " by the standard (SP 800-73); the card tells no rule of its own. If its PIN is of \
             another kind all the same, agree to any PIN"
        }
        _ => "",
    }
}

fn tries(secret: Secret, left: Option<u8>) -> String {
    let side = secret.whose_tries();
    match left {
        None => "the card keeps no count of tries for it".to_owned(),
        Some(1) => format!("one try is left{side}: another wrong one blocks it"),
        Some(left) => format!("{left} tries are left{side}"),
    }
}
