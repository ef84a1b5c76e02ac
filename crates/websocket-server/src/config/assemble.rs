//! Flags and file into one [`Config`]: the checks that concern several settings, and the warnings.
//!
//! What concerns one setting alone was checked while it was read.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};

use hub::Dialect;
use hub::rules::{ChannelRule, ChannelRules, PublishRule};
use service_kit::settings::SettingsError;
use service_kit::settings::values::{List, OrOff, Word};

use super::endpoints::{self, Endpoint, EndpointAuth, Policies};
use super::file::File;
use super::flags::{AccessFlags, Flags, LimitFlags, ListenFlags, ProcessFlags};
use super::values::{AuthPolicy, OriginList};
use super::{
    Auth, Browsers, Config, Drain, Environment, Idempotency, Jwt, Limits, Listen, Logging, Origins, PortsOff,
    ProtocolTest, SocketIo, Storage, Threads, TlsFiles, Warning, deliveries, feeds, file, hooks, keys,
    namespaces,
};

/// The least length of a shared secret that is safe, in bytes: that of the hash (RFC 7518 §3.2).
const SECRET_BYTES: usize = 32;

/// Checks what goes together. `unused` are variables that are set and have no effect.
pub(super) fn config(flags: Flags, unused: &[&'static str]) -> Result<Config, SettingsError> {
    let Flags {
        listen,
        access,
        limits,
        storage,
        cluster,
        hooks: hook_flags,
        deliveries: delivery_flags,
        feeds: feed_flags,
        process,
    } = flags;
    let environment = process.environment;
    let mut warnings = Vec::new();
    let threads = Threads { shards: listen.shards, workers: listen.workers };
    let ports = (listen.dashboard_port, listen.receipts_port);
    let listen = listening(listen)?;
    let browsers = browsers(&access, environment);
    let File {
        rules,
        api_keys,
        endpoints: tables,
        namespaces: namespace_tables,
        hooks: hook_tables,
        delivery_hooks,
        feeds: feed_tables,
    } = configuration_file(&process)?;
    let (dashboard, session_check) = (access.dashboard_auth, access.session_check_url.clone());
    let auth = auth(access, api_keys, environment, &mut warnings)?;
    let policies = Policies {
        channels: auth.websocket,
        dashboard: dashboard.filter(|_| auth.jwt.is_some()),
        session_check,
        dashboard_port: ports.0.and_then(OrOff::on),
        receipts_port: ports.1.and_then(OrOff::on),
    };
    let endpoints = endpoints::assemble(&policies, tables)
        .map_err(|(line, message)| at_line(&process, line, &message))?;
    let namespaces = namespaces::assemble(namespace_tables)
        .map_err(|(line, message)| at_line(&process, line, &message))?;
    let hooks = hooks::assemble(hook_flags.bounds(), hook_tables)
        .map_err(|(line, message)| at_line(&process, line, &message))?;
    let deliveries = deliveries::assemble(&delivery_flags, delivery_hooks)
        .map_err(|(line, message)| at_line(&process, line, &message))?;
    let feeds = feeds::assemble(&feed_flags, feed_tables)
        .map_err(|(line, message)| at_line(&process, line, &message))?;
    let in_the_clear = hooks.hosts_in_the_clear().into_iter().chain(deliveries.hosts_in_the_clear());
    for host in in_the_clear.collect::<BTreeSet<_>>() {
        warnings.push(Warning::PlainHook { host });
    }
    check_endpoints(&endpoints, &auth, environment, &mut warnings);
    check_rules(&rules, &auth, &mut warnings);
    let storage = Storage {
        directory: storage.fanfare_data,
        history_bytes: storage.history_max_bytes,
        history_streams: storage.history_max_streams,
        retained_bytes: storage.retained_max_bytes,
        presence_grace: storage.presence_grace,
    };
    let rules = ChannelRules::new(rules, auth.identities());
    let socketio = SocketIo {
        ping_interval: limits.socketio_ping_interval,
        ping_timeout: limits.socketio_ping_timeout,
        max_payload: limits.socketio_max_payload,
        namespaces,
    };
    let idempotency = Idempotency { ttl: limits.idempotency_ttl, keys: limits.idempotency_keys };
    let limits = bounds(&limits, &mut warnings)?;
    let protocol_test = protocol_test(&process, &mut warnings)?;
    if cluster.redis_url.is_some() {
        if listen.node_tag.is_none() {
            warnings.push(Warning::NoNodeTag);
        }
        if storage.directory.is_some() {
            warnings.push(Warning::DataUnused);
        }
    }
    warnings.extend(unused.iter().map(|variable| Warning::NotUsed { variable }));
    Ok(Config {
        environment,
        listen,
        threads,
        browsers,
        auth,
        endpoints,
        socketio,
        rules,
        hooks,
        deliveries,
        feeds,
        service_key: None,
        limits,
        idempotency,
        storage,
        cluster: cluster.cluster(),
        drain: Drain { spread: process.drain_spread, timeout: process.drain_timeout },
        logging: Logging { filter: process.logging.rust_log, format: process.logging.log_format },
        protocol_test,
        warnings,
    })
}

fn listening(flags: ListenFlags) -> Result<Listen, SettingsError> {
    let tls = match (flags.tls_cert_file, flags.tls_key_file) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
        (Some(_), None) => {
            return Err(SettingsError::new("TLS_KEY_FILE: it is missing, and TLS_CERT_FILE is set"));
        }
        (None, Some(_)) => {
            return Err(SettingsError::new("TLS_CERT_FILE: it is missing, and TLS_KEY_FILE is set"));
        }
    };
    let off = PortsOff {
        dashboard: flags.dashboard_port == Some(OrOff::Off),
        receipts: flags.receipts_port == Some(OrOff::Off),
    };
    Ok(Listen { address: SocketAddr::new(flags.host, flags.port), off, tls, node_tag: flags.node_tag })
}

