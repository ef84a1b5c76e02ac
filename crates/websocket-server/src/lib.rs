//! The Fanfare hub: HTTP front, WebSocket endpoints and socket loops.
