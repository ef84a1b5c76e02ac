//! The service's own settings: what a new employer has, and who hears of payments. Those that it shares with the other
//! services are described in `rest::settings`.

use events::Usd;
use service_kit::settings::values;

use crate::announce::PaymentsChannel;
use crate::ledger::WALLET_MAX;

/// The payment service's own flags.
#[derive(Debug, Clone, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Payments")]
pub struct PaymentFlags {
    /// With what a new employer's wallet begins.
    ///
    /// Values: US dollars with at most two decimals, from 0 to 1000000000000.
    ///
    /// Unset: 10000.00; in production 0.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "AMOUNT", value_parser = balance)]
    pub demo_balance_usd: Option<Usd>,

    /// Whether the channel payments hears of every payment, or its parties alone.
    ///
    /// Values: on or off.
    ///
    /// Source: protocol.
    #[arg(long, env, value_name = "WHETHER", default_value = "on", value_parser = channel)]
    pub payments_channel: PaymentsChannel,
}

fn balance(text: &str) -> Result<Usd, String> {
    let amount = Usd::parse_json(text.trim()).map_err(|_| "it is no amount in US dollars".to_owned())?;
    match amount {
        negative if negative < Usd::ZERO => Err("it is below 0".to_owned()),
        large if large > WALLET_MAX => Err(format!("it is above {WALLET_MAX}")),
        amount => Ok(amount),
    }
}

fn channel(text: &str) -> Result<PaymentsChannel, String> {
    values::choice(text.trim(), &[("on", PaymentsChannel::On), ("off", PaymentsChannel::Off)])
}

#[cfg(test)]
mod tests;
