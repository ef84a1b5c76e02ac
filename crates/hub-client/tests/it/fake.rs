//! A hub that answers as a test scripts it, and remembers every batch that it was sent.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};

/// What the hub does with a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    /// Takes so many items; the others are refused for the moment.
    Takes(usize),
    /// Closes the connection without a word.
    Dies,
    /// Refuses the whole call for the moment.
    IsBusy,
}

/// The scripted hub; its threads end with the process.
#[derive(Debug, Clone)]
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<VecDeque<Does>>>,
    batches: Arc<Mutex<Vec<Vec<Value>>>>,
}

impl Fake {
    /// Follows the script; afterwards it takes everything.
    pub(crate) fn start(script: impl IntoIterator<Item = Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        let fake = Self { address, script, batches: Arc::default() };
        let own = fake.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                thread::spawn(move || drop(own.serve(&stream)));
            }
        });
        fake
    }

    /// The batches in the order in which they came.
    pub(crate) fn batches(&self) -> Vec<Vec<Value>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line)? == 0 {
                    return Ok(());
                }
                match line.trim_end().to_ascii_lowercase().split_once(": ") {
                    Some(("content-length", value)) => length = value.parse().unwrap_or(0),
                    _ if line == "\r\n" => break,
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let items: Vec<Value> = serde_json::from_slice(&body)?;
            self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(items.clone());
            let does = self.script.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let (status, answer) = match does.unwrap_or(Does::Takes(usize::MAX)) {
                Does::Dies => return Ok(()),
                Does::IsBusy => (503, json!({"code": "overloaded", "status": 503})),
                Does::Takes(most) => {
                    let answers: Vec<Value> = (0..items.len())
                        .map(|n| match n < most {
                            true => {
                                json!({"success": true, "id": format!("publication {n}"), "recipients": 1})
                            }
                            false => {
                                json!({"success": false, "status": 503, "error": {"code": "overloaded"}})
                            }
                        })
                        .collect();
                    (200, Value::Array(answers))
                }
            };
            let text = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                text.len()
            );
            stream.write_all(head.as_bytes())?;
            stream.write_all(text.as_bytes())?;
        }
    }
}
