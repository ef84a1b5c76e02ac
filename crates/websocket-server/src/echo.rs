//! `/echo`, only with `--protocol-test`: sends every message back, for conformance suites.
//!
//! It speaks through the same codec as `/ws`, and with permessage-deflate where agreed, but on the HTTP worker:
//! suites send messages of megabytes, which no shard should wait for.

use std::io;
use std::ops::ControlFlow;

use protocol::websocket::{
    Decoder, Incoming, Limits, Opcode, binary_frame, close_frame, compress, encode_header, pong_frame,
    text_frame,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The largest message (contract: channels, Test switch).
const MAX_MESSAGE: usize = 64 << 20;

/// Bytes read at once.
const READ: usize = 64 * 1024;

/// Echoes until the client closes or breaks the protocol.
///
/// # Errors
/// The socket broke.
pub(crate) async fn run(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    read_ahead: Vec<u8>,
    deflate: bool,
) -> io::Result<()> {
    let limits = Limits { max_message: MAX_MESSAGE, deflate };
    let mut decoder = Decoder::default();
    let mut buffer = vec![0; READ];
    let mut pending = read_ahead;
    loop {
        let mut answers = Vec::new();
        let mut closed = false;
        let outcome = decoder.feed(&limits, &mut pending, &mut |incoming| {
            match incoming {
                Incoming::Text(text) => echo(&mut answers, Opcode::Text, text.as_bytes(), deflate),
                Incoming::Binary(bytes) => echo(&mut answers, Opcode::Binary, bytes, deflate),
                Incoming::Ping(payload) => answers.extend_from_slice(&pong_frame(payload)),
                Incoming::Pong(_) => {}
                Incoming::Close(close) => {
                    closed = true;
                    match close {
                        Some((code, _)) => answers.extend_from_slice(&close_frame(code, "")),
                        None => answers.extend_from_slice(&[0x88, 0]),
                    }
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        });
        if let Err(fault) = outcome {
            answers.extend_from_slice(&close_frame(fault.close_code(), &fault.to_string()));
            closed = true;
        }
        io.write_all(&answers).await?;
        io.flush().await?;
        if closed {
            io.shutdown().await?;
            // What the client still had on its way is read, so that its side sees an end and no reset.
            while io.read(&mut buffer).await? > 0 {}
            return Ok(());
        }
        let count = io.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        pending.clear();
        pending.extend_from_slice(&buffer[..count]);
    }
}

fn echo(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], deflate: bool) {
    if deflate {
        let packed = compress(payload);
        encode_header(opcode, true, packed.len(), out);
        out.extend_from_slice(&packed);
    } else if opcode == Opcode::Text {
        out.extend_from_slice(&text_frame(payload));
    } else {
        out.extend_from_slice(&binary_frame(payload));
    }
}
