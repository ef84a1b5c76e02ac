//! The actix-ws baseline: the hub's minimal protocol the way the library's manual writes it, a task and a `Session` per connection.
//!
//! An event is serialised once; each session gets a reference-counted clone of the text and frames it itself, which is what actix-ws
//! offers. Not in it: authentication (the token is decoded, not verified), limits, history.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, web};
use actix_ws::{AggregatedMessage, Session};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

/// Who is subscribed to what.
#[derive(Default)]
struct Hub(Mutex<HashMap<String, HashMap<Uuid, Session>>>);

impl Hub {
    fn channels(&self) -> MutexGuard<'_, HashMap<String, HashMap<Uuid, Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribe(&self, channel: &str, id: Uuid, session: &Session) {
        self.channels().entry(channel.to_owned()).or_default().insert(id, session.clone());
    }

    fn leave(&self, joined: &HashSet<String>, id: Uuid) {
        let mut channels = self.channels();
        for channel in joined {
            if let Some(subscribers) = channels.get_mut(channel) {
                subscribers.remove(&id);
                if subscribers.is_empty() {
                    channels.remove(channel);
                }
            }
        }
    }

    /// The sessions of a channel, cloned out so that no lock is held while they are written to.
    fn subscribers(&self, channel: &str) -> Vec<Session> {
        self.channels().get(channel).map(|found| found.values().cloned().collect()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct ClientFrame {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    channels: Vec<String>,
}

#[derive(Deserialize)]
struct Publication {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
    channel: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: &'a Value,
    timestamp: String,
}

fn envelope(kind: &str, data: &Value) -> String {
    let timestamp = format!("{:.3}", jiff::Timestamp::now());
    serde_json::to_string(&Envelope { kind, data, timestamp }).unwrap_or_default()
}

/// The user id a token names; unverified, it is here only so that a connection holds what a real one would.
fn user_of(request: &HttpRequest) -> Option<String> {
    let token = request.query_string().split('&').find_map(|pair| pair.strip_prefix("token="))?;
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?.get("user_id")?.as_str().map(str::to_owned)
}

async fn websocket(
    request: HttpRequest,
    body: web::Payload,
    hub: web::Data<Hub>,
) -> actix_web::Result<impl Responder> {
    let user = user_of(&request);
    let (response, session, stream) = actix_ws::handle(&request, body)?;
    let stream = stream.max_frame_size(64 * 1024).aggregate_continuations();
    actix_web::rt::spawn(serve(user, session, stream, hub));
    Ok(response)
}

async fn serve(
    user: Option<String>,
    mut session: Session,
    mut stream: actix_ws::AggregatedMessageStream,
    hub: web::Data<Hub>,
) {
    let id = Uuid::new_v4();
    let mut joined = HashSet::new();
    if session.text(envelope("connected", &json!({ "connection_id": id.to_string() }))).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = stream.recv().await {
        let sent = match message {
            AggregatedMessage::Text(text) => match serde_json::from_str::<ClientFrame>(&text) {
                Ok(frame) if frame.kind == "subscribe" => {
                    for channel in &frame.channels {
                        hub.subscribe(channel, id, &session);
                        joined.insert(channel.clone());
                    }
                    session.text(envelope("subscribed", &json!({ "channels": frame.channels }))).await
                }
                Ok(frame) if frame.kind == "ping" => session.text(envelope("pong", &json!({}))).await,
                Ok(_) => session.text(envelope("error", &json!({ "code": "unknown_type" }))).await,
                Err(_) => session.text(envelope("error", &json!({ "code": "invalid_json" }))).await,
            },
            AggregatedMessage::Ping(bytes) => session.pong(&bytes).await,
            AggregatedMessage::Close(_) => break,
            AggregatedMessage::Binary(_) | AggregatedMessage::Pong(_) => Ok(()),
        };
        if sent.is_err() {
            break;
        }
    }
    hub.leave(&joined, id);
    drop(user);
    let _ = session.close(None).await;
}

async fn broadcast(publication: web::Json<Publication>, hub: web::Data<Hub>) -> impl Responder {
    let text = ByteString::from(envelope(&publication.kind, &publication.data));
    let subscribers = hub.subscribers(&publication.channel);
    let mut recipients = 0;
    for mut session in subscribers {
        recipients += usize::from(session.text(text.clone()).await.is_ok());
    }
    HttpResponse::Ok()
        .json(json!({ "success": true, "id": Uuid::new_v4().to_string(), "recipients": recipients }))
}

async fn health() -> impl Responder {
    HttpResponse::Ok().json(json!({ "status": "healthy" }))
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let host = std::env::var("HOST").unwrap_or_else(|_| "127.0.0.1".to_owned());
    let port: u16 = std::env::var("PORT").ok().map(|port| port.parse()).transpose()?.unwrap_or(8080);
    let hub = web::Data::new(Hub::default());
    HttpServer::new(move || {
        App::new()
            .app_data(hub.clone())
            .route("/ws", web::get().to(websocket))
            .route("/broadcast", web::post().to(broadcast))
            .route("/health", web::get().to(health))
    })
    .backlog(4096)
    .bind((host, port))?
    .run()
    .await?;
    Ok(())
}
