//! Where Redis is: sockets, TLS, sentinels, clusters.

use std::time::Duration;

use broker::Settings;
use hub::broker::{Outcome, Told};
use test_kit::redis::{cluster, sentinels};
use test_kit::{Certificate, Redis, RedisOptions, eventually};

use crate::node::{Node, PATIENCE, following, publishing};

fn works(node: &Node) {
    node.follow_one("jobs");
    assert_eq!(node.publish(publishing(&["jobs"], "{}")), Outcome::Placed { told: 1 });
}

#[test]
fn a_socket_of_the_machine_serves_as_well() {
    let redis = RedisOptions::new().option("unixsocket", "redis.sock").start();
    let path = redis.directory().join("redis.sock");
    works(&Node::at(&format!("redis+unix://{}", path.display())));
    works(&Node::at(&format!("unix://{}?db=3", path.display())));
}

#[test]
fn databases_of_one_redis_are_apart() {
    let redis = Redis::start();
    let (one, other) = (Node::at(&format!("{}/1", redis.url())), Node::at(&format!("{}/2", redis.url())));
    one.publish(publishing(&["jobs"], "{}"));
    assert_eq!(other.follow_one("jobs").end.offset, 0);
    assert_ne!(one.wait_up(0).life, other.wait_up(0).life);
    // Channels are those of the server: what is said there is heard in its own database alone.
    let (mark, main) = (other.mark(), Node::on(&redis));
    main.follow_one("jobs");
    assert_eq!(one.publish(publishing(&["jobs"], "{}")), Outcome::Placed { told: 0 });
    for node in [&main, &other] {
        node.follow_one("end of the line");
        assert_eq!(node.events(0).len(), 0);
    }
    assert!(!other.heard()[mark..].iter().any(|told| matches!(told, Told::Nodes(nodes) if nodes.len() > 1)));
}

#[test]
fn tls_is_trusted_by_its_authority_alone() {
    let certificate = Certificate::generate();
    let port = test_kit::free_port();
    let file = |path: &std::path::Path| path.display().to_string();
    let _redis = RedisOptions::new()
        .option("tls-port", &port.to_string())
        .option("tls-cert-file", &file(certificate.certificate_file()))
        .option("tls-key-file", &file(certificate.key_file()))
        .option("tls-ca-cert-file", &file(certificate.certificate_file()))
        .option("tls-auth-clients", "no")
        .start();
    let settings =
        || Settings::new(&format!("rediss://localhost:{port}"), "fanfare", "test").expect("settings");
    let node = Node::with(settings().with_authority(certificate.certificate_file().to_owned()));
    node.wait_up(0);
    works(&node);
    let stranger = Certificate::generate();
    let settings = settings().with_authority(stranger.certificate_file().to_owned());
    let distrusting = Node::with(settings.with_patience(Duration::from_millis(1000)));
    assert!(distrusting.life.is_none());
    eventually(PATIENCE, || {
        distrusting.broker.status().reason.is_some_and(|reason| reason.contains("certificate"))
    });
}

#[test]
fn when_the_master_dies_the_one_that_sentinels_name_is_asked() {
    let master = Redis::durable();
    let replica = master.replica();
    let sentinels = sentinels(&master);
    let hosts: Vec<_> = sentinels.iter().map(|sentinel| sentinel.address().to_string()).collect();
    let url = format!("redis+sentinel://127.0.0.1:1,{}/fanfare", hosts.join(","));
    let (node, other) = (Node::at(&url), Node::at(&url));
    works(&node);
    let (life, old) = (node.wait_up(0), node.follow_one("jobs").end);
    let mark = (node.mark(), other.mark());
    master.kill();
    let (one, two) = (node.wait_up(mark.0), other.wait_up(mark.1));
    // The replica may lack the last that the master took, so that all begins anew.
    assert!(one.life == two.life && one.life != life.life && one.secret == life.secret);
    works(&other);
    assert_eq!(replica.ask(&["HGET", "{fanfare}:life", "l"]), one.life.to_string());
    let state = node.follow(vec![following("jobs")]).1.remove(0);
    assert!(state.end.epoch != old.epoch && state.end.offset == 1);
}

#[test]
fn in_a_cluster_the_node_that_has_the_slot_is_asked_wherever_it_moves() {
    let nodes = cluster();
    let hosts: Vec<_> = nodes.iter().map(|node| node.address().to_string()).collect();
    let node = Node::at(&format!("redis+cluster://127.0.0.1:1,{}", hosts.join(",")));
    works(&node);
    let slot = nodes[0].ask(&["CLUSTER", "KEYSLOT", "{fanfare}:"]);
    let has = |node: &Redis| node.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) != "0";
    let from = nodes.iter().position(has).expect("the slot");
    let (from, to) = (&nodes[from], &nodes[(from + 1) % 3]);
    let mark = node.mark();
    let ids = [from.ask(&["CLUSTER", "MYID"]), to.ask(&["CLUSTER", "MYID"])];
    assert_eq!(to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]), "OK");
    assert_eq!(from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]), "OK");
    eventually(PATIENCE, || {
        let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
        let keys: Vec<&str> = keys.lines().filter(|key| !key.is_empty()).collect();
        let port = to.port().to_string();
        let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        migrate.extend(&keys);
        if !keys.is_empty() {
            from.ask(&migrate);
        }
        keys.is_empty()
    });
    for one in [to, from] {
        one.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]]);
    }
    node.wait_up(mark);
    works(&node);
    assert!(has(to) && !has(from));
}
