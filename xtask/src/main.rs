//! `cargo xtask`: set-up, tests and the numbers in the docs, each as one
//! command. It has no dependencies, so that it is there a second after a
//! clone.

mod count;
mod demo;
mod first_tile;
mod opensc;
mod packages;
mod page;
mod process;
mod stage;
mod start;
mod steps;
mod testing;
mod tour;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask COMMAND

  demo            Build tokenctl, make a software token of each family, list
                  and show them all. Needs no reader and no hardware.
  test            Install what the tests need, then run every one of them.
    --only STEP   Only this step (repeat it for several); see --steps
    --skip STEP   All but this step
    --filter TEXT Only tests whose name contains TEXT (with --only e2e)
    --steps       List the steps and leave
  count           Count the APDUs that a cold `tokenctl show` and other
                  people's tools send to the same cards, and write the tables
                  of docs/performance.md anew.
  start           Time how long tokenctl takes to start, beside yubico-piv-tool,
                  in one run of hyperfine, and write the table of
                  docs/performance.md anew.
  first-tile      Time how long the window takes until it shows a token, beside
                  `tokenctl list`, and write the table of docs/performance.md
                  anew.
  tour [FOLDER]   Show the window around on a screen of its own, and save a picture
                  of each state, light and dark, in FOLDER (target/tour).
  packages        Install the Debian packages that demo, test and count need.
  help            This text.

Debian packages that are missing are installed through apt, as root or with
sudo; the command says which before it does so. On other systems PC/SC is
already there; what only Debian's pcscd and vpcd make possible is left out,
and the summary says so.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        print!("{HELP}");
        return ExitCode::from(2);
    };
    let outcome = match command.as_str() {
        "demo" => demo::run(rest),
        "test" => testing::run(rest),
        "count" => count::run(rest),
        "start" => start::run(rest),
        "first-tile" => first_tile::run(rest),
        "tour" => tour::run(rest),
        "packages" => packages::install(packages::ALL),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!(
            "there is no command {other:?}; see cargo xtask help"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nxtask: {message}");
            ExitCode::FAILURE
        }
    }
}
