//! Traces: what went over a link, readable, decoded and without secrets, and
//! the way back from a trace to a link.
//!
//! [`Recorder`] wraps any link and writes a trace; [`Replayer`] is a link that
//! plays the card's part of one, so that what was seen once on a real card is a
//! test from then on.
//!
//! # What a trace shows
//!
//! Redaction works by what is *allowed*, not by what is forbidden. Data is
//! written only where it is known to be public:
//!
//! - SELECT by identifier, and its answer;
//! - GET DATA of a data object of SP 800-73 that the standard lets everybody
//!   read, and its answer; GET RESPONSE that goes on with such an answer;
//! - GET DATA of the standard's other objects: the request only;
//! - GET PIV PROPERTIES and GET PIN PROPERTIES of a Crescendo, GET DATA 9F7F
//!   (CPLC), which anybody may read, and their answers;
//! - commands without data: nothing but header and Le;
//! - status words;
//! - what the reader's PIN pad can do, and the command that it is to complete:
//!   the PIN that is typed on it never comes here.
//!
//! All else (PINs, keys, challenges, signatures, objects behind the PIN,
//! anything under secure messaging or in a chain, and every instruction not
//! named here) is written as header and length. A command is judged by its
//! decoded form, so that the extended form of one is treated like the short.
//!
//! # The format
//!
//! One line a step; `#` begins a comment; blanks between bytes do not matter.
//!
//! ```text
//! trace 1
//! reader Virtual PCD 00 00
//! atr 3BD596FF8191FE1FC34332333030CC
//! link contact T=1 extended=untested
//! begin shared
//! > 00A40400 0B A000000308000010000100 00   # SELECT A000000308000010000100
//! < 61114F0B... 9000
//! > 00200080 [9 bytes redacted]             # VERIFY PIV PIN, 8 bytes
//! < 63C2                                    # 63C2 (not verified; 2 tries left)
//! ! reset                                   # instead of an answer: the link failed
//! pin-pad verify modify display min=4 max=8 # once it was asked for
//! pad-verify > 0020008008FFFFFFFFFFFFFFFF  # VERIFY PIV PIN, 8 bytes, typed on the reader
//! < 9000
//! end as-is
//! ```

mod describe;
mod format;
mod policy;
mod recorder;
mod replayer;

pub use describe::describe;
pub use recorder::{Recorder, TraceBuffer};
pub use replayer::{Mismatch, ReplayError, Replayer};
