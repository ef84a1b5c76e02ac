//! `fanfare tail`: events as they come, one a line, for as long as nobody stops it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::ConfigVerifierExt as _;
use serde_json::{Value, json};
use service_kit::arguments::Secret;
use service_kit::settings::values;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::header::AUTHORIZATION;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};
use url::Url;

use crate::command::{self, HubFlags};

/// The first and the longest wait before coming back to a hub that went away.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Silence after which the connection counts as dead: the hub pings every 25 s (contract: channels, Limits).
const SILENCE: Duration = Duration::from_secs(60);

/// Print events as they come, one a line; everything that goes to everyone, and the channels that are named.
#[derive(Debug, Parser)]
#[command(name = "fanfare tail", max_term_width = 110)]
struct Flags {
    #[command(flatten)]
    hub: HubFlags,

    /// Channels to follow.
    channel: Vec<String>,

    /// An access token, to follow what only its user may see.
    ///
    /// Values: a JWT.
    ///
    /// Secret: better in a file, which FANFARE_TOKEN_FILE names, than in a flag, which every user of the machine can read.
    #[arg(long, env = "FANFARE_TOKEN", value_parser = values::secret)]
    token: Option<Secret>,

    /// End after so many events.
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
}

/// Why a connection ended.
enum End {
    /// As many events as were asked for have come.
    Enough,
    /// It broke, or the hub closed it and may be asked again.
    Lost(String),
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let flags: Flags = match command::read(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    let mut left = flags.count;
    let mut wait = FIRST_WAIT;
    if let Err(error) = command::provide_tls() {
        return command::failed("tail", error);
    }
    loop {
        let before = left;
        match follow(&flags, &mut left) {
            Ok(End::Enough) => return ExitCode::SUCCESS,
            Ok(End::Lost(why)) => {
                // A connection that worked for a while begins the waits anew.
                wait = if before == left { wait } else { FIRST_WAIT };
                eprintln!("fanfare tail: {why}; trying again in {} s", wait.as_secs());
                std::thread::sleep(wait);
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            Err(error) => return command::failed("tail", format!("{error:#}")),
        }
    }
}

fn follow(flags: &Flags, left: &mut Option<u64>) -> anyhow::Result<End> {
    let mut url = flags.hub.at("ws");
    let scheme = if flags.hub.url.scheme() == "https" { "wss" } else { "ws" };
    url.set_scheme(scheme).map_err(|()| anyhow::anyhow!("{url} is no address of a hub"))?;
    let stream = match connect(&url) {
        Ok(stream) => stream,
        Err(error) => return Ok(End::Lost(format!("{url}: {error:#}"))),
    };
    let mut request = url.as_str().into_client_request()?;
    if let Some(token) = &flags.token {
        let value = format!("Bearer {}", token.expose());
        request
            .headers_mut()
            .insert(AUTHORIZATION, value.parse().context("--token can't stand in a header")?);
    }
    let mut socket =
        match tungstenite::client::client_with_config(request, stream, Some(WebSocketConfig::default())) {
            Ok((socket, _)) => socket,
            Err(tungstenite::HandshakeError::Failure(Error::Http(answer))) if answer.status() != 503 => {
                bail!("{url} answers {}", answer.status());
            }
            Err(error) => return Ok(End::Lost(format!("{url}: {error}"))),
        };
    if !flags.channel.is_empty() {
        send(&mut socket, &json!({"type": "subscribe", "channels": flags.channel}))?;
    }
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                if show(text.as_str(), left)? {
                    let _nobody_waits = socket.close(None);
                    return Ok(End::Enough);
                }
            }
            Ok(Message::Close(Some(frame))) if u16::from(frame.code) == 4001 => {
                bail!("the hub closed the connection: {} {}", frame.code, frame.reason);
            }
            Ok(Message::Close(frame)) => {
                let why =
                    frame.map_or_else(String::new, |frame| format!(": {} {}", frame.code, frame.reason));
                return Ok(End::Lost(format!("the hub closed the connection{why}")));
            }
            Ok(_) => {}
            Err(error) => return Ok(End::Lost(error.to_string())),
        }
    }
}

/// Prints a frame; what the hub says about the connection itself goes to standard error. Tells whether it was the last.
fn show(text: &str, left: &mut Option<u64>) -> anyhow::Result<bool> {
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    match frame["type"].as_str() {
        Some("connected") => {
            eprintln!("connected as {}", frame["data"]["connection_id"].as_str().unwrap_or_default());
        }
        Some("subscribed") => eprintln!("following {}", frame["data"]["channels"]),
        Some("error") => eprintln!("the hub says: {}", frame["data"]["message"].as_str().unwrap_or(text)),
        _ => {
            let mut out = io::stdout().lock();
            writeln!(out, "{text}")?;
            out.flush()?;
            if let Some(left) = left {
                *left = left.saturating_sub(1);
                return Ok(*left == 0);
            }
        }
    }
    Ok(*left == Some(0))
}

fn send(socket: &mut WebSocket<Box<dyn Stream>>, frame: &Value) -> anyhow::Result<()> {
    socket.send(Message::text(frame.to_string())).context("the connection broke")
}

/// A stream of bytes, encrypted or not.
trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn connect(url: &Url) -> anyhow::Result<Box<dyn Stream>> {
    let host = url.host_str().context("the address has no host")?.to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let bare = host.trim_matches(['[', ']']);
    let tcp = TcpStream::connect((bare, port))?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(SILENCE))?;
    if url.scheme() == "ws" {
        return Ok(Box::new(tcp));
    }
    let config = rustls::ClientConfig::with_platform_verifier()?;
    let name = ServerName::try_from(bare.to_owned())?;
    let tls = rustls::ClientConnection::new(Arc::new(config), name)?;
    Ok(Box::new(rustls::StreamOwned::new(tls, tcp)))
}
