//! A request's body: all of it, within its limits of size and time, and JSON as far as its content type says.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use service_kit::problem::Problem;

use crate::failure::Failure;

/// The largest body (contract: services, Everywhere).
pub const MAX_BODY: usize = 1 << 20;

/// How long a body may take to come whole: what the hub grants (`REQUEST_TIMEOUT`).
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The bytes of a body that has to be JSON; what is in them is [`crate::Form`]'s to read.
///
/// # Errors
/// 415 for another media type or an encoded body, 413, 408, 400.
pub async fn json(request: &HttpRequest, payload: Payload) -> Result<Bytes, Failure> {
    let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_json(media) {
        let detail = "send JSON with Content-Type: application/json";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail));
    }
    if request
        .headers()
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        let detail = "send the body as it is, without Content-Encoding";
        return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoded", detail));
    }
    any(request, payload).await
}

fn is_json(media: &str) -> bool {
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || (media.len() > 5 && media.ends_with("+json"))
}

/// The bytes of a body of any type, which need not be there: for calls that take none and still are compared by it
/// when their idempotency key comes again.
///
/// # Errors
/// 413, 408, 400.
pub async fn any(request: &HttpRequest, mut payload: Payload) -> Result<Bytes, Failure> {
    let declared =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_large());
    }
    let all = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| {
                let detail = "the body could not be read to its end";
                Failure::new(StatusCode::BAD_REQUEST, "body_incomplete", detail)
            })?;
            if body.len() + chunk.len() > MAX_BODY {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    tokio::time::timeout(BODY_TIMEOUT, all).await.unwrap_or_else(|_| {
        let detail = format!("the body did not come whole within {} s", BODY_TIMEOUT.as_secs());
        let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail);
        Err(Failure(problem.header("Connection", "close")))
    })
}

fn too_large() -> Failure {
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("a body has at most {MAX_BODY} bytes"))
}
