use super::*;

macro_rules! holds {
    ($($name:ident: $words:expr;)+) => {$({
        let words: Vec<&str> = $name::ALL.iter().map(|it| it.as_str()).collect();
        assert_eq!(words, $words);
        for it in $name::ALL {
            assert_eq!(it.as_str().parse(), Ok(*it));
            let json = serde_json::to_string(it).expect("JSON");
            assert_eq!(json, format!("\"{it}\""));
            assert_eq!(serde_json::from_str::<$name>(&json).expect("the word"), *it);
        }
        assert!(serde_json::from_str::<$name>("\"Nonsense\"").is_err());
        assert!(serde_json::from_str::<$name>("1").is_err());
    })+};
}

#[test]
fn every_word_is_the_contracts_and_is_read_back() {
    holds! {
        JobType: ["development", "design", "writing", "marketing", "data_entry", "other"];
        JobStatus: ["open", "accepted", "completed", "refunded"];
        RefundReason: ["expired", "cancelled"];
        PaymentStatus: ["held", "released", "refunded"];
        UserType: ["employer", "worker"];
    }
}

#[test]
fn an_unknown_word_is_answered_with_those_that_would_do() {
    let error = "Expired".parse::<RefundReason>().expect_err("another case");
    assert_eq!(error.to_string(), "must be one of expired, cancelled");
}

#[test]
fn a_word_written_with_escapes_is_read() {
    let read: JobType = serde_json::from_str("\"data\\u005fentry\"").expect("the word");
    assert_eq!(read, JobType::DataEntry);
}
