//! The service account that Firebase knows us by, from the file that Google gives out (`FIREBASE_CREDENTIALS_PATH`).
//!
//! It is read and tried at the start, so that a wrong one is told then, in one line, and not with the first push. Nothing
//! of the key is ever shown: what is wrong is told by the member's name alone.

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::Value;
use service_kit::settings::values;
use url::Url;

/// The largest file that is read; Google's have 2.4 KB.
const MOST_BYTES: u64 = 64 * 1024;

/// Where tokens are had for an account whose file does not say.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// A service account. Cheap to clone; shows neither key nor token.
#[derive(Clone)]
pub struct Credentials(Arc<Account>);

struct Account {
    project_id: String,
    client_email: String,
    private_key_id: Option<String>,
    key: EncodingKey,
    token_uri: Url,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("project_id", &self.0.project_id).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the file at a path; for clap.
    ///
    /// # Errors
    /// What is wrong with it, without anything that stands in it.
    pub fn at(path: &str) -> Result<Self, String> {
        let path = values::readable_file(path)?;
        let mut text = String::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text));
        match read {
            Ok(_) if text.len() as u64 > MOST_BYTES => {
                Err("it is too large for a service account's file".to_owned())
            }
            Ok(_) => Self::parse(&text),
            Err(error) => Err(format!("it can't be read: {}", error.kind())),
        }
    }

    /// Reads a file's text.
    ///
    /// # Errors
    /// What is wrong with it, without anything that stands in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: Value = serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())?;
        let member = |name: &str| file.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let required =
            |name: &str| member(name).ok_or_else(|| format!("it is no service account's: {name} is missing"));
        if member("type") != Some("service_account") {
            return Err("it is no service account's: its type is not service_account".to_owned());
        }
        let project_id = required("project_id")?.to_owned();
        // It stands in a path.
        if !project_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte)) {
            return Err("its project_id is none of Google's".to_owned());
        }
        let client_email = required("client_email")?.to_owned();
        let wrong = |_| "its private_key is no RSA key in PEM".to_owned();
        let key = EncodingKey::from_rsa_pem(required("private_key")?.as_bytes()).map_err(wrong)?;
        // A key in PEM may still be none that can sign.
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &serde_json::json!({}), &key).map_err(wrong)?;
        let token_uri = member("token_uri").unwrap_or(TOKEN_URI);
        let token_uri =
            values::web_address(token_uri).map_err(|reason| format!("its token_uri: {reason}"))?;
        let private_key_id = member("private_key_id").map(str::to_owned);
        Ok(Self(Arc::new(Account { project_id, client_email, private_key_id, key, token_uri })))
    }

    /// Whose devices they are.
    pub(crate) fn project_id(&self) -> &str {
        &self.0.project_id
    }

    /// Where tokens are had.
    pub(crate) fn token_uri(&self) -> &Url {
        &self.0.token_uri
    }

    /// A signed statement that asks for a token of this scope (RFC 7523 §2.1), good for an hour, the most that Google
    /// takes. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// The key can't sign, which the start has excluded.
    pub(crate) fn assertion(&self, scope: &str, now: i64) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = self.0.private_key_id.clone();
        let claims = serde_json::json!({
            "iss": self.0.client_email,
            "scope": scope,
            "aud": self.0.token_uri.as_str(),
            "iat": now,
            "exp": now + 3600,
        });
        jsonwebtoken::encode(&header, &claims, &self.0.key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_wrong_file_is_told_by_the_members_name_and_never_by_what_stands_in_it() {
        let good = test_kit::Firebase::account("http://127.0.0.1:9/token");
        assert!(Credentials::parse(&good.to_string()).is_ok());
        for (member, value, told) in [
            ("type", json!("authorized_user"), "type"),
            ("project_id", json!(null), "project_id is missing"),
            ("project_id", json!("../secret"), "project_id"),
            ("client_email", json!(7), "client_email is missing"),
            ("private_key", json!("secret"), "private_key"),
            (
                "private_key",
                json!("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"),
                "private_key",
            ),
            ("token_uri", json!("secret"), "token_uri"),
        ] {
            let mut file = good.clone();
            file[member] = value.clone();
            let error = Credentials::parse(&file.to_string()).expect_err(member);
            assert!(error.contains(told) && !error.contains("secret") && !error.contains("c2Vj"), "{error}");
            assert!(!error.contains('\n'), "one line");
        }
        for text in ["", "secret", "[]", "7"] {
            assert!(!Credentials::parse(text).expect_err(text).contains("secret"));
        }
        let shown = format!("{:?}", Credentials::parse(&good.to_string()));
        assert!(shown.contains("project_id") && !shown.contains("PRIVATE"), "{shown}");
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        assert!(Credentials::at("/nowhere/account.json").is_err());
        assert!(Credentials::at("/").is_err());
    }
}
