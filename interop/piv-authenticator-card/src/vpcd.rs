//! The card's end of vpcd's protocol: two bytes of length, then a control
//! byte or an APDU.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use socket2::SockRef;

/// What the reader asks of the card.
pub enum Message {
    PowerOff,
    PowerOn,
    Reset,
    Atr,
    Apdu(Vec<u8>),
}

/// A slot of the virtual reader, with this card in it.
pub struct Reader(TcpStream);

impl Reader {
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// The next message; `None` once the reader is gone.
    pub fn receive(&mut self) -> io::Result<Option<Message>> {
        let mut length = [0; 2];
        match self.read(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut body = vec![0; u16::from_be_bytes(length).into()];
        self.read(&mut body)?;
        match body.as_slice() {
            [0] => Ok(Some(Message::PowerOff)),
            [1] => Ok(Some(Message::PowerOn)),
            [2] => Ok(Some(Message::Reset)),
            [4] => Ok(Some(Message::Atr)),
            [] | [_] => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "unknown message from the reader",
            )),
            _ => Ok(Some(Message::Apdu(body))),
        }
    }

    pub fn send(&mut self, data: &[u8]) -> io::Result<()> {
        let length = u16::try_from(data.len()).map_err(io::Error::other)?;
        let message = [&length.to_be_bytes(), data].concat();
        self.0.write_all(&message)
    }

    /// vpcd sends length and body as two segments and waits for the first
    /// one's acknowledgement, which the kernel would delay by 40 ms.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        SockRef::from(&self.0).set_tcp_quickack(true)?;
        self.0.read_exact(buffer)
    }
}
