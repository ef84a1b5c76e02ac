//! A connection to Redis: bytes out, values in. Both go on at once, so that neither side waits for the other.
//!
//! Bound: what is written waits in [`Wire::waiting`], of which the caller takes care; what comes in is read in pieces of
//! 64 KiB at most and handed on before more is read. Not here: what is said (`opening`, `commands`, `line`).

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use redis::{Cmd, Value, ValueCodec};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_util::codec::Decoder;

use crate::error::LinkError;
use crate::settings::Host;

/// How long a connection may take to be made, or a first question to be answered.
pub(crate) const OPENING: Duration = Duration::from_secs(3);

/// How much is read at once.
const PIECE: usize = 64 * 1024;

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection.
pub(crate) struct Wire {
    reader: ReadHalf<Box<dyn Io>>,
    writer: WriteHalf<Box<dyn Io>>,
    incoming: BytesMut,
    outgoing: BytesMut,
    is_flushed: bool,
    codec: ValueCodec,
    /// Answers that came while others were awaited.
    early: VecDeque<Value>,
}

impl Wire {
    fn new(io: Box<dyn Io>) -> Self {
        let (reader, writer) = tokio::io::split(io);
        Self {
            reader,
            writer,
            incoming: BytesMut::with_capacity(PIECE),
            outgoing: BytesMut::new(),
            is_flushed: true,
            codec: ValueCodec::default(),
            early: VecDeque::new(),
        }
    }

    /// A connection over TCP, with TLS where that is given.
    pub(crate) async fn to_host(
        host: &Host,
        tls: Option<&Arc<rustls::ClientConfig>>,
    ) -> Result<Self, LinkError> {
        within(async {
            let stream = TcpStream::connect((&*host.name, host.port)).await?;
            stream.set_nodelay(true)?;
            let Some(tls) = tls else { return Ok(Self::new(Box::new(stream))) };
            let name = ServerName::try_from(host.name.to_string())
                .map_err(|_| LinkError::Nowhere(format!("{} is no name for TLS", host.name)))?;
            let stream = tokio_rustls::TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
            Ok(Self::new(Box::new(stream)))
        })
        .await
    }

    /// A connection over a socket of this machine.
    pub(crate) async fn to_path(path: &Path) -> Result<Self, LinkError> {
        within(async { Ok(Self::new(Box::new(UnixStream::connect(path).await?))) }).await
    }

    /// Writes a command; it goes out with the next [`Wire::turn`].
    pub(crate) fn write(&mut self, packed: &[u8]) {
        self.outgoing.extend_from_slice(packed);
    }

    /// Bytes that are not written yet.
    pub(crate) fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// Reads and writes until something was read or all of a piece was written.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn turn(&mut self) -> io::Result<()> {
        self.incoming.reserve(PIECE);
        let Self { reader, writer, incoming, outgoing, is_flushed, .. } = self;
        let read = reader.read_buf(incoming);
        let has_read = |count| if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
        if outgoing.has_remaining() {
            tokio::select! {
                read = read => return has_read(read?),
                written = writer.write_buf(outgoing) => {
                    if written? == 0 {
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    *is_flushed = false;
                }
            }
            return Ok(());
        }
        if !*is_flushed {
            tokio::select! {
                read = read => return has_read(read?),
                flushed = writer.flush() => {
                    flushed?;
                    *is_flushed = true;
                }
            }
            return Ok(());
        }
        has_read(read.await?)
    }

    /// The next value of what was read.
    pub(crate) fn next(&mut self) -> Result<Option<Value>, LinkError> {
        if let Some(value) = self.early.pop_front() {
            return Ok(Some(value));
        }
        if self.incoming.is_empty() {
            return Ok(None);
        }
        self.codec.decode(&mut self.incoming).map_err(|_| LinkError::Protocol)
    }

    /// Asks some questions at once and waits for their answers, in order; what was pushed meanwhile is kept for
    /// [`Wire::next`]. A confirmed subscription is an answer.
    pub(crate) async fn ask(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, LinkError> {
        let mut packed = Vec::new();
        commands.iter().for_each(|command| command.write_packed_command(&mut packed));
        self.write(&packed);
        let mut answers = Vec::with_capacity(commands.len());
        let mut pushed = VecDeque::new();
        within(async {
            loop {
                while let Some(value) = self.next()? {
                    match value {
                        Value::Push { kind: redis::PushKind::SSubscribe, .. } => answers.push(value),
                        Value::Push { .. } => pushed.push_back(value),
                        value => answers.push(value),
                    }
                }
                if answers.len() >= commands.len() {
                    break Ok(());
                }
                self.turn().await?;
            }
        })
        .await?;
        self.early = pushed;
        Ok(answers)
    }

    /// Asks one question.
    pub(crate) async fn ask_one(&mut self, command: Cmd) -> Result<Value, LinkError> {
        let mut answers = self.ask(&[command]).await?;
        answers.pop().ok_or(LinkError::Unexpected("nothing"))
    }
}

async fn within<T>(future: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    timeout(OPENING, future).await.unwrap_or(Err(LinkError::Silent(OPENING.as_secs())))
}
