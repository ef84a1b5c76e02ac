"""Scripts as the field has them, unchanged, against `fanfare up`, told by this package: uploads, receipts by Pub/Sub.

Not here: the dashboard's clients, which are Node's (web/field-clients), where the scripts of this file stand too.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from fanfare import Fanfare, task_progress
from fanfare.pubsub import publish_event
from tests.servers import PATIENCE_S, REPOSITORY, SECRET, TARGET, Server, free_port, token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

    from tests.servers import PubSubFake

SCRIPTS = REPOSITORY / "web" / "field-clients"

MICROSECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

STEPS = ["Preparing Data", "Upload to UCM", "Interface Loader", "Journal Import", "AutoPost"]


class Up(Server):
    """`fanfare up` with data of its own: `FANFARE`, else `target/debug/fanfare`."""

    def __init__(self, data: Path, **environment: str) -> None:
        program = os.environ.get("FANFARE", str(TARGET / "debug" / "fanfare"))
        self._receipts = free_port()
        settings = {
            "HOST": "127.0.0.1",
            "PORT": "0",
            "DASHBOARD_PORT": "off",
            "RECEIPTS_PORT": str(self._receipts),
            "FANFARE_DATA": str(data),
            "JWT_SECRET": SECRET,
            "NO_PROXY": "127.0.0.1,localhost",
        }
        super().__init__([program, "up"], {**settings, **environment}, r"^listening on (http://\S+)")
        self.url = ""

    def start(self) -> Self:
        """Starts it."""
        self.url = self.launch().rstrip("/")
        return self

    @property
    def tasks(self) -> str:
        """Where uploads are watched."""
        return self.url.replace("http", "ws", 1) + "/ws/notifications/"

    @property
    def receipts(self) -> str:
        """Where receipts come, as the log says it."""
        return f"ws://localhost:{self._receipts}"


class Script:
    """A script of the field as a child process; its lines as they come."""

    def __init__(self, name: str, *arguments: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._child = subprocess.Popen(
            [sys.executable, str(SCRIPTS / name), *arguments],
            env={**kept, "PYTHONIOENCODING": "utf-8", "NO_PROXY": "*"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def printed(self, word: str, count: int = 1) -> list[str]:
        """The first lines that begin with this word, once there are so many."""
        end = time.monotonic() + PATIENCE_S
        with self._changed:
            while len(found := [line for line in self.lines if line.split(" ")[0] == word]) < count:
                left = end - time.monotonic()
                assert left > 0, f"no {count} x {word}:\n" + "\n".join(self.lines)
                assert not self._ended, "it ended:\n" + "\n".join(self.lines)
                self._changed.wait(left)
            return found[:count]

    def frames(self, word: str, count: int = 1) -> list[dict[str, Any]]:
        """The JSON at the end of these lines."""
        return [json.loads(line[line.index("{") :]) for line in self.printed(word, count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        self._reader.join(PATIENCE_S)
        assert self._child.stdout is not None
        self._child.stdout.close()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, pubsub: PubSubFake) -> Iterator[Up]:
    """`fanfare up` with its bridge, beside Google's Pub/Sub."""
    data = tmp_path_factory.mktemp("up")
    with Up(data, PUBSUB_EMULATOR_HOST=pubsub.address, PUBSUB_PROJECT="field") as up:
        yield up.start()


