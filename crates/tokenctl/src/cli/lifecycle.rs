//! The commands that erase a token and set one up.

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use token_manager::RecoveryPlace;

use super::PolicyArgs;
use crate::authority::{AuthorityArgs, ManagementArgs};
use crate::handover::HandOverArgs;
use crate::manage::RiskArgs;
use crate::secret::Descriptor;

/// What `recycle` takes.
#[derive(Debug, Args)]
pub(crate) struct RecycleArgs {
    /// Confirm it with the token's id, in full, instead of typing it.
    #[arg(long, value_name = "ID")]
    pub(crate) confirm: Option<String>,

    /// Print what would be done, ask for nothing and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}

/// What `personalize` takes.
#[derive(Debug, Args)]
pub(crate) struct PersonalizeArgs {
    /// Erase the token first, as `recycle` does.
    #[arg(long)]
    pub(crate) recycle: bool,

    /// Confirm the erasure with the token's id, in full, instead of typing it.
    #[arg(long, value_name = "ID", requires = "recycle")]
    pub(crate) confirm: Option<String>,

    /// Agree to present the PIN that a token is delivered with, to an empty Crescendo.
    #[arg(long, conflicts_with_all = ["recycle", "pin_fd", "pin_pad", "admin_key", "admin_key_fd"])]
    pub(crate) delivery_pin: bool,

    /// Read the present PUK from this file descriptor, for a token that has one.
    #[arg(long, value_name = "N", conflicts_with_all = ["recycle", "delivery_pin"])]
    pub(crate) puk_fd: Option<Descriptor>,

    /// Read the new PIN from this file descriptor; from the same one, it is the next line.
    #[arg(long, value_name = "N")]
    pub(crate) new_pin_fd: Option<Descriptor>,

    /// Read the PUK that an interrupted run has handed over from this file descriptor.
    #[arg(long, value_name = "N")]
    pub(crate) interrupted_puk_fd: Option<Descriptor>,

    /// Where the new PUK or admin key is kept besides with the person.
    #[arg(long, value_enum, value_name = "PLACE", default_value_t = Keep(RecoveryPlace::Nowhere))]
    pub(crate) keep: Keep,

    #[command(flatten)]
    pub(crate) hand_over: HandOverArgs,

    /// Print what would be done, ask for nothing and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,

    #[command(flatten)]
    pub(crate) management: ManagementArgs,

    #[command(flatten)]
    pub(crate) policy: PolicyArgs,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}

/// Where a recovery secret is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep(pub(crate) RecoveryPlace);

impl ValueEnum for Keep {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self(RecoveryPlace::Token),
            Self(RecoveryPlace::Host),
            Self(RecoveryPlace::Nowhere),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let Self(place) = self;
        let help = format!("{}. {}", place.name(), place.sentence());
        Some(PossibleValue::new(place.id()).help(help))
    }
}
