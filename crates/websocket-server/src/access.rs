//! Who may do what, made from the configuration: publishers, origins, and the verifier of tokens; and the engine's
//! word for whom a token speaks for.

use std::sync::Arc;

use anyhow::Context;
use auth::{
    ApiKey, ApiKeys, ChannelScope, HostList, JwksSettings, JwtSettings, OriginPolicy, PublisherPolicy,
    Rights, VerifiedToken, Verifier,
};
use hub::Identity;
use service_kit::arguments::Secret;

use crate::config::{self, Config, KeyMaterial, Origins};

/// The name of the key that the other parts of this process publish with, for channel rules and logs.
pub const INTERNAL_KEY: &str = "internal";

/// Who may do what.
pub struct Access {
    /// Who may publish.
    pub publishers: PublisherPolicy,
    /// The key by which the services know each other, where there is one.
    pub services: ApiKeys,
    /// Which pages may connect.
    pub origins: Arc<OriginPolicy>,
    /// How tokens are checked.
    pub verifier: Arc<Verifier>,
}

impl Access {
    /// From a checked configuration, and a key for the other parts of this process where it has any.
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn new(config: &Config, internal: Option<&Secret>) -> anyhow::Result<Self> {
        let verifier = Verifier::new(jwt(config)).context("JWT keys")?;
        for warning in verifier.warnings() {
            tracing::warn!("{warning}");
        }
        Self::with(config, internal, Arc::new(verifier))
    }

    /// By another configuration of the same hub; the keys at `JWKS_URL` are those that are there. One that changes whether
    /// there are JWT keys at all leaves tokens as they were.
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn renewed(&self, config: &Config, internal: Option<&Secret>) -> anyhow::Result<Self> {
        let verifier = match config.auth.jwt.is_some() == self.verifier.has_keys() {
            true => Arc::new(self.verifier.renewed(jwt(config)).context("JWT keys")?),
            false => Arc::clone(&self.verifier),
        };
        Self::with(config, internal, verifier)
    }

    fn with(config: &Config, internal: Option<&Secret>, verifier: Arc<Verifier>) -> anyhow::Result<Self> {
        let origins = match &config.browsers.origins {
            Origins::Loopback => OriginPolicy::new(None, auth::Environment::Development),
            Origins::Any => OriginPolicy::new(Some("*"), auth::Environment::Production),
            Origins::Listed(listed) => {
                let list: Vec<&str> = listed.iter().map(config::Origin::as_str).collect();
                OriginPolicy::new(Some(&list.join(",")), auth::Environment::Production)
            }
        }?;
        let hosts: Vec<&str> = config.browsers.allowed_hosts.iter().map(config::HostName::as_str).collect();
        let keys = config.auth.api_keys.iter().map(api_key).collect::<Result<Vec<_>, _>>()?;
        let internal = internal.map(internal_key).transpose()?;
        // Together they must differ, so that names mean one key in rules, logs and idempotency scopes.
        ApiKeys::new(keys.iter().chain(&internal).cloned().collect())?;
        Ok(Self {
            publishers: PublisherPolicy {
                keys: ApiKeys::new(keys)?,
                internal: ApiKeys::new(internal.into_iter().collect())?,
                allowed_hosts: HostList::parse(&hosts.join(","))?,
                origins: origins.clone(),
            },
            services: ApiKeys::new(
                config
                    .service_key
                    .iter()
                    .map(|key| service_key(&key.get()))
                    .collect::<Result<Vec<_>, _>>()?,
            )?,
            origins: Arc::new(origins),
            verifier,
        })
    }
}

/// Whose connection it is, in the engine's words: everything that the token says.
pub(crate) fn identity(token: VerifiedToken) -> Identity {
    Identity {
        user: token.user_id,
        user_type: token.user_type.map(Into::into),
        channels: token.channels.map(Into::into),
        session: token.session.map(Into::into),
        expires_at: token.expires_at,
    }
}

fn api_key(key: &config::ApiKey) -> anyhow::Result<ApiKey> {
    let scope = key.channels.clone().map_or(ChannelScope::All, ChannelScope::Matching);
    let rights = if key.admin { Rights::Admin } else { Rights::Publish };
    Ok(match &key.material {
        KeyMaterial::Text(secret) => ApiKey::from_secret(&key.name, secret.expose(), scope, rights)?,
        KeyMaterial::Sha256(digest) => ApiKey::from_sha256(&key.name, *digest, scope, rights)?,
    })
}

fn internal_key(secret: &Secret) -> anyhow::Result<ApiKey> {
    Ok(ApiKey::from_secret(INTERNAL_KEY, secret.expose(), ChannelScope::All, Rights::Admin)?)
}

/// It reads feeds, and does nothing else.
fn service_key(secret: &Secret) -> anyhow::Result<ApiKey> {
    let nowhere = ChannelScope::Matching(Vec::new());
    Ok(ApiKey::from_secret("services", secret.expose(), nowhere, Rights::Publish)?)
}

fn jwt(config: &Config) -> JwtSettings {
    let Some(jwt) = &config.auth.jwt else { return JwtSettings::default() };
    JwtSettings {
        secret: jwt.secret.as_ref().map(|secret| secret.expose().to_owned()),
        public_key_file: jwt.public_key_file.clone(),
        jwks: jwt.jwks_url.as_ref().map(|url| JwksSettings::new(url.as_str())),
        issuers: jwt.issuers.clone(),
        audiences: jwt.audiences.clone(),
        ..JwtSettings::default()
    }
}

#[cfg(test)]
mod tests;
