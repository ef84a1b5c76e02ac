"""Celery tasks that report themselves: with a real worker on a real Redis, watched by a real client."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fanfare import RefusedError
from fanfare import celery as fanfare_celery
from tests import tasks
from tests.scripted import Answer, Asked, ScriptedHub
from tests.servers import PATIENCE_S, Hub, Redis, Server, wait_until
from tests.tasks import STEPS
from tests.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).resolve().parents[1]


class Worker(Server):
    """A worker with four processes."""

    def __init__(self, broker: str, hub: str, inbox: str) -> None:
        command = [sys.executable, "-m", "celery", "-A", "tests.tasks", "worker", "--pool", "prefork", "-c", "4"]
        command += ["--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        environment = {
            "PYTHONPATH": str(PACKAGE),
            "TEST_BROKER": broker,
            "WS_SERVICE_URL": hub,
            "NOTIFICATION_SERVICE_URL": inbox,
            "SERVICE_API_KEY": "the-service-key-0123456789",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        super().__init__(command, environment, r"(celery@\S+) ready")


def stores(asked: Asked) -> Answer:
    """A notification service that has no time for anybody's first try, and refuses what is called so."""
    if asked.path.endswith("/bulk"):
        ids = asked.body["user_ids"]
        told: list[dict[str, Any]] = [{"success": True, "user_id": one, "id": one} for one in ids]
        told.append({"done": True, "created": len(ids), "filtered": 0, "refused": 0})
        return Answer(200, "".join(json.dumps(one) + "\n" for one in told).encode())
    if asked.body["title"] == "refused":
        return Answer(422, {"code": "invalid", "detail": "title: no"})
    first = asked.body["user_id"] not in _seen
    _seen.add(asked.body["user_id"])
    # Longer than the task waits, so that it is the task that tries again.
    busy = first and asked.body["user_id"] != "nobody"
    return Answer(503, {}, {"Retry-After": "3600"}) if busy else Answer(201, {"id": 12})


_seen: set[object] = set()


@pytest.fixture(scope="module")
def inbox() -> Iterator[ScriptedHub]:
    """The notification service of the worker."""
    with ScriptedHub(stores) as server:
        yield server


