//! The service's description: `/openapi.json`. Paths are described where they are handled, answers where they are made;
//! here are the bodies, which are read member by member and have no type of their own, and the whole.

use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use crate::http::{services, users};
use crate::payment::Payment;
use crate::payments::Voided;
use crate::wallet::{Entry, EntryList, Wallet};

/// The description.
pub(crate) fn description() -> Description {
    Payments::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Payments", description = "PayChain's escrow ledger. Calls tagged `internal` are for its services."),
    paths(
        users::list_payments,
        users::get_payment,
        users::get_wallet,
        users::deposit,
        services::hold,
        services::release,
        services::refund,
        services::set_worker,
        services::void
    ),
    components(schemas(
        Payment, PaymentList, Wallet, Entry, EntryList, Voided, HoldBody, WorkerBody, RefundBody, VoidBody, DepositBody,
        Problem, WrongMember
    )),
    modifiers(&Keys)
)]
struct Payments;

/// How callers say who they are.
struct Keys;

impl Modify for Keys {
    fn modify(&self, description: &mut Description) {
        let bearer = |what: &str| {
            SecurityScheme::Http(
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(what.to_owned())).build(),
            )
        };
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", bearer("A user's access token"));
        components.add_security_scheme("service_key", bearer("SERVICE_API_KEY"));
    }
}

/// A page of payments, newest first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `List<Payment>`")]
pub(crate) struct PaymentList {
    /// The payments.
    items: Vec<Payment>,
    /// The cursor of what follows; null on the last page.
    #[schema(required = true)]
    next: Option<String>,
}

/// What is to be held.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `forms::hold` reads")]
pub(crate) struct HoldBody {
    /// The job.
    #[schema(minimum = 1)]
    job_id: i64,
    /// Who pays.
    #[schema(minimum = 1)]
    employer_id: i64,
    /// How much, in US dollars with at most two decimals.
    #[schema(minimum = 0.01, maximum = 1_000_000_000.0)]
    amount_usd: f64,
}

/// Who is paid.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `forms::worker` reads")]
pub(crate) struct WorkerBody {
    /// The worker.
    #[schema(minimum = 1)]
    worker_id: i64,
}

/// Why and past whom the money goes back.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `forms::refund` reads")]
pub(crate) struct RefundBody {
    /// The worker who had accepted the job, if anyone.
    #[schema(minimum = 1)]
    worker_id: Option<i64>,
    /// `expired` or `cancelled`.
    #[schema(pattern = "^(expired|cancelled)$")]
    reason: Option<String>,
}

/// Which operation is given up.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `forms::void` reads")]
pub(crate) struct VoidBody {
    /// The job that it was about.
    #[schema(minimum = 1)]
    job_id: i64,
    /// Which it was.
    #[schema(pattern = "^(hold|release|refund)$")]
    operation: String,
    /// The `Idempotency-Key` that it was sent with.
    #[schema(min_length = 1, max_length = 255)]
    key: String,
}

/// What comes into the wallet.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `forms::deposit` reads")]
pub(crate) struct DepositBody {
    /// How much, in US dollars with at most two decimals.
    #[schema(minimum = 0.01, maximum = 1_000_000_000.0)]
    amount_usd: f64,
}

/// An error (RFC 9457), as `application/problem+json`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `service_kit::problem::Problem`")]
pub(crate) struct Problem {
    /// `about:blank`.
    r#type: String,
    /// A few words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What to match on.
    code: String,
    /// A sentence for a developer; not there for 5xx.
    #[schema(nullable = false)]
    detail: Option<String>,
    /// With every 422: all wrong members.
    #[schema(nullable = false)]
    errors: Option<Vec<WrongMember>>,
    /// With `wrong_state`: the payment's state.
    #[schema(nullable = false)]
    state: Option<String>,
}

/// A member of a request that is wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `service_kit::problem::MemberError`")]
pub(crate) struct WrongMember {
    /// Its name.
    member: String,
    /// What it must be.
    message: String,
}
