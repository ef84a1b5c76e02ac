"""The programs under a supervisor: what they tell on NOTIFY_SOCKET, as systemd with Type=notify would hear it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from conftest import PATIENCE_S, Process, get

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The watchdog's interval: long enough for the shards' half second, short enough for a test.
WATCHDOG_US = 2_000_000


class Supervisor:
    """The socket at which a supervisor listens, and what came."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(PATIENCE_S)
        self.heard: list[str] = []

    def environment(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(WATCHDOG_US)}

    def wait_for(self, message: str) -> list[str]:
        """Waits for a datagram with the line; returns all its lines."""
        while True:
            lines = self.socket.recv(4096).decode().splitlines()
            self.heard += lines
            if message in lines:
                return lines

    def forget(self) -> None:
        """Drops what has come and was not heard yet, and waits for no longer than an interval from now on."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(4096):
                pass
        self.socket.settimeout(WATCHDOG_US / 1_000_000)


@pytest.fixture
def supervisor(scratch: Path) -> Supervisor:
    return Supervisor(scratch)


def hub(start: Callable[..., Process], supervisor: Supervisor, **environment: str) -> Process:
    return start("websocket-server", **supervisor.environment(), **environment)


def test_a_hub_is_ready_when_it_answers_and_says_where(start: Callable[..., Process], supervisor: Supervisor) -> None:
    process = hub(start, supervisor)
    ready = supervisor.wait_for("READY=1")
    url = process.listening().url
    assert get(f"{url}/healthz")[0] == 200
    assert f"STATUS=listening on {url}" in ready
    assert supervisor.heard[0] == "READY=1", "nothing is told before it is ready"


def test_a_hub_tells_the_watchdog_again_and_again(start: Callable[..., Process], supervisor: Supervisor) -> None:
    hub(start, supervisor)
    supervisor.wait_for("READY=1")
    for _ in range(3):
        supervisor.wait_for("WATCHDOG=1")


def test_a_hub_that_is_stopped_says_so_and_ends_well(start: Callable[..., Process], supervisor: Supervisor) -> None:
    process = hub(start, supervisor)
    supervisor.wait_for("READY=1")
    process.process.send_signal(signal.SIGTERM)
    assert "STATUS=draining" in supervisor.wait_for("STOPPING=1")
    assert process.process.wait(PATIENCE_S) == 0


def test_a_hub_that_stands_still_does_not_tell_the_watchdog(
    start: Callable[..., Process], supervisor: Supervisor
) -> None:
    process = hub(start, supervisor)
    supervisor.wait_for("READY=1")
    supervisor.wait_for("WATCHDOG=1")
    os.kill(process.process.pid, signal.SIGSTOP)
    # What was sent before it stood still is still to be heard.
    supervisor.forget()
    with pytest.raises(TimeoutError):
        supervisor.wait_for("WATCHDOG=1")
    os.kill(process.process.pid, signal.SIGCONT)
    supervisor.socket.settimeout(PATIENCE_S)
    supervisor.wait_for("WATCHDOG=1")


def test_a_reload_is_told_from_its_beginning_to_its_end(
    start: Callable[..., Process], supervisor: Supervisor, tmp_path: Path
) -> None:
    rules = tmp_path / "hub.toml"
    rules.write_text("")
    process = hub(start, supervisor, FANFARE_CONFIG=str(rules))
    supervisor.wait_for("READY=1")
    for text in ('[[channels]]\npattern = "a:*"\nsubscribe = "nobody"\n', "this is no TOML"):
        rules.write_text(text)
        process.process.send_signal(signal.SIGHUP)
        reloading = supervisor.wait_for("RELOADING=1")
        assert any(line.startswith("MONOTONIC_USEC=") for line in reloading), "Type=notify-reload wants the time"
        supervisor.wait_for("READY=1")


@pytest.mark.parametrize("name", ["user-service", "payment-service"])
def test_a_service_is_ready_watched_and_stopped_in_the_same_way(
    start: Callable[..., Process], supervisor: Supervisor, name: str
) -> None:
    process = start(name, SERVICE_API_KEY="a-key-of-the-test", **supervisor.environment())
    supervisor.wait_for("READY=1")
    assert get(f"{process.listening().url}/health")[0] == 200
    supervisor.wait_for("WATCHDOG=1")
    process.process.send_signal(signal.SIGTERM)
    supervisor.wait_for("STOPPING=1")
    assert process.process.wait(PATIENCE_S) == 0


def test_all_in_one_process_is_ready_watched_and_stopped_as_one(
    start: Callable[..., Process], supervisor: Supervisor
) -> None:
    process = start("fanfare", "up", **supervisor.environment())
    supervisor.wait_for("READY=1")
    url = process.listening().url
    assert get(f"{url}/healthz")[0] == get(f"{url}/svc/job-service/health")[0] == 200
    supervisor.wait_for("WATCHDOG=1")
    process.process.send_signal(signal.SIGTERM)
    supervisor.wait_for("STOPPING=1")
    assert process.process.wait(PATIENCE_S) == 0
