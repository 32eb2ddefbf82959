#![no_main]
//! Command APDUs as a card reads them, up to the typed command.

use crescendo_ext::aca::{GetPinProperties, SelectAca};
use crescendo_ext::cplc::{GetCplc, SelectIsd};
use crescendo_ext::oath::{HotpAuthenticate, SelectOathSlot, TotpAuthenticate};
use crescendo_ext::properties::GetPivProperties;
use libfuzzer_sys::fuzz_target;
use piv_apdu::apdu::Command;
use piv_apdu::command::{PivCommand, TypedCommand};

/// A command that is understood is the one that would be sent for it.
fn typed<C: TypedCommand + PartialEq + std::fmt::Debug>(command: &Command) {
    if let Ok(read) = C::from_command(command) {
        assert_eq!(C::from_command(&read.to_command()), Ok(read));
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(command) = Command::decode(data) else {
        return;
    };
    let extended = command.encode_extended().expect("what was read fits");
    assert_eq!(Command::decode(&extended).as_ref(), Ok(&command));
    if let Ok(short) = command.encode_short() {
        assert_eq!(Command::decode(&short).as_ref(), Ok(&command));
    }
    if let Ok(read) = PivCommand::from_command(&command) {
        assert_eq!(PivCommand::from_command(&read.to_command()), Ok(read));
    }
    typed::<SelectAca>(&command);
    typed::<SelectIsd>(&command);
    typed::<SelectOathSlot>(&command);
    typed::<HotpAuthenticate>(&command);
    typed::<TotpAuthenticate>(&command);
    typed::<GetCplc>(&command);
    typed::<GetPinProperties>(&command);
    typed::<GetPivProperties>(&command);
});
