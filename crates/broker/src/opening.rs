//! Makes a link: both connections, who asks, what Redis is, the scripts, the node's own channels, and the node's place among
//! the living. All of it is asked anew each time.
//!
//! What the node has seen goes along ([`Seen`]), so that a Redis that went back is noticed: then a new life begins.
//! Not here: where Redis is (`resolve`), what goes on once the link stands (`link`).

use hub::broker::{Life, NodeId};
use redis::{Cmd, ServerError, Value};

use crate::error::{ConnectError, LinkError, answer, said};
use crate::resolve::{Address, Resolver, auth, text};
use crate::scripts::{self, Call};
use crate::settings::Settings;
use crate::wire::Wire;

/// What a node knows of the broker's data, over all of its links.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The last life, and the greatest number in it.
    pub(crate) life: Option<(u64, u64)>,
    /// The server's run in which that was.
    pub(crate) run: String,
    /// The secret of all lives.
    pub(crate) secret: Option<[u8; 32]>,
}

/// A link that stands.
pub(crate) struct Opened {
    /// For commands.
    pub(crate) commands: Wire,
    /// For channels, and what has to be in their line.
    pub(crate) line: Wire,
    /// The server's run.
    pub(crate) run: String,
    /// What it found.
    pub(crate) life: Life,
    /// Whether Redis keeps what it took; none where it does not tell.
    pub(crate) durable: Option<bool>,
    /// Living nodes.
    pub(crate) nodes: Vec<NodeId>,
    /// Where.
    pub(crate) address: Address,
}

/// What Redis tells of itself.
#[derive(Debug)]
struct Facts {
    run: String,
    durable: Option<bool>,
    is_promoted: bool,
}

/// Makes a link.
pub(crate) async fn open(
    settings: &Settings,
    resolver: &mut Resolver,
    seen: &Seen,
) -> Result<Opened, LinkError> {
    let address = resolver.resolve().await?;
    let (mut commands, _) = greeted(settings, resolver, &address).await?;
    let facts = facts(&mut commands, &address).await?;
    let load: Vec<Cmd> = scripts::load().collect();
    for loaded in commands.ask(&load).await? {
        allowed(loaded, &address)?;
    }
    let (mut line, line_id) = greeted(settings, resolver, &address).await?;
    let own = format!("{{{}}}:n:{}", settings.prefix, settings.node);
    let all = format!("{{{}}}:n", settings.prefix);
    for channel in [own, all] {
        let mut subscribe = redis::cmd("SSUBSCRIBE");
        subscribe.arg(channel);
        allowed(line.ask_one(subscribe).await?, &address)?;
    }
    let survived = facts.durable == Some(true) && !facts.is_promoted;
    let (life, number) = seen.life.map_or_else(Default::default, |(life, seq)| (life.to_string(), seq));
    let mut fresh = [0; 40];
    getrandom::fill(&mut fresh).map_err(|_| LinkError::Nowhere("the system gives no random bits".into()))?;
    let (fresh_life, fresh_secret) = fresh.split_at(8);
    // 53 bits, so that it is a number everywhere; never 0.
    let fresh_life = fresh_life.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte)) >> 11 | 1;
    let mut join = Call::Join.with(&format!("{{{}}}:life", settings.prefix));
    join.arg(settings.node).arg(&facts.run).arg(u8::from(survived)).arg(life).arg(number);
    join.arg(seen.secret.as_ref().map_or(&[][..], |secret| &secret[..]));
    join.arg(fresh_life).arg(fresh_secret).arg(&seen.run).arg(line_id);
    let joined = allowed(line.ask_one(join).await?, &address)?;
    let Value::Array(parts) = joined else { return Err(LinkError::Unexpected("no life")) };
    let [life, number, Value::BulkString(secret), _seconds, _micros, Value::Array(nodes)] = parts.as_slice()
    else {
        return Err(LinkError::Unexpected("no life"));
    };
    let decimal = |value: &Value| text(value).and_then(|text| text.parse::<u64>().ok());
    let life = Life {
        life: decimal(life).ok_or(LinkError::Unexpected("no life"))?,
        seq: decimal(number).ok_or(LinkError::Unexpected("no number"))?,
        secret: <[u8; 32]>::try_from(secret.as_slice()).map_err(|_| LinkError::Unexpected("no secret"))?,
        is_durable: facts.durable == Some(true),
    };
    let nodes = node_ids(nodes);
    Ok(Opened { commands, line, life, run: facts.run, durable: facts.durable, nodes, address })
}

