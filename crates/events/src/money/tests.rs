use proptest::prelude::*;

use super::*;

fn cents(text: &str) -> Result<i64, UsdError> {
    Usd::parse_json(text).map(Usd::cents)
}

fn below() -> UsdError {
    UsdError::TooSmall(Usd::from_cents(i64::MIN))
}

fn above() -> UsdError {
    UsdError::TooLarge(Usd::from_cents(i64::MAX))
}

#[test]
fn a_number_is_worth_its_value_however_it_is_written() {
    for (text, worth) in [
        ("25", 2500),
        ("25.5", 2550),
        ("2.50", 250),
        ("2.5000000000", 250),
        ("1e2", 10_000),
        ("1E+2", 10_000),
        ("1.25e1", 1250),
        ("100e-4", 1),
        ("-0.01", -1),
        ("0", 0),
        ("-0", 0),
        ("-0.000", 0),
        ("0e999999999999999999999999", 0),
        ("0.00e-999999999999999999999999", 0),
        ("92233720368547758.07", i64::MAX),
        ("-92233720368547758.08", i64::MIN),
    ] {
        assert_eq!(cents(text), Ok(worth), "{text}");
    }
}

#[test]
fn what_is_no_sum_is_refused_by_cause() {
    let many = UsdError::TooManyDecimals;
    for (text, why) in [
        ("0.001", many),
        ("1.999", many),
        ("1e-3", many),
        ("-25e-999999999", many),
        ("1.0000000000000000000000001", many),
        ("1e400", above()),
        ("-1e400", below()),
        ("1e999999999", above()),
        ("1e99999999999999999999999999999999", above()),
        ("92233720368547758.08", above()),
        ("-92233720368547758.09", below()),
    ] {
        assert_eq!(cents(text), Err(why), "{text}");
    }
}

#[test]
fn what_json_does_not_take_for_a_number_is_not_one() {
    let strangers = [
        "", "-", "\"25\"", "null", "true", "[]", "NaN", "Infinity", "+1", ".5", "1.", "01", "-01", "1e",
        "1e+", "1e1.5", "0x10", "1_000", "1,5", " 1", "1 ", "--1", "1.-5", "1.5.5", "1e5e5", "٣",
    ];
    for text in strangers {
        assert_eq!(cents(text), Err(UsdError::NotANumber), "{text:?}");
    }
}

#[test]
fn digits_and_exponent_that_cancel_out_are_read() {
    let zeros = "0".repeat(100_000);
    assert_eq!(cents(&format!("0.{zeros}1e100001")), Ok(100));
    assert_eq!(cents(&format!("1{zeros}e-100000")), Ok(100));
    assert_eq!(cents(&format!("1{zeros}")), Err(above()));
}

#[test]
fn an_amount_lies_between_a_cent_and_a_billion() {
    let least = UsdError::TooSmall(Usd::MIN_AMOUNT);
    let most = UsdError::TooLarge(Usd::MAX_AMOUNT);
    for (text, answer) in [
        ("0.01", Ok(Usd::MIN_AMOUNT)),
        ("1000000000.00", Ok(Usd::MAX_AMOUNT)),
        ("1e9", Ok(Usd::MAX_AMOUNT)),
        ("0", Err(least)),
        ("-5", Err(least)),
        ("-1e400", Err(least)),
        ("1000000000.01", Err(most)),
        ("1e400", Err(most)),
        ("0.001", Err(UsdError::TooManyDecimals)),
        ("1000000000.001", Err(UsdError::TooManyDecimals)),
        ("\"25\"", Err(UsdError::NotANumber)),
    ] {
        assert_eq!(Usd::amount(text), answer, "{text}");
    }
}

#[test]
fn an_error_reads_as_the_message_of_a_member() {
    let message = |text| Usd::amount(text).expect_err(text).to_string();
    assert_eq!(message("0"), "must be at least 0.01");
    assert_eq!(message("1e10"), "must be at most 1000000000.00");
    assert_eq!(message("0.001"), "must have at most two decimals");
    assert_eq!(message("null"), "must be a number");
}

#[test]
fn a_sum_is_written_with_no_more_decimals_than_it_needs() {
    for (cents, text) in [
        (0, "0"),
        (2500, "25"),
        (2550, "25.5"),
        (2501, "25.01"),
        (-1, "-0.01"),
        (-10, "-0.1"),
        (i64::MAX, "92233720368547758.07"),
        (i64::MIN, "-92233720368547758.08"),
    ] {
        assert_eq!(serde_json::to_string(&Usd(cents)).expect("JSON"), text);
    }
}

#[test]
fn json_that_rounds_to_a_sum_is_still_refused() {
    let read = serde_json::from_str::<Usd>;
    assert_eq!(read(" 25.50 ").expect("a sum"), Usd(2550));
    assert!(read("0.1000000000000000000000001").is_err());
    for text in ["\"25\"", "null", "{}", "1e400", "0.001"] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn arithmetic_says_when_it_overflows() {
    assert_eq!(Usd(1).checked_add(Usd(2)), Some(Usd(3)));
    assert_eq!(Usd(1).checked_sub(Usd(2)), Some(Usd(-1)));
    assert_eq!(Usd(1).checked_neg(), Some(Usd(-1)));
    assert_eq!(Usd(i64::MAX).checked_add(Usd(1)), None);
    assert_eq!(Usd(i64::MIN).checked_sub(Usd(1)), None);
    assert_eq!(Usd(i64::MIN).checked_neg(), None);
}

/// The sums up to which a float tells cents apart: half its step is below half a cent under 2^46 dollars.
const FLOAT_CENTS: i64 = (1 << 46) * 100;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_sum_is_read_back_as_it_was_written(cents: i64) {
        let text = serde_json::to_string(&Usd(cents)).expect("JSON");
        prop_assert_eq!(Usd::parse_json(&text), Ok(Usd(cents)));
        prop_assert_eq!(serde_json::from_str::<Usd>(&text).expect("a sum"), Usd(cents));
        prop_assert_eq!(Usd::parse_json(&Usd(cents).to_string()), Ok(Usd(cents)));
    }

    #[test]
    fn a_sum_survives_a_json_value_and_a_readers_float(cents in -FLOAT_CENTS..=FLOAT_CENTS) {
        let value = serde_json::to_value(Usd(cents)).expect("JSON");
        prop_assert!(value.is_number());
        prop_assert_eq!(serde_json::from_value::<Usd>(value).expect("a sum"), Usd(cents));
        let text = serde_json::to_string(&Usd(cents)).expect("JSON");
        let float: f64 = text.parse().expect("a float");
        prop_assert_eq!(Usd::parse_json(&format!("{float:.2}")), Ok(Usd(cents)));
    }

    #[test]
    fn every_amount_is_one(cents in 1..=Usd::MAX_AMOUNT.cents()) {
        prop_assert_eq!(Usd::amount(&Usd(cents).to_string()), Ok(Usd(cents)));
    }

    #[test]
    fn zeros_that_the_exponent_takes_back_change_nothing(cents in 1..=i64::MAX, zeros in 0_usize..60) {
        let text = format!("{cents}{}e-{}", "0".repeat(zeros), zeros + 2);
        prop_assert_eq!(Usd::parse_json(&text), Ok(Usd(cents)));
    }

    #[test]
    fn no_text_makes_reading_fail_otherwise_than_by_an_error(text in "[-+0-9.eE]{0,30}") {
        let number = serde_json::from_str::<&RawValue>(&text).is_ok();
        prop_assert_eq!(number, Usd::parse_json(&text) != Err(UsdError::NotANumber));
    }
}
