//! What is told of a reload, and what a hangup means.

use super::*;

fn value(registry: &Registry, outcome: &str) -> u64 {
    let text = crate::metrics::render(registry).1;
    let series = format!("fanfare_config_reloads_total{{outcome=\"{outcome}\"}} ");
    let line =
        text.lines().find_map(|line| line.strip_prefix(&series)).expect("the series is there from the begin");
    line.parse().expect("a number")
}

#[test]
fn outcomes_are_counted_and_a_refusal_leaves_the_time_of_the_last_configuration() {
    let registry = Registry::new();
    let reloads = Reloads::new(&registry).expect("counters");
    let start = reloads.last.get();
    assert!(start > 1_600_000_000.0, "the start counts");
    reloads.last.set(1.0);
    reloads.told(&Err(SettingsError::new("FANFARE_CONFIG: wrong")));
    assert_eq!((value(&registry, "applied"), value(&registry, "refused"), reloads.last.get()), (0, 1, 1.0));
    reloads.told(&Ok(Applied::default()));
    assert_eq!((value(&registry, "applied"), value(&registry, "refused")), (1, 1));
    assert!(reloads.last.get() >= start);
    assert!(Reloads::new(&registry).is_err(), "once in a process");
}

#[test]
fn a_process_under_nohup_is_known_by_what_it_ignores() {
    for (mask, expected) in
        [("0000000000000001", true), ("0000000000001003", true), ("0000000000001000", false)]
    {
        assert_eq!(
            ignores_hangup(&format!("Name:\tx\nSigIgn:\t{mask}\nSigCgt:\t0000000000000001\n")),
            expected
        );
    }
    assert!(!ignores_hangup("") && !ignores_hangup("SigIgn:\tx\n"));
}

#[test]
fn only_what_differs_is_named() {
    let mut applied = Applied::default();
    applied.changed("A", differs(&1, &1));
    applied.changed("B", differs("x", "y"));
    applied.restart("C", differs(&[1], &[2]));
    applied.restart("D", differs(&[1], &[1]));
    assert_eq!((applied.changed, applied.restart), (vec!["B".to_owned()], vec!["C".to_owned()]));
}
