use proptest::prelude::*;

use super::*;

const PLENTY: usize = 1 << 20;

fn stream(name: &str) -> Arc<str> {
    name.into()
}

fn forgotten(stream: &str, key: &str) -> Forgotten {
    Forgotten { stream: stream.into(), key: key.into() }
}

fn events(retained: &Retained<u32>, stream: &str, now_ms: u64) -> Vec<u32> {
    retained.get(stream, now_ms).map(|event| **event).collect()
}

#[test]
fn whoever_comes_later_gets_the_last_event_under_each_key_in_the_order_of_publication() {
    let mut retained = Retained::new(PLENTY);
    assert!(retained.is_empty());
    for (key, event) in [("a", 1), ("b", 2), ("c", 3), ("a", 4)] {
        assert_eq!(retained.set(&stream("user:7"), key, Arc::new(event), 10, 1_000), []);
    }
    retained.set(&stream("jobs"), "a", Arc::new(5), 10, 1_000);
    assert_eq!(events(&retained, "user:7", 0), [2, 3, 4]);
    assert_eq!(events(&retained, "jobs", 0), [5]);
    assert!(events(&retained, "user:8", 0).is_empty());
    assert!(!retained.is_empty());
}

#[test]
fn a_state_ends_at_its_own_time_and_a_replaced_one_no_longer_counts() {
    let mut retained = Retained::new(PLENTY);
    retained.set(&stream("jobs"), "a", Arc::new(1), 10, 1_000);
    retained.set(&stream("jobs"), "a", Arc::new(2), 10, 3_000);
    retained.set(&stream("jobs"), "b", Arc::new(3), 10, 2_000);
    assert_eq!(events(&retained, "jobs", 1_999), [2, 3]);
    assert_eq!(retained.expire(1_999), []);
    assert_eq!(events(&retained, "jobs", 2_000), [2]);
    assert_eq!(retained.expire(5_000), [forgotten("jobs", "b"), forgotten("jobs", "a")]);
    assert!(retained.is_empty() && retained.streams.is_empty() && retained.weight() == 0);
}

#[test]
fn one_key_too_many_pushes_out_the_one_that_changed_longest_ago() {
    let mut retained = Retained::new(PLENTY);
    for number in 0..MOST_KEYS {
        assert_eq!(retained.set(&stream("jobs"), &number.to_string(), Arc::new(0), 10, 1_000), []);
    }
    assert_eq!(retained.set(&stream("jobs"), "0", Arc::new(1), 10, 1_000), []);
    assert_eq!(retained.set(&stream("other"), "new", Arc::new(2), 10, 1_000), []);
    assert_eq!(retained.set(&stream("jobs"), "new", Arc::new(3), 10, 1_000), [forgotten("jobs", "1")]);
    assert_eq!(retained.get("jobs", 0).count(), MOST_KEYS);
}

#[test]
fn where_the_room_is_short_those_that_expire_first_go() {
    let mut retained = Retained::new(4 * (ENTRY_WEIGHT + 100));
    for (key, expires_ms) in [("a", 3_000), ("b", 1_000), ("c", 2_000)] {
        assert_eq!(retained.set(&stream("jobs"), key, Arc::new(0), 90, expires_ms), []);
    }
    let gone = retained.set(&stream("user:7"), "d", Arc::new(0), 2 * ENTRY_WEIGHT, 4_000);
    assert_eq!(gone, [forgotten("jobs", "b"), forgotten("jobs", "c")]);
    assert_eq!(
        retained.set(&stream("user:7"), "final", Arc::new(0), 300, 500),
        [forgotten("user:7", "final")]
    );
    assert_eq!(retained.expire(9_000), [forgotten("jobs", "a"), forgotten("user:7", "d")]);
}

#[test]
fn a_state_heavier_than_all_the_room_is_not_kept() {
    let mut retained = Retained::new(10_000);
    retained.set(&stream("jobs"), "a", Arc::new(1), 10, 1_000);
    let gone = retained.set(&stream("jobs"), "b", Arc::new(2), 10_000, 9_000);
    assert_eq!(gone, [forgotten("jobs", "b")]);
    assert_eq!(events(&retained, "jobs", 0), [1]);
    assert_eq!(retained.set(&stream("jobs"), "a", Arc::new(3), usize::MAX, 9_000), [forgotten("jobs", "a")]);
    assert!(retained.is_empty() && retained.weight() == 0);
}