/// The living nodes of an answer, sorted.
pub(crate) fn node_ids(nodes: &[Value]) -> Vec<NodeId> {
    let mut ids: Vec<NodeId> =
        nodes.iter().filter_map(|node| text(node).and_then(|text| text.parse().ok())).collect();
    ids.sort_unstable();
    ids
}

/// A connection on which Redis knows who asks, and its id there.
async fn greeted(
    settings: &Settings,
    resolver: &Resolver,
    address: &Address,
) -> Result<(Wire, i64), LinkError> {
    let tls = if settings.url.is_tls { resolver.tls.as_ref() } else { None };
    let mut wire = match address {
        Address::Host(host) => Wire::to_host(host, tls).await?,
        Address::Unix(path) => Wire::to_path(path).await?,
    };
    if let Some(credentials) = &settings.url.credentials {
        allowed(wire.ask_one(auth(credentials)).await?, address)?;
    }
    let mut hello = redis::cmd("HELLO");
    hello.arg(3);
    let greeting = match wire.ask_one(hello).await? {
        Value::ServerError(error) if is_unknown(&error) => {
            return Err(too_old(address, "5 or older"));
        }
        value => allowed(value, address)?,
    };
    let mut id = 0;
    if let Value::Map(members) = &greeting {
        if let Some((_, Value::Int(told))) = members.iter().find(|(name, _)| text(name) == Some("id")) {
            id = *told;
        }
        let version = members.iter().find(|(name, _)| text(name) == Some("version"));
        let version = version.and_then(|(_, version)| text(version)).unwrap_or_default();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if major.is_some_and(|major| major < 7) {
            return Err(too_old(address, version));
        }
    }
    if settings.url.database != 0 {
        let mut select = redis::cmd("SELECT");
        select.arg(settings.url.database);
        allowed(wire.ask_one(select).await?, address)?;
    }
    let mut name = redis::cmd("CLIENT");
    name.arg("SETNAME").arg(format!("fanfare-{}", settings.name));
    // Only for those who look at Redis: nothing depends on it.
    let _refused = wire.ask_one(name).await?;
    Ok((wire, id))
}

fn too_old(address: &Address, version: &str) -> LinkError {
    ConnectError::TooOld { place: address.to_string(), version: version.into() }.into()
}

fn is_unknown(error: &ServerError) -> bool {
    error.details().is_some_and(|details| details.contains("unknown command"))
}

/// The answer, where Redis did not refuse it for a reason that waiting does not mend.
fn allowed(value: Value, address: &Address) -> Result<Value, LinkError> {
    if let Value::ServerError(error) = &value {
        let is_final = match error.code() {
            "WRONGPASS" | "NOAUTH" | "NOPERM" => true,
            // A password where none is set, or a database that is not there.
            "ERR" => error.details().is_some_and(|details| {
                ["AUTH", "DB index", "SELECT is not allowed", "invalid password"]
                    .iter()
                    .any(|part| details.contains(part))
            }),
            _ => false,
        };
        if is_final {
            let refused = ConnectError::Refused { place: address.to_string(), reason: said(error) };
            return Err(refused.into());
        }
    }
    answer(value)
}

async fn facts(wire: &mut Wire, address: &Address) -> Result<Facts, LinkError> {
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg("appendfsync");
    let mut told = wire.ask(&[redis::cmd("INFO"), config]).await?.into_iter();
    let info = allowed(told.next().unwrap_or(Value::Nil), address)?;
    let info = text(&info).ok_or(LinkError::Unexpected("nothing of itself"))?;
    let value = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default()
    };
    if value("loading") == "1" {
        return Err(LinkError::Server("LOADING it reads its data".into()));
    }
    if value("role") == "slave" {
        return Err(LinkError::Server("READONLY it is a replica".into()));
    }
    let fsync = match told.next() {
        Some(Value::Map(members)) => members.first().and_then(|(_, value)| text(value)).map(str::to_owned),
        Some(Value::Array(parts)) => parts.get(1).and_then(text).map(str::to_owned),
        // Forbidden.
        _ => None,
    };
    let may_evict = value("maxmemory") != "0" && value("maxmemory_policy") != "noeviction";
    let durable = match (value("aof_enabled") == "1" && !may_evict, fsync) {
        (false, _) => Some(false),
        (true, fsync) => fsync.map(|fsync| fsync == "always"),
    };
    let is_promoted = value("master_replid2").bytes().any(|byte| byte != b'0');
    Ok(Facts { run: value("run_id").to_owned(), durable, is_promoted })
}
