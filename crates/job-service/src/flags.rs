//! The service's own settings as flags and variables; those that every service has are `rest::settings::ServiceFlags`.

use service_kit::settings::values;

/// Where the money is.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
pub struct JobFlags {
    /// The payment service.
    ///
    /// Values: an http or https address.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "URL", default_value = "http://127.0.0.1:8082", value_parser = values::web_address, help_heading = "Other services")]
    pub payment_service_url: reqwest::Url,
}

#[cfg(test)]
mod tests;
