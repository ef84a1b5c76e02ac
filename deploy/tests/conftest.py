"""What the tests of deploy/ have in common: where things are, and the programs as processes.

The programs are those of WEBSOCKET_SERVER's directory, or of target/debug; they have to be built. Every server is
started on a free port and ended by the test. Debian's systemd, prometheus and redis-server have to be there; a test
without them fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEPLOY = Path(__file__).resolve().parent.parent
REPOSITORY = DEPLOY.parent
DOCS = REPOSITORY / "docs"

PROGRAMS = Path(
    os.environ.get("WEBSOCKET_SERVER")
    or Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target") / "debug" / "websocket-server"
).parent

SERVICES = ("user-service", "job-service", "payment-service", "chat-service", "notification-service")
ALL = ("websocket-server", *SERVICES, "pubsub-bridge")

# Generous: the machine may be compiling meanwhile.
PATIENCE_S = 60.0

# What an environment of a test's own has of the machine's.
KEPT = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}


def until(what: str, ask: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """The first answer that is neither None nor False; fails when there is none in time."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        time.sleep(0.02)
    pytest.fail(f"{what}: not within {patience_s:.0f} s")


def command(name: str) -> str:
    """A program of Debian's; the test fails where it is missing."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")
    assert found, f"{name} is missing (apt-get install prometheus systemd)"
    return found


def get(url: str, timeout_s: float = 10.0) -> tuple[int, str]:
    """Status and body of a GET; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Process:
    """One of our programs, on a port of its own, until it is stopped."""

    def __init__(
        self, name: str, directory: Path, environment: dict[str, str], arguments: tuple[str, ...] = ()
    ) -> None:
        program = PROGRAMS / name
        assert program.exists(), f"{program} is not built"
        self.name = name
        self.log = directory / f"{name}-{time.monotonic_ns()}.log"
        own = {"PORT": "0", "FANFARE_DATA": str(directory / name), **environment}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=KEPT | own,
                text=True,
            )
        self.url = ""

    def listening(self) -> Process:
        """Waits for the line that says where it listens."""
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.url = line.split()[-1]
                return self
        pytest.fail(f"{self.name} ended before it listened: {self.log.read_text()}")

    def stop(self) -> int:
        """Asks it to end, and tells with what it did."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts programs, and ends those that are left with the test."""
    begun: list[Process] = []

    def start(name: str, *arguments: str, **environment: str) -> Process:
        process = Process(name, tmp_path, environment, arguments)
        begun.append(process)
        return process

    yield start
    for process in begun:
        if process.process.poll() is None:
            process.process.kill()
        process.process.wait()
        if process.process.stdout:
            process.process.stdout.close()


@pytest.fixture(scope="session")
def settings() -> dict[str, set[str]]:
    """The environment variables that each program knows, by its own help; of secrets also the one for a file."""
    known = {}
    for name in ALL:
        text = subprocess.run(
            [str(PROGRAMS / name), "--help"], capture_output=True, text=True, check=True, env=KEPT
        ).stdout
        known[name] = set(re.findall(r"\[env: ([A-Z][A-Z0-9_]*)", text))
        assert "PORT" in known[name], f"{name} --help names no variables"
    return known


# What a file may hold in place of a variable; the program refuses both at once.
SECRETS = {"FANFARE_API_KEYS", "SERVICE_API_KEY", "REDIS_URL", "DATABASE_URL", "JWT_SECRET"}

# Read by Google's libraries, and by systemd's protocol.
FOREIGN = {"GOOGLE_APPLICATION_CREDENTIALS"}


def unknown(variables: set[str], known: set[str], others: frozenset[str] = frozenset()) -> set[str]:
    """Those that the program does not know, neither itself nor as the file of a secret."""
    files = {f"{name}_FILE" for name in known & SECRETS}
    return variables - known - files - FOREIGN - others


def environment_file(path: Path) -> dict[str, str]:
    """The variables of a file of NAME=value lines."""
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = ((line.partition("=")[0], line.partition("=")[2]) for line in lines if line and not line.startswith("#"))
    return dict(pairs)


def seconds(text: str) -> float:
    """A duration as our settings and Kubernetes write it."""
    match = re.fullmatch(r"(\d+)(ms|s|m|h)?", text)
    assert match, f"{text} is no duration"
    return int(match[1]) * {"ms": 0.001, "s": 1, None: 1, "m": 60, "h": 3600}[match[2]]


def drain_timeout_default() -> float:
    """DRAIN_TIMEOUT where nobody sets it, by the generated page."""
    row = next(line for line in (DOCS / "configuration.md").read_text().splitlines() if "| `DRAIN_TIMEOUT`" in line)
    return seconds(row.split("|")[2].strip().strip("`"))


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory with a short path, for Unix sockets, whose names have 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="ff-") as directory:
        yield Path(directory)
