use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

fn quiet(start: &str, end: &str, zone: &str) -> Quiet {
    Quiet {
        enabled: true,
        start: start.to_owned(),
        end: end.to_owned(),
        time_zone: zone.to_owned(),
        days: None,
    }
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().expect(text).as_microsecond()
}

#[track_caller]
fn lasts(quiet: &Quiet, from: &str, until: &str) {
    let (from, until) = (at(from), at(until));
    assert_eq!(quiet.until(from - 1), None, "before it");
    assert_eq!(quiet.until(from), Some(until), "at its beginning");
    assert_eq!(quiet.until(until - 1), Some(until), "at its end");
    assert_eq!(quiet.until(until), None, "after it");
}

#[test]
fn a_night_lasts_over_midnight_and_a_siesta_does_not() {
    // Berlin in winter is one hour ahead.
    lasts(&quiet("22:00", "07:00", "Europe/Berlin"), "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z");
    lasts(&quiet("13:00", "14:30", "Europe/Berlin"), "2026-01-10T12:00:00Z", "2026-01-10T13:30:00Z");
    lasts(&quiet("22:00", "07:00", "Asia/Kathmandu"), "2026-01-10T16:15:00Z", "2026-01-11T01:15:00Z");
    lasts(&quiet("00:00", "06:00", "UTC"), "2026-01-10T00:00:00Z", "2026-01-10T06:00:00Z");
    lasts(&quiet("18:00", "00:00", "UTC"), "2026-01-10T18:00:00Z", "2026-01-11T00:00:00Z");
}

#[test]
fn what_is_switched_off_is_never_quiet() {
    let mut off = quiet("00:00", "23:59", "UTC");
    off.enabled = false;
    assert_eq!(off.until(at("2026-01-10T12:00:00Z")), None);
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let mut weekend = quiet("22:00", "09:00", "UTC");
    weekend.days = Some(vec!["fri".to_owned(), "sat".to_owned()]);
    // 2026-01-09 is a Friday.
    lasts(&weekend, "2026-01-09T22:00:00Z", "2026-01-10T09:00:00Z");
    lasts(&weekend, "2026-01-10T22:00:00Z", "2026-01-11T09:00:00Z");
    for awake in ["2026-01-09T08:00:00Z", "2026-01-11T22:30:00Z", "2026-01-12T08:00:00Z"] {
        assert_eq!(weekend.until(at(awake)), None, "{awake}");
    }
}

#[test]
fn nights_in_which_clocks_change_end_when_the_wall_says_so() {
    let berlin = quiet("22:00", "07:00", "Europe/Berlin");
    // Eight hours in the spring, ten in the autumn.
    lasts(&berlin, "2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z");
    lasts(&berlin, "2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z");
}

#[test]
fn a_time_that_is_skipped_is_the_moment_at_which_clocks_change() {
    // 02:00 becomes 03:00 at 01:00Z.
    lasts(&quiet("22:00", "02:30", "Europe/Berlin"), "2026-03-28T21:00:00Z", "2026-03-29T01:00:00Z");
    lasts(&quiet("02:30", "07:00", "Europe/Berlin"), "2026-03-29T01:00:00Z", "2026-03-29T05:00:00Z");
    let nothing = quiet("02:10", "02:50", "Europe/Berlin");
    for minute in 0..180 {
        assert_eq!(nothing.until(at("2026-03-29T00:00:00Z") + minute * MINUTE), None, "{minute}");
    }
}

#[test]
fn a_time_that_comes_twice_begins_with_the_first_and_ends_with_the_second() {
    // 03:00 becomes 02:00 at 01:00Z.
    lasts(&quiet("22:00", "02:30", "Europe/Berlin"), "2026-10-24T20:00:00Z", "2026-10-25T01:30:00Z");
    lasts(&quiet("02:30", "07:00", "Europe/Berlin"), "2026-10-25T00:30:00Z", "2026-10-25T06:00:00Z");
    // Lord Howe moves by half an hour: 02:00 becomes 01:30 at 15:00Z.
    lasts(&quiet("23:00", "01:45", "Australia/Lord_Howe"), "2026-04-04T12:00:00Z", "2026-04-04T15:15:00Z");
}

#[test]
fn a_day_that_is_skipped_harms_nobody() {
    // Samoa had no 30th of December 2011.
    let samoa = quiet("22:00", "07:00", "Pacific/Apia");
    lasts(&samoa, "2011-12-30T08:00:00Z", "2011-12-30T17:00:00Z");
}

#[test]
fn only_times_and_zones_that_there_are_are_taken() {
    for good in ["00:00", "07:30", "23:59"] {
        assert!(time(good).is_some(), "{good}");
    }
    for bad in ["", "7:30", "24:00", "12:60", "12:5", "12:30:00", "ab:cd", "+1:30", "12.30", "१२:३०"]
    {
        assert!(time(bad).is_none(), "{bad}");
    }
    for good in ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires", "asia/tokyo"] {
        assert!(zone(good).is_some(), "{good}");
    }
    for bad in ["", "Europe/Atlantis", "Mars", "+01:00", "../../etc/passwd", &"x".repeat(5000)] {
        assert!(zone(bad).is_none(), "{bad}");
    }
}

/// Zones with summer time on both halves of the globe, with odd offsets, with half an hour of it, and without.
const ZONES: [&str; 9] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Pacific/Apia",
    "America/St_Johns",
    "UTC",
];

proptest! {
    #[test]
    fn who_is_in_quiet_hours_stays_so_to_their_end_and_not_longer(
        zone_index in 0..ZONES.len(), start in 0..1440_i64, length in 1..1440_i64,
        now in 1_262_304_000_i64..1_893_456_000, days in 0..128_u32,
    ) {
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let mut quiet = quiet(&clock(start), &clock((start + length) % 1440), ZONES[zone_index]);
        quiet.days = Some(
            (0..7).filter(|day| days >> day & 1 == 1).map(|day| DAYS[day].to_owned()).collect(),
        );
        let now = now * 1_000_000;
        if let Some(until) = quiet.until(now) {
            prop_assert!(until > now && until - now <= 49 * HOUR);
            prop_assert_eq!(quiet.until((now + until) / 2), Some(until));
            prop_assert_eq!(quiet.until(until - 1), Some(until));
            prop_assert_eq!(quiet.until(until), None);
        }
    }

    #[test]
    fn where_no_clock_changes_it_is_what_the_wall_shows(
        zone_index in 0..ZONES.len(), start in 0..1440_i64, length in 1..1440_i64,
        now in 1_262_304_000_i64..1_893_456_000,
    ) {
        let clock = |minutes: i64| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        let end = (start + length) % 1440;
        let quiet = quiet(&clock(start), &clock(end), ZONES[zone_index]);
        let zone = zone(ZONES[zone_index]).expect("a zone");
        let stamp = Timestamp::from_second(now).expect("a time");
        let offset = |seconds: i64| zone.to_offset(Timestamp::from_second(now + seconds).expect("a time"));
        prop_assume!((-50..=50).all(|hours| offset(hours * 3600) == offset(0)));
        let wall = zone.to_datetime(stamp).time();
        let minute = i64::from(wall.hour()) * 60 + i64::from(wall.minute());
        let is_quiet = if start < end { (start..end).contains(&minute) } else { minute >= start || minute < end };
        prop_assert_eq!(quiet.until(now * 1_000_000).is_some(), is_quiet);
    }
}