#[test]
fn a_state_that_changes_without_end_takes_no_more_than_one() {
    let mut retained = Retained::new(PLENTY);
    for event in 0..100_000_u32 {
        assert_eq!(retained.set(&stream("jobs"), "a", Arc::new(event), 10, 3_600_000 + u64::from(event)), []);
    }
    assert_eq!((retained.ends.len(), retained.weight()), (1, ENTRY_WEIGHT + 10 + 1 + 4));
}

#[derive(Debug, Clone)]
enum Action {
    Set { stream: usize, key: usize, weight: usize, ttl_ms: u64 },
    Expire { after_ms: u64 },
    Get { stream: usize },
}

fn action(keys: usize, longest_ms: u64) -> impl Strategy<Value = Action> {
    let weight = prop_oneof![9 => 0..2_000_usize, 1 => 2_000..40_000_usize];
    prop_oneof![
        8 => (0..3_usize, 0..keys, weight, 0..longest_ms)
            .prop_map(|(stream, key, weight, ttl_ms)| Action::Set { stream, key, weight, ttl_ms }),
        2 => (0..1_500_u64).prop_map(|after_ms| Action::Expire { after_ms }),
        2 => (0..3_usize).prop_map(|stream| Action::Get { stream }),
    ]
}

/// A state as the model has it; the model's states are one list in the order of publication.
#[derive(Debug, Clone)]
struct State {
    stream: String,
    key: String,
    event: u32,
    weight: usize,
    expires_ms: u64,
}

impl State {
    fn forgotten(&self) -> Forgotten {
        forgotten(&self.stream, &self.key)
    }
}

/// Takes the state that expires first out, of those the one that was published first.
fn take_first(states: &mut Vec<State>) -> State {
    let first = (0..states.len()).min_by_key(|&place| states[place].expires_ms).expect("a state");
    states.remove(first)
}

fn check(actions: &[Action], most_weight: usize) -> Result<(), TestCaseError> {
    let mut retained = Retained::new(most_weight);
    let mut states: Vec<State> = Vec::new();
    let mut now_ms = 0;
    for (event, action) in (0..).zip(actions) {
        match *action {
            Action::Set { stream, key, weight, ttl_ms } => {
                let (name, key, expires_ms) = (format!("s{stream}"), format!("k{key}"), now_ms + ttl_ms);
                let gone = retained.set(&name.as_str().into(), &key, Arc::new(event), weight, expires_ms);
                let weight = weight + ENTRY_WEIGHT + key.len() + name.len();
                states.retain(|state| (&state.stream, &state.key) != (&name, &key));
                let mut expected = Vec::new();
                if weight > most_weight {
                    expected.push(forgotten(&name, &key));
                } else {
                    states.push(State { stream: name.clone(), key, event, weight, expires_ms });
                }
                if states.iter().filter(|state| state.stream == name).count() > MOST_KEYS {
                    let oldest = states.iter().position(|state| state.stream == name).expect("a state");
                    expected.push(states.remove(oldest).forgotten());
                }
                while states.iter().map(|state| state.weight).sum::<usize>() > most_weight {
                    expected.push(take_first(&mut states).forgotten());
                }
                prop_assert_eq!(gone, expected);
            }
            Action::Expire { after_ms } => {
                now_ms += after_ms;
                let mut expected = Vec::new();
                while states.iter().any(|state| state.expires_ms <= now_ms) {
                    expected.push(take_first(&mut states).forgotten());
                }
                prop_assert_eq!(retained.expire(now_ms), expected);
            }
            Action::Get { stream } => {
                let name = format!("s{stream}");
                let expected: Vec<u32> = states
                    .iter()
                    .filter(|state| state.stream == name && state.expires_ms > now_ms)
                    .map(|state| state.event)
                    .collect();
                prop_assert_eq!(events(&retained, &name, now_ms), expected);
            }
        }
        prop_assert_eq!(retained.weight(), states.iter().map(|state| state.weight).sum::<usize>());
        prop_assert_eq!(retained.is_empty(), states.is_empty());
        prop_assert!(retained.weight() <= most_weight);
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_kept_and_what_is_forgotten_is_the_models(
        actions in prop::collection::vec(action(6, 5_000), 0..150),
        most_weight in prop_oneof![Just(8_000_usize), Just(PLENTY)],
    ) {
        check(&actions, most_weight)?;
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn with_more_keys_than_a_stream_may_have_it_still_is(
        actions in prop::collection::vec(action(150, 1_000_000), 700..900),
    ) {
        check(&actions, 64 << 20)?;
    }
}
