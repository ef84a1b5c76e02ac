//! What Google checks of a request for a token, and of a message.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

/// The account's address.
pub(super) const EMAIL: &str = "push@fanfare-tests.iam.gserviceaccount.com";

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// How far the clocks may be apart, in seconds.
const SKEW: i64 = 300;

/// The largest message, in bytes.
const MOST_BYTES: usize = 4096;

/// A form with a signed statement; what is wrong with it.
pub(super) fn grant(form: &[u8], public_pem: &str, audience: &str, now: i64) -> Result<(), String> {
    let form = String::from_utf8_lossy(form);
    let field = |name: &str| {
        form.split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    let kind = field("grant_type").unwrap_or_default().replace("%3A", ":");
    if kind != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return Err(format!("another kind of grant: {kind}"));
    }
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[audience]);
    validation.set_issuer(&[EMAIL]);
    validation.set_required_spec_claims(&["aud", "iss", "exp"]);
    // By a clock that may be ahead.
    validation.validate_exp = false;
    let key = DecodingKey::from_rsa_pem(public_pem.as_bytes()).map_err(|error| error.to_string())?;
    let assertion = field("assertion").unwrap_or_default();
    let claims = jsonwebtoken::decode::<Map<String, Value>>(assertion, &key, &validation)
        .map_err(|error| format!("the statement: {error}"))?
        .claims;
    if claims.get("scope").and_then(Value::as_str) != Some(SCOPE) {
        return Err("another scope".to_owned());
    }
    let time = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or(0);
    let (issued, ends) = (time("iat"), time("exp"));
    if (issued - now).abs() > SKEW || ends <= now || ends - issued > 3600 {
        return Err(format!("issued at {issued}, ends at {ends}, and it is {now}"));
    }
    Ok(())
}

/// The members that Google knows, of those that we send.
const MESSAGE: &[&str] = &["token", "notification", "data", "android", "apns", "webpush"];

/// A message's device token and the whole body; what is wrong with it.
pub(super) fn message(body: &[u8]) -> Result<(String, Value), String> {
    if body.len() > MOST_BYTES + 512 {
        return Err(format!("a message of {} bytes", body.len()));
    }
    let whole: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let message = &whole["message"];
    let members = message.as_object().ok_or("no message")?;
    if let Some(stranger) = members.keys().find(|name| !MESSAGE.contains(&name.as_str())) {
        return Err(format!("a member that Google does not know: {stranger}"));
    }
    let token = message["token"].as_str().filter(|token| !token.is_empty()).ok_or("no token")?;
    for place in ["/data", "/webpush/headers", "/apns/headers"] {
        if let Some(members) = message.pointer(place)
            && members.as_object().is_none_or(|members| !members.values().all(Value::is_string))
        {
            return Err(format!("{place} has values that are no strings"));
        }
    }
    if let Some(reserved) = message["data"].as_object().and_then(|data| {
        let is_reserved = |name: &&String| {
            *name == "from"
                || *name == "message_type"
                || name.starts_with("google")
                || name.starts_with("gcm")
        };
        data.keys().find(is_reserved)
    }) {
        return Err(format!("a reserved name in data: {reserved}"));
    }
    if let Some(ttl) = message.pointer("/android/ttl") {
        let seconds = ttl.as_str().and_then(|ttl| ttl.strip_suffix('s')?.parse::<u32>().ok());
        if seconds.is_none_or(|seconds| seconds > 28 * 86_400) {
            return Err(format!("a lifetime that is none: {ttl}"));
        }
    }
    if let Some(topic) = message.pointer("/webpush/headers/Topic").and_then(Value::as_str) {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if topic.len() > 32 || !topic.bytes().all(is_good) {
            return Err(format!("a Topic that web push does not take: {topic}"));
        }
    }
    Ok((token.to_owned(), whole.clone()))
}
