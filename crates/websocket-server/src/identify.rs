//! Whose a handshake is: by a token in the query, a header, the subprotocol or a cookie, or by the session of a web
//! application.
//!
//! Not here: what a token must look like (`auth`), and what else a handshake is checked for (`upgrade`).

use std::sync::Arc;
use std::time::Duration;

use actix_http::StatusCode;
use hub::{Identity, Naming};
use protocol::{Disconnect, UserId, json};
use reqwest::header::{ACCEPT, COOKIE};
use serde::Deserialize;
use serde_json::value::RawValue;
use service_kit::problem::Problem;
use tokio::sync::Semaphore;

use crate::access;
use crate::clock::time_of_day;
use crate::config::{Endpoint, EndpointAuth};
use crate::state::{RETRY_AFTER, State};

/// How long a web application may take to say whose a session is: a client waits for its handshake meanwhile.
const SESSION_TIMEOUT: Duration = Duration::from_secs(5);

/// Questions to the web application at once; further handshakes wait their turn, within the same time.
const SESSION_CHECKS: usize = 64;

/// Bytes of an answer that are read.
const SESSION_ANSWER: usize = 64 << 10;

/// What a handshake has to show.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    /// A token in the query, a header or the subprotocol.
    pub token: Option<String>,
    /// A token in a cookie. Only where the page's origin may use cookies.
    pub cookie: Option<String>,
    /// All cookies, where the origin may use them.
    pub cookies: Option<String>,
    /// Whether it came through a proxy.
    pub is_forwarded: bool,
}

/// What is to become of a handshake.
pub(crate) enum Outcome {
    /// A connection, of somebody or of nobody.
    Open(Option<Identity>, Naming),
    /// It is accepted and then closed, before any welcome.
    Close(Disconnect),
    /// It is answered with a problem; the name is the metric's.
    Refuse(&'static str, Problem),
}

/// Whose a handshake at an endpoint is.
pub(crate) async fn identify(state: &State, endpoint: &Endpoint, credentials: Credentials) -> Outcome {
    let is_signed_in_only = endpoint.auth == EndpointAuth::SignedIn;
    let is_off = match endpoint.auth {
        EndpointAuth::Off => true,
        EndpointAuth::OffUnlessForwarded => !credentials.is_forwarded,
        _ => false,
    };
    if is_off {
        return Outcome::Open(None, Naming::Anyone);
    }
    let token = credentials.token.as_deref().or(credentials.cookie.as_deref());
    if let Some(token) = token {
        match state.access().verifier.verify(token).await {
            Ok(token) => return Outcome::Open(Some(access::identity(token)), Naming::Own),
            Err(error) => {
                state.metrics.handshakes_refused.with_label_values(&[error.cause()]).inc();
                tracing::debug!(cause = error.cause(), "a token was refused");
                match (is_signed_in_only, error.is_our_fault()) {
                    (true, true) => {
                        let detail = "the keys to check tokens with can't be had at the moment";
                        let problem = Problem::unavailable("keys_unavailable", detail, RETRY_AFTER);
                        return Outcome::Refuse("keys_unavailable", problem);
                    }
                    (false, true) => return Outcome::Close(Disconnect::INTERNAL),
                    (false, false) => return Outcome::Close(Disconnect::UNAUTHORIZED),
                    // A cookie that is out of date does not outweigh a session.
                    (true, false) => {}
                }
            }
        }
    }
    if let (Some(sessions), Some(url), Some(cookies)) =
        (&state.sessions, &endpoint.session_check, &credentials.cookies)
        && credentials.token.is_none()
    {
        match sessions.user(url, cookies).await {
            Ok(Some(identity)) => return Outcome::Open(Some(identity), Naming::Own),
            Ok(None) => {}
            Err(problem) => return Outcome::Refuse("session_unknown", problem),
        }
    }
    match endpoint.auth {
        EndpointAuth::SignedIn => {
            let detail = "only signed-in users may connect here: send a token as ?token=, Authorization: Bearer or cookie";
            Outcome::Refuse("not_signed_in", Problem::new(StatusCode::FORBIDDEN, "not_signed_in", detail))
        }
        EndpointAuth::Required => Outcome::Close(Disconnect::UNAUTHORIZED),
        _ => Outcome::Open(None, Naming::Own),
    }
}

/// Asks a web application whose session a request's cookies are.
pub(crate) struct Sessions {
    client: reqwest::Client,
    turns: Arc<Semaphore>,
}

/// What a web application answers.
#[derive(Deserialize)]
struct Session<'a> {
    #[serde(borrow)]
    user_id: Option<&'a RawValue>,
    #[serde(default)]
    user_type: Option<String>,
    /// Seconds since 1970, with or without a fraction.
    #[serde(default)]
    expires_at: Option<f64>,
}

/// When a session ends whose end the web application does not tell: as it was checked at the handshake, it holds as long
/// as the connection.
const NO_END: u64 = 253_402_207_200;

