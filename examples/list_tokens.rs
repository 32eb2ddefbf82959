//! Lists every token, each as soon as it is read.
//!
//! ```sh
//! cargo run -p toolkit-examples --example list_tokens
//! cargo run -p toolkit-examples --example list_tokens -- --pcsc
//! ```

use token_manager::{LoadOptions, load_all};

fn main() -> anyhow::Result<()> {
    let backend = toolkit_examples::backend_from_arguments()?;

    for loaded in load_all(&backend, &LoadOptions::default())? {
        match loaded.result {
            Ok(token) => {
                let identity = &token.identity;
                let id = identity.id().unwrap_or_else(|| "no id".to_owned());
                println!(
                    "{id:12}  {}  ({})",
                    identity.name,
                    loaded.reader.escape_debug()
                );
                println!(
                    "{:12}  PIN: {}; it must be {}",
                    "", token.pin.status, token.pin_policy
                );
            }
            // A token that fails does not keep the others from being listed.
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(())
}
