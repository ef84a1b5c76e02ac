//! Random sequences of operations, with repeats and fences among them, against the real SQLite store and a model of a
//! few lines: every answer is the model's, and the books balance after each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use actix_web::test::TestRequest;
use hub_client::relay;
use prometheus::Registry;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rest::idempotency::{self, Idempotency};
use rest::list::{Page, Query};
use store::Location;

use super::*;
use crate::books::Deviations;
use crate::call::Begun;
use crate::schema;
use crate::wallet::Wallet;

const DEMO: i64 = 10_000;
const EMPLOYERS: i64 = 2;
const USERS: i64 = 4;
const JOBS: i64 = 3;

#[derive(Debug, Clone)]
enum Step {
    Deposit { employer: i64, cents: i64 },
    Hold { job: i64, employer: i64, cents: i64 },
    Release { job: i64, worker: i64 },
    Refund { job: i64, worker: Option<i64> },
    Worker { job: i64, worker: i64 },
    Void { job: i64, operation: Voidable, key: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let employer = || 0..EMPLOYERS;
    let worker = || EMPLOYERS..USERS;
    let job = || 0..JOBS;
    let cents = || prop_oneof![Just(1), Just(2_500), Just(6_000), 1..12_000_i64];
    let operation = prop::sample::select(Voidable::ALL);
    prop_oneof![
        1 => (employer(), cents()).prop_map(|(employer, cents)| Step::Deposit { employer, cents }),
        4 => (job(), employer(), cents()).prop_map(|(job, employer, cents)| Step::Hold { job, employer, cents }),
        2 => (job(), worker()).prop_map(|(job, worker)| Step::Release { job, worker }),
        2 => (job(), prop::option::of(worker())).prop_map(|(job, worker)| Step::Refund { job, worker }),
        1 => (job(), worker()).prop_map(|(job, worker)| Step::Worker { job, worker }),
        2 => (job(), operation, 0..3_u8).prop_map(|(job, operation, key)| Step::Void { job, operation, key }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    employer: i64,
    worker: Option<i64>,
    cents: i64,
    status: PaymentStatus,
}

/// What the service is thought to be.
#[derive(Debug, Default)]
struct Model {
    /// What can be spent, and what is held, by user.
    accounts: BTreeMap<i64, (i64, i64)>,
    payments: BTreeMap<i64, Held>,
    voided: BTreeSet<(i64, &'static str, u8)>,
    /// What was asked and answered first, by path and key.
    kept: BTreeMap<(String, u8), (String, String)>,
}

impl Model {
    fn employer(&mut self, employer: i64) -> &mut (i64, i64) {
        self.accounts.entry(employer).or_insert((DEMO, 0))
    }

    fn answer(&mut self, step: &Step, key: Option<u8>) -> String {
        let scope = key.map(|key| (self.path(step), key));
        if let Some((asked, answer)) = scope.as_ref().and_then(|scope| self.kept.get(scope)) {
            return if *asked == body(step) { answer.clone() } else { "idempotency_key_reused".to_owned() };
        }
        match self.work(step, key) {
            Err(code) => code.to_owned(),
            Ok(answer) => {
                if let Some(scope) = scope {
                    self.kept.insert(scope, (body(step), answer.clone()));
                }
                answer
            }
        }
    }

    fn work(&mut self, step: &Step, key: Option<u8>) -> Result<String, &'static str> {
        let voided = |model: &Self, job: i64, operation: &'static str| {
            key.is_some_and(|key| model.voided.contains(&(job, operation, key)))
        };
        match *step {
            Step::Deposit { employer, cents } => {
                self.employer(employer).0 += cents;
                Ok(self.employer(employer).0.to_string())
            }
            Step::Hold { job, employer, cents } => {
                self.employer(employer);
                if voided(self, job, "hold") {
                    return Err("voided");
                }
                if let Some(held) = self.payments.get(&job) {
                    let same = (held.employer, held.cents) == (employer, cents);
                    return if same { Ok(held.status.to_string()) } else { Err("payment_exists") };
                }
                let (free, set_aside) = self.employer(employer);
                if *free < cents {
                    return Err("insufficient_funds");
                }
                (*free, *set_aside) = (*free - cents, *set_aside + cents);
                let held = Held { employer, worker: None, cents, status: PaymentStatus::Held };
                self.payments.insert(job, held);
                Ok("held".to_owned())
            }
            Step::Release { job, worker } => {
                let held = *self.payments.get(&job).ok_or("not_found")?;
                if voided(self, job, "release") {
                    return Err("voided");
                }
                match held.status {
                    PaymentStatus::Released if held.worker == Some(worker) => {
                        return Ok("released".to_owned());
                    }
                    PaymentStatus::Held => {}
                    _ => return Err("wrong_state"),
                }
                if held.worker.is_some_and(|other| other != worker) {
                    return Err("other_worker");
                }
                self.employer(held.employer).1 -= held.cents;
                self.accounts.entry(worker).or_default().0 += held.cents;
                let held = Held { worker: Some(worker), status: PaymentStatus::Released, ..held };
                self.payments.insert(job, held);
                Ok("released".to_owned())
            }
            Step::Refund { job, worker } => {
                let held = *self.payments.get(&job).ok_or("not_found")?;
                if voided(self, job, "refund") {
                    return Err("voided");
                }
                let same = worker.is_none() || held.worker == worker;
                match held.status {
                    PaymentStatus::Refunded if same => return Ok("refunded".to_owned()),
                    PaymentStatus::Held => {}
                    _ => return Err("wrong_state"),
                }
                if !same && held.worker.is_some() {
                    return Err("other_worker");
                }
                let (free, set_aside) = self.employer(held.employer);
                (*free, *set_aside) = (*free + held.cents, *set_aside - held.cents);
                let worker = held.worker.or(worker);
                self.payments.insert(job, Held { worker, status: PaymentStatus::Refunded, ..held });
                Ok("refunded".to_owned())
            }
            Step::Worker { job, worker } => {
                let held = self.payments.get_mut(&job).ok_or("not_found")?;
                if held.worker.is_some_and(|other| other != worker) {
                    return Err("other_worker");
                }
                held.worker = Some(worker);
                Ok(held.status.to_string())
            }
            Step::Void { job, operation, key } => {
                let status = self.payments.get(&job).map(|held| held.status);
                let executed = match operation {
                    Voidable::Hold => status.is_some(),
                    Voidable::Release => status == Some(PaymentStatus::Released),
                    Voidable::Refund => status == Some(PaymentStatus::Refunded),
                };
                if !executed {
                    self.voided.insert((job, operation.as_str(), key));
                }
                Ok(executed.to_string())
            }
        }
    }

    fn path(&self, step: &Step) -> String {
        match step {
            Step::Deposit { employer, .. } => format!("/wallet/deposit/of/{employer}"),
            Step::Hold { .. } => "/payments/hold".to_owned(),
            Step::Release { job, .. } => format!("/payments/of/{job}/release"),
            Step::Refund { job, .. } => format!("/payments/of/{job}/refund"),
            Step::Worker { job, .. } => format!("/payments/of/{job}/worker"),
            Step::Void { .. } => "/payments/void".to_owned(),
        }
    }
}

fn body(step: &Step) -> String {
    format!("{step:?}")
}

/// The service without its HTTP. Each case has users and jobs of its own, so that one database does for all.
struct World {
    payments: Payments,
    keys: Idempotency,
    directory: PathBuf,
    case: i64,
}

impl World {
    async fn open() -> Self {
        let directory = std::env::temp_dir().join(format!("payments-property-{}", std::process::id()));
        let _not_there = std::fs::remove_dir_all(&directory);
        let location = Location::File(directory.join("payments.db"));
        let migrations = &[idempotency::MIGRATIONS, relay::MIGRATIONS, schema::MIGRATIONS];
        let store = Store::open(&location, "payment_service", migrations).await.expect("a store");
        let ledger = Ledger::open(store.clone(), Usd::from_cents(DEMO)).await.expect("a ledger");
        let metrics = Metrics::new(&Registry::new()).expect("metrics");
        let relay = RelayHandle::default();
        let payments = Payments { store, ledger, relay, channel: PaymentsChannel::On, metrics };
        Self { payments, keys: Idempotency::default(), directory, case: 0 }
    }

    fn user(&self, user: i64) -> UserId {
        UserId::new(self.case * 100 + user + 1).expect("an id")
    }

    fn job(&self, job: i64) -> JobId {
        JobId::new(self.case * 100 + job + 1).expect("an id")
    }

    /// The payment of a job; one that is not there has an id that is none's.
    async fn payment(&self, job: i64) -> PaymentId {
        let payment = Payment::of_job(self.payments.store.reader(), self.job(job)).await.expect("a reader");
        payment.map_or(PaymentId::new(events::MAX_ID).expect("an id"), |payment| payment.payment_id)
    }

    async fn answer(&self, model: &Model, step: &Step, key: Option<u8>) -> String {
        let mut request = TestRequest::post().uri(&format!("{}?{}", model.path(step), self.case));
        if let Some(key) = key {
            request = request.insert_header(("idempotency-key", key.to_string()));
        }
        let caller = format!("case {}", self.case);
        let body = body(step);
        let (store, request) = (&self.payments.store, request.to_http_request());
        let call = match Call::begin(&self.keys, store, &request, &caller, body.as_bytes()).await {
            Err(failure) => return failure.0.code().to_owned(),
            Ok(Begun::Repeat(answer)) => {
                let bytes = actix_web::body::to_bytes(answer.into_body()).await.expect("a body");
                return show(&serde_json::from_slice(&bytes).expect("JSON"));
            }
            Ok(Begun::Call(call)) => call,
        };
        match self.work(&call, step).await {
            Ok(answer) => show(&answer),
            Err(refusal) => rest::Failure::from(refusal).0.code().to_owned(),
        }
    }

    async fn work(&self, call: &Call, step: &Step) -> Result<serde_json::Value, Refusal> {
        let payments = &self.payments;
        let json = |payment: Payment| serde_json::to_value(payment).expect("JSON");
        Ok(match *step {
            Step::Deposit { employer, cents } => {
                let page = page();
                let wallet =
                    payments.deposit(call, self.user(employer), Usd::from_cents(cents), &page).await?;
                serde_json::to_value(wallet).expect("JSON")
            }
            Step::Hold { job, employer, cents } => {
                let (job, employer, amount) = (self.job(job), self.user(employer), Usd::from_cents(cents));
                json(payments.hold(call, Hold { job, employer, amount }).await?)
            }
            Step::Release { job, worker } => {
                json(payments.release(call, self.payment(job).await, self.user(worker)).await?)
            }
            Step::Refund { job, worker } => {
                let worker = worker.map(|worker| self.user(worker));
                json(payments.refund(call, self.payment(job).await, worker, None).await?)
            }
            Step::Worker { job, worker } => {
                json(payments.set_worker(call, self.payment(job).await, self.user(worker)).await?)
            }
            Step::Void { job, operation, key } => {
                let void = Void { job: self.job(job), operation, key: key.to_string() };
                serde_json::to_value(payments.void(call, &void).await?).expect("JSON")
            }
        })
    }

    async fn balances(&self, user: i64) -> (i64, i64) {
        let wallet =
            Wallet::read(self.payments.store.reader(), self.user(user), &page()).await.expect("a wallet");
        if wallet.entries.next.is_none() {
            let sum: i64 = wallet.entries.items.iter().map(|entry| entry.amount_usd.cents()).sum();
            assert_eq!(sum, wallet.balance_usd.cents(), "the entries add up");
        }
        (wallet.balance_usd.cents(), wallet.held_usd.cents())
    }
}

/// What the model knows of an answer.
fn show(answer: &serde_json::Value) -> String {
    if let Some(executed) = answer["executed"].as_bool() {
        return executed.to_string();
    }
    if let Some(status) = answer["status"].as_str() {
        return status.to_owned();
    }
    Usd::parse_json(&answer["balance_usd"].to_string()).expect("a balance").cents().to_string()
}

fn page() -> Page {
    Page::of(&Query::default(), &["wallet"], &mut Vec::new())
}

#[test]
fn every_sequence_of_operations_is_the_models_and_balances() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let world = std::cell::RefCell::new(runtime.block_on(World::open()));
    let steps = prop::collection::vec((step(), prop::option::weighted(0.6, 0..3_u8)), 1..40);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() });
    let outcome = runner.run(&steps, |steps| {
        let mut world = world.borrow_mut();
        world.case += 1;
        let mut model = Model::default();
        for (step, key) in &steps {
            let answer = runtime.block_on(world.answer(&model, step, *key));
            prop_assert_eq!(answer, model.answer(step, *key), "{:?} with key {:?}", step, key);
            let deviations =
                runtime.block_on(Deviations::find(world.payments.store.reader())).expect("the books");
            prop_assert!(deviations.are_none(), "{:?} after {:?}", deviations, step);
        }
        for user in 0..USERS {
            let expected = model.accounts.get(&user).copied().unwrap_or_default();
            prop_assert_eq!(runtime.block_on(world.balances(user)), expected, "of user {}", user);
        }
        Ok(())
    });
    std::fs::remove_dir_all(&world.borrow().directory).expect("the directory goes");
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
