//! `e2e-count`: prints the tables of docs/performance.md, counted at the card.
//! `cargo xtask count` runs it and writes them there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "part of the tests: what fails here should fail at once"
)]

use e2e::{
    Inserted, Pcscd,
    counting::{Count, as_it_gets_known, load_in_process},
    programs::{Finished, run, tokenctl},
    tokens,
};
use virtual_token::{Profile, SharedToken};

/// A program at a job.
struct Run {
    job: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
}

const SHOW: &str = "everything on the token";
const LIST: &str = "its certificates";
const READ: &str = "one certificate";

const OURS: &[Run] = &[
    Run {
        job: SHOW,
        program: "tokenctl",
        arguments: &["show"],
    },
    Run {
        job: LIST,
        program: "tokenctl",
        arguments: &["cert", "list"],
    },
    Run {
        job: READ,
        program: "tokenctl",
        arguments: &["cert", "export", "--slot", "9a"],
    },
];

const OPENSC: &[Run] = &[
    Run {
        job: SHOW,
        program: "pkcs15-tool",
        arguments: &["--dump"],
    },
    Run {
        job: LIST,
        program: "pkcs15-tool",
        arguments: &["--list-certificates"],
    },
    Run {
        job: READ,
        program: "pkcs15-tool",
        arguments: &["--read-certificate", "01"],
    },
];

const YUBICO: &[Run] = &[
    Run {
        job: SHOW,
        program: "yubico-piv-tool",
        arguments: &["-r", "Virtual", "-a", "status"],
    },
    Run {
        job: READ,
        program: "yubico-piv-tool",
        arguments: &["-r", "Virtual", "-a", "read-certificate", "-s", "9a"],
    },
];

fn main() {
    let pcscd = Pcscd::start("count");
    println!("Columns: all APDUs; of them SELECT / GET DATA / GET RESPONSE / others.");

    println!("\n### A cold `tokenctl show` of each profile\n");
    println!("| token | APDUs | of them | in-process |\n|---|---:|---|---:|");
    let piv = |extended: bool| {
        (
            "`piv`, four P-256 certificates",
            tokens::piv(extended),
            extended,
        )
    };
    let mut rows: Vec<(String, SharedToken)> = [piv(false), piv(true)]
        .into_iter()
        .map(|(name, token, extended)| (format!("{name}, {}", lengths(extended)), token))
        .collect();
    rows.extend(Profile::ALL.map(|profile| {
        (
            format!("`{profile}`, as `virtual create` makes it"),
            tokens::personal(profile),
        )
    }));
    for (name, token) in rows {
        let (_, in_process) = load_in_process(&token);
        let inserted = Inserted::new(&pcscd, 0, &token);
        println!(
            "| {name} | {} | {} |",
            count(&token, &OURS[0]),
            in_process.len()
        );
        inserted.eject();
    }

    println!("\n### A token that is known: `tokenctl show` and `tokenctl list`\n");
    println!("| token | cold | `show` (checked) | `list` (quick) |\n|---|---:|---:|---:|");
    for profile in Profile::ALL {
        let token = tokens::personal(profile);
        let inserted = Inserted::new(&pcscd, 0, &token);
        let [cold, checked, quick] = as_it_gets_known(&token);
        println!("| `{profile}` | {cold} | {checked} | {quick} |");
        inserted.eject();
    }

    let crescendo = tokens::personal(Profile::Crescendo2300);
    let cards = [
        (
            format!("a plain PIV card, {}", lengths(false)),
            tokens::piv_for_counting(false),
        ),
        (
            format!("a plain PIV card, {}", lengths(true)),
            tokens::piv_for_counting(true),
        ),
        ("`crescendo-2300`".to_owned(), crescendo),
    ];
    for (name, token) in cards {
        println!("\n### The same jobs by others: {name}\n");
        println!("| job | program | APDUs | of them |\n|---|---|---:|---|");
        let inserted = Inserted::new(&pcscd, 0, &token);
        // Yubico's program takes no other card than one that answers it.
        let yubico = if name.contains("plain") { YUBICO } else { &[] };
        for job in [SHOW, LIST, READ] {
            for run in [OURS, OPENSC, yubico]
                .into_iter()
                .flatten()
                .filter(|run| run.job == job)
            {
                let arguments = run.arguments.join(" ");
                let counted = count(&token, run);
                println!("| {job} | `{} {arguments}` | {counted} |", run.program);
            }
        }
        inserted.eject();
    }

    println!("\nPrograms: {}.", versions().join(", "));
}

fn lengths(extended: bool) -> &'static str {
    if extended {
        "extended length"
    } else {
        "short APDUs only"
    }
}

/// What `token` receives from a run of the program, on a card that was reset.
fn count(token: &SharedToken, what: &Run) -> Count {
    token.reset();
    token.clear_log();
    let finished = match what.program {
        "tokenctl" => tokenctl(what.arguments),
        program => run(program, what.arguments),
    };
    let _ = finished.success();
    Count::of(token)
}

/// The versions of other people's programs, as Debian counts them.
fn versions() -> Vec<String> {
    ["opensc", "yubico-piv-tool", "pcscd", "vsmartcard-vpcd"]
        .iter()
        .map(|package| {
            let query: Finished = run(
                "dpkg-query",
                &["-W", "-f", "${Package} ${Version}", package],
            )
            .success();
            query.stdout
        })
        .collect()
}
