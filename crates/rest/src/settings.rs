//! The settings that every service has as a process of its own: where it listens, whom it believes, where the others
//! are. A service adds its own beside them; `fanfare up` takes the hub's instead of these.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use auth::{Jwks, JwksSettings, JwtSettings, OriginPolicy, Verifier};
use hub_client::{HubClient, HubSettings};
use service_kit::arguments::Secret;
use service_kit::healthcheck::HealthcheckFlag;
use service_kit::settings::values::{self, Environment, List, Word};
use service_kit::settings::{LoggingFlags, SettingsError};
use store::Location;
use url::Url;

use crate::caller::Callers;
use crate::followers::Followers;

/// Where a service listens, whom it believes, where the others are.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct ServiceFlags {
    /// Address to listen on.
    ///
    /// Values: an IP address of this machine, 0.0.0.0 or :: for all of them, or localhost.
    ///
    /// Source: protocol; containers use 0.0.0.0.
    #[arg(long, env, default_value = "127.0.0.1", value_parser = values::host, help_heading = "Listening")]
    pub host: IpAddr,

    /// Port for HTTP.
    ///
    /// Values: a port from 0 to 65535; 0 takes any free one, which the start log tells.
    ///
    /// Source: protocol.
    #[arg(long, env, default_value = "0", value_parser = values::port, help_heading = "Listening")]
    pub port: u16,

    /// Origins whose pages may call the service.
    ///
    /// Values: origins such as `https://app.example.com`, separated by commas, or * for all without credentials.
    ///
    /// Unset: any loopback origin; in production none.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "ORIGINS", help_heading = "Access")]
    pub cors_allowed_origins: Option<String>,

    /// Shared secret of HS256 tokens, beside the user service's keys.
    ///
    /// Values: any text, at least 32 bytes to be safe; production takes no shorter one.
    ///
    /// Secret: better in a file, which JWT_SECRET_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: only the user service's tokens are known.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "SECRET", value_parser = values::secret, help_heading = "Access")]
    pub jwt_secret: Option<Secret>,

    /// Public keys of RS256, ES256 and EdDSA tokens, beside the user service's keys.
    ///
    /// Values: the path of a PEM file.
    ///
    /// Unset: none.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "FILE", value_parser = values::readable_file, help_heading = "Access")]
    pub jwt_public_key_file: Option<PathBuf>,

    /// Where the keys of access tokens are published.
    ///
    /// Values: an http or https address.
    ///
    /// Unset: /.well-known/jwks.json of USER_SERVICE_URL.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "URL", value_parser = values::web_address, help_heading = "Access")]
    pub jwks_url: Option<Url>,

    /// Accepted `iss` of tokens; the user service writes the first of them.
    ///
    /// Values: names separated by commas.
    ///
    /// Unset: the claim is not looked at.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "NAMES", help_heading = "Access")]
    pub jwt_issuer: Option<List<Word>>,

    /// Accepted `aud` of tokens; the user service writes the first of them.
    ///
    /// Values: names separated by commas.
    ///
    /// Unset: the claim is not looked at.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "NAMES", help_heading = "Access")]
    pub jwt_audience: Option<List<Word>>,

    /// The key by which the services know each other, and the hub knows them.
    ///
    /// Values: 8 to 200 visible ASCII characters; the same for all services, and one of the hub's FANFARE_API_KEYS with
    /// +admin.
    ///
    /// Secret: better in a file, which SERVICE_API_KEY_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: the payment service does not start; the hub takes events from its own machine alone.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "KEY", value_parser = service_key, help_heading = "Access")]
    pub service_api_key: Option<Secret>,

    /// Where the hub is that gets the events.
    ///
    /// Values: an http or https address.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = values::web_address, help_heading = "Other services")]
    pub ws_service_url: Url,

    /// Where the user service is, whose keys are believed.
    ///
    /// Values: an http or https address.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "URL", default_value = "http://127.0.0.1:8083", value_parser = values::web_address, help_heading = "Other services")]
    pub user_service_url: Url,

    /// Where the data is kept.
    ///
    /// Values: postgres://user:password@host:port/database, or sqlite: and the path of a file.
    ///
    /// Secret: better in a file, which DATABASE_URL_FILE names, than in a flag, which every user of the machine can read.
    ///
    /// Unset: SQLite in a file of FANFARE_DATA, named after the service.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "URL", value_parser = database, help_heading = "Storage")]
    pub database_url: Option<Location>,

    /// Directory of the database file; made where it is missing.
    ///
    /// Values: a path.
    ///
    /// Source: chosen.
    #[arg(long, env, value_name = "DIRECTORY", default_value = "fanfare-data", help_heading = "Storage")]
    pub fanfare_data: PathBuf,

    /// Where the process runs.
    ///
    /// Values: development, or production, where nothing is open that was not configured.
    ///
    /// Source: protocol.
    #[arg(
        long = "env",
        env = "FANFARE_ENV",
        value_name = "NAME",
        default_value = "development",
        help_heading = "Process"
    )]
    pub environment: Environment,

    /// What is logged and how.
    #[command(flatten)]
    pub logging: LoggingFlags,

    /// Check the settings, say what is wrong, and exit.
    #[arg(long, help_heading = "Process")]
    pub check: bool,

    #[command(flatten)]
    pub(crate) _healthcheck: HealthcheckFlag,

    /// What can follow these settings when they change.
    #[arg(skip)]
    pub followers: Followers,
}

