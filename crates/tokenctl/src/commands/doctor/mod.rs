//! `doctor`: what is in the way, and what to do about it.

mod finding;
#[cfg(feature = "pcsc")]
mod pcsc;

use std::io::Write as _;

use token_desktop::Place;

use self::finding::{Area, Finding, Level};
use crate::error::{Failure, Kind, Result};
use crate::json;
use crate::output::{self, Output, heading, paragraph};
use crate::source;
use crate::text::{BAD, BOLD, DIM, GOOD, Text, WARNING};

/// Looks at everything and says what was found; with `only_virtual`, at the
/// software tokens alone. Fails, without a word more, if there is a problem.
pub(crate) fn run(only_virtual: bool, output: &Output) -> Result {
    let mut findings = Vec::new();
    if !only_virtual {
        #[cfg(feature = "pcsc")]
        findings.extend(pcsc::look());
        #[cfg(not(feature = "pcsc"))]
        findings.push(no_pcsc());
    }
    findings.push(software_tokens());
    if output.json {
        let body = json::Doctor {
            findings: findings.iter().map(Finding::to_json).collect(),
        };
        output::document(&json::Document::new(body))?;
    } else {
        write(&findings, output)?;
    }
    if findings
        .iter()
        .any(|finding| finding.level == Level::Problem)
    {
        return Err(Failure::Reported(Kind::Other));
    }
    Ok(())
}

fn write(findings: &[Finding], output: &Output) -> Result {
    let mut out = output.stdout();
    let mut area = None;
    for finding in findings {
        if area.is_none() {
            writeln!(out, "{}", Text::styled(finding.area.title(), BOLD))?;
        } else if area != Some(finding.area) {
            heading(&mut out, finding.area.title())?;
        }
        area = Some(finding.area);
        let style = match finding.level {
            Level::Ok => GOOD,
            Level::Warning => WARNING,
            Level::Problem => BAD,
        };
        let level = Text::from("  ").then(format!("{:<8}", finding.level.name()), style);
        paragraph(&mut out, &level, &Text::from(&finding.message))?;
        if let Some(next) = &finding.next {
            let label = Text::from(" ".repeat(level.width())).then("next: ", DIM);
            paragraph(&mut out, &label, &Text::from(next))?;
        }
    }
    let count = |level| {
        findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
    };
    let summary = match (count(Level::Problem), count(Level::Warning)) {
        (0, 0) => Text::styled("All is well.", GOOD),
        (0, warnings) => Text::styled(number(warnings, "warning"), WARNING),
        (problems, 0) => Text::styled(number(problems, "problem"), BAD),
        (problems, warnings) => Text::styled(number(problems, "problem"), BAD)
            .plain(", ")
            .then(number(warnings, "warning"), WARNING),
    };
    writeln!(out, "\n{summary}")?;
    out.flush()?;
    Ok(())
}

fn number(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Whether software tokens can be kept, and how many there are.
fn software_tokens() -> Finding {
    let finding = |level, message| Finding::new("virtual-tokens", Area::Virtual, level, message);
    match Place::SoftwareTokens.directory() {
        // Asked after, it is not made.
        Ok(directory) if !directory.exists() => {
            let message = format!(
                "No software token yet; {} would keep them",
                directory.display()
            );
            return finding(Level::Ok, message);
        }
        _ => {}
    }
    let store = match source::store() {
        Ok(store) => store,
        Err(error) => {
            return finding(Level::Warning, error.to_string())
                .next("Set TOKENCTL_VIRTUAL_DIR to a directory of yours");
        }
    };
    let directory = store.directory().display();
    match store.list() {
        Err(error) => finding(Level::Warning, error.to_string()),
        Ok(entries) => {
            let broken: Vec<String> = entries
                .iter()
                .filter_map(|entry| entry.token.as_ref().err().map(ToString::to_string))
                .collect();
            let count = number(entries.len() - broken.len(), "software token");
            if broken.is_empty() {
                finding(
                    Level::Ok,
                    format!("{count} in {directory}; --virtual uses them"),
                )
            } else {
                finding(
                    Level::Warning,
                    format!(
                        "{count} in {directory}, and not usable: {}",
                        broken.join("; ")
                    ),
                )
            }
        }
    }
}

/// What there is to say where PC/SC was left out.
#[cfg(not(feature = "pcsc"))]
fn no_pcsc() -> Finding {
    Finding::new(
        "build",
        Area::Service,
        Level::Warning,
        "This tokenctl was built without PC/SC and knows software tokens only",
    )
    .next("Build it with its default features to use readers")
}
