//! `fanfare publish`: an event from the shell.

use std::ffi::OsString;
use std::io::Read as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use hub_client::{HubClient, HubSettings};
use serde_json::{Map, Value, json};

use crate::command::{self, HubFlags};

/// Publish an event.
#[derive(Debug, Parser)]
#[command(name = "fanfare publish", max_term_width = 110)]
struct Flags {
    #[command(flatten)]
    hub: HubFlags,

    /// The event's type, such as job_created.
    #[arg(value_name = "TYPE")]
    event_type: String,

    /// The event's data: any JSON; - reads it from standard input.
    #[arg(default_value = "{}")]
    data: String,

    /// A channel whose subscribers get it; may be given several times. Without a target everyone gets it.
    #[arg(long, short)]
    channel: Vec<String>,

    /// A user whose connections get it; may be given several times.
    #[arg(long, short)]
    user: Vec<String>,

    /// A key under which the hub publishes it only once, however often it is sent.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let flags: Flags = match command::read(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    match command::block_on(publish(flags)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => command::failed("publish", format!("{error:#}")),
    }
}

async fn publish(flags: Flags) -> anyhow::Result<()> {
    let mut text = flags.data;
    if text == "-" {
        text.clear();
        std::io::stdin().read_to_string(&mut text)?;
    }
    let data: Value = serde_json::from_str(&text).context("DATA is not JSON")?;
    let mut message = Map::new();
    message.insert("type".to_owned(), json!(flags.event_type));
    message.insert("data".to_owned(), data);
    if !flags.channel.is_empty() {
        message.insert("channels".to_owned(), json!(flags.channel));
    }
    if !flags.user.is_empty() {
        message.insert("user_ids".to_owned(), json!(flags.user));
    }
    let mut settings = HubSettings::new(flags.hub.url.as_str());
    settings.key = flags.hub.key.map(|key| key.expose().to_owned());
    let hub = HubClient::new(&settings)?;
    let published = hub.publish(&message, flags.idempotency_key.as_deref()).await?;
    println!("{}", json!({"id": published.id, "recipients": published.recipients}));
    Ok(())
}
