//! Lists the readers of the PC/SC service and what they hold.

use pcsc_transport::pcsc::PcscBackend;
use pcsc_transport::{Backend, LinkError};

fn main() -> Result<(), LinkError> {
    let readers = PcscBackend::new().readers()?;
    if readers.is_empty() {
        println!("no readers");
    }
    for reader in readers {
        println!("{}: {:?}", reader.name.escape_debug(), reader.card);
    }
    Ok(())
}