@pytest.fixture(scope="module")
def worker(hub: Hub, inbox: ScriptedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One worker for all tests of this file; they differ in users."""
    with Redis(tmp_path_factory.mktemp("redis")).start() as redis:
        before = {name: tasks.app.conf[name] for name in ("broker_url", "result_backend")}
        tasks.app.conf.update(broker_url=redis.url, result_backend=redis.url)
        worker = Worker(redis.url, hub.url, inbox.url)
        with worker:
            worker.launch()
            yield worker
            worker.terminate()
        tasks.app.close()
        tasks.app.conf.update(before)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("oracle_upload_") for event in events]


def run(task: Any, *args: Any, **options: Any) -> Any:
    return task.apply_async(args, **options)


pytestmark = pytest.mark.usefixtures("worker")


def test_a_task_is_seen_from_its_start_to_its_end(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        assert run(tasks.upload, user, 602).get(timeout=PATIENCE_S) == "done"
        events = watcher.take(7)
        assert watcher.nothing_more()
    assert kinds(events) == ["started", *["progress"] * 5, "completed"]
    assert [event["step"] for event in events[1:6]] == STEPS
    assert [event["step_number"] for event in events[1:6]] == [1, 2, 3, 4, 5]
    assert {event["transaction_id"] for event in events} == {602}
    assert (events[6]["success"], events[6]["result_path"]) == (True, "/exports/602.zip")


def test_arguments_may_be_named(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        run(tasks.upload, user, kwargs={"transaction_id": 7})
        assert watcher.next()["transaction_id"] == 7


def test_a_task_that_fails_says_why(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        with pytest.raises(ValueError, match="ORA-00001"):
            run(tasks.broken, user, 602).get(timeout=PATIENCE_S)
        events = watcher.take(3)
        assert watcher.nothing_more()
    assert kinds(events) == ["started", "progress", "failed"]
    assert events[2]["error"] == "ORA-00001: unique constraint violated"


def test_a_task_that_is_tried_again_has_not_failed(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        assert run(tasks.shaky, user, 602, 2).get(timeout=PATIENCE_S) == 2
        events = watcher.take(6)
        assert watcher.nothing_more()
    assert kinds(events) == ["started", *["progress"] * 4, "completed"]
    assert [event["step"] for event in events[1:5]] == ["Preparing Data"] * 3 + ["AutoPost"]


def test_a_task_that_is_tried_again_much_later_says_that_it_waits(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        waiting = run(tasks.patient, kwargs={"user_id": user, "transaction_id": 602})
        events = watcher.take(3)
        assert [event["message"] for event in events[1:]] == ["Preparing Data (1 of 5)", "Waiting to try again"]
        assert events[2]["step"] == "Preparing Data"
        waiting.revoke()


def test_a_task_that_gives_up_has_failed(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        with pytest.raises(OSError, match="UCM"):
            run(tasks.given_up, user, 602).get(timeout=PATIENCE_S)
        events = watcher.take(2)
        assert watcher.nothing_more()
    assert kinds(events) == ["started", "failed"]
    assert events[1]["error"] == "UCM does not answer"


def test_names_of_parameters_and_functions_say_whose_task_it_is(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        run(tasks.export, user, kwargs={"name": "csv"})
        events = watcher.take(3)
    assert [event["type"] for event in events] == ["export_started", "export_progress", "export_completed"]
    assert events[1]["step"] == "export csv"
    assert {event["transaction_id"] for event in events} == {f"export-of-{user}"}


@pytest.mark.parametrize(
    ("task", "error"), [(tasks.killed, "SIGKILL"), (tasks.endless, "TimeLimitExceeded")], ids=["killed", "endless"]
)
def test_a_task_whose_process_dies_has_failed(hub: Hub, user: int, task: Any, error: str) -> None:
    with Watcher.tasks(hub, user) as watcher:
        run(task, user, 602)
        events = watcher.take(3)
    assert kinds(events) == ["started", "progress", "failed"]
    assert error in events[2]["error"]


def test_a_task_that_is_revoked_or_has_expired_says_so(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        running = run(tasks.long, user, 602)
        assert kinds(watcher.take(2)) == ["started", "progress"]
        running.revoke(terminate=True)
        event = watcher.next()
        assert (event["error"], event["message"]) == ("revoked", "Oracle upload was cancelled")
        run(tasks.upload, user, 603, expires=datetime.now(timezone.utc) - timedelta(hours=1))
        event = watcher.next()
        assert (event["transaction_id"], event["error"]) == (603, "expired")
        assert watcher.nothing_more()


def test_a_block_in_a_task_that_is_tried_again_has_not_failed(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        assert run(tasks.by_hand, user, 602).get(timeout=PATIENCE_S) == "done"
        assert kinds(watcher.take(5)) == ["started", "progress", "started", "progress", "completed"]


def test_a_hub_that_is_away_breaks_no_task(user: int) -> None:
    assert run(tasks.unheard, user, 602).get(timeout=PATIENCE_S) == "done"


def test_a_task_of_nobody_runs_and_is_not_reported(hub: Hub, worker: Worker) -> None:
    with Watcher.channel(hub) as everyone:
        assert run(tasks.nobodys, 602).get(timeout=PATIENCE_S) == "done"
        assert everyone.nothing_more()
    wait_until(lambda: "its call says no user or no transaction" in worker.log(), "a line in the log")


def test_processes_that_were_forked_do_not_mix_their_reports(hub: Hub, user: int) -> None:
    # The main process has had a connection since before the fork (`tasks.connect_before_the_fork`).
    users = [user + 1_000_000 + n for n in range(12)]
    watchers = [Watcher.tasks(hub, one) for one in users]
    try:
        for one in users:
            run(tasks.upload, one, one)
        for one, watcher in zip(users, watchers, strict=True):
            events = watcher.take(7)
            assert kinds(events) == ["started", *["progress"] * 5, "completed"]
            assert {event["transaction_id"] for event in events} == {one}
    finally:
        for watcher in watchers:
            watcher.close()


@pytest.fixture
def _here(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("WS_SERVICE_URL", hub.url)
    monkeypatch.setitem(tasks.app.conf, "task_always_eager", True)
    yield
    assert fanfare_celery._running == {}


@pytest.mark.usefixtures("_here")
def test_tasks_report_themselves_without_a_worker_too(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        tasks.upload.delay(user, 602)
        assert kinds(watcher.take(7))[6] == "completed"
        tasks.shaky.delay(user, 603, 1)
        assert "failed" not in kinds(watcher.take(5))
        tasks.ignored.delay(user, 604)
        assert kinds(watcher.take(1)) == ["started"]
        assert watcher.nothing_more()


@pytest.mark.usefixtures("_here")
def test_a_step_that_there_is_not_fails_the_task(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        assert tasks.misspelt.delay(user, 602).failed()
        assert "'Auto Post' is none of the steps" in watcher.take(2)[1]["error"]


def test_a_function_that_is_called_directly_reports_nothing(
    hub: Hub, user: int, caplog: pytest.LogCaptureFixture
) -> None:
    with Watcher.tasks(hub, user) as watcher, caplog.at_level(logging.DEBUG, "fanfare"):
        assert tasks.upload(user, 602) == "done"
        assert watcher.nothing_more()
    assert not caplog.records


def test_steps_are_a_list_and_not_a_text() -> None:
    with pytest.raises(TypeError, match="steps"):
        fanfare_celery.tracked("t", steps="abc")


def test_tasks_in_forked_processes_create_notifications_and_one_that_runs_again_creates_no_second(
    inbox: ScriptedHub, user: int
) -> None:
    results = [run(tasks.notify, user + n, "Your export is ready") for n in range(4)]
    assert [result.get(timeout=PATIENCE_S) for result in results] == [12] * 4
    for n, result in enumerate(results):
        asked = [one for one in inbox.asked if one.body.get("user_id") == user + n]
        assert len(asked) >= 2
        assert {one.headers["idempotency-key"] for one in asked} == {f"task-{result.id}"}


def test_a_task_creates_many(inbox: ScriptedHub, user: int) -> None:
    assert run(tasks.notify_all, list(range(user, user + 1_000))).get(timeout=PATIENCE_S) == 1_000


def test_what_the_service_refuses_is_the_tasks_error(user: int) -> None:
    with pytest.raises(RefusedError, match="title: no"):
        run(tasks.refused, user).get(timeout=PATIENCE_S)
