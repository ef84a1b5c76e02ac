//! `POST /api/notifications/bulk`: up to 10,000 notifications in one call, for services. The answer is streamed, a line for
//! each item as soon as its chunk is committed.
//!
//! `application/json` names one notification and its users; `application/x-ndjson` is a notification in each line, read as
//! it comes. What was answered so far waits for a caller who reads late: at most as many lines as there are items.
//!
//! A caller who goes away ends the call behind the chunk that is being made. With an `Idempotency-Key` a repeat completes it.

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use events::AnyUserId;
use futures_util::{StreamExt as _, stream};
use rest::body::{self, BODY_TIMEOUT};
use rest::idempotency::{Begin, Fresh};
use rest::trace::{self, Trace};
use rest::{Failure, Form, form};
use serde_json::json;
use serde_json::value::RawValue;
use service_kit::problem::Problem;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::desk::Desk;
use crate::http::SERVICE;
use crate::inbox::bulk::{Answer, CHUNK, Item, Key, Outcome};
use crate::notification::Maker;
use crate::{NotificationService, forms};

/// The most items of a call (issue 9: 10,000 users in one call).
const MAX_ITEMS: usize = 10_000;

/// The longest line, in bytes: the longest title and message are 60 KiB in characters that JSON need not escape.
const MAX_LINE: usize = 64 * 1024;

/// Parts of an answer that wait to be read: every chunk that a call can have, and its end.
const PARTS: usize = MAX_ITEMS / CHUNK + 4;

/// Creates up to 10,000 notifications. For services.
#[utoipa::path(post, path = "/api/notifications/bulk", tag = "creating", security(("service_key" = [])),
    params(crate::openapi::IdempotencyKey),
    request_body(content((crate::openapi::NewForMany = "application/json"), (crate::openapi::NewNotification = "application/x-ndjson"))),
    responses((status = 200, description = "A line for each item, and one for the end", body = crate::openapi::BulkLine, content_type = "application/x-ndjson"),
        crate::openapi::BodyRefused, crate::openapi::CallerRefused, crate::openapi::KeyInFlight, crate::openapi::Away))]
pub(crate) async fn post_bulk(
    request: HttpRequest,
    payload: Payload,
    service: Data<NotificationService>,
) -> Result<HttpResponse, Failure> {
    service.callers.service(&request).await?;
    let desk = service.desk.clone();
    let input = match is_lines(&request) {
        true => Input::Lines(Box::new(Lines::new(payload))),
        false => Input::users(&body::json(&request, payload).await?)?,
    };
    // What each chunk said is compared with the chunk.
    let fresh = match desk.idempotency.begin(&desk.store, &request, SERVICE, b"").await? {
        Begin::Fresh(fresh) => fresh,
        Begin::Repeat(answer) => return Ok(answer),
    };
    input.check_time(&desk, &fresh).await?;
    let (answers, mut told) = mpsc::channel::<Bytes>(PARTS);
    let call = Call { desk, fresh, input, answers };
    actix_web::rt::spawn(trace::within(Trace::of(&request), call.carry_out()));
    let lines = stream::poll_fn(move |context| told.poll_recv(context));
    let lines = lines.map(Ok::<_, std::convert::Infallible>);
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").streaming(lines))
}

fn is_lines(request: &HttpRequest) -> bool {
    let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(media.as_str(), "application/x-ndjson" | "application/ndjson")
}

/// A call that runs.
struct Call {
    desk: Desk,
    /// Keeps others with its key away until it ends.
    fresh: Fresh,
    input: Input,
    answers: mpsc::Sender<Bytes>,
}

