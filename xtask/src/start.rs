//! `cargo xtask start`: the table of docs/performance.md about tokenctl's start,
//! timed anew.

use crate::{
    packages::{self, TIMING},
    page,
    process::{Outcome, output, program, target},
    stage::{Build, Stage},
};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(argument) = arguments.first() {
        return Err(format!(
            "start takes no argument, and {argument:?} was given"
        ));
    }
    if !Stage::possible_here() {
        return Err("timing the start needs Debian's pcscd and vpcd".to_owned());
    }
    packages::install(&[packages::ALL, &[TIMING]].concat())?;
    let stage = Stage::build(
        Build::Release,
        &["--package", "tokenctl", "--package", "e2e", "--locked"],
    )?;
    let tables = output(stage.enter(&mut program(target().join("release/e2e-start"))))?;
    println!("{tables}");
    page::write("start", &tables)
}
