//! `fanfare up` as what is measured, and calls of its services over connections that are kept.
//!
//! Not here: the hub alone ([`crate::target`]), and many clients in one thread ([`crate::fleet`]).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::http::{Endpoint, next_answer};
use crate::scenario::DRAIN;

/// `fanfare up` with data of its own, ended with this.
pub(crate) struct Up {
    child: Child,
    pub(crate) address: SocketAddr,
    data: PathBuf,
}

impl Up {
    /// Starts it on a free port; SQLite files without a Postgres URL.
    pub(crate) fn start(
        program: &Path,
        database_url: Option<&str>,
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let data = std::env::temp_dir().join(format!("loadgen-up-{}", std::process::id()));
        let mut command = Command::new(program);
        command.arg("up").env("PORT", "0").env("RUST_LOG", "warn").env("FANFARE_DATA", &data);
        command.envs(environment.iter().copied());
        if let Some(url) = database_url {
            command.env("DATABASE_URL", url);
        }
        let mut child =
            command.stdout(Stdio::piped()).spawn().with_context(|| program.display().to_string())?;
        let out = child.stdout.take().context("its output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().rsplit('/').next().unwrap_or_default().parse();
        let address = address.with_context(|| format!("it says {line:?}"))?;
        Ok(Self { child, address, data })
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

/// A kept connection for calls.
pub(crate) struct Caller {
    stream: TcpStream,
    endpoint: Endpoint,
    buffer: Vec<u8>,
}

impl Caller {
    /// One for calls with this token or key.
    pub(crate) fn connect(address: SocketAddr, token: Option<String>) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DRAIN))?;
        Ok(Self {
            stream,
            endpoint: Endpoint { host: address.to_string(), api_key: token },
            buffer: Vec::new(),
        })
    }

    /// Posts JSON: the answer's status and JSON.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let mut request = Vec::new();
        self.endpoint.write_post(&mut request, path, body.to_string().as_bytes());
        self.exchange(&request)
    }

    /// Asks for a path: the answer's status and JSON.
    pub(crate) fn get(&mut self, path: &str) -> Result<(u16, Value)> {
        let mut request = Vec::new();
        self.endpoint.write_get(&mut request, path);
        self.exchange(&request)
    }

    fn exchange(&mut self, request: &[u8]) -> Result<(u16, Value)> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        loop {
            if let Some(answer) = next_answer(&self.buffer)? {
                return Ok((answer.status, serde_json::from_slice(answer.body).unwrap_or_default()));
            }
            self.read()?;
        }
    }

    /// Posts JSON whose answer comes in parts, and reads until `end` stands in it; gives all of it.
    pub(crate) fn post_until(&mut self, path: &str, body: &Value, end: &str) -> Result<Vec<u8>> {
        let mut request = Vec::new();
        self.endpoint.write_post(&mut request, path, body.to_string().as_bytes());
        self.stream.write_all(&request)?;
        self.buffer.clear();
        let mut searched: usize = 0;
        // What was looked at need not be looked at again, but for a beginning of the end.
        while memchr::memmem::find(&self.buffer[searched.saturating_sub(end.len())..], end.as_bytes())
            .is_none()
        {
            searched = self.buffer.len();
            self.read()?;
        }
        // The last part has a length of 0.
        while !self.buffer.ends_with(b"\r\n0\r\n\r\n") {
            self.read()?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    fn read(&mut self) -> Result<()> {
        let mut part = [0; 16 * 1024];
        let read = self.stream.read(&mut part)?;
        if read == 0 {
            bail!("the server closed the connection");
        }
        self.buffer.extend_from_slice(&part[..read]);
        Ok(())
    }
}