impl Call {
    async fn carry_out(mut self) {
        let scope = self.fresh.stored().map(|stored| stored.scope);
        let mut sum = Outcome::default();
        let (mut first, mut is_other) = (0, false);
        // A caller who is gone wants no more.
        while !self.answers.is_closed() {
            let (items, body, is_last) = match self.input.chunk(&self.desk).await {
                Ok(chunk) => chunk,
                // What came of a chunk that did not come whole is not created: a repeat finds it as it was.
                Err(Failure(problem)) => {
                    let answer = Answer::of_call(&problem);
                    sum.refused += answer.outcome.refused;
                    let _gone = self.answers.send(answer.lines.into()).await;
                    break;
                }
            };
            let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
            // With a key the end is kept as well, so that a call with more lines is known for another.
            if count > 0 || scope.is_some() {
                let key = scope.clone().map(|scope| Key { scope, first, body });
                let desk = self.desk.clone();
                let done = trace::uninterrupted(async move {
                    Ok(match is_other {
                        true => Answer::of_failure(&items, &Answer::other_call()),
                        false => desk.create_chunk(&items, key.as_ref()).await,
                    })
                });
                // It fails only by a panic, which is logged: then the answer ends without its last line.
                let Ok(answer) = done.await else { return };
                is_other |= answer.is_other_call;
                sum.created += answer.outcome.created;
                sum.filtered += answer.outcome.filtered;
                sum.refused += answer.outcome.refused;
                first += count;
                if !answer.lines.is_empty() && self.answers.send(answer.lines.into()).await.is_err() {
                    return;
                }
            }
            if is_last {
                break;
            }
        }
        let end = json!({
            "done": true, "created": sum.created, "filtered": sum.filtered, "refused": sum.refused
        });
        let _gone = self.answers.send(format!("{end}\n").into()).await;
    }
}

/// Items, what they said as a digest, and whether there are no more.
type Chunk = (Vec<Item>, String, bool);

/// Where the items come from.
enum Input {
    /// One notification for many.
    Users { content: Box<forms::Content>, users: std::vec::IntoIter<AnyUserId>, body: String },
    /// One in each line.
    Lines(Box<Lines>),
}

impl Input {
    /// Reads the JSON form.
    fn users(body: &[u8]) -> Result<Self, Failure> {
        let mut members = Form::parse(body)?;
        let users = members.required("user_ids", user_ids);
        // Whether its time is over is judged where it is known not to be a repeat.
        let content = forms::content(&mut members, i64::MIN);
        members.finish()?;
        let body = hex(&Sha256::digest(body));
        Ok(Self::Users { content: Box::new(content?), users: users?.into_iter(), body })
    }

    /// Refuses a notification whose time is over, unless the call is a repeat of one that came in time.
    async fn check_time(&self, desk: &Desk, fresh: &Fresh) -> Result<(), Failure> {
        let Self::Users { content, .. } = self else { return Ok(()) };
        if !content.is_over(desk.clock.now()) {
            return Ok(());
        }
        match fresh.stored() {
            Some(stored) if desk.has_begun(&stored.scope).await? => Ok(()),
            _ => form::invalid(vec![("expires_at", "must be in the future".to_owned())]),
        }
    }

    /// The next items.
    async fn chunk(&mut self, desk: &Desk) -> Result<Chunk, Failure> {
        match self {
            Self::Users { content, users, body } => {
                let items: Vec<Item> = users
                    .take(CHUNK)
                    .map(|user| Item::Good(Box::new(content.to(user, Maker::Service))))
                    .collect();
                Ok((items, body.clone(), users.len() == 0))
            }
            Self::Lines(lines) => lines.chunk(desk.clock.now()).await,
        }
    }
}

fn user_ids(raw: &str) -> Result<Vec<AnyUserId>, String> {
    let all: Vec<&RawValue> =
        serde_json::from_str(raw).map_err(|_| format!("must be a list of 1 to {MAX_ITEMS} users"))?;
    if all.is_empty() || all.len() > MAX_ITEMS {
        return Err(format!("must have 1 to {MAX_ITEMS} users, and has {}", all.len()));
    }
    let read =
        |(n, raw): (usize, &&RawValue)| forms::user(raw.get()).map_err(|message| format!("[{n}] {message}"));
    all.iter().enumerate().map(read).collect()
}

