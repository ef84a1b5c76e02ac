use super::*;

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

#[test]
fn a_budget_is_for_a_minute_and_refills_evenly() {
    let peers = Peers::new(NonZeroU32::new(3));
    let (peer, start) = (address("192.0.2.1"), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    for _ in 0..3 {
        assert_eq!(peers.admit(peer, start), Ok(()));
    }
    assert_eq!(peers.admit(peer, start), Err(Duration::from_secs(20)));
    assert_eq!(peers.admit(address("192.0.2.2"), start), Ok(()), "another peer has its own");
    assert_eq!(peers.admit(peer, at(20)), Ok(()));
    assert_eq!(peers.admit(peer, at(21)), Err(Duration::from_secs(19)));
    for _ in 0..3 {
        assert_eq!(peers.admit(peer, at(200)), Ok(()));
    }
    assert!(peers.admit(peer, at(200)).is_err());
}

#[test]
fn loopback_is_not_limited_and_neither_is_anyone_without_a_limit() {
    let (limited, open) = (Peers::new(NonZeroU32::new(1)), Peers::new(None));
    let now = Instant::now();
    for _ in 0..5 {
        for loopback in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(limited.admit(address(loopback), now), Ok(()));
        }
        assert_eq!(open.admit(address("192.0.2.1"), now), Ok(()));
    }
}

#[test]
fn a_network_of_one_machine_is_one_peer() {
    let peers = Peers::new(NonZeroU32::new(1));
    let now = Instant::now();
    assert_eq!(peers.admit(address("2001:db8:1:2::1"), now), Ok(()));
    assert!(peers.admit(address("2001:db8:1:2:ffff::9"), now).is_err());
    assert_eq!(peers.admit(address("2001:db8:1:3::1"), now), Ok(()));
    assert_eq!(peers.admit(address("192.0.2.1"), now), Ok(()));
    assert!(peers.admit(address("::ffff:192.0.2.1"), now).is_err());
}

#[test]
fn the_memory_for_peers_is_bounded() {
    let peers = Peers::new(NonZeroU32::new(1));
    let now = Instant::now();
    let nth = |n: u32| Some(IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n)));
    for n in 0..20_000 {
        assert_eq!(peers.admit(nth(n), now), Ok(()));
    }
    assert_eq!(peers.whole_at.lock().expect("peers").len(), MAX_PEERS);
    assert!(peers.admit(nth(1), now).is_err(), "those that are known stay limited");
    assert_eq!(peers.admit(nth(20_001), now + SPAN), Ok(()));
    assert_eq!(peers.whole_at.lock().expect("peers").len(), 1);
}
