//! `cargo xtask test`: everything that is checked, in the order in which it
//! fails fastest.

use std::{
    fs::{self, File},
    process::{Command, Stdio},
    sync::Mutex,
    thread::{self, JoinHandle},
};

use crate::{
    opensc, packages,
    process::{self, Outcome, cargo, output, program, root, target, works},
    stage::{Build, Stage},
    steps::{self, Done, Options, Step},
    tour,
};

/// The same selection for every step, so that each finds what the one before
/// it has built.
pub(crate) const WORKSPACE: &[&str] = &["--workspace", "--all-features", "--locked"];

/// The crates with features that something is left out without, and that promise to build
/// and work so. Those between them, which have no such line (`virtual-token`) or one module
/// of it (`token-manager`), are built on the way, and used by the tests of `tokenctl`.
const WITHOUT_PCSC: &[&str] = &["pcsc-transport", "token-desktop", "tokenctl"];

/// Workspaces of their own, beside the main one.
const SEPARATE: &[&str] = &[
    "fuzz/Cargo.toml",
    "interop/piv-authenticator-card/Cargo.toml",
];

const CARGO_FUZZ: &str = "0.13.2";

/// How long each fuzz target runs in the smoke run.
const FUZZ_SECONDS: u32 = 10;

const STEPS: &[Step] = &[
    Step {
        name: "packages",
        what: "Debian packages that the rest needs",
        run: packages,
    },
    Step {
        name: "fmt",
        what: "the code is formatted",
        run: fmt,
    },
    Step {
        name: "clippy",
        what: "no warning anywhere",
        run: clippy,
    },
    Step {
        name: "test",
        what: "unit, property and documentation tests",
        run: test,
    },
    Step {
        name: "no-pcsc",
        what: "the same where there is no PC/SC library",
        run: without_pcsc,
    },
    Step {
        name: "doc",
        what: "the documentation builds without a warning",
        run: doc,
    },
    Step {
        name: "interop",
        what: "build the independent PIV card, and OpenSC with secure messaging",
        run: interop,
    },
    Step {
        name: "e2e",
        what: "end to end through pcscd and vpcd",
        run: e2e,
    },
    Step {
        name: "tour",
        what: "the real window, used as screen readers use it",
        run: show_around,
    },
    Step {
        name: "fuzz",
        what: "a short run of every fuzz target",
        run: fuzz,
    },
];

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    let options = Options::parse(arguments, &names)?;
    if options.list {
        for step in STEPS {
            println!("{:<10} {}", step.name, step.what);
        }
        return Ok(());
    }
    steps::run(STEPS, &options)
}

fn passed(outcome: Outcome) -> Outcome<Done> {
    outcome.map(|()| Done::Passed)
}

fn packages(_: &Options) -> Outcome<Done> {
    passed(packages::install(packages::ALL))
}

fn fmt(_: &Options) -> Outcome<Done> {
    run_cargo(&[&["fmt", "--all", "--check"]])?;
    for manifest in SEPARATE {
        run_cargo(&[&["fmt", "--manifest-path", manifest, "--check"]])?;
    }
    Ok(Done::Passed)
}

fn clippy(_: &Options) -> Outcome<Done> {
    passed(run_cargo(&[
        &["clippy"],
        WORKSPACE,
        &["--all-targets", "--", "-D", "warnings"],
    ]))
}

fn test(_: &Options) -> Outcome<Done> {
    passed(run_cargo(&[&["test", "--no-fail-fast"], WORKSPACE]))
}

fn without_pcsc(_: &Options) -> Outcome<Done> {
    let packages: Vec<_> = WITHOUT_PCSC
        .iter()
        .flat_map(|name| ["--package", name])
        .collect();
    let mut command = cargo([
        "test",
        "--no-fail-fast",
        "--locked",
        "--no-default-features",
    ]);
    // So that it fails here, too, if one of them asks for the PC/SC library.
    passed(process::run(
        command.args(packages).env("PKG_CONFIG", "/bin/false"),
    ))
}

fn doc(_: &Options) -> Outcome<Done> {
    let mut command = cargo([&["doc", "--no-deps"], WORKSPACE].concat());
    passed(process::run(command.env("RUSTDOCFLAGS", "-D warnings")))
}

fn interop(_: &Options) -> Outcome<Done> {
    if !Stage::possible_here() {
        return Ok(Done::LeftOut("only used with Debian's pcscd and vpcd"));
    }
    // Half of OpenSC's time is the configuration, which has use for one processor only.
    let opensc = thread::scope(|scope| {
        let opensc = scope.spawn(opensc::build);
        Stage::build_independent_card()?;
        joined(opensc.join())
    })?;
    Ok(if opensc {
        Done::Passed
    } else {
        Done::LeftOut("OpenSC: no archive of Debian's to take its source from")
    })
}

