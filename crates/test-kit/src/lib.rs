//! What Fanfare's tests share: real servers on free ports, clients, waiting.
