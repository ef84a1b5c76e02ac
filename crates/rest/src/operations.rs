//! What operators see of a service: `/health`, `/metrics`, `/openapi.json` and a page of it, at the root of a service of
//! its own or under `/svc/<name>` where several share a port.

use std::sync::Arc;

use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpResponse, http::StatusCode};
use futures_util::future::LocalBoxFuture;
use prometheus::Registry;
use serde_json::{Map, Value, json};
use service_kit::shutdown::Token;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::SwaggerUi;

use crate::metrics::resource;

/// How a service is, with what there is to say about it.
#[derive(Debug, Clone)]
pub struct Health {
    /// Whether it can do its work.
    pub state: State,
    /// Further members of the answer.
    pub details: Map<String, Value>,
}

/// Whether a service can do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It can.
    Healthy,
    /// It answers, but something that it depends on is away or wrong. 200, so that a balancer keeps sending.
    Degraded,
    /// It can't. 503.
    Unhealthy,
}

impl Health {
    /// Healthy, with nothing to add yet.
    #[must_use]
    pub fn new() -> Self {
        Self { state: State::Healthy, details: Map::new() }
    }

    /// Adds a member, and lowers the state to `state` where that is worse.
    #[must_use]
    pub fn and(mut self, name: &str, state: State, value: impl Into<Value>) -> Self {
        self.state = self.state.max(state);
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

/// Asks a service how it is.
pub type Ask = Arc<dyn Fn() -> LocalBoxFuture<'static, Health> + Send + Sync>;

/// What operators see of a service. Cheap to clone.
#[derive(Clone)]
pub struct Operations {
    /// The service's name, such as `job-service`.
    pub name: &'static str,
    /// Its counters.
    pub registry: Registry,
    /// Its description.
    pub openapi: OpenApi,
    /// How it is.
    pub health: Ask,
    /// Whether it is stopping.
    pub shutdown: Token,
}

impl Operations {
    /// Adds the paths under `prefix`: empty, or `/svc/<name>`.
    pub fn configure(&self, config: &mut ServiceConfig, prefix: &str) {
        let at = |path: &str| format!("{prefix}{path}");
        let this = Data::new(self.clone());
        let (for_health, for_metrics) = (this.clone(), this);
        let health = move || {
            let this = for_health.clone();
            async move { this.answer_health().await }
        };
        let metrics = move || {
            let this = for_metrics.clone();
            async move { service_kit::metrics::response(&this.registry) }
        };
        let page = format!("{}/", at("/docs"));
        config
            .service(
                resource(&at("/health"), "GET")
                    .route(web::get().to(health.clone()))
                    .route(web::head().to(health)),
            )
            .service(resource(&at("/metrics"), "GET").route(web::get().to(metrics)))
            .service(resource(&at("/docs"), "GET").route(web::get().to(move || {
                let page = page.clone();
                async move { HttpResponse::SeeOther().insert_header(("Location", page)).finish() }
            })))
            .service(SwaggerUi::new(at("/docs/{_:.*}")).url(at("/openapi.json"), self.openapi.clone()));
    }

    async fn answer_health(&self) -> HttpResponse {
        let health = (self.health)().await;
        let draining = self.shutdown.is_begun();
        let (word, status) = match health.state {
            _ if draining => ("draining", StatusCode::SERVICE_UNAVAILABLE),
            State::Healthy => ("healthy", StatusCode::OK),
            State::Degraded => ("degraded", StatusCode::OK),
            State::Unhealthy => ("unhealthy", StatusCode::SERVICE_UNAVAILABLE),
        };
        let mut body = json!({"status": word, "service": self.name});
        if let Some(members) = body.as_object_mut() {
            members.extend(health.details);
        }
        HttpResponse::build(status).json(body)
    }
}
