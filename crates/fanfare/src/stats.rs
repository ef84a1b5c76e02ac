//! `fanfare stats`: how many are connected, and where.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::Value;

use crate::command::{self, HubFlags};

/// The longest time for the hub's answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Show how many are connected, and where.
#[derive(Debug, Parser)]
#[command(name = "fanfare stats", max_term_width = 110)]
struct Flags {
    #[command(flatten)]
    hub: HubFlags,

    /// Print the hub's JSON as it is.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let flags: Flags = match command::read(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    match command::block_on(stats(&flags)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => command::failed("stats", format!("{error:#}")),
    }
}

async fn stats(flags: &Flags) -> anyhow::Result<String> {
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let url = flags.hub.at("health");
    let response = http.get(url.clone()).send().await.with_context(|| format!("no answer from {url}"))?;
    let status = response.status();
    let health: Value =
        response.json().await.with_context(|| format!("{url} answers {status}, and no JSON"))?;
    if flags.json {
        return Ok(format!("{health}\n"));
    }
    let Some(connections) = health.get("connections") else { bail!("{url} is no hub: {health}") };
    let mut text = format!(
        "{}  {} connections\n",
        health["status"].as_str().unwrap_or("unknown"),
        connections["total"].as_u64().unwrap_or(0)
    );
    let mut channels: Vec<(&str, u64)> = connections["by_channel"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, count)| (name.as_str(), count.as_u64().unwrap_or(0)))
        .collect();
    channels.sort_by_key(|&(name, count)| (std::cmp::Reverse(count), name));
    let width = channels.iter().map(|(_, count)| count.to_string().len()).max().unwrap_or(0);
    for (name, count) in channels {
        text.push_str(&format!("  {count:>width$}  {name}\n"));
    }
    Ok(text)
}
