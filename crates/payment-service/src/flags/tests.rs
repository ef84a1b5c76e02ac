use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    payments: PaymentFlags,
}

fn read(args: &[&str]) -> Result<PaymentFlags, clap::Error> {
    let args = std::iter::once("payment-service").chain(args.iter().copied());
    Program::try_parse_from(args).map(|program| program.payments)
}

#[test]
fn a_balance_is_read_to_the_cent() {
    let balance = |text: &str| read(&["--demo-balance-usd", text]).expect(text).demo_balance_usd;
    assert_eq!(balance("10000.00"), Some(Usd::from_cents(1_000_000)));
    assert_eq!(balance("0"), Some(Usd::ZERO));
    assert_eq!(balance("1000000000000"), Some(WALLET_MAX));
    for wrong in ["-1", "0.001", "ten", "1000000000000.01", "1e400", "NaN"] {
        let argument = format!("--demo-balance-usd={wrong}");
        assert!(read(&[&argument]).is_err(), "{wrong}");
    }
    assert_eq!(read(&[]).expect("defaults").demo_balance_usd, None);
}

#[test]
fn the_channel_is_on_unless_it_is_off() {
    assert_eq!(read(&[]).expect("defaults").payments_channel, PaymentsChannel::On);
    assert_eq!(read(&["--payments-channel", "off"]).expect("off").payments_channel, PaymentsChannel::Off);
    assert!(read(&["--payments-channel", "perhaps"]).is_err());
}
