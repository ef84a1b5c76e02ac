use minijinja::value::Serde;
use serde_json::{Value as Json, json};

use super::*;

fn texts(sources: Json, when: Option<&str>) -> Texts {
    let sources = serde_json::from_value(sources).expect("sources");
    Texts::compile(sources, when.map(str::to_owned)).expect("good templates")
}

fn title(template: &str, data: &Json) -> Result<String, TextError> {
    let texts = texts(json!({"en": {"title": template}}), None);
    texts.render(None, &Value::from(Serde(data))).map(|text| text.title)
}

#[test]
fn members_stand_in_the_text_as_they_came_and_nothing_is_escaped() {
    let data = json!({"title": "<b>Tea & “more”</b>", "n": 9_007_199_254_740_993_i64, "deep": {"a": [1, "x"]}, "none": null});
    for (template, shown) in [
        ("{{ title }}", "<b>Tea & “more”</b>"),
        ("{{ n }}", "9007199254740993"),
        ("{{ deep.a[1] }}", "x"),
        ("{% if none %}yes{% else %}no{% endif %}", "no"),
        ("{% if absent %}yes{% else %}no{% endif %}", "no"),
        ("{{ absent | default('-') }}", "-"),
        ("{{ none | default('-') }}{{ n | d(1) }}", "-9007199254740993"),
        ("{{ none is none }}", "true"),
        ("  {{ n }} \n", "9007199254740993"),
    ] {
        assert_eq!(title(template, &data).as_deref(), Ok(shown), "{template}");
    }
}

#[test]
fn what_a_template_can_not_make_is_told_by_its_cause_without_the_data() {
    let data = json!({"n": 7, "none": null, "text": "secret", "many": vec!["x"; 1000]});
    for (template, error) in [
        ("{{ absent }}", TextError::Missing),
        ("{{ absent.member }}", TextError::Missing),
        ("for {{ none }}", TextError::Missing),
        ("{{ text | usd }}", TextError::Kind),
        ("{{ n | join(',') }}", TextError::Kind),
        ("{% for a in many %}{% for b in many %}{{ a }}{% endfor %}{% endfor %}", TextError::Fuel),
        ("{{ ('x' * 70000) ~ ('x' * 70000) }}", TextError::TooLong),
        ("{{ '' }}", TextError::EmptyTitle),
    ] {
        let failed = title(template, &data).expect_err(template);
        assert_eq!(failed, error, "{template}");
        assert!(!failed.to_string().contains("secret"));
    }
    for template in [
        "{% for i in range(9) %}{% endfor %}",
        "{{ absent | nonsense }}",
        "{% if x is nonsense %}{% endif %}",
    ] {
        let sources = serde_json::from_value(json!({"en": {"title": template}})).expect("sources");
        assert!(Texts::compile(sources, None).is_err(), "{template}");
    }
}

#[test]
fn a_long_text_is_cut_and_what_no_database_takes_is_not_in_it() {
    let data = json!({"long": "é".repeat(30_000), "zero": "a\0b"});
    assert_eq!(title("{{ long }}", &data).expect("a title").chars().count(), 200);
    assert!(title("{{ long }}", &data).expect("a title").ends_with("é…"));
    assert_eq!(title("{{ zero }}", &data).as_deref(), Ok("a\u{fffd}b"));
    let texts = texts(json!({"en": {"title": "t", "message": "{{ long }}"}}), None);
    let text = texts.render(None, &Value::from(Serde(&data))).expect("a text");
    assert_eq!(text.message.chars().count(), 20_000);
}

#[test]
fn a_user_reads_it_in_their_language_or_in_english_or_in_what_there_is() {
    let all = texts(json!({"en": {"title": "en"}, "de": {"title": "de"}, "de-AT": {"title": "at"}}), None);
    let none = Value::from_pairs::<[(&str, i64); 0], _, _>([]);
    for (locale, expected) in [
        (Some("de"), "de"),
        (Some("de-AT"), "at"),
        (Some("DE_at"), "at"),
        (Some("de-CH"), "de"),
        (Some("fr"), "en"),
        (None, "en"),
    ] {
        assert_eq!(all.render(locale, &none).expect("a text").title, expected, "{locale:?}");
    }
    let french = texts(json!({"fr": {"title": "fr"}, "pt": {"title": "pt"}}), None);
    assert_eq!(french.render(Some("de"), &none).expect("a text").title, "fr");
}

#[test]
fn a_condition_holds_or_not_or_can_not_be_told() {
    let data = Value::from(Serde(json!({"reason": "expired", "total": 12, "flag": false})));
    for (when, holds) in [
        ("reason == 'expired'", Ok(true)),
        ("reason == 'cancelled'", Ok(false)),
        ("total > 10 and not flag", Ok(true)),
        ("flag", Ok(false)),
        ("absent", Ok(false)),
        ("absent is defined", Ok(false)),
        ("absent.member == 1", Err(TextError::Missing)),
        ("total > 'x'", Ok(false)),
        ("total | join", Err(TextError::Kind)),
    ] {
        let texts = texts(json!({"en": {"title": "t"}}), Some(when));
        assert_eq!(texts.holds(&data), holds, "{when}");
    }
}

#[test]
fn money_is_written_as_the_language_writes_it() {
    let shown = |language: &str, amount: Json| usd(language, &Value::from(Serde(amount)));
    for (language, amount, expected) in [
        ("en", json!(500), "$500.00"),
        ("en", json!(500.0), "$500.00"),
        ("en", json!(1234567.5), "$1,234,567.50"),
        ("en", json!("1000000000.00"), "$1,000,000,000.00"),
        ("en", json!(0.01), "$0.01"),
        ("en", json!(-12.3), "-$12.30"),
        ("de", json!(1250), "1.250,00\u{a0}$"),
        ("fr", json!(1250.5), "1\u{a0}250,50\u{a0}$"),
        ("ja", json!(1250), "$1,250.00"),
    ] {
        assert_eq!(shown(language, amount).expect("an amount"), expected);
    }
    for wrong in [json!("lots"), json!(null), json!([1]), json!(1e20), json!(true)] {
        assert!(shown("en", wrong.clone()).is_err(), "{wrong}");
    }
}
