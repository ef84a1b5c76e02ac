use std::ffi::OsString;

use clap::{CommandFactory as _, Parser};
use service_kit::settings::{Asked, gaps, read};

use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    jobs: JobFlags,
}

fn url(env: &[(&str, &str)]) -> Result<String, String> {
    let env = env.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    match read::<Program>([OsString::from("job-service")], env) {
        Ok(Asked::Run { flags: program, .. }) => Ok(program.jobs.payment_service_url.to_string()),
        Ok(Asked::Print(text)) => Err(text),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_payment_service_is_found_where_the_variable_says() {
    assert_eq!(url(&[]).as_deref(), Ok("http://127.0.0.1:8082/"));
    assert_eq!(url(&[("PAYMENT_SERVICE_URL", "https://pay.example")]).as_deref(), Ok("https://pay.example/"));
    let error = url(&[("PAYMENT_SERVICE_URL", "pay")]).expect_err("no address");
    assert!(error.starts_with("PAYMENT_SERVICE_URL"), "{error}");
    assert_eq!(gaps(&Program::command()), Vec::<String>::new());
}
