use proptest::prelude::*;

use super::*;

#[test]
fn an_id_is_a_number_from_1_to_below_2_to_the_53() {
    assert_eq!(UserId::new(1).map(UserId::get), Ok(1));
    assert_eq!(UserId::new(9_007_199_254_740_991).map(UserId::get), Ok(MAX_ID));
    assert_eq!(UserId::new(9_007_199_254_740_992), Err(IdError::TooLarge));
    assert_eq!(UserId::new(i64::MAX), Err(IdError::TooLarge));
    assert_eq!(UserId::new(0), Err(IdError::NotPositive));
    assert_eq!(UserId::new(i64::MIN), Err(IdError::NotPositive));
}

#[test]
fn json_that_is_no_id_is_refused() {
    let read = serde_json::from_str::<JobId>;
    assert_eq!(read("42").expect("an id").get(), 42);
    for text in ["0", "-1", "1.5", "1.0", "1e3", "\"42\"", "null", "9007199254740992", "18446744073709551616"]
    {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn the_text_of_an_id_has_one_spelling() {
    assert_eq!("42".parse::<PaymentId>().map(PaymentId::get), Ok(42));
    for text in ["", "+42", "042", "-1", " 42", "4_2", "abc", "4.0", "٣"] {
        assert_eq!(text.parse::<PaymentId>(), Err(IdError::NotANumber), "{text:?}");
    }
    assert_eq!("0".parse::<PaymentId>(), Err(IdError::NotPositive));
    assert_eq!("99999999999999999999999".parse::<PaymentId>(), Err(IdError::TooLarge));
}

proptest! {
    #[test]
    fn every_number_is_an_id_or_an_error_in_all_its_forms(number: i64, small in 1..=MAX_ID) {
        for number in [number, small] {
            let id = JobId::new(number);
            prop_assert_eq!(id.is_ok(), (1..=MAX_ID).contains(&number));
            let text = number.to_string();
            prop_assert_eq!(text.parse::<JobId>().ok(), id.ok());
            prop_assert_eq!(serde_json::from_str::<JobId>(&text).ok(), id.ok());
            if let Ok(id) = id {
                prop_assert_eq!(serde_json::to_string(&id).expect("JSON"), text);
                prop_assert_eq!(id.to_string(), id.get().to_string());
            }
        }
    }
}
