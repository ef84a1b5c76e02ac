"""A task that reports itself to the real hub: what its user sees, and that nothing the network does breaks it."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from fanfare import (
    AsyncFanfare,
    Fanfare,
    Patience,
    RefusedError,
    TaskProgress,
    UnreachableError,
    async_task_progress,
    task_progress,
)
from fanfare.progress import AsyncTaskProgress
from tests.scripted import CUT, OK, Answer, Asked, RawServer, ScriptedHub
from tests.servers import Hub, free_port, wait_until
from tests.watching import Watcher

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable, Generator

STEPS = ["Preparing Data", "Upload to UCM", "Interface Loader", "Journal Import", "AutoPost"]
SHORT = Patience(started=0.2, step=0.2, ended=0.2, interrupted=0.2)


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Runs a task of one step, and then what the test wants, by the one kind of reporting or the other."""

    def one(url: str, user: int, then: Callable[[], object] = lambda: None, **options: Any) -> None:
        if request.param == "sync":
            with (
                Fanfare(url) as client,
                task_progress(user, "oracle_upload", transaction_id=602, steps=STEPS, client=client, **options) as task,
            ):
                task.step("Upload to UCM", message="3 of 5 files")
                task.finish(result_path="/exports/602.zip")
                then()
            return

        async def work() -> None:
            async with (
                AsyncFanfare(url) as client,
                async_task_progress(
                    user, "oracle_upload", transaction_id=602, steps=STEPS, client=client, **options
                ) as task,
            ):
                await task.step("Upload to UCM", message="3 of 5 files")
                task.finish(result_path="/exports/602.zip")
                then()

        asyncio.run(work())

    return one


def silent(_: socket.socket, over: threading.Event) -> None:
    """Never answers."""
    over.wait()


def raising(error: BaseException) -> Callable[[], object]:
    def then() -> object:
        raise error

    return then


