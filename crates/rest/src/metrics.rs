//! What every service counts about its requests, and the frame that each of its paths stands in.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data};
use actix_web::{Error, HttpRequest, HttpResponse, Resource, Scope};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use service_kit::metrics::LATENCY_SECONDS;
use service_kit::problem::Problem;
use service_kit::telemetry::LogLimiter;
use tracing::Instrument as _;

use crate::trace::{self, Trace};

/// Lines about answers per second; the counters tell the rest.
static ANSWERS: LogLimiter = LogLimiter::new(20);

/// The counters of a service's requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Watch {
    service: &'static str,
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl Watch {
    /// Registers `fanfare_service_requests_total{method,status}` and `fanfare_service_request_seconds{method}`.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(service: &'static str, registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new("fanfare_service_requests_total", "Requests answered, by method and status"),
            &["method", "status"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("fanfare_service_request_seconds", "Time from a request to its answer")
                .buckets(LATENCY_SECONDS.to_vec()),
            &["method"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { service, requests, seconds })
    }

    /// A scope of paths whose requests are counted, logged and run within their trace. What is not there is a 404.
    pub fn scope(
        &self,
        path: &str,
    ) -> Scope<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<BoxBody>,
            Error = Error,
            InitError = (),
        > + use<>,
    > {
        web::scope(path)
            .app_data(Data::new(self.clone()))
            .wrap(from_fn(observe))
            .default_service(web::to(|| async { not_found() }))
    }
}

/// A path that answers 405 to every method that no route takes; `allowed` lists the others.
#[must_use]
pub fn resource(path: &str, allowed: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |request: HttpRequest| async move {
        if request.method() == Method::OPTIONS {
            return Ok(HttpResponse::NoContent().insert_header(("Allow", allowed)).finish());
        }
        let detail = format!("this path takes {allowed}");
        Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
            .header("Allow", allowed))
    }))
}

/// 404 for a path that is not there.
#[must_use]
pub fn not_found() -> HttpResponse {
    use actix_web::ResponseError as _;
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path").error_response()
}

async fn observe(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let Some(watch) = request.app_data::<Data<Watch>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let trace = Trace::of(request.request());
    let method = method_label(request.method().as_str());
    // HEAD is GET without the body (RFC 9110 §9.3.2), which the connection leaves out by itself.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let span = tracing::info_span!("request", trace_id = trace.id(), method, path = request.path());
    let work = async {
        let answer = next.call(request).await.map(ServiceResponse::map_into_boxed_body);
        let status = match &answer {
            Ok(response) => response.status(),
            // Whoever stands in front makes its answer.
            Err(error) => error.as_response_error().status_code(),
        }
        .as_u16();
        let elapsed = started.elapsed();
        watch.requests.with_label_values(&[method, &status.to_string()]).inc();
        watch.seconds.with_label_values(&[method]).observe(elapsed.as_secs_f64());
        if let Some(suppressed) = ANSWERS.allow() {
            tracing::info!(
                service = watch.service,
                status,
                micros = elapsed.as_micros(),
                suppressed,
                "answered"
            );
        }
        answer
    };
    trace::within(trace, work.instrument(span)).await
}

/// Methods that are told apart; a peer may send any word.
fn method_label(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
