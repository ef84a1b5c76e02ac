//! The audiences and addresses of the worlds, and what is made of their turns.

use super::*;

fn args(connections: usize, per_user: usize) -> WorldsArgs {
    WorldsArgs {
        connections,
        per_user,
        payload: 200,
        rates: vec![10],
        outstanding: vec![1],
        turns: 2,
        turn_ms: 1_000,
        data_below: PathBuf::from("."),
    }
}

#[test]
fn every_audience_has_the_same_size_and_its_users_sit_side_by_side() {
    let args = args(6, 2);
    assert!(seats(Whose::Nobodys, &args, SECRET).iter().all(|seat| seat.token.is_none()));
    let one = seats(Whose::OneUsers, &args, SECRET);
    assert!(one.iter().all(|seat| seat.token.is_some() && seat.token == one[0].token));
    let many = seats(Whose::ManyUsers, &args, SECRET);
    let token = |seat: usize| many[seat].token.clone();
    assert_eq!((token(0), token(2), token(4)), (token(1), token(3), token(5)));
    assert!(token(0) != token(2) && token(2) != token(4));
    assert_eq!([one.len(), many.len()], [6, 6]);
}

#[test]
fn an_address_names_each_user_behind_whom_are_that_users_connections() {
    let args = args(6, 2);
    let together = Lane::new("t", Address::Together, &args);
    assert_eq!(together.addresses, ["\"user_ids\":[\"user-0\",\"user-1\",\"user-2\"]"]);
    assert_eq!(together.size, 6);
    let each = Lane::new("e", Address::Each, &args);
    assert_eq!(each.addresses.len() * each.size, 6);
    assert_eq!(each.addresses[2], "\"user_id\":\"user-2\"");
}

#[test]
fn every_ratio_is_of_lanes_that_there_are() {
    let names: Vec<&str> =
        WORLDS.iter().flat_map(|world| world.lanes.iter().map(|(name, _)| *name)).collect();
    for (over, under) in RATIOS {
        assert!(names.contains(over) && names.contains(under), "{over} ÷ {under}");
    }
}

#[test]
fn ratios_are_taken_round_by_round_and_the_first_round_only_warms_up() {
    let args = args(1, 1);
    let lane = |name, us: &[f64]| Lane {
        us: BTreeMap::from([("rate10".to_owned(), us.to_vec())]),
        per_write: BTreeMap::from([(
            "rate10".to_owned(),
            vec![if name == "ws" { 2.0 } else { 1.0 }; us.len()],
        )]),
        ..Lane::new(name, Address::Fixed(""), &args)
    };
    let (ws, tasks) = (lane("ws", &[9.0, 4.0, 8.0, 2.0]), lane("tasks", &[1.0, 4.4, 8.0, 2.4]));
    let mut outcome = Outcome::new("worlds", "fanfare");
    add_figures(&mut outcome, &[&ws, &tasks]);
    let figure = |name: &str| (outcome.figures[name] * 100.0).round() / 100.0;
    assert_eq!(figure("ws_rate10_cpu_per_delivery_us"), 4.0);
    assert_eq!(figure("tasks_to_ws_rate10"), 1.1);
    assert_eq!([figure("tasks_to_ws_rate10_min"), figure("tasks_to_ws_rate10_max")], [1.0, 1.2]);
    assert_eq!(figure("tasks_to_ws_rate10_per_write"), 0.55, "one merged twice as much, and so costs half");
    assert!(!outcome.figures.contains_key("dashboard_to_ws_rate10"));
}
