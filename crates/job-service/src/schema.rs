//! The table of jobs. What each column means is told in `docs/job-service.md`.

use store::Migration;

/// The service's own steps; those of idempotency keys and of the relay come besides.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 100,
    name: "jobs",
    sql: "CREATE TABLE jobs (
              job_id BIGINT PRIMARY KEY,
              title TEXT NOT NULL,
              description TEXT NOT NULL,
              pay_cents BIGINT NOT NULL,
              job_type TEXT NOT NULL,
              status TEXT NOT NULL,
              employer_id BIGINT NOT NULL,
              worker_id BIGINT,
              deadline BIGINT,
              created_at BIGINT NOT NULL,
              updated_at BIGINT NOT NULL,
              payment_id BIGINT,
              reason TEXT,
              step TEXT,
              step_reason TEXT,
              step_since BIGINT,
              step_until BIGINT,
              attempt BIGINT NOT NULL,
              party_told BIGINT NOT NULL,
              call_scope TEXT,
              call_body TEXT
          );
          CREATE INDEX jobs_by_status ON jobs (status, job_id);
          CREATE INDEX jobs_by_employer ON jobs (employer_id, job_id);
          CREATE INDEX jobs_by_worker ON jobs (worker_id, job_id) WHERE worker_id IS NOT NULL;
          CREATE INDEX jobs_due ON jobs (deadline) WHERE status IN ('open', 'accepted');
          CREATE INDEX jobs_in_a_step ON jobs (step_until) WHERE step IS NOT NULL;
          CREATE INDEX jobs_untold ON jobs (job_id) WHERE party_told = 0;",
}];
