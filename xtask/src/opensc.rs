//! `OpenSC` with secure messaging for PIV cards, built from Debian's source: the version
//! in Debian 12 has none yet, and Debian's own builds leave it out.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::process::{Outcome, output, program, run, target};

/// The release of Debian whose source package is taken.
const RELEASE: &str = "trixie";
/// The upstream source in it, and its SHA-256.
const SOURCE: &str = "opensc_0.26.1.orig.tar.gz";
const SHA_256: &str = "5c4928bac2786dcaff9b2dfa43cd3de301bd137193a57adfb1a7a555656691ce";
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// All that the tests don't use is left out.
const CONFIGURE: &[&str] = &[
    "--enable-piv-sm",
    "--disable-doc",
    "--disable-man",
    "--disable-notify",
    "--disable-readline",
    "--disable-static",
    "--disable-strict",
    "--disable-tests",
    "CFLAGS=-O1",
];

/// Where it is installed.
pub(crate) fn place() -> PathBuf {
    folder().join("installed")
}

fn folder() -> PathBuf {
    target().join("interop/opensc")
}

/// Builds it, if it is not there yet. False where this system knows no archive of
/// Debian's to take the source from.
pub(crate) fn build() -> Outcome<bool> {
    let (complete, made_of) = (
        place().join("complete"),
        [&[SHA_256], CONFIGURE].concat().join("\n"),
    );
    if fs::read_to_string(&complete).is_ok_and(|was| was == made_of) {
        return Ok(true);
    }
    let Some(archive) = archive()? else {
        return Ok(false);
    };
    let folder = folder();
    // Of another version, if there is one.
    let _ = fs::remove_dir_all(&folder);
    let source = fetched(&folder, &archive)?;
    let log = folder.join("build.log");
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    println!("Building OpenSC; what that prints is in {}.", log.display());
    File::create(&log).map_err(|error| at(&log, &error))?;
    for words in [
        vec!["./bootstrap".to_owned()],
        [
            vec![
                "./configure".to_owned(),
                format!("--prefix={}", place().display()),
            ],
            CONFIGURE.iter().map(ToString::to_string).collect(),
        ]
        .concat(),
        vec![
            "make".to_owned(),
            "-C".to_owned(),
            "src".to_owned(),
            format!("-j{jobs}"),
        ],
        ["make", "-C", "src", "install"].map(str::to_owned).to_vec(),
    ] {
        let written = File::options().append(true).open(&log);
        let written = written.map_err(|error| at(&log, &error))?;
        let both = written.try_clone().map_err(|error| at(&log, &error))?;
        let mut command = program(&words[0]);
        command.args(&words[1..]).current_dir(&source);
        run(command.stdout(written).stderr(both))
            .map_err(|error| format!("{error}; it ended so:\n{}", end_of(&log)))?;
    }
    fs::write(&complete, made_of).map_err(|error| at(&complete, &error))?;
    Ok(true)
}

/// The archive of Debian's that this system takes its packages from: what it names is
/// at hand, here and through whatever stands between.
fn archive() -> Outcome<Option<String>> {
    let mut command = program("apt-get");
    command.args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
    ]);
    let listing = output(&mut command)?;
    let archive = listing
        .lines()
        .find(|uri| uri.trim_end_matches('/').ends_with("/debian"));
    Ok(archive.map(str::to_owned))
}

/// Fetches and unpacks the source; says where it is. apt checks the signature of the
/// archive, with lists that are not the system's.
fn fetched(folder: &Path, archive: &str) -> Outcome<PathBuf> {
    for part in ["lists/partial", "archives/partial", "source"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).map_err(|error| at(&part, &error))?;
    }
    let list = folder.join("sources.list");
    let line = format!("deb-src [signed-by={KEYS}] {archive} {RELEASE} main\n");
    fs::write(&list, line).map_err(|error| at(&list, &error))?;
    let settings = [
        format!("Dir::State::Lists={}", folder.join("lists").display()),
        format!("Dir::Etc::SourceList={}", list.display()),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        format!("Dir::Cache={}", folder.display()),
        // Its usual user can't write here.
        "APT::Sandbox::User=root".to_owned(),
    ];
    let apt = |words: &[&str]| {
        let mut command = program("apt-get");
        command.current_dir(folder).arg("--quiet");
        run(settings
            .iter()
            .fold(&mut command, |command, setting| {
                command.args(["-o", setting])
            })
            .args(words))
    };
    apt(&["update"])?;
    apt(&["source", "--download-only", "--tar-only", "opensc"])?;

    let file = folder.join(SOURCE);
    let sum = output(Command::new("sha256sum").arg(&file))?;
    if sum.split_whitespace().next() != Some(SHA_256) {
        return Err(format!("{} is not what it was: {sum}", file.display()));
    }
    let source = folder.join("source");
    let mut unpack = program("tar");
    run(unpack
        .args(["--extract", "--strip-components=1", "--file"])
        .arg(&file)
        .arg("--directory")
        .arg(&source))?;
    Ok(source)
}

fn end_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

fn at(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