fn browsers(flags: &AccessFlags, environment: Environment) -> Browsers {
    let origins = match (&flags.cors_allowed_origins, environment) {
        (Some(OriginList::Any), _) => Origins::Any,
        (Some(OriginList::Listed(list)), _) => Origins::Listed(list.clone()),
        (None, Environment::Development) => Origins::Loopback,
        (None, Environment::Production) => Origins::Listed(Vec::new()),
    };
    let allowed_hosts = flags.allowed_hosts.as_ref().map(|hosts| hosts.0.clone()).unwrap_or_default();
    Browsers { origins, allowed_hosts }
}

fn configuration_file(flags: &ProcessFlags) -> Result<File, SettingsError> {
    let Some(path) = &flags.config else { return Ok(File::default()) };
    file::read(path).map_err(|line| SettingsError::new(format!("FANFARE_CONFIG: {line}")))
}

/// What is wrong in a line of the file.
fn at_line(flags: &ProcessFlags, line: usize, message: &str) -> SettingsError {
    let path = flags.config.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    SettingsError::new(format!("FANFARE_CONFIG: {path}:{line}: {message}"))
}

fn check_endpoints(
    endpoints: &[Endpoint],
    auth: &Auth,
    environment: Environment,
    warnings: &mut Vec<Warning>,
) {
    for endpoint in endpoints.iter().filter(|one| one.path.is_some() || one.port.is_some()) {
        let is_open = endpoint.auth == EndpointAuth::Off && endpoint.dialect == Dialect::DASHBOARD;
        if is_open && (auth.jwt.is_some() || environment == Environment::Production) {
            warnings.push(Warning::AnyUser { endpoint: endpoint.name.clone() });
        }
    }
}

fn auth(
    flags: AccessFlags,
    from_file: Vec<keys::ApiKey>,
    environment: Environment,
    warnings: &mut Vec<Warning>,
) -> Result<Auth, SettingsError> {
    let mut api_keys = flags.api_keys.map(|list| list.0).unwrap_or_default();
    api_keys.extend(from_file);
    if let Some(name) = keys::duplicate(&api_keys) {
        return Err(SettingsError::new(format!(
            "FANFARE_CONFIG: two API keys are named {name}; each needs a name of its own, also beside FANFARE_API_KEYS"
        )));
    }
    let words = |list: Option<List<Word>>| list.map(|list| list.0.into_iter().map(|word| word.0).collect());
    let jwt = Jwt {
        secret: flags.jwt_secret,
        public_key_file: flags.jwt_public_key_file,
        jwks_url: flags.jwks_url,
        issuers: words(flags.jwt_issuer).unwrap_or_default(),
        audiences: words(flags.jwt_audience).unwrap_or_default(),
    };
    let has_key = jwt.secret.is_some() || jwt.public_key_file.is_some() || jwt.jwks_url.is_some();
    if has_key {
        check_keys(&jwt, environment, warnings)?;
    } else if environment == Environment::Production {
        return Err(SettingsError::new(
            "FANFARE_ENV: production needs a JWT key; set JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWKS_URL",
        ));
    } else {
        warnings.push(Warning::NoIdentities);
        if flags.ws_auth == AuthPolicy::Required {
            warnings.push(Warning::PolicyWithoutKey { asked: flags.ws_auth });
        }
    }
    if api_keys.is_empty() {
        warnings.push(Warning::LoopbackPublishing);
    }
    let websocket = if has_key { flags.ws_auth } else { AuthPolicy::Off };
    Ok(Auth { jwt: has_key.then_some(jwt), websocket, api_keys })
}

