//! The commands that erase a token and set one up.

use clap::Args;

use crate::authority::AuthorityArgs;
use crate::manage::RiskArgs;

/// What `recycle` takes.
#[derive(Debug, Args)]
pub(crate) struct RecycleArgs {
    /// Confirm it with the token's id, in full, instead of typing it.
    #[arg(long, value_name = "ID")]
    pub(crate) confirm: Option<String>,

    /// Print what would be done, ask for nothing and send nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) authority: AuthorityArgs,

    #[command(flatten)]
    pub(crate) risks: RiskArgs,
}