/// The lines of a body, as they come.
struct Lines {
    payload: Payload,
    buffer: BytesMut,
    /// So many bytes of the buffer have no end of a line.
    searched: usize,
    /// How many items there were.
    items: usize,
    /// Whether nothing comes any more.
    is_ended: bool,
}

/// A line, or what stands for it.
enum Line {
    Text(Bytes),
    TooLong,
}

impl Lines {
    fn new(payload: Payload) -> Self {
        Self { payload, buffer: BytesMut::new(), searched: 0, items: 0, is_ended: false }
    }

    async fn chunk(&mut self, now: i64) -> Result<Chunk, Failure> {
        let mut digest = Sha256::new();
        let mut items = Vec::with_capacity(CHUNK);
        while items.len() < CHUNK {
            let item = match self.next().await? {
                None => return Ok((items, hex(&digest.finalize()), true)),
                Some(_) if self.items == MAX_ITEMS => {
                    let detail = format!("a call has at most {MAX_ITEMS} lines; the others were not read");
                    return Err(Failure(too_large("too_many_items", detail)));
                }
                Some(Line::Text(text)) => {
                    // Whether the last line has an end makes it no other call.
                    let text = text.trim_ascii();
                    digest.update((text.len() as u64).to_be_bytes());
                    digest.update(text);
                    item(text, now)
                }
                Some(Line::TooLong) => {
                    digest.update(u64::MAX.to_be_bytes());
                    let detail = format!("a line has at most {MAX_LINE} bytes");
                    Item::Bad(None, Box::new(too_large("too_large", detail)))
                }
            };
            self.items += 1;
            items.push(item);
        }
        Ok((items, hex(&digest.finalize()), false))
    }

    /// The next line with anything in it.
    async fn next(&mut self) -> Result<Option<Line>, Failure> {
        let mut is_too_long = false;
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end + 1).freeze();
                self.searched = 0;
                if std::mem::take(&mut is_too_long) || line.len() > MAX_LINE + 1 {
                    return Ok(Some(Line::TooLong));
                }
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(Line::Text(line)));
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.searched > MAX_LINE {
                // What is too long is dropped as it comes.
                is_too_long = true;
                self.buffer.clear();
                self.searched = 0;
            }
            if self.is_ended {
                let line = self.buffer.split().freeze();
                self.searched = 0;
                return Ok(match (is_too_long, line.trim_ascii().is_empty()) {
                    (true, _) => Some(Line::TooLong),
                    (false, true) => None,
                    (false, false) => Some(Line::Text(line)),
                });
            }
            match tokio::time::timeout(BODY_TIMEOUT, self.payload.next()).await {
                Ok(Some(Ok(bytes))) => self.buffer.extend_from_slice(&bytes),
                Ok(None) => self.is_ended = true,
                Ok(Some(Err(_))) => {
                    let detail = "the body could not be read to its end";
                    return Err(Failure::new(StatusCode::BAD_REQUEST, "body_incomplete", detail));
                }
                Err(_) => {
                    let detail = format!("no line came for {} s", BODY_TIMEOUT.as_secs());
                    return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail));
                }
            }
        }
    }
}

/// The item of a line.
fn item(text: &[u8], now: i64) -> Item {
    let mut user = None;
    let mut read = || -> Result<Item, Failure> {
        let mut members = Form::parse(text)?;
        let named = members.required("user_id", forms::user);
        user = named.as_ref().ok().cloned();
        let content = forms::content(&mut members, now);
        members.finish()?;
        Ok(Item::Good(Box::new(content?.into_draft(named?, Maker::Service))))
    };
    let read = read();
    read.unwrap_or_else(|Failure(problem)| Item::Bad(user, Box::new(problem)))
}

fn too_large(code: &'static str, detail: String) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
