//! Shows the certificates of every token, also the ones that can't be read.
//!
//! ```sh
//! cargo run -p toolkit-examples --example show_certificates
//! ```

use std::time::SystemTime;

use token_manager::{CertificateState, LoadOptions, load_all, utc};

fn main() -> anyhow::Result<()> {
    let backend = toolkit_examples::backend_from_arguments()?;
    let now = SystemTime::now();

    for loaded in load_all(&backend, &LoadOptions::default())?.ordered() {
        let token = match loaded.result {
            Ok(token) => token,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        println!("{}", token.identity.name);
        for entry in &token.certificates {
            let slot = entry
                .slot
                .map_or_else(|| "--".to_owned(), |slot| slot.to_string());
            match &entry.state {
                CertificateState::Present(info) => {
                    // Names come from the card: nothing in them may reach the terminal raw.
                    println!("  {slot}  {}", info.subject.escape_debug());
                    println!("      issued by {}", info.issuer.escape_debug());
                    println!(
                        "      {}, until {}",
                        info.validity(now),
                        utc(info.not_after)
                    );
                    println!("      {}, SHA-256 {}", info.public_key, info.sha256_hex());
                }
                CertificateState::Empty | CertificateState::Absent => println!("  {slot}  none"),
                CertificateState::NotX509 { error, .. } => {
                    println!("  {slot}  not a certificate: {error}");
                }
                CertificateState::Unreadable(why) => println!("  {slot}  {why}"),
                _ => println!("  {slot}  unknown"),
            }
        }
    }
    Ok(())
}
