use super::*;

fn entry(status: JobStatus, step: Option<Step>, deadline: Option<i64>) -> Entry {
    let job = Job {
        job_id: 7,
        title: "Walk the dog".to_owned(),
        description: String::new(),
        pay_amount_usd: Usd::from_cents(1250),
        job_type: JobType::Other,
        status,
        employer_id: 1,
        worker_id: None,
        deadline,
        created_at: 0,
        updated_at: 0,
    };
    Entry { job, payment_id: Some(1), step, attempt: 0, call: None }
}

#[test]
fn the_present_state_is_told_unless_a_step_decides_it() {
    use JobStatus::{Accepted, Completed, Open, Refunded};
    let expired = Some(Step::Refunding(RefundReason::Expired));
    let cancelled = Some(Step::Refunding(RefundReason::Cancelled));
    for (status, step, deadline, present) in [
        (Open, None, None, Present::State(Open)),
        (Open, None, Some(101), Present::State(Open)),
        (Open, None, Some(100), Present::State(Refunded)),
        (Accepted, None, Some(99), Present::State(Refunded)),
        (Accepted, Some(Step::Releasing), Some(99), Present::Undecided),
        (Accepted, cancelled, None, Present::Undecided),
        (Accepted, cancelled, Some(101), Present::Undecided),
        (Accepted, cancelled, Some(100), Present::State(Refunded)),
        (Open, expired, Some(99), Present::State(Refunded)),
        (Completed, None, Some(99), Present::State(Completed)),
        (Refunded, None, None, Present::State(Refunded)),
    ] {
        assert_eq!(entry(status, step, deadline).present(100), present, "{status} {step:?} {deadline:?}");
    }
}

#[test]
fn a_step_reads_back_as_it_is_written() {
    let all = [Step::Holding, Step::Voiding, Step::Releasing];
    for step in all.into_iter().chain(RefundReason::ALL.iter().map(|reason| Step::Refunding(*reason))) {
        assert_eq!(Step::read(step.as_str(), step.reason()), Some(step));
    }
    assert_eq!(Step::read("refunding", None), None);
    assert_eq!(Step::read("dancing", None), None);
}
