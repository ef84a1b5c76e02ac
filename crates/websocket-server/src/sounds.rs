//! `GET /sounds/notification.mp3`: what a page plays when a notification comes (contract: socketio, Browser file).
//!
//! The sound is made by `sounds/make`. A part of it can be asked for, since some browsers play nothing that can't (RFC 9110
//! §14). Not here: when it is played, which is the user's choice and the bell's work.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, Header as _, Range, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};

use crate::files::other_method;

const NOTIFICATION: &[u8] = include_bytes!("../sounds/notification.mp3");

/// Adds the path.
pub(crate) fn configure(config: &mut ServiceConfig) {
    let resource = web::resource("/sounds/notification.mp3");
    let resource = resource.route(web::get().to(notification)).route(web::head().to(notification));
    config.service(resource.default_service(web::to(other_method)));
}

async fn notification(request: HttpRequest) -> HttpResponse {
    let length = NOTIFICATION.len() as u64;
    let wanted = match Range::parse(&request) {
        Ok(Range::Bytes(parts)) if parts.len() == 1 => Some(parts[0].to_satisfiable_range(length)),
        // Several parts, another unit, or what can't be read: the whole is a right answer too.
        _ => None,
    };
    let mut answer = match wanted {
        None => HttpResponse::Ok(),
        Some(Some(_)) => HttpResponse::PartialContent(),
        Some(None) => HttpResponse::build(StatusCode::RANGE_NOT_SATISFIABLE),
    };
    answer
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CACHE_CONTROL, "public, max-age=86400"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    match wanted {
        None => answer.content_type("audio/mpeg").body(Bytes::from_static(NOTIFICATION)),
        Some(None) => answer.insert_header((CONTENT_RANGE, format!("bytes */{length}"))).finish(),
        Some(Some((from, to))) => {
            let part = usize::try_from(from).ok().zip(usize::try_from(to).ok());
            let body = part.and_then(|(from, to)| NOTIFICATION.get(from..=to)).unwrap_or_default();
            let range = format!("bytes {from}-{to}/{length}");
            answer
                .insert_header((CONTENT_RANGE, range))
                .content_type("audio/mpeg")
                .body(Bytes::from_static(body))
        }
    }
}

#[cfg(test)]
mod tests;
