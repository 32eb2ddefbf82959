//! Named steps one after the other, each with its time, and a summary that
//! says how to repeat what failed.

use std::time::{Duration, Instant};

use crate::process::Outcome;

/// One step of a longer job.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Options) -> Outcome<Done>,
}

/// How a step that did not fail ended.
pub(crate) enum Done {
    Passed,
    /// Not possible on this system, for this reason.
    LeftOut(&'static str),
}

/// What was asked for on the command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    only: Vec<String>,
    skip: Vec<String>,
    pub(crate) filter: Option<String>,
    pub(crate) list: bool,
}

impl Options {
    /// Reads `arguments`; steps must be among `names`.
    pub(crate) fn parse(arguments: &[String], names: &[&str]) -> Outcome<Self> {
        let mut options = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || {
                rest.next()
                    .cloned()
                    .ok_or_else(|| format!("{argument} wants a value; see cargo xtask help"))
            };
            match argument.as_str() {
                "--only" => options.only.push(value()?),
                "--skip" => options.skip.push(value()?),
                "--filter" => options.filter = Some(value()?),
                "--steps" => options.list = true,
                other => {
                    return Err(format!(
                        "there is no option {other:?}; see cargo xtask help"
                    ));
                }
            }
        }
        match options
            .only
            .iter()
            .chain(&options.skip)
            .find(|name| !names.contains(&name.as_str()))
        {
            Some(name) => Err(format!(
                "there is no step {name:?}; there are {}",
                names.join(", ")
            )),
            None => Ok(options),
        }
    }

    /// Whether the step of this name is to be run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|entry| entry == name);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

/// Runs the wanted steps, the others even after one has failed (except the
/// packages, without which nothing else says anything), and prints a summary.
pub(crate) fn run(steps: &[Step], options: &Options) -> Outcome {
    let started = Instant::now();
    let mut lines = Vec::new();
    let mut failed = Vec::new();
    for step in steps.iter().filter(|step| options.wants(step.name)) {
        println!("\n=== {}: {} ===", step.name, step.what);
        let began = Instant::now();
        let outcome = (step.run)(options);
        let verdict = match &outcome {
            Ok(Done::Passed) => "passed".to_owned(),
            Ok(Done::LeftOut(reason)) => format!("left out: {reason}"),
            Err(message) => {
                eprintln!("xtask: {message}");
                failed.push(step.name);
                "FAILED".to_owned()
            }
        };
        lines.push(line(step.name, began.elapsed(), &verdict));
        if step.name == "packages" && outcome.is_err() {
            break;
        }
    }
    println!("\n=== summary ===");
    for line in lines {
        println!("{line}");
    }
    println!("{}", line("total", started.elapsed(), ""));
    match failed.as_slice() {
        [] => Ok(()),
        names => {
            let again: Vec<_> = names
                .iter()
                .map(|name| format!("  cargo xtask test --only {name}"))
                .collect();
            Err(format!(
                "failed: {}. To repeat:\n{}",
                names.join(", "),
                again.join("\n")
            ))
        }
    }
}

fn line(name: &str, took: Duration, verdict: &str) -> String {
    format!("{name:<10} {:>6.1} s  {verdict}", took.as_secs_f64())
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // a test that panics has failed, as it should

    use super::*;

    fn parse(arguments: &[&str]) -> Outcome<Options> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        Options::parse(&arguments, &["fmt", "e2e"])
    }

    #[test]
    fn steps_can_be_chosen_and_left_out() {
        let all = parse(&[]).unwrap();
        assert!(all.wants("fmt") && all.wants("e2e"));
        let one = parse(&["--only", "e2e", "--filter", "watch"]).unwrap();
        assert!(!one.wants("fmt") && one.wants("e2e"));
        assert_eq!(one.filter.as_deref(), Some("watch"));
        let other = parse(&["--skip", "e2e"]).unwrap();
        assert!(other.wants("fmt") && !other.wants("e2e"));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(
            parse(&["--only", "nonsense"])
                .unwrap_err()
                .contains("fmt, e2e")
        );
        assert!(parse(&["--only"]).unwrap_err().contains("wants a value"));
        assert!(parse(&["--fast"]).unwrap_err().contains("--fast"));
    }
}
