use super::*;

#[test]
fn attempts_are_counted_by_tenths_of_a_second() {
    let mut timeline = Timeline::new("kill");
    timeline.add(&[0, 99, 100, 250, 260].map(Duration::from_millis));
    assert_eq!(timeline.per_100_ms, [2, 1, 2]);
    assert_eq!(timeline.peak(), 2);
}

#[test]
fn a_picture_has_a_panel_per_storm_and_tells_its_peak() {
    let mut timelines = [Timeline::new("a < b"), Timeline::new("second")];
    timelines[0].add(&[Duration::from_millis(150)]);
    let svg = draw(&timelines);
    assert!(svg.contains("a &lt; b") && svg.contains("second") && svg.contains("at most 1 in 100 ms"));
    assert!(svg.ends_with("</svg>\n"));
}
