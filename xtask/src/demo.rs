//! `cargo xtask demo`: from a clone to tokens on the screen.

use std::{fs, path::Path};

use crate::{
    packages,
    process::{self, Outcome, cargo, program, target},
};

/// A software token of each family.
const TOKENS: &[(&str, &str)] = &[
    ("crescendo-4000", "alice"),
    ("crescendo-2300", "bob"),
    ("crescendo-key", "carol"),
    ("piv", "dave"),
];

pub(crate) fn run(arguments: &[String]) -> Outcome {
    if let Some(argument) = arguments.first() {
        return Err(format!(
            "demo takes no argument, and {argument:?} was given"
        ));
    }
    packages::install(&[packages::BUILD])?;
    process::run(&mut cargo(["build", "--locked", "--package", "tokenctl"]))?;
    let tokenctl = target().join("debug/tokenctl");

    // A store of its own, new each time; the person's own tokens stay as they are.
    let store = target().join("demo");
    if store.exists() {
        fs::remove_dir_all(&store).map_err(|error| format!("{}: {error}", store.display()))?;
    }
    for (profile, name) in TOKENS {
        show(
            &tokenctl,
            &store,
            &["virtual", "create", "--profile", profile, name],
        )?;
    }
    show(&tokenctl, &store, &["--virtual", "list"])?;
    for (_, name) in TOKENS {
        show(&tokenctl, &store, &["--virtual", "show", "--reader", name])?;
    }

    println!(
        "
These are software tokens; they live in {store} and act like real ones. What next:

  export TOKENCTL_VIRTUAL_DIR={store}
  {tokenctl} --virtual cert export --reader alice --slot 9a | openssl x509 -noout -text
  {tokenctl} --virtual show --reader bob --json
  {tokenctl} --virtual apdu --reader dave 00CB3FFF055C035FC10200   # read the CHUID, decoded
  {tokenctl} list        # tokens in real readers
  {tokenctl} doctor      # why is my token not seen?
  {tokenctl} --help
",
        store = store.display(),
        tokenctl = tokenctl.display(),
    );
    Ok(())
}

fn show(tokenctl: &Path, store: &Path, arguments: &[&str]) -> Outcome {
    println!();
    let mut command = program(tokenctl);
    process::run(command.env("TOKENCTL_VIRTUAL_DIR", store).args(arguments))
}