@pytest.mark.parametrize("how", ["--token", "--cookie"])
def test_an_uploads_script_sees_what_task_progress_tells(up: Up, user: int, how: str) -> None:
    secret = token(user) if how == "--token" else f"theme=dark; access_token={token(user)}"
    with (
        Script("tasks.py", up.tasks, how, secret) as script,
        Script("tasks.py", up.tasks, "--token", token(1)) as other,
    ):
        assert script.frames("connection_established") == [
            {"type": "connection_established", "message": "WebSocket connected successfully", "user_id": user}
        ]
        # The script's own value comes back.
        assert script.frames("pong") == [{"type": "pong", "timestamp": 1763469045123}]
        other.frames("pong")
        with (
            Fanfare(up.url) as hub,
            task_progress(user, "oracle_upload", transaction_id=602, steps=STEPS, client=hub) as task,
        ):
            for step in STEPS:
                task.step(step)
            task.finish(result_path="/exports/602.zip")
        (done,) = script.frames("oracle_upload_completed")
        assert script.printed("602:", 5) == [f"602: {number}/5 {step}" for number, step in enumerate(STEPS, 1)]
        progress = script.frames("oracle_upload_progress", 5)
        assert [(frame["step_number"], frame["step"], frame["status"]) for frame in progress] == [
            (number, step, "processing") for number, step in enumerate(STEPS, 1)
        ]
        for frame in [*script.frames("oracle_upload_started"), *progress, done]:
            assert MICROSECONDS.fullmatch(frame["timestamp"]), frame
            assert frame["transaction_id"] == 602
        assert (done["success"], done["result_path"]) == (True, "/exports/602.zip")
        assert other.lines[2:] == [], "it is nobody else's"


def test_an_upload_that_fails_is_told_with_the_reason(up: Up, user: int) -> None:
    def fail(hub: Fanfare) -> None:
        with task_progress(user, "oracle_upload", transaction_id=603, steps=STEPS, client=hub) as task:
            task.step()
            raise RuntimeError("ORA-00001: unique constraint violated")

    with Script("tasks.py", up.tasks, "--token", token(user)) as script:
        script.frames("pong")
        with Fanfare(up.url) as hub, pytest.raises(RuntimeError):
            fail(hub)
        (failed,) = script.frames("oracle_upload_failed")
        assert failed["error"] == "ORA-00001: unique constraint violated"


def test_a_script_that_is_started_in_the_middle_sees_where_the_upload_is(up: Up, user: int) -> None:
    with (
        Fanfare(up.url) as hub,
        task_progress(user, "oracle_upload", transaction_id=604, steps=STEPS, client=hub) as task,
    ):
        task.step("Preparing Data")
        task.step("Upload to UCM")
        with Script("tasks.py", up.tasks, "--token", token(user)) as script:
            assert script.printed("604:") == ["604: 2/5 Upload to UCM"]
            task.step("Interface Loader")
            assert script.printed("604:", 2)[1] == "604: 3/5 Interface Loader"


def test_a_receipts_script_prints_what_is_published_to_google_pubsub(
    up: Up, pubsub: PubSubFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.address)
    with Script("receipts.py", up.receipts) as first, Script("receipts.py", up.receipts) as second:
        for script in (first, second):
            script.printed("Connected")
        statuses = ["received", "processing_started", "processed", "failed"]
        for status in statuses:
            message = {"type": "receipt_update", "status": status, "receipt_id": "abc123", "total": 2**60 + 1}
            publish_event("field", "receipt-updates", message)
        # Addressed to others, or to everyone: not for receipts.
        with Fanfare(up.url) as hub:
            hub.publish("receipt_update", {"status": "processed", "receipt_id": "everyone's"})
            hub.publish("receipt_update", {"status": "processed", "receipt_id": "jobs'"}, channel="jobs")
        for script in (first, second):
            receipts = script.frames("Receipt", len(statuses))
            for receipt in receipts:
                assert SECONDS.fullmatch(receipt.pop("timestamp")), receipt
                told = {"type": "receipt_update", "status": receipt["status"], "receipt_id": "abc123"}
                assert receipt == {**told, "total": 2**60 + 1}
            # Without an ordering key Pub/Sub promises no order.
            assert sorted(statuses) == sorted(receipt["status"] for receipt in receipts)
            assert "Receipt abc123 → processed" in {line.split(" {")[0] for line in script.lines}
            assert len(script.lines) == 1 + len(statuses)


def test_the_log_says_what_the_field_looks_for(up: Up) -> None:
    assert f"WebSocket server started on {up.receipts}" in up.log()
    assert "Listening to Pub/Sub..." in up.log()
