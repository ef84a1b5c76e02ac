//! Types of events as the configuration file names them: a type, or the beginning of some with a `*` behind it.
//!
//! Not here: what is done with events of these types (`deliveries`, `feeds`).

use protocol::publication::MAX_TYPE;

/// The most types of one table.
pub(super) const MOST_TYPES: usize = 64;

/// Checks the types of one table.
///
/// # Errors
/// What is wrong with them.
pub(super) fn check(types: &[Box<str>]) -> Result<(), String> {
    if !(1..=MOST_TYPES).contains(&types.len()) {
        return Err(format!("types names 1 to {MOST_TYPES} types of events"));
    }
    for (place, one) in types.iter().enumerate() {
        if !(1..=MAX_TYPE).contains(&one.len()) || one.chars().any(char::is_control) {
            return Err(format!("types: a type has 1 to {MAX_TYPE} bytes and no control characters"));
        }
        if one.strip_suffix('*').unwrap_or(one).contains('*') {
            return Err(format!("types: {one:?} has a * that is not its end"));
        }
        if let Some(other) = types[..place].iter().find(|other| overlap(other, one)) {
            return Err(format!("types: {one:?} is among {other:?}, or the other way round"));
        }
    }
    Ok(())
}

/// Whether an event may be of both.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    match (one.strip_suffix('*'), other.strip_suffix('*')) {
        (None, None) => one == other,
        (Some(beginning), None) => other.starts_with(beginning),
        (None, Some(beginning)) => one.starts_with(beginning),
        (Some(one), Some(other)) => one.starts_with(other) || other.starts_with(one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_overlap_where_an_event_may_be_of_both() {
        for (one, other, expected) in [
            ("job", "job", true),
            ("job", "jobs", false),
            ("job_*", "job_created", true),
            ("job_*", "job", false),
            ("job_*", "job_", true),
            ("job_*", "j*", true),
            ("job_*", "pay*", false),
            ("*", "anything", true),
            ("*", "job_*", true),
        ] {
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }

    #[test]
    fn what_names_no_types_is_refused_and_told_why() {
        let types = |names: &[&str]| names.iter().map(|&name| name.into()).collect::<Vec<Box<str>>>();
        check(&types(&["job_*", "payment_held", "*_"])).expect_err("a * in front");
        check(&types(&["job_*", "payment_held"])).expect("types");
        check(&types(&["*"])).expect("all types");
        let many: Vec<String> = (0..=MOST_TYPES).map(|number| format!("t{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (names, part) in [
            (&[][..], "1 to 64"),
            (&many[..], "1 to 64"),
            (&[""], "1 to 200 bytes"),
            (&["a\u{7}"], "no control characters"),
            (&[&"x".repeat(201)], "1 to 200 bytes"),
            (&["a*b"], "not its end"),
            (&["a**"], "not its end"),
            (&["a", "a"], "is among"),
            (&["job_created", "job_*"], "is among"),
        ] {
            let fault = check(&types(names)).expect_err(part);
            assert!(fault.contains(part), "{part}: {fault}");
        }
    }
}
