//! Prints what can be done with each token, what can't, and why: what a menu is
//! drawn from. Nothing here asks which family a token is.
//!
//! ```sh
//! cargo run -p toolkit-examples --example what_can_be_done
//! ```

use token_manager::{LoadOptions, load_all};

fn main() -> anyhow::Result<()> {
    let backend = toolkit_examples::backend_from_arguments()?;

    for loaded in load_all(&backend, &LoadOptions::default())?.ordered() {
        let token = loaded.result?;
        println!("{}", token.identity.name);
        for entry in &token.capabilities {
            println!("  {:34} {}", entry.action.name(), entry.capability);
            if entry.token != entry.capability {
                println!("  {:34} the token itself: {}", "", entry.token);
            }
        }
    }
    Ok(())
}
