//! `fanfare why`: what became of an event or a notification for a user, in one look.
//!
//! The notification service tells; here it is only asked and shown. The command ends with 0 where something is known, with 1
//! where nothing is or the service does not answer, with 2 where it was called wrongly.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use serde_json::Value;
use service_kit::arguments::Secret;
use service_kit::settings::values;
use url::Url;

use crate::command;

/// The longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tell what became of an event for a user: why did Anna not get it?
#[derive(Debug, Parser)]
#[command(
    name = "fanfare why",
    max_term_width = 110,
    after_help = "It ends with 0 where something is known, with 1 where nothing is or nobody answers, with 2 where it was called wrongly."
)]
struct Flags {
    /// Where notifications are: fanfare up, or the notification service.
    ///
    /// Values: an http or https address.
    #[arg(long, env = "NOTIFICATION_SERVICE_URL", value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = values::web_address)]
    url: Url,

    /// The key of the services; fanfare up has to be started with the same.
    ///
    /// Values: SERVICE_API_KEY.
    ///
    /// Secret: better in a file, which SERVICE_API_KEY_FILE names, than in a flag, which every user of the machine can read.
    #[arg(long, env = "SERVICE_API_KEY", value_name = "KEY", value_parser = values::secret)]
    key: Option<Secret>,

    /// The user's id.
    #[arg(long)]
    user: String,

    /// The id of an event of the hub, or of a notification.
    #[arg(long)]
    event: String,

    /// Print the service's JSON as it is.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    let flags: Flags = match command::read(args) {
        Ok(flags) => flags,
        Err(code) => return code,
    };
    match command::block_on(why(&flags)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => command::failed("why", format!("{error:#}")),
    }
}

async fn why(flags: &Flags) -> anyhow::Result<String> {
    let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let mut url = rest::settings::at(&flags.url, "api/notifications/trace");
    url.query_pairs_mut().append_pair("user_id", &flags.user).append_pair("event", &flags.event);
    let mut request = http.get(url.clone());
    if let Some(key) = &flags.key {
        request = request.bearer_auth(key.expose());
    }
    let base = &flags.url;
    let response = request
        .send()
        .await
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("no answer from {base}"))?;
    let status = response.status();
    let answer: Value = response
        .json()
        .await
        .map_err(reqwest::Error::without_url)
        .with_context(|| format!("{base} answers {status}, and no JSON"))?;
    if !status.is_success() {
        let detail = answer["detail"].as_str().or_else(|| answer["title"].as_str()).unwrap_or_default();
        let hint = match status.as_u16() {
            401 | 403 => "; set SERVICE_API_KEY to the key that the services were started with",
            _ => "",
        };
        bail!("{detail} ({status}){hint}");
    }
    Ok(if flags.json { format!("{answer}\n") } else { shown(&answer) })
}

/// For people: the verdict, then what happened.
fn shown(answer: &Value) -> String {
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut out = format!("{}\n", text(&answer["verdict"]));
    for trace in items(&answer["notifications"]) {
        // Writing to a string can't fail.
        let _ = writeln!(
            out,
            "\nNotification {} “{}” of the category {}, event {}",
            trace["notification_id"],
            text(&trace["title"]),
            text(&trace["category"]),
            text(&trace["event_id"])
        );
        let steps = items(&trace["steps"]);
        let width = steps.iter().map(|step| text(&step["step"]).len()).max().unwrap_or(0);
        for step in &steps {
            let (at, word) = (text(&step["at"]), text(&step["step"]));
            let _ = writeln!(out, "  {at}  {word:<width$}  {}", text(&step["text"]));
        }
        let connections = trace["connections"].as_i64().unwrap_or(0);
        let told = steps.iter().filter(|step| step["step"] == "sent").count();
        if connections > i64::try_from(told).unwrap_or(i64::MAX) {
            let _ = writeln!(out, "  of {connections} connections, {told} are shown");
        }
    }
    let rules = items(&answer["rules"]);
    if !rules.is_empty() {
        out.push_str("\nRules that looked at the event\n");
        let width = rules.iter().map(|rule| text(&rule["rule"]).len()).max().unwrap_or(0);
        for rule in &rules {
            let name = text(&rule["rule"]);
            let _ = writeln!(out, "  {name:<width$}  {}", text(&rule["text"]));
        }
    }
    out
}

/// A text that others wrote, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_verdict_comes_first_then_the_steps_in_their_columns() {
        let answer = json!({
            "verdict": "User 7 read it at 12:00.",
            "notifications": [{
                "notification_id": 12, "title": "Your job\u{1b}[31m", "category": "jobs", "event_id": "0192", "connections": 9,
                "steps": [
                    {"step": "stored", "at": "11:59", "text": "it was stored"},
                    {"step": "sent", "at": "12:00", "text": "the hub sent it"},
                ],
            }],
            "rules": [{"rule": "paid", "text": "the rule paid made nothing of it"}],
        });
        let expected = "User 7 read it at 12:00.\n\n\
                        Notification 12 “Your job [31m” of the category jobs, event 0192\n\
                        \x20 11:59  stored  it was stored\n\
                        \x20 12:00  sent    the hub sent it\n\
                        \x20 of 9 connections, 1 are shown\n\n\
                        Rules that looked at the event\n\
                        \x20 paid  the rule paid made nothing of it\n";
        assert_eq!(shown(&answer), expected);
    }
}
