//! The tables of the inbox. What each column means is told in `docs/notification-service.md`.

use store::Migration;

/// The inbox's own steps, from 300; those of push (320), the ledger (340) and the rules (360) stand with them.
pub(crate) const MIGRATIONS: &[Migration] = &[INBOX, REMOVED];

const INBOX: Migration = Migration {
    version: 300,
    name: "inbox",
    sql: "CREATE TABLE notifications (
              id BIGINT PRIMARY KEY,
              user_key TEXT NOT NULL,
              user_id TEXT NOT NULL,
              kind TEXT NOT NULL,
              category TEXT NOT NULL,
              title TEXT NOT NULL,
              message TEXT NOT NULL,
              data TEXT NOT NULL,
              priority TEXT NOT NULL,
              created_at BIGINT NOT NULL,
              expires_at BIGINT,
              is_unread BIGINT NOT NULL,
              read_at BIGINT,
              removed TEXT,
              deleted_at BIGINT,
              event_id TEXT NOT NULL,
              source TEXT,
              filtered TEXT,
              made_by TEXT NOT NULL
          );
          CREATE INDEX notifications_by_state ON notifications (user_key, is_unread, id) WHERE removed IS NULL;
          CREATE INDEX notifications_by_category ON notifications (user_key, category, is_unread, id)
              WHERE removed IS NULL;
          CREATE INDEX notifications_by_expiry ON notifications (user_key, expires_at, category, is_unread)
              WHERE removed IS NULL AND expires_at IS NOT NULL;
          CREATE INDEX notifications_by_user ON notifications (user_key, id);
          CREATE UNIQUE INDEX notifications_by_event ON notifications (event_id);
          CREATE TABLE inboxes (
              user_key TEXT PRIMARY KEY,
              total BIGINT NOT NULL,
              unread BIGINT NOT NULL,
              kept BIGINT NOT NULL,
              next_expires BIGINT
          );
          CREATE INDEX inboxes_by_expiry ON inboxes (next_expires) WHERE next_expires IS NOT NULL;
          CREATE TABLE categories (
              user_key TEXT NOT NULL,
              category TEXT NOT NULL,
              total BIGINT NOT NULL,
              unread BIGINT NOT NULL,
              PRIMARY KEY (user_key, category)
          );
          CREATE TABLE bulk_chunks (
              scope TEXT NOT NULL,
              first BIGINT NOT NULL,
              body TEXT NOT NULL,
              answer TEXT NOT NULL,
              created BIGINT NOT NULL,
              filtered BIGINT NOT NULL,
              refused BIGINT NOT NULL,
              created_at BIGINT NOT NULL,
              PRIMARY KEY (scope, first)
          );
          CREATE INDEX bulk_chunks_by_age ON bulk_chunks (created_at);
          CREATE TABLE topic_jobs (
              job_id BIGINT PRIMARY KEY,
              topic TEXT NOT NULL,
              draft TEXT NOT NULL,
              after_user TEXT NOT NULL,
              created BIGINT NOT NULL,
              created_at BIGINT NOT NULL
          );",
};

/// What is out of sight goes first where there is too much.
const REMOVED: Migration = Migration {
    version: 301,
    name: "inbox removed",
    sql: "CREATE INDEX notifications_by_removed ON notifications (user_key, id) WHERE removed IS NOT NULL;",
};
