//! The engine of Fanfare: streams, subscriptions, shards and outboxes. No HTTP and no sockets.
