//! A TCP proxy that can be cut, or hang: a network, or a server behind it, that is away for a while.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// A proxy on a free port of loopback, as long as the process lives.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    cut: AtomicBool,
    held: Mutex<bool>,
    released: Condvar,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy in front of `target`, which need not be there yet.
    ///
    /// # Panics
    /// When no port is free.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            target,
            cut: AtomicBool::new(false),
            held: Mutex::new(false),
            released: Condvar::new(),
            open: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                accepting.carry(stream);
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and those that are made from now on.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
        self.shared.end_all();
    }

    /// Keeps connections and takes new ones, but lets nothing through: nobody is told that nobody answers.
    pub fn hold(&self) {
        self.shared.set_held(true);
    }

    /// Lets everything through again, what was held as well.
    pub fn restore(&self) {
        self.shared.set_held(false);
        self.shared.cut.store(false, Ordering::SeqCst);
    }
}

impl Shared {
    fn set_held(&self, held: bool) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        self.released.notify_all();
    }

    fn wait_while_held(&self) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.released.wait_while(held, |held| *held).unwrap_or_else(PoisonError::into_inner));
    }

    fn end_all(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _gone_already = stream.shutdown(Shutdown::Both);
        }
    }

    fn carry(self: &Arc<Self>, client: TcpStream) {
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(self.target) else { return };
        let both = || Ok::<_, io::Error>((client.try_clone()?, server.try_clone()?));
        let (Ok(for_list), Ok(there), Ok(back)) = (both(), both(), both()) else { return };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).extend([for_list.0, for_list.1]);
        let (one, other) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || one.copy(there.0, there.1));
        thread::spawn(move || other.copy(back.1, back.0));
        if self.cut.load(Ordering::SeqCst) {
            self.end_all();
        }
    }

    /// Copies until one side ends, which ends both.
    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let _ = (from.set_nodelay(true), to.set_nodelay(true));
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count) = from.read(&mut buffer) {
            self.wait_while_held();
            if count == 0 || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
