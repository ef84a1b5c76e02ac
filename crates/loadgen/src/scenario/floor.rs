//! `floor`: no hub at all. A process of its own writes one frame to each of N sockets with bare blocking `send`s; this is what the kernel
//! charges for it, and no server on sockets can be cheaper without merging writes.
//!
//! The writer is a child of this program. Its first connection carries commands: number of the first message, messages per write, time.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::{DRAIN, drain, linger, paced, us_each};
use crate::event;
use crate::fleet::{Entry, Fleet, Seat};
use crate::frame;
use crate::outcome::Outcome;
use crate::sys;
use crate::target::{Target, free_address};

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FloorArgs {
    /// Sockets that are written to
    #[arg(long, default_value_t = 5_000)]
    connections: usize,
    /// Bytes of the event's `data`
    #[arg(long, default_value_t = 200)]
    payload: usize,
    /// Rounds per second at the fixed rate
    #[arg(long, default_value_t = 10)]
    rate: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Messages per write of the closed loop, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    outstanding: Vec<u32>,
}

/// The child's arguments.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct WriterArgs {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    connections: usize,
    #[arg(long)]
    payload: usize,
}

struct Order {
    first_seq: u32,
    messages: u32,
    sent_ns: u64,
}

impl Order {
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.first_seq.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.messages.to_le_bytes());
        bytes[8..].copy_from_slice(&self.sent_ns.to_le_bytes());
        bytes
    }

    fn read(from: &mut TcpStream) -> std::io::Result<Self> {
        let (mut first_seq, mut messages, mut sent_ns) = ([0; 4], [0; 4], [0; 8]);
        from.read_exact(&mut first_seq)?;
        from.read_exact(&mut messages)?;
        from.read_exact(&mut sent_ns)?;
        Ok(Self {
            first_seq: u32::from_le_bytes(first_seq),
            messages: u32::from_le_bytes(messages),
            sent_ns: u64::from_le_bytes(sent_ns),
        })
    }
}

/// The writer's life: accept, then a round per order, until the orders end.
pub(crate) fn write_rounds(args: &WriterArgs) -> Result<()> {
    let listener = TcpListener::bind(args.listen)?;
    let (mut orders, _) = listener.accept()?;
    orders.set_nodelay(true)?;
    let mut sockets = Vec::with_capacity(args.connections);
    for _ in 0..args.connections {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    orders.write_all(&[1])?;
    let (mut text, mut frames) = (Vec::new(), Vec::new());
    while let Ok(order) = Order::read(&mut orders) {
        frames.clear();
        for seq in order.first_seq..order.first_seq + order.messages {
            text.clear();
            event::write_envelope(&mut text, seq, order.sent_ns, args.payload);
            frame::write_text(&mut frames, &text);
        }
        for socket in &mut sockets {
            socket.write_all(&frames)?;
        }
    }
    Ok(())
}

fn publish(fleet: &mut Fleet, orders: &mut TcpStream, messages: u32) -> Result<()> {
    let first_seq = fleet.ledger.published();
    for _ in 0..messages {
        fleet.ledger.publish_to_all();
    }
    orders.write_all(&Order { first_seq, messages, sent_ns: sys::monotonic_ns() }.bytes())?;
    Ok(())
}

/// Rounds back to back for a while, each begun when the last has arrived everywhere.
fn closed_loop(fleet: &mut Fleet, orders: &mut TcpStream, messages: u32, time: Duration) -> Result<u64> {
    let started = Instant::now();
    let mut rounds = 0;
    while started.elapsed() < time {
        publish(fleet, orders, messages)?;
        let due = fleet.ledger.expected();
        let sent = Instant::now();
        while fleet.ledger.deliveries() < due && sent.elapsed() < DRAIN {
            fleet.turn(Some(Duration::from_millis(50)))?;
        }
        rounds += 1;
    }
    Ok(rounds)
}

fn connect_orders(address: SocketAddr) -> Result<TcpStream> {
    let started = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) if started.elapsed() > Duration::from_secs(5) => return Err(error.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Runs it.
pub(crate) fn run(args: &FloorArgs) -> Result<Outcome> {
    let address = free_address()?;
    let child = Command::new(std::env::current_exe()?)
        .args(["floor-writer", "--listen", &address.to_string()])
        .args(["--connections", &args.connections.to_string(), "--payload", &args.payload.to_string()])
        .stdin(Stdio::null())
        .spawn()
        .context("starting the writer")?;
    let writer = Target::adopt(address, child);
    let mut orders = connect_orders(address)?;
    let mut fleet = Fleet::new(address, Entry::Bare, vec![Seat::default(); args.connections], 0)?;
    fleet.connect_all()?;
    orders.read_exact(&mut [0]).context("the writer is not ready")?;

    let mut outcome = Outcome::new("floor", "floor");
    let interval = Duration::from_secs(1) / args.rate;
    paced(&mut fleet, interval, args.rate, |fleet| publish(fleet, &mut orders, 1))?;
    drain(&mut fleet)?;
    fleet.ledger.forget_latency();
    let rounds = args.rate * args.seconds;
    let before = writer.cpu()?;
    paced(&mut fleet, interval, rounds, |fleet| publish(fleet, &mut orders, 1))?;
    drain(&mut fleet)?;
    let writes = u64::from(rounds) * args.connections as u64;
    outcome.add("cpu_per_delivery_us", us_each(writer.cpu()? - before, writes));
    outcome.add_latency("", fleet.ledger.latency_us());

    for &messages in &args.outstanding {
        closed_loop(&mut fleet, &mut orders, messages, Duration::from_millis(500))?;
        fleet.ledger.forget_latency();
        let client = sys::process_cpu(std::process::id())?;
        let (cpu, started) = (writer.cpu()?, Instant::now());
        let rounds =
            closed_loop(&mut fleet, &mut orders, messages, Duration::from_secs(args.seconds.into()))?;
        let (cpu, elapsed) = (writer.cpu()? - cpu, started.elapsed());
        let client = sys::process_cpu(std::process::id())? - client;
        let writes = rounds * args.connections as u64;
        let deliveries = writes * u64::from(messages);
        outcome.add(&format!("max{messages}_cpu_per_write_us"), us_each(cpu, writes));
        outcome.add(&format!("max{messages}_cpu_per_delivery_us"), us_each(cpu, deliveries));
        outcome.add(&format!("max{messages}_client_cpu_per_delivery_us"), us_each(client, deliveries));
        outcome.add(&format!("max{messages}_deliveries_per_s"), deliveries as f64 / elapsed.as_secs_f64());
    }
    linger(&mut fleet, Duration::from_millis(200))?;
    outcome.add_faults(fleet.ledger.faults());
    Ok(outcome)
}
