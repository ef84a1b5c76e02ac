//! `/socket.io/`: Engine.IO sessions over polling and WebSocket, and the Socket.IO sockets in them (contract: socketio).
//!
//! | part | what it does |
//! |---|---|
//! | `http` | requests of polling, and what is refused |
//! | `handshake` | WebSockets, from their handshake to the reactor |
//! | `asked` | what both ask of the reactor that has the session |
//! | `engines` | the sessions of a reactor |
//! | `session` | the state of one, without I/O |
//! | `assembly` | attachments on their way |
//! | `outlet` | where its bytes go |
//! | `sid` | its id, which says where it is |
//! | `verify` | whose a socket is |
//! | `echo` | the namespaces of the protocol test |
//!
//! Not here: packets (`protocol::socketio`), and what events mean and who gets them (the engine).

pub(crate) mod asked;
mod assembly;
mod echo;
pub(crate) mod engines;
pub(crate) mod handshake;
pub(crate) mod http;
pub(crate) mod outlet;
pub(crate) mod session;
pub(crate) mod sid;
pub(crate) mod verify;
