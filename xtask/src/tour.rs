//! `cargo xtask tour`: the real window on a screen of its own, shown around by the
//! interface of screen readers, with a picture of each state.

use std::path::{Path, PathBuf};

use crate::{
    packages::{self, BUILD, WINDOW},
    process::{self, Outcome, cargo, program, root, target},
    testing::WORKSPACE,
};

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let pictures = match arguments {
        [] => target().join("tour"),
        [folder] => PathBuf::from(folder),
        _ => return Err("tour takes one folder at most".to_owned()),
    };
    if !cfg!(target_os = "linux") {
        return Err("the tour needs Xvfb and AT-SPI, which are Linux's".to_owned());
    }
    packages::install(&[BUILD, WINDOW])?;
    show(&pictures, &["light", "dark"])
}

/// Whether what it needs can be had on this system.
pub(crate) fn possible_here() -> bool {
    packages::known_here()
}

/// Builds the window and shows it around in each of these themes.
pub(crate) fn show(pictures: &Path, themes: &[&str]) -> Outcome {
    // As the end-to-end tests have it built, and so with the features that it has there.
    let build = ["build", "--bins", "--examples"];
    process::run(&mut cargo([&build, WORKSPACE].concat()))?;
    let debug = target().join("debug");
    let mut tour = program("xvfb-run");
    tour.args(["--auto-servernum", "--server-args=-screen 0 1280x1000x24"])
        .args(["dbus-run-session", "--", "sh", "-c"])
        // The bus of screen readers has to be there before the window is.
        .arg("/usr/libexec/at-spi-bus-launcher --launch-immediately --a11y=1 & exec \"$@\"")
        .args(["tour", "/usr/bin/python3", "-B"])
        .arg(root().join("crates/devices-view/tour/tour.py"))
        .args([debug.join("tokenctl"), debug.join("devices-view")])
        .arg(pictures)
        .args(themes)
        // As without a graphics card.
        .env("LIBGL_ALWAYS_SOFTWARE", "1");
    process::run(&mut tour)?;
    println!("The pictures are in {}", pictures.display());
    Ok(())
}
