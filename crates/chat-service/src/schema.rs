//! The tables of chat. What each column means is told in `docs/chat-service.md`.

use store::Migration;

/// The service's own steps; those of idempotency keys and of the relay come besides.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 100,
    name: "chat",
    sql: "CREATE TABLE messages (
              message_id BIGINT PRIMARY KEY,
              conversation_id BIGINT NOT NULL,
              from_user TEXT NOT NULL,
              to_user TEXT NOT NULL,
              message TEXT NOT NULL,
              nth BIGINT NOT NULL,
              created_at BIGINT NOT NULL
          );
          CREATE INDEX messages_by_conversation ON messages (conversation_id, message_id);
          CREATE TABLE conversations (
              owner TEXT NOT NULL,
              peer TEXT NOT NULL,
              peer_user TEXT NOT NULL,
              conversation_id BIGINT NOT NULL,
              last_message_id BIGINT NOT NULL,
              received BIGINT NOT NULL,
              read_id BIGINT NOT NULL,
              read_nth BIGINT NOT NULL,
              PRIMARY KEY (owner, peer)
          );
          CREATE INDEX conversations_by_time ON conversations (owner, last_message_id);
          CREATE TABLE unread (owner TEXT PRIMARY KEY, total BIGINT NOT NULL);
          CREATE TABLE blocks (
              owner TEXT NOT NULL,
              blocked TEXT NOT NULL,
              blocked_user TEXT NOT NULL,
              block_id BIGINT NOT NULL,
              created_at BIGINT NOT NULL,
              PRIMARY KEY (owner, blocked)
          );
          CREATE INDEX blocks_by_owner ON blocks (owner, block_id);",
}];