fn e2e(options: &Options) -> Outcome<Done> {
    if !Stage::possible_here() {
        return Ok(Done::LeftOut("needs Debian's pcscd and vpcd"));
    }
    Stage::build_independent_card()?;
    let opensc = opensc::build()?;
    let stage = Stage::build(Build::Debug, WORKSPACE)?;
    if options.wants("fuzz") {
        build_fuzz_targets_meanwhile()?;
    }
    let mut command = cargo([&["test"], WORKSPACE, &["--test", "e2e", "--"]].concat());
    // There is one virtual reader: one test at a time.
    command
        .args(["--include-ignored", "--test-threads=1"])
        .args(&options.filter);
    if opensc {
        command.env("E2E_OPENSC", opensc::place());
    }
    passed(process::run(stage.enter(&mut command)))
}

fn show_around(_: &Options) -> Outcome<Done> {
    if !tour::possible_here() {
        return Ok(Done::LeftOut("needs Debian's Xvfb and AT-SPI"));
    }
    // What it looks like in the dark is for people: nothing else is different there.
    passed(tour::show(&target().join("tour"), &["light"]))
}

/// The fuzz targets are built here while other steps are under way.
static FUZZ_BUILD: Mutex<Option<JoinHandle<Outcome>>> = Mutex::new(None);

/// The end-to-end tests and the tour mostly wait, for pcscd and for the window.
fn build_fuzz_targets_meanwhile() -> Outcome {
    let log = target().join("fuzz-build.log");
    println!(
        "Building the fuzz targets meanwhile; what that prints is in {}.",
        log.display()
    );
    let failed = |error: std::io::Error| format!("{}: {error}", log.display());
    let file = File::create(&log).map_err(failed)?;
    let copy = file.try_clone().map_err(failed)?;
    let build = thread::spawn(move || {
        install_cargo_fuzz()?;
        let mut command = program("nice");
        command.arg("cargo").args(FUZZ_BUILD_ARGUMENTS);
        build_fuzz_targets(command.stdout(file).stderr(copy))
    });
    if let Ok(mut begun) = FUZZ_BUILD.lock() {
        *begun = Some(build);
    }
    Ok(())
}

const FUZZ_BUILD_ARGUMENTS: &[&str] = &["fuzz", "build"];

fn build_fuzz_targets(command: &mut Command) -> Outcome {
    // The sanitizer's flags are not stable ones.
    process::run(command.env("RUSTC_BOOTSTRAP", "1"))
}

fn install_cargo_fuzz() -> Outcome {
    if works(cargo(["fuzz", "--version"]).stdin(Stdio::null())) {
        return Ok(());
    }
    run_cargo(&[&["install", "cargo-fuzz", "--version", CARGO_FUZZ, "--locked"]])
}

/// What a thread has come to.
fn joined<T>(result: thread::Result<Outcome<T>>) -> Outcome<T> {
    result.unwrap_or_else(|_| Err("a thread has panicked".to_owned()))
}

fn fuzz(_: &Options) -> Outcome<Done> {
    install_cargo_fuzz()?;
    let begun = FUZZ_BUILD.lock().ok().and_then(|mut begun| begun.take());
    if let Some(begun) = begun {
        // If it has failed, it fails again below, and is seen.
        joined(begun.join()).ok();
    }
    build_fuzz_targets(&mut cargo(FUZZ_BUILD_ARGUMENTS))?;
    let listing = output(&mut cargo(["fuzz", "list"]))?;
    let targets: Vec<_> = listing.split_whitespace().collect();
    if targets.is_empty() {
        return Err("cargo fuzz lists no target".to_owned());
    }

    let waiting = Mutex::new(targets.iter());
    let failed = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, Into::into);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().ok().and_then(|mut waiting| waiting.next());
                    let Some(name) = next else { break };
                    match fuzz_one(name) {
                        Ok(summary) => println!("{name:<32} {summary}"),
                        Err(message) => {
                            eprintln!("{name}: {message}");
                            failed.lock().map(|mut failed| failed.push(*name)).ok();
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_default().as_slice() {
        [] => Ok(Done::Passed),
        names => Err(format!("fuzz targets that failed: {}", names.join(", "))),
    }
}

/// Runs one target for a short while; new inputs go to the target directory,
/// not into the repository.
fn fuzz_one(name: &str) -> Outcome<String> {
    let found = target().join("fuzz-smoke").join(name);
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let mut command = cargo(["fuzz", "run", name]);
    command.env("RUSTC_BOOTSTRAP", "1").arg(&found);
    let seeds = root().join("fuzz/corpus").join(name);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    command.args([
        "--",
        &format!("-max_total_time={FUZZ_SECONDS}"),
        "-print_final_stats=1",
    ]);
    let output = command.output().map_err(|error| error.to_string())?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{}\n{log}", output.status));
    }
    let runs = log
        .lines()
        .rfind(|line| line.starts_with("Done "))
        .unwrap_or("Done");
    Ok(runs.to_owned())
}

fn run_cargo(arguments: &[&[&str]]) -> Outcome {
    process::run(&mut cargo(arguments.concat()))
}