fn check_keys(jwt: &Jwt, environment: Environment, warnings: &mut Vec<Warning>) -> Result<(), SettingsError> {
    if let Some(bytes) = jwt.secret.as_ref().map(|secret| secret.len()).filter(|bytes| *bytes < SECRET_BYTES)
    {
        if environment == Environment::Production {
            return Err(SettingsError::new(format!(
                "JWT_SECRET: it has {bytes} bytes; production takes at least {SECRET_BYTES}, as `openssl rand -hex 32` makes"
            )));
        }
        warnings.push(Warning::ShortSecret { bytes });
    }
    if let Some(url) = jwt.jwks_url.as_ref().filter(|url| url.scheme() == "http") {
        let host = url.host_str().unwrap_or_default();
        let loopback = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        if !loopback {
            warnings.push(Warning::PlainJwks { host: host.to_owned() });
        }
    }
    Ok(())
}

fn check_rules(rules: &[ChannelRule], auth: &Auth, warnings: &mut Vec<Warning>) {
    for rule in rules {
        let pattern = || rule.pattern.as_str().to_owned();
        if let Some(PublishRule::Keys(names)) = &rule.publish {
            let unknown = names.iter().filter(|name| !auth.api_keys.iter().any(|key| key.name == **name));
            warnings.extend(unknown.map(|key| Warning::UnknownKey { pattern: pattern(), key: key.clone() }));
        }
    }
}

fn bounds(flags: &LimitFlags, warnings: &mut Vec<Warning>) -> Result<Limits, SettingsError> {
    if flags.ping_timeout <= flags.ping_interval {
        return Err(SettingsError::new(
            "PING_TIMEOUT: it is not longer than PING_INTERVAL, so every quiet connection would end before its ping",
        ));
    }
    if flags.queue_max_bytes < flags.max_body {
        warnings.push(Warning::QueueBelowBody { queue: flags.queue_max_bytes, body: flags.max_body });
    }
    Ok(Limits {
        rate: at_most(flags.ws_rate_limit),
        message: flags.ws_max_message,
        body: flags.max_body,
        connections_wanted: flags.max_connections,
        connections_per_user: at_most(flags.max_connections_per_user),
        channels: flags.max_channels,
        outbox_bytes: flags.outbox_max_bytes,
        outbox_frames: flags.outbox_max_frames,
        ping_interval: flags.ping_interval,
        ping_timeout: flags.ping_timeout,
        offline_grace: flags.socketio_offline_grace,
        handshake: flags.handshake_timeout,
        request: flags.request_timeout,
        deflate_from: flags.deflate_min_size.on(),
        queue_bytes: flags.queue_max_bytes,
        queue_publications: flags.queue_max_publications,
    })
}

/// The limit as the engine counts; a number too large for that is as good as its largest.
fn at_most(limit: OrOff<NonZeroUsize>) -> Option<NonZeroU32> {
    limit.on().map(|limit| NonZeroU32::try_from(limit).unwrap_or(NonZeroU32::MAX))
}

fn protocol_test(flags: &ProcessFlags, warnings: &mut Vec<Warning>) -> Result<ProtocolTest, SettingsError> {
    if !flags.protocol_test {
        return Ok(ProtocolTest::Off);
    }
    if flags.environment == Environment::Production {
        return Err(SettingsError::new(
            "--protocol-test: production does not take it; it is for conformance suites",
        ));
    }
    warnings.push(Warning::ProtocolTest);
    Ok(ProtocolTest::On)
}
