//! Debian packages: which are needed for what, and installing those that are
//! missing.

use std::process::Command;

use crate::process::{self, Outcome};

/// What building the workspace needs beside Rust.
pub(crate) const BUILD: &[&str] = &["build-essential", "pkg-config", "libpcsclite-dev"];

/// What software by others needs to build: the independent card (bindgen), `OpenSC`.
pub(crate) const INTEROP: &[&str] = &[
    "autoconf",
    "automake",
    "clang",
    "libclang-dev",
    "libssl-dev",
    "libtool",
    "zlib1g-dev",
];

/// PC/SC with the virtual reader, other people's programs for PIV and FIDO, and a
/// desktop's keyring and clipboard, and the kernel's session keyring.
pub(crate) const END_TO_END: &[&str] = &[
    "dbus",
    "gnome-keyring",
    "keyutils",
    "libsecret-tools",
    "opensc",
    "openssl",
    "pcscd",
    "python3-fido2",
    "python3-pyscard",
    "vsmartcard-vpcd",
    "xclip",
    "xvfb",
    "yubico-piv-tool",
];

/// Timing programs against each other.
pub(crate) const TIMING: &[&str] = &["hyperfine"];

/// The window on a screen of its own, used as screen readers use it, and pictures of it;
/// tokens that are old, and readers.
pub(crate) const WINDOW: &[&str] = &[
    "at-spi2-core",
    "dbus",
    "faketime",
    "gir1.2-atspi-2.0",
    "imagemagick",
    "libegl1",
    "libgl1",
    "libgl1-mesa-dri",
    "libxcursor1",
    "libxi6",
    "libxkbcommon-x11-0",
    "libxrandr2",
    "pcscd",
    "python3-gi",
    "vsmartcard-vpcd",
    "xauth",
    "xdotool",
    "xvfb",
];

/// All that demo, test and count need.
pub(crate) const ALL: &[&[&str]] = &[BUILD, INTEROP, END_TO_END, WINDOW];

/// Whether this is a system whose packages we know: one with apt.
pub(crate) fn known_here() -> bool {
    cfg!(target_os = "linux") && process::works(Command::new("apt-get").arg("--version"))
}

/// Installs what is missing of `groups`.
///
/// # Errors
/// A sentence with the line to type, where it cannot be done from here.
pub(crate) fn install(groups: &[&[&str]]) -> Outcome {
    if !known_here() {
        if cfg!(target_os = "linux") {
            println!(
                "There is no apt here: please see to it that what Debian calls {} is there.",
                groups.concat().join(" ")
            );
        }
        return Ok(());
    }
    let missing = missing(&groups.concat());
    if missing.is_empty() {
        println!("Debian packages: all there.");
        return Ok(());
    }
    println!("Debian packages to install: {}", missing.join(" "));
    let by_hand = format!(
        "please run\n\n  sudo apt-get update && sudo apt-get install --no-install-recommends {}\n\nand start again",
        missing.join(" ")
    );
    let prefix: &[&str] = if is_root() {
        &[]
    } else if process::works(Command::new("sudo").arg("--version")) {
        println!("That takes root's rights, through sudo.");
        &["sudo"]
    } else {
        return Err(format!(
            "packages are missing and this is not root: {by_hand}"
        ));
    };
    apt(prefix, &["update", "--quiet"])
        .and_then(|()| {
            let mut install = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
            install.extend(&missing);
            apt(prefix, &install)
        })
        .map_err(|error| format!("{error}; {by_hand}"))
}

fn apt(prefix: &[&str], arguments: &[&str]) -> Outcome {
    let words = [
        prefix,
        &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"],
        arguments,
    ]
    .concat();
    let mut command = Command::new(words[0]);
    // Not `process::program`: sudo may have to ask for a password.
    process::run(command.args(&words[1..]))
}

fn is_root() -> bool {
    process::output(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

fn missing<'a>(wanted: &[&'a str]) -> Vec<&'a str> {
    let format = "${binary:Package} ${db:Status-Status}\n";
    let query = Command::new("dpkg-query")
        .args(["-W", "-f", format])
        .output();
    let listing = query.map(|output| output.stdout).unwrap_or_default();
    not_installed(wanted, &String::from_utf8_lossy(&listing))
}

/// What of `wanted` dpkg-query's `listing` (lines of "name:architecture
/// status") doesn't call installed.
fn not_installed<'a>(wanted: &[&'a str], listing: &str) -> Vec<&'a str> {
    let is_installed = |package: &&str| {
        listing.lines().any(|line| {
            line.split_once(' ').is_some_and(|(name, status)| {
                status == "installed" && name.split(':').next() == Some(*package)
            })
        })
    };
    wanted
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_installed_counts() {
        let listing = "pcscd installed\nlibclang-dev config-files\nlibpcsclite-dev:amd64 installed\nopensc-pkcs11:amd64 installed\n";
        assert_eq!(
            not_installed(
                &["pcscd", "libclang-dev", "libpcsclite-dev", "opensc"],
                listing
            ),
            ["libclang-dev", "opensc"]
        );
    }
}
