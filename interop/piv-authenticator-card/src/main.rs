//! `piv-authenticator-card [ADDRESS]`: the independent PIV card
//! [`piv-authenticator`](https://crates.io/crates/piv-authenticator) put into
//! vpcd's virtual reader, so that our host code meets a card which no one
//! here wrote. Factory PIN 123456, PUK 12345678, management key (9B) 3DES
//! 010203040506070801020304050607080102030405060708.
//!
//! Its random numbers are seeded constantly and its crypto service sleeps a
//! millisecond a call: for tests of correctness, never of timing or secrecy.

mod applet;
mod vpcd;

use std::{io, process::ExitCode};

use vpcd::{Message, Reader};

/// The first slot of vpcd's reader.
const DEFAULT_ADDRESS: &str = "127.0.0.1:35963";

/// T=1 only, no checksum games; the historical bytes announce command
/// chaining and extended length and end in a name of its own.
const ATR_HEAD: [u8; 3] = [0x3B, 0x8E, 0x01];
const HISTORICAL: [u8; 14] = *b"\x80\x73\xC0\x01\xC0\x68piv-auth";

fn atr() -> Vec<u8> {
    let mut atr = [&ATR_HEAD[..], &HISTORICAL].concat();
    let tck = atr[1..].iter().fold(0, |sum, byte| sum ^ byte);
    atr.push(tck);
    atr
}

fn main() -> ExitCode {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| DEFAULT_ADDRESS.to_owned());
    match run(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("piv-authenticator-card: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: &str) -> io::Result<()> {
    let flash = tempfile::tempdir()?;
    let mut reader = Reader::connect(address)?;
    println!("card inserted");
    loop {
        // One turn is one life of the card between two resets.
        let pulled_out = applet::powered(flash.path(), |card| -> io::Result<bool> {
            loop {
                match reader.receive()? {
                    None => return Ok(true),
                    Some(Message::PowerOn) => {}
                    Some(Message::PowerOff | Message::Reset) => return Ok(false),
                    Some(Message::Atr) => reader.send(&atr())?,
                    Some(Message::Apdu(command)) => reader.send(&card(&command))?,
                }
            }
        })?;
        if pulled_out {
            return Ok(());
        }
    }
}