/// Reads `DATABASE_URL`.
///
/// # Errors
/// What is wrong with it.
pub fn database(text: &str) -> Result<Location, String> {
    Location::parse(text.trim()).map_err(|error| error.to_string())
}

/// Reads `SERVICE_API_KEY`.
///
/// # Errors
/// What is wrong with it.
pub fn service_key(text: &str) -> Result<Secret, String> {
    auth::check_secret(text).map_err(|error| error.to_string())?;
    Ok(Secret::new(text))
}

impl ServiceFlags {
    /// Checks what concerns several settings.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check_all(&self) -> Result<(), SettingsError> {
        self.origins()?;
        let short = self.jwt_secret.as_ref().filter(|secret| secret.len() < auth::jwt::SAFE_SECRET);
        if let (Some(secret), Environment::Production) = (short, self.environment) {
            return Err(SettingsError::new(format!(
                "JWT_SECRET: it has {} bytes; production takes at least {}, as `openssl rand -hex 32` makes",
                secret.len(),
                auth::jwt::SAFE_SECRET
            )));
        }
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// Whose pages may call.
    ///
    /// # Errors
    /// The list names something that is no origin.
    pub fn origins(&self) -> Result<OriginPolicy, SettingsError> {
        let environment = match self.environment {
            Environment::Development => auth::Environment::Development,
            Environment::Production => auth::Environment::Production,
        };
        OriginPolicy::new(self.cors_allowed_origins.as_deref(), environment)
            .map_err(|error| SettingsError::new(format!("CORS_ALLOWED_ORIGINS: {error}")))
    }

    /// Where the database is; `name` is the file's where none is named.
    #[must_use]
    pub fn location(&self, name: &str) -> Location {
        self.database_url
            .clone()
            .unwrap_or_else(|| Location::File(self.fanfare_data.join(format!("{name}.db"))))
    }

    /// What tokens are verified with, without the user service's published keys.
    #[must_use]
    pub fn jwt(&self) -> JwtSettings {
        let names = |list: &Option<List<Word>>| -> Vec<String> {
            list.iter().flat_map(|list| list.0.iter().map(|word| word.0.clone())).collect()
        };
        JwtSettings {
            secret: self.jwt_secret.as_ref().map(|secret| secret.expose().to_owned()),
            public_key_file: self.jwt_public_key_file.clone(),
            issuers: names(&self.jwt_issuer),
            audiences: names(&self.jwt_audience),
            ..JwtSettings::default()
        }
    }

    /// A client of the hub, with the service key.
    ///
    /// # Errors
    /// The address or the key can't be used.
    pub fn hub(&self) -> Result<HubClient, SettingsError> {
        let mut settings = HubSettings::new(self.ws_service_url.as_str());
        settings.key = self.service_api_key.as_ref().map(|key| key.expose().to_owned());
        let wrong = |error| SettingsError::new(format!("WS_SERVICE_URL: {error}"));
        let client = HubClient::new(&settings).map_err(wrong)?;
        let following = client.clone();
        self.followers.add(move |flags| {
            let (client, key) = (following.clone(), flags.service_api_key.clone());
            // A key that was read can stand in a header.
            Ok(move || drop(client.set_key(key.as_ref().map(Secret::expose))))
        });
        Ok(client)
    }

    /// Knows users by the published keys, and services by the key. The keys are fetched by a task of its own, which
    /// ends with the runtime.
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn callers(&self) -> Result<Callers, SettingsError> {
        let wrong = |error: auth::JwtSetupError| SettingsError::new(error.to_string());
        let mut jwt = self.jwt();
        let url =
            self.jwks_url.clone().unwrap_or_else(|| at(&self.user_service_url, ".well-known/jwks.json"));
        jwt.jwks = Some(JwksSettings::new(url.as_str()));
        let verifier = Arc::new(Verifier::new(jwt).map_err(wrong)?);
        if let Some(jwks) = verifier.jwks() {
            follow(Arc::clone(jwks));
        }
        let callers = Callers::new(verifier, self.service_api_key.as_ref());
        self.renew(&callers);
        Ok(callers)
    }
}

impl ServiceFlags {
    /// Lets callers be known by other keys when these settings change.
    pub fn renew(&self, callers: &Callers) {
        let callers = callers.clone();
        self.followers.add(move |flags| {
            let renewed = callers.renew(flags.jwt(), flags.service_api_key.as_ref());
            renewed.map_err(|error| SettingsError::new(error.to_string()))
        });
    }
}

fn follow(jwks: Arc<Jwks>) {
    actix_web::rt::spawn(async move { jwks.run().await });
}

/// A path below a service's address.
#[must_use]
pub fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// How long a service's background work may take to end once it is told to.
pub const STOP: Duration = Duration::from_secs(10);
