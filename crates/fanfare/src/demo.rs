//! `fanfare up --demo`: a few users and jobs to look at, made through the services' own HTTP.
//!
//! Passwords are random and printed once; they stand nowhere else. Only on a loopback address: what is printed to a
//! terminal is no secret on a network.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// The longest time for a call.
const PATIENCE: Duration = Duration::from_secs(10);

/// Random bytes of a password: 96 bits.
const PASSWORD: usize = 12;

/// The demo's users.
const USERS: [(&str, &str, &str); 3] = [
    ("erin@demo.example", "Erin Employer", "employer"),
    ("wanda@demo.example", "Wanda Worker", "worker"),
    ("walt@demo.example", "Walt Worker", "worker"),
];

/// The demo's jobs.
const JOBS: [(&str, &str, f64, &str); 4] = [
    ("Landing page for a bakery", "One page, German and English, with opening hours.", 450.0, "development"),
    ("Logo for a cycling club", "A vector file, and how it looks on a jersey.", 180.0, "design"),
    ("Product texts for 20 teas", "Eighty words each; samples are sent by post.", 240.5, "writing"),
    ("Type in 300 paper receipts", "Scans are there; a spreadsheet is wanted.", 95.25, "data_entry"),
];

/// Makes users and jobs, unless they are there; returns what to tell.
pub(crate) async fn seed(base: &str) -> anyhow::Result<String> {
    let http = Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let mut told = String::from("\n  Demo users (the passwords are told only now):\n\n");
    let mut tokens = Vec::new();
    for (email, name, user_type) in USERS {
        let password = password()?;
        let body = json!({"email": email, "password": password, "name": name, "user_type": user_type});
        let response = http.post(format!("{base}/auth/register")).json(&body).send().await?;
        if response.status() == StatusCode::CONFLICT {
            return Ok(
                "\n  The demo's users are there already; their passwords were told when they were made.\n"
                    .to_owned(),
            );
        }
        let answer = expect(response, StatusCode::CREATED).await?;
        tokens.push(answer["access_token"].as_str().context("a token")?.to_owned());
        told.push_str(&format!("  {user_type:<9} {email:<20} {password}\n"));
    }
    let [employer, worker, _] = tokens.as_slice() else { bail!("the demo has three users") };
    let mut first = None;
    for (title, description, pay, job_type) in JOBS {
        let body =
            json!({"title": title, "description": description, "pay_amount_usd": pay, "job_type": job_type});
        let request = http.post(format!("{base}/jobs")).bearer_auth(employer).json(&body);
        let job = expect(request.send().await?, StatusCode::CREATED).await?;
        first.get_or_insert(job["job_id"].as_i64().context("a job's id")?);
    }
    if let Some(job) = first {
        let request = http.post(format!("{base}/jobs/{job}/accept")).bearer_auth(worker);
        expect(request.send().await?, StatusCode::OK).await?;
    }
    Ok(told)
}

async fn expect(response: reqwest::Response, status: StatusCode) -> anyhow::Result<Value> {
    let (came, url) = (response.status(), response.url().clone());
    let text = response.text().await?;
    if came != status {
        bail!("{url} answers {came}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{url} answers no JSON"))
}

/// Letters and digits without those that look alike.
fn password() -> anyhow::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; PASSWORD * 8 / 5 + 1];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect())
}
