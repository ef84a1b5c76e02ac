//! Medians, verdicts, and the section of a document.

use super::*;

fn run(scenario: &str, target: &str, figures: &[(&str, f64)]) -> Outcome {
    let mut outcome = Outcome::new(scenario, target);
    for (name, value) in figures {
        outcome.add(name, *value);
    }
    outcome
}

#[test]
fn the_median_is_the_middle_and_of_an_even_number_the_mean_of_two() {
    assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
    assert_eq!(median(vec![4.0, 1.0, 2.0, 9.0]), 3.0);
    assert!(median(Vec::new()).is_nan());
}

#[test]
fn the_table_judges_medians_against_goals() {
    let runs = [
        run("floor", "floor", &[(CPU, 2.0), ("max1_deliveries_per_s", 150.0)]),
        run("fanout", "fanfare", &[(CPU, 90.0)]),
        run("fanout", "fanfare", &[(CPU, 2.1)]),
        run("fanout", "fanfare", &[(CPU, 1.0)]),
        run("fanout", "bun", &[(CPU, 2.0)]),
        run("idle", "fanfare", &[("bytes_per_connection", 200.0)]),
        run("unicast-batch", "fanfare", &[(PUBLISH, 3.0)]),
        run("unicast", "bun", &[(PUBLISH, 30.0)]),
    ];
    let text = table(MEASURES, &runs);
    assert!(
        text.starts_with("| measure | bare write | Fanfare | Bun | Fanfare is | goal | reached |\n"),
        "{text}"
    );
    assert!(text.contains("| 2.00 | 2.10 | 2.00 | 1.05 × bare write, 1.05 × Bun | ≤ 1.1 × bare write, ≤ 0.95 × Bun | yes, **no** |"), "{text}");
    assert!(text.contains("| – | 200 | – | 200 | ≤ 560 | yes |"), "{text}");
    assert!(text.contains("0.10 × Bun | ≤ 0.35 × Bun | yes |"), "{text}");
}

#[test]
fn two_builds_are_compared_figure_by_figure() {
    let runs = [run("fanout", "after", &[(CPU, 1.0)]), run("fanout", "before", &[(CPU, 2.0)])];
    assert!(
        comparison(&runs, "after", "before")
            .contains("| fanout | cpu_per_delivery_us | 2.00 | 1.00 | 0.500 |")
    );
}

#[test]
fn runs_that_lost_something_are_named() {
    let runs = [run("fanout", "ws", &[("lost", 2.0), ("doubled", 0.0)])];
    assert_eq!(faults(&runs), "- fanout against ws: lost 2\n");
    assert_eq!(faults(&[run("fanout", "ws", &[("lost", 0.0)])]), "");
}

#[test]
fn a_section_is_replaced_between_its_markers_and_added_where_there_are_none() {
    let [begin, end] = Table::Bench.markers();
    let first = replace_section("# Title\n\ntext\n", "one\n", [begin, end]);
    assert_eq!(first, format!("# Title\n\ntext\n\n{begin}\none\n{end}\n"));
    let again = replace_section(&format!("{first}tail\n"), "two\n", [begin, end]);
    assert_eq!(again, format!("# Title\n\ntext\n\n{begin}\ntwo\n{end}\ntail\n"));
    let other = replace_section(&first, "more\n", Table::Recovery.markers());
    assert!(other.contains(&format!("{begin}\none\n{end}\n")) && other.contains("\nmore\n"));
    assert!(replace_section("", "x\n", [begin, end]).starts_with("# Performance\n"));
}

#[test]
fn the_table_of_recovery_tells_spread_and_verdict() {
    let runs = [
        run("durable", "fanfare", &[("ratio", 0.9)]),
        run("durable", "fanfare", &[("ratio", 0.7)]),
        run("durable", "fanfare", &[("ratio", 0.75)]),
        run("idle", "fanfare", &[("bytes_per_connection", 550.0)]),
        run("idle-recoverable", "fanfare", &[("bytes_per_connection", 610.0)]),
    ];
    let text = goals::table(recovery::ROWS, &runs);
    assert!(text.contains("÷ in memory | 0.75 | 0.70 to 0.90 | ≥ 0.8 | **no** |"), "{text}");
    assert!(text.contains("| 610 | 610 to 610 | ≤ 64 more than plain (+60) | yes |"), "{text}");
    assert!(!text.contains("storm"), "{text}");
}

#[test]
fn the_table_of_worlds_has_a_row_for_each_measured_ratio_and_judges_it() {
    let runs = [
        run("worlds", "fanfare", &[("dashboard_to_ws_rate10", 1.04), ("receipts_to_ws_rate10", 1.2)]),
        run("batching", "fanfare", &[("batched_events_per_write", 19.6), ("batched_counted_share", 0.0)]),
    ];
    let text = goals::table(worlds::ROWS, &runs);
    assert!(
        text.contains("dashboard ÷ `/ws`: 10 messages/s | 1.04 | 1.04 to 1.04 | ≤ 1.1 | yes |"),
        "{text}"
    );
    assert!(
        text.contains("receipts ÷ `/ws`: 10 messages/s | 1.20 | 1.20 to 1.20 | ≤ 1.1 | **no** |"),
        "{text}"
    );
    assert!(text.contains("events per write | 19.60 | 19.60 to 19.60 | ≥ 18 | yes |"), "{text}");
    assert!(text.contains("| 0.00 | 0.00 to 0.00 | ≥ 1 | **no** |"), "{text}");
    assert!(!text.contains("100 messages/s"), "{text}");
}

#[test]
fn the_table_of_socketio_holds_the_hub_against_npms_server_and_tells_ratios_that_have_no_goal() {
    let runs = [
        run("socketio-fanout", "fanfare", &[(CPU, 5.0)]),
        run("socketio-fanout", "socketio", &[(CPU, 10.0)]),
        run("socketio-connects", "fanfare", &[("connects_per_s", 9_000.0)]),
        run("socketio-connects", "socketio", &[("connects_per_s", 2_000.0)]),
        run("socketio-idle", "fanfare", &[("bytes_per_connection", 900.0)]),
        run("socketio-polling-fanout-max", "fanfare", &[("max1_deliveries_per_s", 300.0)]),
        run("socketio-polling-fanout-max", "socketio", &[("max1_deliveries_per_s", 200.0)]),
        run("fanout", "fanfare", &[(CPU, 1.0)]),
    ];
    let text = table(socketio::MEASURES, &runs);
    assert!(text.starts_with("| measure | Fanfare | npm socket.io | Fanfare is |"), "{text}");
    assert!(text.contains("0.50 × npm socket.io | ≤ 0.45 × npm socket.io | **no** |"), "{text}");
    assert!(text.contains("4.50 × npm socket.io | ≥ 3 × npm socket.io | yes |"), "{text}");
    assert!(text.contains("| 900 | – | 900 | ≤ 1000 | yes |"), "{text}");
    assert!(text.contains("| 300 | 200 | 1.50 × npm socket.io |  |  |"), "{text}");
}
