//! Quiet hours: whether a moment lies in them, and when they end. A function of the settings and the time alone; the zones'
//! rules are those that the program was built with (jiff's bundled database).
//!
//! What is meant is what the clock on the wall shows. So where clocks are set forward, a time that they skip is the moment
//! at which they do; where they are set back, quiet begins with the first of the two times of that name and ends with the
//! second. Nobody is woken because of a clock change.
//!
//! Not here: what is held and what is sent afterwards ([`crate::push`]).

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// The days' names, as the wire has them, from Monday.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When a user wants quiet, as it is stored and answered. Made by [`Quiet::read`] alone, so every part is right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quiet {
    /// Whether it is in force.
    pub(crate) enabled: bool,
    /// When it begins, `HH:MM`.
    pub(crate) start: String,
    /// When it ends, `HH:MM`; before the start: on the next day.
    pub(crate) end: String,
    /// A zone of the IANA database.
    pub(crate) time_zone: String,
    /// The days on which it begins; all where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) days: Option<Vec<String>>,
}

/// A time of day, `HH:MM`, 00:00 to 23:59.
pub(crate) fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !two(hour) || !two(minute) {
        return None;
    }
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

/// A zone of the IANA database, by its name in any case.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    // What is longer than any name there is need not be looked up.
    if name.is_empty() || name.len() > 64 {
        return None;
    }
    TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())
}

impl Quiet {
    /// When the quiet hours end that `now` lies in, both in microseconds since 1970; none outside of them.
    pub(crate) fn until(&self, now: i64) -> Option<i64> {
        if !self.enabled {
            return None;
        }
        let (start, end, zone) = (time(&self.start)?, time(&self.end)?, zone(&self.time_zone)?);
        let mut at = Timestamp::from_microsecond(now).ok()?;
        let mut over = None;
        // Where clocks go back, a night of almost a day can last into the next one. More than a week in one is none.
        for _ in 0..DAYS.len() {
            match self.end_at(at, start, end, &zone) {
                Some(end) => at = end,
                None => break,
            }
            over = Some(at.as_microsecond());
        }
        over
    }

    /// The end of the one night that the moment lies in, of two the later.
    fn end_at(&self, at: Timestamp, start: Time, end: Time, zone: &TimeZone) -> Option<Timestamp> {
        let today = zone.to_datetime(at).date();
        // One that began yesterday may still last. Where clocks go back over midnight, the wall shows a day that was over
        // already: then the next one's has begun.
        let nights = [-1, 0, 1].into_iter().filter_map(|days| {
            let day = today.checked_add(Span::new().days(days)).ok().filter(|day| self.begins_on(*day))?;
            let last = if end <= start { day.tomorrow().ok()? } else { day };
            let (begin, over) = (first(zone, day, start)?, after(zone, last, end)?);
            (begin <= at && at < over).then_some(over)
        });
        nights.max()
    }

    fn begins_on(&self, day: Date) -> bool {
        let name = DAYS.get(usize::from(day.weekday().to_monday_zero_offset().unsigned_abs()));
        self.days.as_ref().is_none_or(|days| days.iter().any(|day| Some(&day.as_str()) == name))
    }
}

/// The first moment at which the wall shows this time or, where it is skipped, a later one.
fn first(zone: &TimeZone, day: Date, time: Time) -> Option<Timestamp> {
    moment(zone, day, time, |ambiguous| ambiguous.earlier())
}

/// The last moment at which it does: until then it shows an earlier time, at least now and then.
fn after(zone: &TimeZone, day: Date, time: Time) -> Option<Timestamp> {
    moment(zone, day, time, |ambiguous| ambiguous.later())
}

fn moment(
    zone: &TimeZone,
    day: Date,
    time: Time,
    of_two: impl FnOnce(jiff::tz::AmbiguousTimestamp) -> Result<Timestamp, jiff::Error>,
) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(day.to_datetime(time));
    match ambiguous.offset() {
        AmbiguousOffset::Gap { after, .. } => {
            // By the later offset the time lies before the change; the change is the next there is.
            let before = after.to_timestamp(day.to_datetime(time)).ok()?;
            zone.following(before).next().map(|change| change.timestamp())
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => of_two(ambiguous).ok(),
    }
}
