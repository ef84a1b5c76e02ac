//! Ports that open, and the line for those that do not.

use super::*;

const NAMES: AddressNames = AddressNames { host: "HOST", port: "PORT" };

fn line(address: &str) -> String {
    let error = bind(address.parse().expect("an address"), NAMES).expect_err("can't be opened");
    error.to_string()
}

#[test]
fn port_zero_takes_a_free_port_that_accepts() {
    let listener = bind(([127, 0, 0, 1], 0).into(), NAMES).expect("a free port");
    let address = listener.local_addr().expect("bound");
    assert_ne!(address.port(), 0);
    std::net::TcpStream::connect(address).expect("the kernel accepts into the backlog");
}

#[test]
fn a_port_in_use_is_named_with_its_setting_and_the_way_out() {
    let first = bind(([127, 0, 0, 1], 0).into(), NAMES).expect("a free port");
    let address = first.local_addr().expect("bound");
    let line = line(&address.to_string());
    assert!(line.starts_with(&format!("PORT: {address} is in use")), "{line}");
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn an_address_of_another_machine_blames_the_host() {
    // TEST-NET-1 (RFC 5737) is nobody's address.
    let line = line("192.0.2.1:0");
    assert!(line.starts_with("HOST: 192.0.2.1:0 is not an address of this machine"), "{line}");
}

#[test]
fn a_restart_takes_its_port_back_while_old_connections_linger() {
    let first = bind(([127, 0, 0, 1], 0).into(), NAMES).expect("a free port");
    first.set_nonblocking(false).expect("a blocking accept for this test");
    let address = first.local_addr().expect("bound");
    let client = std::net::TcpStream::connect(address).expect("connects");
    let (accepted, _) = first.accept().expect("accepts");
    // The server closes first, so its end goes to TIME_WAIT.
    drop(accepted);
    drop(first);
    drop(client);
    bind(address, NAMES).expect("the port is free again at once");
}