impl Sessions {
    /// # Errors
    /// The client can't be made.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(SESSION_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, turns: Arc::new(Semaphore::new(SESSION_CHECKS)) })
    }

    /// Whose session these cookies are; nobody's where the application says that nobody is signed in.
    ///
    /// # Errors
    /// The application can't be asked, or its answer is none.
    async fn user(&self, url: &url::Url, cookies: &str) -> Result<Option<Identity>, Problem> {
        let unknown = |cause: &str| {
            tracing::warn!(cause, "whose a session is could not be found out");
            let detail = "whose session this is could not be found out; try again";
            Problem::unavailable("session_unknown", detail, RETRY_AFTER)
        };
        let ask = async {
            let _turn = self.turns.acquire().await.map_err(|_| unknown("no turn"))?;
            let request =
                self.client.get(url.clone()).header(COOKIE, cookies).header(ACCEPT, "application/json");
            let mut answer =
                request.send().await.map_err(|_| unknown("the web application does not answer"))?;
            match answer.status().as_u16() {
                200 => {}
                204 | 301..=303 | 307 | 308 | 401 | 403 | 404 => return Ok(None),
                _ => return Err(unknown("the web application answers with an error")),
            }
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await.map_err(|_| unknown("the answer broke off"))? {
                body.extend_from_slice(&chunk);
                if body.len() > SESSION_ANSWER {
                    return Err(unknown("the answer is larger than 64 KiB"));
                }
            }
            read(&body, now()).ok_or_else(|| unknown("the answer is not {\"user_id\": …}"))
        };
        tokio::time::timeout(SESSION_TIMEOUT, ask)
            .await
            .unwrap_or_else(|_| Err(unknown("the web application does not answer in 5 s")))
    }
}

/// The user that an answer names; `user_id: null` names nobody, and neither does a session that is over. `now` is in
/// seconds since 1970.
fn read(body: &[u8], now: u64) -> Option<Option<Identity>> {
    let text = std::str::from_utf8(body).ok()?;
    // An array would be read as the members in their order.
    if !json::is_object(text) {
        return None;
    }
    let session: Session<'_> = serde_json::from_str(text).ok()?;
    let Some(raw) = session.user_id else { return Some(None) };
    let user = UserId::from_json(raw.get()).ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a second")]
    let expires_at = session.expires_at.map_or(NO_END, |at| (at as u64).min(NO_END));
    let identity = Identity {
        user,
        user_type: session.user_type.map(Into::into),
        channels: None,
        session: None,
        expires_at,
    };
    Some((expires_at > now).then_some(identity))
}

/// Seconds since 1970.
fn now() -> u64 {
    u64::try_from(time_of_day().as_millis() / 1000).unwrap_or_default()
}

/// The value of a cookie.
pub(crate) fn cookie(cookies: &str, name: &str) -> Option<String> {
    cookies.split(';').find_map(|pair| {
        let (own, value) = pair.split_once('=')?;
        let value = value.trim().trim_matches('"');
        (own.trim() == name && !value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let cookies = "theme=dark; access_token=abc.def.ghi; sessionid=\"xyz\"";
        assert_eq!(cookie(cookies, "access_token").as_deref(), Some("abc.def.ghi"));
        assert_eq!(cookie(cookies, "sessionid").as_deref(), Some("xyz"));
        assert_eq!(cookie(cookies, "token"), None, "not the end of another name");
        assert_eq!(cookie("access_token=", "access_token"), None);
        assert_eq!(cookie("nonsense;;=;access_token", "access_token"), None);
    }

    #[test]
    fn an_answer_names_somebody_or_nobody_or_is_none() {
        let user = |text: &str| {
            read(text.as_bytes(), 1_000).map(|user| user.map(|user| user.user.as_str().to_owned()))
        };
        assert_eq!(user(r#"{"user_id":123,"name":"Anna"}"#), Some(Some("123".to_owned())));
        assert_eq!(user(r#"{"user_id":"a-b"}"#), Some(Some("a-b".to_owned())));
        assert_eq!(user(r#"{"user_id":null}"#), Some(None));
        assert_eq!(user("{}"), Some(None));
        let lived =
            |until: &str| user(&format!(r#"{{"user_id":1,"user_type":"caf\u00e9","expires_at":{until}}}"#));
        assert_eq!(lived("1001"), Some(Some("1".to_owned())));
        assert_eq!(lived("1001.5"), Some(Some("1".to_owned())));
        assert_eq!(lived("1e300"), Some(Some("1".to_owned())));
        for over in ["1000", "0", "-1"] {
            assert_eq!(lived(over), Some(None), "{over}");
        }
        for wrong in
            ["", "[]", "7", "[7]", r#"[7,null,null]"#, r#"{"user_id":[1]}"#, r#"{"user_id":1.5}"#, "<html>"]
        {
            assert_eq!(user(wrong), None, "{wrong}");
        }
    }
}
