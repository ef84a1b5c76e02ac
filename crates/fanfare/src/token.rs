//! `fanfare token`: an access token, to try things out: signed with `JWT_SECRET`, or fetched by signing in.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use clap::Parser;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};
use service_kit::arguments::Secret;
use service_kit::settings::values;

use crate::command::{self, HubFlags};

/// The longest life of a token; more is surely a slip.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Make an access token: for a user, signed with JWT_SECRET; or of a user, by signing in.
#[derive(Debug, Parser)]
#[command(name = "fanfare token", max_term_width = 110)]
struct Flags {
    #[command(flatten)]
    hub: HubFlags,

    /// The user whose token to sign.
    #[arg(long, short, value_name = "ID", required_unless_present = "email")]
    user: Option<String>,

    /// The user's type, such as employer or worker.
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    user_type: Option<String>,

    /// Channels that the token is good for, where it is not good for all that the rules allow; may be given several times.
    #[arg(long, short)]
    channel: Vec<String>,

    /// How long the token is good.
    ///
    /// Values: a duration from 1s to 366d.
    #[arg(long, default_value = "1h", value_parser = values::duration(Duration::from_secs(1), LONGEST))]
    ttl: Duration,

    /// The shared secret that the hub verifies with.
    ///
    /// Values: any text.
    ///
    /// Secret: better in a file, which JWT_SECRET_FILE names, than in a flag, which every user of the machine can read.
    #[arg(long, env, value_name = "SECRET", value_parser = values::secret)]
    jwt_secret: Option<Secret>,

    /// Sign in with this address instead; FANFARE_PASSWORD has the password.
    #[arg(long, conflicts_with_all = ["user", "user_type", "channel"])]
    email: Option<String>,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let flags: Flags = match command::read(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let token = match (&flags.email, &flags.user) {
        (Some(email), _) => command::block_on(sign_in(&flags.hub, email)),
        (None, Some(user)) => sign(&flags, user),
        (None, None) => Err(anyhow::anyhow!("--user or --email is missing")),
    };
    match token {
        Ok(token) => {
            println!("{token}");
            ExitCode::SUCCESS
        }
        Err(error) => command::failed("token", format!("{error:#}")),
    }
}

fn sign(flags: &Flags, user: &str) -> anyhow::Result<String> {
    let Some(secret) = &flags.jwt_secret else {
        bail!("JWT_SECRET is not set: set it as the hub has it, or sign in with --email");
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    // A number stays a number (contract: user ids).
    let user_id = user.parse::<u64>().map_or_else(|_| json!(user), |number| json!(number));
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), json!(user));
    claims.insert("user_id".to_owned(), user_id);
    claims.insert("iat".to_owned(), json!(now));
    claims.insert("exp".to_owned(), json!(now + flags.ttl.as_secs()));
    if let Some(user_type) = &flags.user_type {
        claims.insert("user_type".to_owned(), json!(user_type));
    }
    if !flags.channel.is_empty() {
        claims.insert("channels".to_owned(), json!(flags.channel));
    }
    let key = EncodingKey::from_secret(secret.expose().as_bytes());
    Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
}

async fn sign_in(hub: &HubFlags, email: &str) -> anyhow::Result<String> {
    let password = std::env::var("FANFARE_PASSWORD").context("FANFARE_PASSWORD is not set")?;
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy().build()?;
    let url = hub.at("auth/login");
    let body = json!({"email": email, "password": password});
    let response =
        http.post(url.clone()).json(&body).send().await.with_context(|| format!("no answer from {url}"))?;
    let status = response.status();
    let answer: Value = response.json().await.unwrap_or_default();
    match answer["access_token"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => bail!("{url} answers {status}: {}", answer["detail"].as_str().unwrap_or("no token")),
    }
}
