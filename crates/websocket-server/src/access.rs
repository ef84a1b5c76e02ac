//! Who may do what, made from the configuration: publishers, origins, and the verifier of tokens.

use anyhow::Context;

use crate::auth::{
    ApiKey, ApiKeys, ChannelScope, HostList, JwksSettings, JwtSettings, OriginPolicy, PublisherPolicy,
    Rights, Verifier,
};
use crate::config::{self, Config, KeyMaterial, Origins};

/// Who may do what.
pub struct Access {
    /// Who may publish.
    pub publishers: PublisherPolicy,
    /// Which pages may connect.
    pub origins: OriginPolicy,
    /// How tokens are checked.
    pub verifier: Verifier,
}

impl Access {
    /// From a checked configuration.
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let origins = match &config.browsers.origins {
            Origins::Loopback => OriginPolicy::new(None, crate::auth::Environment::Development),
            Origins::Any => OriginPolicy::new(Some("*"), crate::auth::Environment::Production),
            Origins::Listed(listed) => {
                let list: Vec<&str> = listed.iter().map(config::Origin::as_str).collect();
                OriginPolicy::new(Some(&list.join(",")), crate::auth::Environment::Production)
            }
        }?;
        let hosts: Vec<&str> = config.browsers.allowed_hosts.iter().map(config::HostName::as_str).collect();
        let keys = config.auth.api_keys.iter().map(api_key).collect::<Result<Vec<_>, _>>()?;
        let verifier = Verifier::new(jwt(config)).context("JWT keys")?;
        for warning in verifier.warnings() {
            tracing::warn!("{warning}");
        }
        Ok(Self {
            publishers: PublisherPolicy {
                keys: ApiKeys::new(keys)?,
                allowed_hosts: HostList::parse(&hosts.join(","))?,
                origins: origins.clone(),
            },
            origins,
            verifier,
        })
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
