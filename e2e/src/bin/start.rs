//! `e2e-start`: prints the table of docs/performance.md about how long programs
//! take to start, timed by one run of hyperfine. `cargo xtask start` builds it, as
//! optimised as the `tokenctl` that it times, and writes the table there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "part of the tests: what fails here should fail at once"
)]

use std::{fs, path::Path, process::Command};

use e2e::{
    Inserted, Pcscd, path_from_environment,
    programs::{finish, run},
    tokens,
};
use serde_json::Value;
use virtual_token::{Profile, store::TokenStore};

/// What is timed; what the others are compared with comes first.
const COMMANDS: [&str; 5] = [
    "yubico-piv-tool --version",
    "tokenctl --version",
    "tokenctl list --virtual",
    "tokenctl list",
    "yubico-piv-tool -r Virtual -a status",
];

fn main() {
    let tokenctl = path_from_environment("E2E_TOKENCTL");
    let place = tempfile::tempdir().unwrap();
    let pcscd = Pcscd::start("start");
    let token = tokens::piv_for_counting(true);
    let inserted = Inserted::new(&pcscd, 0, &token);
    // The same kind of token, without PC/SC.
    let store = TokenStore::open(place.path().join("tokens")).unwrap();
    let options = tokens::four_p256();
    store
        .create(&"start".parse().unwrap(), Profile::Piv, &options)
        .unwrap();

    let results = time(&tokenctl, place.path());
    inserted.eject();
    println!("| command | time |\n|---|---:|");
    let median = |result: &Value| result["median"].as_f64().unwrap();
    for (command, result) in COMMANDS.iter().zip(&results) {
        println!(
            "| `{command}` | {:.1} |",
            median(result) / median(&results[0])
        );
    }

    println!("\n| program | kB with its libraries | of it the program itself |\n|---|---:|---:|");
    for program in [tokenctl.as_path(), &found("yubico-piv-tool")] {
        let name = program.file_name().unwrap().to_string_lossy();
        let [all, own] = sizes(program).map(|bytes| bytes / 1000);
        println!("| `{name}` | {all} | {own} |");
    }
}

/// Times all commands in one run, warm.
fn time(tokenctl: &Path, place: &Path) -> Vec<Value> {
    let exported = place.join("times.json");
    let mut hyperfine = Command::new("timeout");
    hyperfine
        .args(["--kill-after=5", "300", "hyperfine", "--shell=none"])
        .args(["--warmup", "20", "--min-runs", "200", "--export-json"])
        .arg(&exported)
        .args(
            COMMANDS
                .map(|command| command.replacen("tokenctl", &tokenctl.display().to_string(), 1)),
        )
        .env("TOKENCTL_VIRTUAL_DIR", place.join("tokens"))
        .env("TOKENCTL_RECORD_DIR", place.join("records"))
        .env("TOKENCTL_CACHE_DIR", place.join("cache"))
        .env("TOKENCTL_SECRET_STORE", "none");
    let _ = finish(&mut hyperfine).success();
    let exported = fs::read(exported).unwrap();
    let exported: Value = serde_json::from_slice(&exported).unwrap();
    exported["results"].as_array().unwrap().clone()
}

/// Where a program is.
fn found(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
        .unwrap()
}

/// The bytes of a program with the libraries that it loads, but for the C
/// library, and its own.
fn sizes(program: &Path) -> [u64; 2] {
    let size = |file: &Path| fs::metadata(file).unwrap().len();
    let listed = run("ldd", &[program.to_str().unwrap()]).success();
    let libraries: u64 = listed
        .stdout
        .lines()
        .filter_map(|line| line.split("=> ").nth(1)?.split(' ').next())
        .map(Path::new)
        .filter(|library| !library.ends_with("libc.so.6"))
        .map(size)
        .sum();
    [size(program) + libraries, size(program)]
}
