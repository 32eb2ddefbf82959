//! Says what happens to readers and cards, until Ctrl-C.

use pcsc_transport::pcsc::PcscBackend;
use pcsc_transport::{Backend, LinkError};

fn main() -> Result<(), LinkError> {
    for event in PcscBackend::new().watch()? {
        let event = event?;
        println!("{}: {:?}", event.reader.escape_debug(), event.kind);
    }
    Ok(())
}
