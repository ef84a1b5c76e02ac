"""Real servers on free ports for the tests: hub, chat and notification service, Redis, Google's Pub/Sub.

They end with a test.

Not here: what plays a hub that misbehaves (`scripted`). A server that is missing fails the tests; none is skipped.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

REPOSITORY = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()

#: The secret that the tests' tokens are signed with.
SECRET = "a-secret-of-at-least-32-bytes-for-the-tests"

#: How long a server may take from its start to its address: a debug build on a busy machine.
START_S = 30.0

#: How long anything may take that should be there in a moment.
PATIENCE_S = 40.0


def wait_until(holds: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    """Waits for a condition."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds} s for: {what}"
        time.sleep(0.02)


def free_port() -> int:
    """A port of loopback on which nobody listens, and that the system gives to nobody while its server is down.

    The system gives ports from a range (``net.ipv4.ip_local_port_range``); this one is below it where there is room.
    """
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        first = 32_768
    below = [10_000 + secrets.randbelow(first - 10_000) for _ in range(100)] if first >= 11_000 else []
    for port in [*below, 0]:
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return int(listener.getsockname()[1])
    message = "no free port"
    raise AssertionError(message)


def token(user: int | str, **claims: object) -> str:
    """A token of a user, signed with HS256 and good for an hour."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': user, 'exp': int(time.time()) + 3600, **claims})}"
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


class Server:
    """A child process that says where it listens."""

    def __init__(self, command: list[str], environment: Mapping[str, str], ready: str) -> None:
        self._command = command
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environment = {**kept, **environment}
        self._ready = re.compile(ready)
        self._child: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._reader: threading.Thread | None = None

    def launch(self) -> str:
        """Starts it, waits for its ready line, and returns what the pattern's group has."""
        child = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # With a group of its own, so that what it started ends with it.
            start_new_session=True,
        )
        self._child = child
        found: list[str] = []
        seen = threading.Event()

        def read() -> None:
            assert child.stdout is not None
            for line in child.stdout:
                self._lines.append(line)
                if not found and (match := self._ready.search(line)):
                    found.append(match.group(1))
                    seen.set()
            seen.set()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        seen.wait(START_S)
        if not found:
            self.stop()
            raise AssertionError(f"{self._command[0]} did not start:\n{self.log()}")
        return found[0]

    def log(self) -> str:
        """All that it has said."""
        return "".join(self._lines)

    def stop(self) -> None:
        """Ends it, as a power cut would."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if self._reader is not None:
            self._reader.join(PATIENCE_S)
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()

    def send(self, which: signal.Signals) -> None:
        """Sends it a signal."""
        assert self._child is not None
        self._child.send_signal(which)

    def terminate(self) -> int:
        """Asks it to end, and returns its exit code."""
        assert self._child is not None
        self._child.terminate()
        code = self._child.wait(PATIENCE_S)
        self.stop()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Hub(Server):
    """The real hub: `WEBSOCKET_SERVER`, else `target/debug/websocket-server`."""

    def __init__(self, port: int = 0, **environment: str) -> None:
        program = os.environ.get("WEBSOCKET_SERVER", str(TARGET / "debug" / "websocket-server"))
        if not Path(program).is_file():
            raise AssertionError(f"{program} is missing: cargo build -p websocket-server")
        defaults = {"HOST": "127.0.0.1", "PORT": str(port), "JWT_SECRET": SECRET}
        super().__init__([program], {**defaults, **environment}, r"listening on (http://\S+)")
        self.url = ""

    def start(self) -> Self:
        """Starts it."""
        self.url = self.launch().rstrip("/")
        return self

    def socket_url(self, path: str) -> str:
        """The address of a WebSocket path."""
        return self.url.replace("http", "ws", 1) + path


#: The key by which the hub and the services know each other and a back end.
SERVICE_KEY = "the-service-key-of-the-tests-0123456789"


class Chat(Server):
    """The real chat service: `CHAT_SERVICE`, else `target/debug/chat-service`, with a database of its own."""

    def __init__(self, directory: Path, hub_url: str, port: int = 0, **environment: str) -> None:
        program = os.environ.get("CHAT_SERVICE", str(TARGET / "debug" / "chat-service"))
        if not Path(program).is_file():
            raise AssertionError(f"{program} is missing: cargo build -p chat-service")
        settings = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "JWT_SECRET": SECRET,
            "SERVICE_API_KEY": SERVICE_KEY,
            "WS_SERVICE_URL": hub_url,
            "FANFARE_DATA": str(directory),
        }
        super().__init__([program], {**settings, **environment}, r"listening on (http://\S+)")
        self.url = ""

    def start(self) -> Self:
        """Starts it."""
        self.url = self.launch().rstrip("/")
        return self


class Inbox(Server):
    """The real notification service: `NOTIFICATION_SERVICE`, else `target/debug/notification-service`."""

    def __init__(self, directory: Path, hub_url: str, port: int = 0, **environment: str) -> None:
        program = os.environ.get("NOTIFICATION_SERVICE", str(TARGET / "debug" / "notification-service"))
        if not Path(program).is_file():
            raise AssertionError(f"{program} is missing: cargo build -p notification-service")
        settings = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "JWT_SECRET": SECRET,
            "SERVICE_API_KEY": SERVICE_KEY,
            "WS_SERVICE_URL": hub_url,
            "FANFARE_DATA": str(directory),
        }
        super().__init__([program], {**settings, **environment}, r"listening on (http://\S+)")
        self.url = ""

    def start(self) -> Self:
        """Starts it."""
        self.url = self.launch().rstrip("/")
        return self


class Redis(Server):
    """Debian's Redis on a free port, with nothing on disk."""

    def __init__(self, directory: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise AssertionError("redis-server is missing: apt-get install redis-server")
        self.port = free_port()
        options = f"--port {self.port} --bind 127.0.0.1 --save --appendonly no --dir {directory}".split()
        options.insert(options.index("--save") + 1, "")
        super().__init__([program, *options], {}, r"(Ready to accept connections)")
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Starts it."""
        self.launch()
        return self


class PubSubFake(Server):
    """Google's own in-memory Pub/Sub: `PUBSUB_FAKE`, else built with Go from the test kit."""

    def __init__(self) -> None:
        super().__init__([os.environ.get("PUBSUB_FAKE") or str(_built_fake())], {}, r"listening on (\S+)")
        self.address = ""

    def start(self) -> Self:
        """Starts it."""
        self.address = self.launch()
        return self


def _built_fake() -> Path:
    source = REPOSITORY / "crates" / "test-kit" / "pstest"
    go = shutil.which("go")
    if go is None:
        raise AssertionError("Go is missing: apt-get install golang, or PUBSUB_FAKE names a fake that is built")
    program = TARGET / "python-cache" / "pstest"
    program.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([go, "build", "-buildvcs=false", "-o", str(program), "."], cwd=source, check=True)
    return program
