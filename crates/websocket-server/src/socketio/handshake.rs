//! WebSockets of `/socket.io/`: a session of its own, or one that polls and wants to go on over it.
//!
//! What every WebSocket handshake is checked for is checked before (`upgrade`). Not here: requests of polling (`http`).

use std::io;

use actix_http::StatusCode;
use hub::Admission;
use protocol::socketio::VERSION;
use protocol::websocket::close_frame;
use service_kit::problem::Problem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::asked::{Asked, Caller, Refused, Reserved, Wanted};
use super::http::Query;
use super::session::Speech;
use super::sid::Sid;
use crate::state::State;
use crate::upgrade::IntoTransport;

/// How long a WebSocket that nobody waits for is given to answer its close.
const PARTING: std::time::Duration = std::time::Duration::from_secs(1);

/// What a WebSocket handshake at `/socket.io/` asks for.
#[derive(Debug)]
pub(crate) struct Asking {
    caller: Caller,
    sid: Option<Sid>,
}

impl Asking {
    /// Reads a query.
    ///
    /// # Errors
    /// It is none for a WebSocket.
    pub(crate) fn read(query: &str, speech: Speech, origin: Option<&str>) -> Result<Self, Refused> {
        let query = Query::read(query);
        match query.transport.as_deref() {
            Some("websocket") => {}
            Some("polling") => return Err(Refused::BadRequest),
            _ => return Err(Refused::UnknownTransport),
        }
        let sid = query.session()?;
        if sid.is_none() && query.version.as_deref() != Some(VERSION) {
            return Err(Refused::UnsupportedVersion);
        }
        Ok(Self { caller: Caller { speech, origin: origin.map(Into::into) }, sid })
    }

    /// Whether it asks for a session of its own, which takes a place among the connections.
    #[must_use]
    pub(crate) fn is_new(&self) -> bool {
        self.sid.is_none()
    }
}

/// What a refused handshake is answered.
#[must_use]
pub(crate) fn problem(refused: Refused) -> Problem {
    let status = if refused == Refused::Forbidden { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
    Problem::new(status, refused.reason(), refused.message()).with("message", refused.message())
}

/// Finishes a handshake with `response`, and gives the socket to the session's reactor.
///
/// # Errors
/// The socket broke. A refusal comes back with the socket.
pub(crate) async fn accept<T: IntoTransport>(
    state: &State,
    asking: Asking,
    admission: Option<Admission>,
    response: &[u8],
    mut io: T,
    read_ahead: Vec<u8>,
) -> io::Result<Option<(T, Refused)>> {
    let Asking { caller, sid } = asking;
    let (reactor, wanted) = match (sid, admission) {
        (Some(sid), _) => {
            let Some(reactor) = state.reactors.get(sid.reactor()) else {
                return Ok(Some((io, Refused::UnknownSession)));
            };
            let (answer, answered) = oneshot::channel();
            reactor.ask(Asked::Reserve { sid, caller: caller.clone(), answer });
            match answered.await.unwrap_or(Reserved::No(Refused::UnknownSession)) {
                Reserved::Yes => (reactor, Wanted::Of(sid)),
                Reserved::Taken => return part(io, response).await.map(|()| None),
                Reserved::No(refused) => return Ok(Some((io, refused))),
            }
        }
        (None, Some(admission)) => (state.next_reactor(), Wanted::New(admission)),
        (None, None) => return Ok(Some((io, Refused::BadRequest))),
    };
    io.write_all(response).await?;
    io.flush().await?;
    reactor.ask(Asked::Socket { session: wanted, caller, transport: io.into_transport()?, read_ahead });
    Ok(None)
}

/// Accepts a WebSocket for which there is no session, and closes it: its client hears so as of any other close.
async fn part<T: IntoTransport>(mut io: T, response: &[u8]) -> io::Result<()> {
    io.write_all(response).await?;
    io.write_all(&close_frame(1002, "the session has another transport")).await?;
    io.flush().await?;
    let rest = async {
        let mut buffer = [0; 1024];
        while matches!(io.read(&mut buffer).await, Ok(count) if count > 0) {}
    };
    // A client answers a close by its own, and ends.
    let _ = tokio::time::timeout(PARTING, rest).await;
    io.shutdown().await
}