def test_a_task_is_seen_from_its_start_to_its_end(run: Callable[..., None], hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        run(hub.url, user)
        started, progress, completed = watcher.take(3)
    for event in (started, progress, completed):
        # Microseconds and no zone.
        assert len(event.pop("timestamp")) == len("2025-11-18T12:30:45.123456")
    assert started == {"type": "oracle_upload_started", "transaction_id": 602, "message": "Oracle upload started"}
    assert progress == {
        "type": "oracle_upload_progress",
        "transaction_id": 602,
        "step": "Upload to UCM",
        "step_number": 2,
        "total_steps": 5,
        "message": "3 of 5 files",
        "status": "processing",
    }
    assert completed == {
        "type": "oracle_upload_completed",
        "transaction_id": 602,
        "message": "Oracle upload completed",
        "success": True,
        "result_path": "/exports/602.zip",
    }


def test_a_task_that_fails_says_why_and_raises_it_again(run: Callable[..., None], hub: Hub, user: int) -> None:
    error = ValueError("ORA-00001: unique constraint violated")
    with Watcher.tasks(hub, user) as watcher:
        with pytest.raises(ValueError, match="ORA-00001") as raised:
            run(hub.url, user, raising(error))
        assert raised.value is error
        failed = watcher.take(3)[2]
    assert (failed["type"], failed["message"]) == ("oracle_upload_failed", "Oracle upload failed")
    assert failed["error"] == "ORA-00001: unique constraint violated"


def test_what_the_user_is_told_of_an_error_may_be_chosen(run: Callable[..., None], hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher:
        for error_text in (lambda _: "please call us", lambda _: 1 / 0):
            with pytest.raises(ValueError, match="s3cr3t"):
                run(hub.url, user, raising(ValueError("s3cr3t")), error_text=error_text)
        assert [event.get("error") for event in watcher.take(6)][2::3] == ["please call us", "ValueError"]


@pytest.mark.parametrize(
    "interruption",
    [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError],
    ids=lambda kind: kind.__name__,
)
def test_a_task_that_is_told_to_stop_does_not_leave_its_bar_standing(
    run: Callable[..., None], hub: Hub, user: int, interruption: type[BaseException]
) -> None:
    with Watcher.tasks(hub, user) as watcher:
        with pytest.raises(interruption):
            run(hub.url, user, raising(interruption()))
        failed = watcher.take(3)[2]
    assert (failed["message"], failed["error"]) == ("Oracle upload was interrupted", "interrupted")


def test_a_task_that_runs_out_of_time_under_asyncio_says_so(hub: Hub, user: int) -> None:
    async def work() -> None:
        async with (
            AsyncFanfare(hub.url) as client,
            async_task_progress(user, "t", transaction_id=1, client=client) as task,
        ):
            await task.step("long")
            await asyncio.Event().wait()

    async def bounded() -> None:
        await asyncio.wait_for(work(), 1)

    with Watcher.tasks(hub, user) as watcher:
        with pytest.raises(asyncio.TimeoutError):
            asyncio.run(bounded())
        assert [event.get("error") for event in watcher.take(3)] == [None, None, "interrupted"]


def test_a_generator_that_is_closed_in_the_middle_reports_it(hub: Hub, user: int) -> None:
    def rows(client: Fanfare) -> Generator[int]:
        with task_progress(user, "export", transaction_id=1, client=client) as task:
            task.step("one")
            yield 1
            yield 2

    with Watcher.tasks(hub, user) as watcher, Fanfare(hub.url) as client:
        generator = rows(client)
        next(generator)
        generator.close()
        assert watcher.take(3)[2]["error"] == "interrupted"


def test_a_page_that_is_loaded_in_the_middle_sees_the_bar_where_it_is(hub: Hub, user: int) -> None:
    with Fanfare(hub.url) as client, Watcher.tasks(hub, user) as first:
        with task_progress(user, "oracle_upload", transaction_id=602, steps=STEPS, client=client) as task:
            task.step(3)
            first.take(2)
            with Watcher.tasks(hub, user) as reloaded:
                event = reloaded.next()
                assert (event["type"], event["step_number"]) == ("oracle_upload_progress", 3)
        with Watcher.tasks(hub, user) as later:
            assert later.next()["type"] == "oracle_upload_completed"


def test_nobody_else_sees_a_users_task(hub: Hub, user: int) -> None:
    with (
        Watcher.tasks(hub, user + 500_000) as other,
        Watcher.channel(hub) as anonymous,
        Fanfare(hub.url) as client,
    ):
        with task_progress(user, "t", transaction_id=1, client=client) as task:
            task.step("a")
        assert other.nothing_more()
        assert anonymous.nothing_more()


def test_a_user_may_be_named_by_a_text(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher, Fanfare(hub.url) as client:
        with task_progress(str(user), "t", transaction_id="run-7", client=client):
            pass
        assert [event["transaction_id"] for event in watcher.take(2)] == ["run-7", "run-7"]


def test_a_hub_that_is_away_breaks_no_task(
    run: Callable[..., None], user: int, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[bool] = []
    with caplog.at_level(logging.WARNING, "fanfare"):
        run(f"http://127.0.0.1:{free_port()}", user, lambda: done.append(True), patience=SHORT)
    assert done == [True]
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(" ")[0] for line in said] == [
        "oracle_upload_started",
        "oracle_upload_progress",
        "oracle_upload_completed",
    ]
    assert all("of 602 was not reported: the hub does not answer" in line for line in said)


@pytest.mark.parametrize("answer", [Answer(401), Answer(422), Answer(500), Answer(503)], ids=repr)
def test_a_hub_that_refuses_breaks_no_task(run: Callable[..., None], user: int, answer: Answer) -> None:
    with ScriptedHub(answer) as hub:
        run(hub.url, user, patience=SHORT)
        with pytest.raises(ValueError, match="the task's own"):
            run(hub.url, user, raising(ValueError("the task's own")), patience=SHORT)


def test_who_is_strict_is_told_of_a_report_that_failed(run: Callable[..., None], user: int) -> None:
    with ScriptedHub(Answer(401)) as hub, pytest.raises(RefusedError):
        run(hub.url, user, strict=True)
    with ScriptedHub(Answer(), Answer(401)) as hub, pytest.raises(RefusedError):
        run(hub.url, user, strict=True)
    with ScriptedHub(Answer(), Answer(), Answer(401)) as hub, pytest.raises(RefusedError):
        run(hub.url, user, strict=True)


def test_the_error_of_a_report_never_hides_the_tasks_own(run: Callable[..., None], user: int) -> None:
    with ScriptedHub(Answer(), Answer(), Answer(401)) as hub, pytest.raises(ValueError, match="own"):
        run(hub.url, user, raising(ValueError("own")), strict=True)


def test_a_step_that_there_is_not_is_raised_and_the_task_has_failed(hub: Hub, user: int) -> None:
    with Watcher.tasks(hub, user) as watcher, Fanfare(hub.url) as client:
        with (
            pytest.raises(ValueError, match="none of the steps"),
            task_progress(user, "t", transaction_id=1, steps=STEPS, client=client) as task,
        ):
            task.step("Auto Post")
        assert watcher.take(2)[1]["type"] == "t_failed"


def test_start_and_end_are_tried_for_longer_than_steps(user: int) -> None:
    with Hub(port=free_port()) as hub, Fanfare(hub.start().url) as client:
        url = hub.url
        with task_progress(user, "t", transaction_id=1, client=client, patience=Patience(step=0.1)) as task:
            hub.stop()
            began = time.monotonic()
            task.step("left out")
            assert time.monotonic() - began < 5
            hub.start()
            assert hub.url == url
        with Watcher.tasks(hub, user) as watcher:
            assert watcher.next()["type"] == "t_completed"


def test_a_report_that_arrives_late_does_not_come_behind_the_end(run: Callable[..., None], user: int) -> None:
    with Hub(port=free_port()).start() as hub, Watcher.tasks(hub, user) as watcher:
        hub.send(signal.SIGSTOP)
        # Start and step lie in the hub's sockets unread when the end is sent.
        run(hub.url, user, lambda: hub.send(signal.SIGCONT), patience=Patience(started=1, step=3))
        assert [event["type"][14:] for event in watcher.take(3)] == ["started", "progress", "completed"]
        assert watcher.nothing_more()
        with Watcher.tasks(hub, user) as later:
            assert later.next()["type"] == "oracle_upload_completed"


def test_what_may_have_arrived_is_said_again_under_its_key_before_the_next(run: Callable[..., None], user: int) -> None:
    def only_the_end(asked: Asked) -> Answer:
        items = asked.body if isinstance(asked.body, list) else [asked.body]
        if items[-1]["type"] != "oracle_upload_completed":
            return CUT
        return Answer(body=[OK for _ in items])

    with ScriptedHub(only_the_end) as hub:
        run(hub.url, user, patience=Patience(started=0.5, step=1.5))
        last = hub.asked[-1]
        assert last.path == "/broadcast/batch"
        assert [item["type"][14:] for item in last.body] == ["started", "progress", "completed"]
        assert last.body[0]["idempotency_key"] == hub.asked[0].headers["idempotency-key"]
        assert len({item["idempotency_key"] for item in last.body}) == 3


def test_steps_that_cannot_be_reported_cost_a_bounded_time(user: int) -> None:
    with RawServer(silent) as server, Fanfare(server.url) as client:
        patience = Patience(started=0.1, step=0.5, ended=0.1)
        began = time.monotonic()
        with task_progress(user, "t", transaction_id=1, client=client, patience=patience) as task:
            for n in range(1000):
                task.step(str(n))
        assert time.monotonic() - began < 6


def test_steps_are_reported_again_as_soon_as_the_hub_is_back(user: int) -> None:
    with (
        Hub(port=free_port()) as hub,
        Fanfare(hub.start().url) as client,
        # A third of it is what the one try has that finds the hub.
        task_progress(user, "t", transaction_id=1, client=client, patience=Patience(step=6)) as task,
    ):
        hub.stop()
        for n in range(20):
            task.step(f"away {n}")
        hub.start()
        with Watcher.tasks(hub, user) as watcher:
            task.step("back")
            assert watcher.next()["step"] == "back"


def test_without_a_client_the_environment_names_the_hub(hub: Hub, user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_SERVICE_URL", hub.url)

    async def work() -> None:
        async with async_task_progress(user, "b", transaction_id=1) as task:
            assert isinstance(task, AsyncTaskProgress)

    with Watcher.tasks(hub, user) as watcher:
        with task_progress(user, "a", transaction_id=1) as task:
            assert isinstance(task, TaskProgress)
        asyncio.run(work())
        assert [event["type"] for event in watcher.take(4)] == ["a_started", "a_completed", "b_started", "b_completed"]


def test_one_async_client_serves_one_loop_after_the_other(hub: Hub) -> None:
    # In a process of its own, where nobody minds that connections of a loop that has ended are never closed.
    program = (
        "import asyncio, fanfare, sys\n"
        "client = fanfare.AsyncFanfare(sys.argv[1])\n"
        "for n in range(3):\n"
        "    asyncio.run(client.publish('t', user_ids=[]))\n"
        "print('done')"
    )
    done = subprocess.run([sys.executable, "-c", program, hub.url], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"


def test_a_client_that_was_used_before_a_fork_serves_parent_and_child(hub: Hub) -> None:
    program = (
        "import fanfare, os, sys\n"
        "client = fanfare.Fanfare(sys.argv[1])\n"
        "ids = [client.publish('t', user_ids=[]).id]\n"
        "child = os.fork()\n"
        "ids += [client.publish('t', user_ids=[], idempotency_key=f'{os.getpid()}-{n}').id for n in range(50)]\n"
        "assert len(set(ids)) == 51\n"
        "if child:\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    client.publish('t', user_ids=[])\n"
        "    print('done')"
    )
    done = subprocess.run([sys.executable, "-c", program, hub.url], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"


def test_a_publish_that_is_cancelled_ends_at_once() -> None:
    async def work(url: str) -> None:
        async with AsyncFanfare(url) as client:
            publishing = asyncio.create_task(client.publish("t"))
            await asyncio.to_thread(wait_until, lambda: server.taken, "the call")
            began = time.monotonic()
            publishing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await publishing
            assert time.monotonic() - began < 2

    with RawServer(silent) as server:
        asyncio.run(work(server.url))


def test_the_error_of_strict_reporting_says_that_nobody_answers(user: int) -> None:
    with (
        pytest.raises(UnreachableError),
        Fanfare(f"http://127.0.0.1:{free_port()}") as client,
        task_progress(user, "t", transaction_id=1, client=client, strict=True, patience=SHORT),
    ):
        raise AssertionError("the block is not entered")
