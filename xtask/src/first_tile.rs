//! `cargo xtask first-tile`: how long the window takes until it shows a token, beside
//! `tokenctl list`, both with what is remembered of the same software tokens.

use std::{env, fs};

use crate::{
    packages::{self, BUILD, TIMING, WINDOW},
    page,
    process::{self, Outcome, cargo, program, target},
};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(argument) = arguments.first() {
        return Err(format!(
            "first-tile takes no argument, and {argument:?} was given"
        ));
    }
    if !cfg!(target_os = "linux") {
        return Err("this needs Xvfb, which is Linux's".to_owned());
    }
    packages::install(&[BUILD, WINDOW, TIMING])?;
    let both = ["--package", "tokenctl", "--package", "devices-view"];
    process::run(&mut cargo(
        [&["build", "--release", "--locked"], &both[..]].concat(),
    ))?;
    let place = env::temp_dir().join(format!("first-tile-{}", std::process::id()));
    let table = place.join("table.md");
    let outcome = fs::create_dir_all(place.join("tokens"))
        .map_err(|error| format!("{}: {error}", place.display()))
        .and_then(|()| time(&place, &table))
        .and_then(|()| fs::read_to_string(&table).map_err(|error| error.to_string()));
    let _ = fs::remove_dir_all(&place);
    let table = outcome?;
    println!("{table}");
    page::write("first-tile", &table)
}

fn time(place: &std::path::Path, table: &std::path::Path) -> Outcome {
    let release = target().join("release");
    let at = |mut command: std::process::Command| {
        command
            .env("TOKENCTL_VIRTUAL_DIR", place.join("tokens"))
            .env("TOKENCTL_CACHE_DIR", place.join("cache"))
            .env("TOKENCTL_RECORD_DIR", place.join("records"))
            .env("TOKENCTL_SECRET_STORE", "none")
            .env("LIBGL_ALWAYS_SOFTWARE", "1");
        command
    };
    for profile in ["crescendo-4000", "crescendo-2300", "piv"] {
        let mut create = at(program(release.join("tokenctl")));
        create.args(["virtual", "create", "--profile", profile, profile]);
        process::run(&mut create)?;
    }
    let mut hyperfine = at(program("xvfb-run"));
    hyperfine
        .args([
            "--auto-servernum",
            "hyperfine",
            "--shell=none",
            "--warmup=3",
            "--runs=20",
        ])
        .arg("--export-markdown")
        .arg(table)
        .args(["--command-name", "tokenctl list, to its end"])
        .arg(format!(
            "{} list --virtual",
            release.join("tokenctl").display()
        ))
        .args([
            "--command-name",
            "devices-view, to the first tile and its end",
        ])
        .arg(format!(
            "{} --virtual --close-at-first-tile",
            release.join("devices-view").display()
        ));
    process::run(&mut hyperfine)
}
