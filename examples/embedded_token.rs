//! Makes a software token in a directory, uses it like a card, and finds it
//! again in its file afterwards: verifies the PIN, reads what only the PIN opens,
//! and locks it again.
//!
//! ```sh
//! cargo run -p toolkit-examples --example embedded_token
//! ```

use std::sync::Arc;

use pcsc_transport::{Backend, Card, Sharing};
use piv_apdu::command::{GetData, Select, Verify};
use piv_apdu::key::KeyReference;
use piv_apdu::object::{DataObject, ObjectTag, PrintedInformation};
use piv_apdu::secret::Pin;
use token_manager::{LoadOptions, load_reader};
use virtual_token::store::{TokenName, TokenStore};
use virtual_token::{CreateOptions, EmbeddedBackend, Profile};

fn main() -> anyhow::Result<()> {
    // A program would take a directory of its own; this one goes away again.
    let directory = tempfile::tempdir()?;
    let store = TokenStore::open(directory.path())?;
    let name = TokenName::new("office")?;
    store.create(&name, Profile::Piv, &CreateOptions::default())?;

    let backend: Arc<dyn Backend> = Arc::new(EmbeddedBackend::open(directory.path())?);
    let reader = EmbeddedBackend::reader_name(&name);
    let token = load_reader(&*backend, &reader, &LoadOptions::default())?;
    println!("{} in {reader}: {}", token.identity.name, token.pin.status);

    let mut card = Card::new(backend.connect(&reader, Sharing::Shared)?);
    let mut transaction = card.begin()?;
    transaction.send(&Select::piv())?;

    // A person's PIN comes from a prompt, never from an argument; and no
    // transaction is held while the prompt waits.
    let pin = Pin::new(Profile::Piv.factory_pin())?;
    transaction.send(&Verify::check(KeyReference::PIV_PIN, pin.padded()))?;
    println!("PIN verified");

    let content = transaction.send(&GetData::new(ObjectTag::PRINTED_INFORMATION))?;
    let printed = PrintedInformation::decode(&content)?;
    println!("printed on the card: {}", printed.name.escape_debug());

    transaction.end()?;
    // Locks what was unlocked, and tells if that failed; dropping the card only
    // locks it.
    card.close()?;

    let token = load_reader(&*backend, &reader, &LoadOptions::default())?;
    println!("afterwards: {}", token.pin.status);
    Ok(())
}
