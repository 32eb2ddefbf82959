//! `cargo xtask count`: the tables of docs/performance.md, counted anew.

use crate::{
    packages, page,
    process::{Outcome, output, program, target},
    stage::{Build, Stage},
};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(argument) = arguments.first() {
        return Err(format!(
            "count takes no argument, and {argument:?} was given"
        ));
    }
    if !Stage::possible_here() {
        return Err("counting needs Debian's pcscd and vpcd".to_owned());
    }
    packages::install(packages::ALL)?;
    let stage = Stage::build(
        Build::Debug,
        &["--package", "tokenctl", "--package", "e2e", "--locked"],
    )?;
    let tables = output(stage.enter(&mut program(target().join("debug/e2e-count"))))?;
    println!("{tables}");
    page::write("count", &tables)
}
