//! The service's tables. All amounts are whole cents, all times microseconds since 1970.
//!
//! | table | a row is |
//! |---|---|
//! | `accounts` | a sum of money that is somebody's: a user's wallet, what is held for a user, or the outside world |
//! | `transfers` | one movement of money, with its reason |
//! | `entries` | what a transfer did to one account; those of a transfer add up to 0 |
//! | `payments` | the money of one job, from its hold to its release or refund |
//! | `voided_operations` | a call that will be refused should it still arrive |
//! | `job_locks` | what transactions about one job take turns by |

use store::Migration;

/// The steps of the service's own tables.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 100,
    name: "ledger",
    // A provider's account is below 0 by what came in through it. The checks are a second line behind the code.
    sql: "CREATE TABLE accounts (
              account_id BIGINT PRIMARY KEY,
              kind TEXT NOT NULL,
              user_id BIGINT NOT NULL,
              balance BIGINT NOT NULL CHECK (kind = 'provider' OR balance >= 0),
              created_at BIGINT NOT NULL,
              UNIQUE (user_id, kind)
          );
          CREATE TABLE transfers (
              transfer_id BIGINT PRIMARY KEY,
              kind TEXT NOT NULL,
              payment_id BIGINT,
              job_id BIGINT,
              reason TEXT,
              created_at BIGINT NOT NULL
          );
          CREATE TABLE entries (
              entry_id BIGINT PRIMARY KEY,
              transfer_id BIGINT NOT NULL REFERENCES transfers (transfer_id),
              account_id BIGINT NOT NULL REFERENCES accounts (account_id),
              amount BIGINT NOT NULL CHECK (amount <> 0),
              balance_after BIGINT NOT NULL
          );
          CREATE INDEX entries_of_account ON entries (account_id, entry_id);
          CREATE INDEX entries_of_transfer ON entries (transfer_id);
          CREATE TABLE payments (
              payment_id BIGINT PRIMARY KEY,
              job_id BIGINT NOT NULL UNIQUE,
              employer_id BIGINT NOT NULL,
              worker_id BIGINT,
              amount BIGINT NOT NULL CHECK (amount > 0),
              status TEXT NOT NULL,
              created_at BIGINT NOT NULL,
              updated_at BIGINT NOT NULL
          );
          CREATE INDEX payments_of_employer ON payments (employer_id, payment_id);
          CREATE INDEX payments_of_worker ON payments (worker_id, payment_id);
          CREATE TABLE voided_operations (
              job_id BIGINT NOT NULL,
              operation TEXT NOT NULL,
              key TEXT NOT NULL,
              created_at BIGINT NOT NULL,
              PRIMARY KEY (job_id, operation, key)
          );
          CREATE TABLE job_locks (job_id BIGINT PRIMARY KEY);",
}];
