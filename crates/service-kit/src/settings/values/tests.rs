//! Readers of single values: what they take, and the reasons with which they refuse.

use super::*;

#[test]
fn an_address_to_listen_on_is_never_looked_up() {
    assert_eq!(host("localhost"), Ok([127, 0, 0, 1].into()));
    assert_eq!(host("[::]"), Ok(IpAddr::from([0_u16; 8])));
    assert_eq!(host(" 0.0.0.0 "), Ok([0, 0, 0, 0].into()));
    assert!(host("hub.example").is_err() && host("127.0.0.1:80").is_err());
}

#[test]
fn bounds_are_told_in_the_unit_of_the_setting() {
    assert_eq!(number(0, 9)("10"), Err("it is above 9".to_owned()));
    assert_eq!(size(1_024, 65_536)("1000"), Err("it is below 1KiB".to_owned()));
    let second = Duration::from_secs(1);
    assert_eq!(duration(second, second * 60)("2m"), Err("it is above 1m".to_owned()));
    assert_eq!(number(0, 9)("1_0"), Err("it is above 9".to_owned()));
    assert_eq!(number(0, 9)("nine"), Err("it is no whole number".to_owned()));
}

#[test]
fn off_is_a_word_or_zero_where_zero_has_one_meaning() {
    assert_eq!(count_or_off(9)("0"), Ok(OrOff::Off));
    assert_eq!(count_or_off(9)("off"), Ok(OrOff::Off));
    assert_eq!(count_or_off(9)("3").map(|value| value.on().map(NonZeroUsize::get)), Ok(Some(3)));
    assert_eq!(size_or_off(1, 9)("off"), Ok(OrOff::Off));
    assert!(size_or_off(1, 9)("0").is_err(), "always, or never?");
}

#[test]
fn a_port_and_a_word_are_told_from_others() {
    assert_eq!((port("0"), port("65535")), (Ok(0), Ok(65_535)));
    assert_eq!(port("65536"), Err("it is above 65535".to_owned()));
    assert_eq!("production".parse(), Ok(Environment::Production));
    assert_eq!("Production".parse::<Environment>(), Err(NO_CHOICE.to_owned()));
}

#[test]
fn a_web_address_is_absolute_and_has_no_password() {
    assert_eq!(
        web_address(" http://hub:8080/x ").map(|url| url.to_string()),
        Ok("http://hub:8080/x".to_owned())
    );
    for text in ["/x", "ftp://hub/", "http://me@hub/", "http://me:pw@hub/"] {
        assert!(web_address(text).is_err(), "{text}");
    }
}

#[test]
fn a_list_has_something_in_it() {
    assert_eq!(" a,,b ".parse::<List<Word>>().map(|list| list.0.len()), Ok(2));
    assert_eq!(" , ".parse::<List<Word>>(), Err("it lists nothing".to_owned()));
}
