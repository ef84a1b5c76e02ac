"""When a call is tried again, how long it takes at most, and what its error says, against servers that misbehave."""

from __future__ import annotations

import json
import logging
import pickle
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from fanfare import (
    OverloadedError,
    Publication,
    Published,
    PublishError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
)
from fanfare.retry import FIRST_WAIT, LONGEST_WAIT, MOST_PATIENCE, Tries
from tests.scripted import CUT, OK, Answer, Asked, RawServer, ScriptedHub
from tests.servers import free_port

if TYPE_CHECKING:
    import socket
    import threading

    from tests.publishers import Publishers

PROBLEM = {"code": "overloaded", "detail": "the hub takes no more"}


@pytest.mark.parametrize("first", [Answer(429), Answer(502), Answer(503, PROBLEM), Answer(504), CUT], ids=repr)
def test_a_call_is_tried_again_with_the_same_key_until_the_hub_takes_it(publishers: Publishers, first: Answer) -> None:
    with ScriptedHub(first, first, Answer()) as hub:
        assert publishers(hub.url).publish("t", {"n": 1}, user_id=7) == Published(str(OK["id"]), 1)
        keys = hub.keys()
        assert len(keys) == 3
        assert len(set(keys)) == 1
        assert {asked.path for asked in hub.asked} == {"/broadcast"}
        assert all(asked.body == {"type": "t", "data": {"n": 1}, "user_id": 7} for asked in hub.asked)


def test_every_call_has_a_key_of_its_own_unless_one_is_given(publishers: Publishers) -> None:
    with ScriptedHub() as hub:
        publisher = publishers(hub.url)
        publisher.publish("t")
        publisher.publish("t")
        publisher.publish("t", idempotency_key="order-981 shipped")
        first, second, given = hub.keys()
        assert first != second
        assert given == "order-981 shipped"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 415, 422, 426, 499])
def test_what_is_the_callers_fault_is_not_tried_again(publishers: Publishers, status: int) -> None:
    with ScriptedHub(Answer(status, {"code": "invalid", "detail": "type: is required"})) as hub:
        with pytest.raises(RefusedError) as refused:
            publishers(hub.url).publish("t")
        assert (refused.value.status, refused.value.code, refused.value.detail) == (
            status,
            "invalid",
            "type: is required",
        )
        assert str(refused.value) == f"the hub refused it: {status} invalid: type: is required"
        assert len(hub.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, PROBLEM),
        Answer(501),
        Answer(301, headers={"Location": "http://127.0.0.1:1/"}),
        Answer(200, b"<html>"),
        Answer(200, {"success": True}),
        Answer(200, []),
        Answer(200, b"[" * 100_000),
        Answer(204, b""),
        Answer(200, b"x" * (5 << 20)),
    ],
    ids=lambda answer: f"{answer.status} {str(answer.body)[:20]}",
)
def test_what_is_no_answer_of_a_hub_is_told_and_not_tried_again(publishers: Publishers, answer: Answer) -> None:
    with ScriptedHub(answer) as hub:
        with pytest.raises(UnexpectedAnswerError):
            publishers(hub.url).publish("t")
        assert len(hub.asked) == 1


def test_errors_are_told_apart_by_whose_fault_they_are(publishers: Publishers) -> None:
    with ScriptedHub(Answer(503, PROBLEM, {"Retry-After": "7"})) as hub:
        with pytest.raises(OverloadedError) as overloaded:
            publishers(hub.url).publish("t", attempts=1)
        error = overloaded.value
        assert (error.status, error.code, error.detail, error.retry_after) == (503, *PROBLEM.values(), 7.0)
        assert error.temporary
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert (type(again), vars(again), str(again)) == (OverloadedError, vars(error), str(error))
    with pytest.raises(UnreachableError) as away:
        publishers(f"http://127.0.0.1:{free_port()}").publish("t", attempts=1)
    assert (away.value.status, away.value.temporary, away.value.may_have_arrived) == (None, True, False)
    with ScriptedHub(CUT, Answer(503)) as hub, pytest.raises(OverloadedError) as later:
        publishers(hub.url).publish("t", attempts=2)
    assert later.value.may_have_arrived


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("3", 3.0),
        ("-5", 0.0),
        ("soon", None),
        ("", None),
        ("inf", None),
        ("Mon, 99 Foo", None),
        (None, None),
    ],
)
def test_a_wish_of_when_to_come_back_is_read(publishers: Publishers, header: str | None, seconds: float | None) -> None:
    with ScriptedHub(Answer(429, PROBLEM, {} if header is None else {"Retry-After": header})) as hub:
        with pytest.raises(OverloadedError) as overloaded:
            publishers(hub.url).publish("t", attempts=1)
        assert overloaded.value.retry_after == seconds


def test_a_wish_may_be_a_date(publishers: Publishers) -> None:
    later = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=100), usegmt=True)
    with ScriptedHub(Answer(503, PROBLEM, {"Retry-After": later})) as hub:
        with pytest.raises(OverloadedError) as overloaded:
            publishers(hub.url).publish("t", attempts=1)
        assert 90 < (overloaded.value.retry_after or 0) <= 100


def test_the_hub_is_not_asked_again_before_it_wants_to(publishers: Publishers) -> None:
    with ScriptedHub(Answer(503, PROBLEM, {"Retry-After": "1"}), Answer()) as hub:
        began = time.monotonic()
        publishers(hub.url).publish("t")
        assert time.monotonic() - began >= 1


def test_a_wait_that_does_not_fit_the_deadline_is_not_waited(publishers: Publishers) -> None:
    with ScriptedHub(Answer(503, PROBLEM, {"Retry-After": "3600"})) as hub:
        began = time.monotonic()
        with pytest.raises(OverloadedError):
            publishers(hub.url).publish("t", deadline=MOST_PATIENCE)
        assert time.monotonic() - began < MOST_PATIENCE
        assert len(hub.asked) == 1


def silent(_: socket.socket, over: threading.Event) -> None:
    over.wait()


def dripping(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while not over.wait(0.05):
        connection.sendall(b" ")


def endless(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not over.is_set():
        connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


@pytest.mark.parametrize("serve", [silent, dripping])
def test_a_call_ends_by_its_deadline_whatever_the_server_does(publishers: Publishers, serve: object) -> None:
    with RawServer(serve) as server:  # type: ignore[arg-type]
        began = time.monotonic()
        with pytest.raises(UnreachableError):
            publishers(server.url, timeout=0.4).publish("t", deadline=3.0)
        assert 0.8 < time.monotonic() - began < 5
        assert server.taken >= 2


def test_an_answer_that_never_ends_is_cut_off(publishers: Publishers) -> None:
    with RawServer(endless) as server, pytest.raises(UnexpectedAnswerError, match="4194304 bytes"):
        publishers(server.url).publish("t")


def test_a_hub_that_is_away_is_tried_for_the_deadline(publishers: Publishers) -> None:
    began = time.monotonic()
    with pytest.raises(UnreachableError):
        publishers(f"http://127.0.0.1:{free_port()}", deadline=0.6).publish("t")
    assert 0.2 < time.monotonic() - began < 2


def test_proxies_of_the_environment_are_not_used(publishers: Publishers, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with ScriptedHub() as hub:
        publishers(hub.url).publish("t", attempts=1)


def test_the_key_goes_in_the_header_and_nowhere_else(publishers: Publishers) -> None:
    with ScriptedHub() as hub:
        publishers(f"{hub.url}/behind/a/proxy/?x=1", "s3cr3t-key").publish("t")
        asked = hub.asked[0]
        assert asked.path == "/behind/a/proxy/broadcast"
        assert asked.headers["authorization"] == "Bearer s3cr3t-key"
        assert asked.headers["content-type"] == "application/json"
        assert "s3cr3t" not in json.dumps(asked.body)


def test_no_log_and_no_error_shows_the_key_or_the_data(
    publishers: Publishers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for answer in (Answer(), Answer(422), Answer(503), CUT):
        with ScriptedHub(answer) as hub:
            publisher = publishers(hub.url, "s3cr3t-key")
            try:
                publisher.publish("t", {"card": "s3cr3t-data"}, deadline=0.2)
            except PublishError as error:
                said += [repr(error), str(error), repr(vars(error)), repr(error.__cause__)]
            said += [repr(publisher), repr(vars(publisher))]
    assert len(said) > 8
    assert "s3cr3t" not in caplog.text + "".join(said)


def test_of_a_batch_only_what_is_not_settled_is_tried_again(publishers: Publishers) -> None:
    busy = {"success": False, "status": 503, "error": PROBLEM}
    wrong = {"success": False, "status": 422, "error": {"code": "invalid", "detail": "data: no"}}

    def all_taken(asked: Asked) -> Answer:
        return Answer(body=[OK for _ in asked.body])

    with ScriptedHub(CUT, Answer(body=[OK, wrong, busy, busy]), Answer(503), all_taken) as hub:
        results = publishers(hub.url).publish_batch([Publication("t", n) for n in range(4)])
        assert [type(result) for result in results] == [Published, RefusedError, Published, Published]
        sent = [[item["data"] for item in asked.body] for asked in hub.asked]
        assert sent == [[0, 1, 2, 3], [0, 1, 2, 3], [2, 3], [2, 3]]
        keys = [{item["data"]: item["idempotency_key"] for item in asked.body} for asked in hub.asked]
        assert keys[0] == keys[1]
        assert keys[2] == keys[3] == {n: keys[0][n] for n in (2, 3)}


def test_once_an_item_is_given_up_the_later_ones_are_not_tried(publishers: Publishers) -> None:
    def first_taken(asked: Asked) -> Answer:
        busy = {"success": False, "status": 503, "error": PROBLEM}
        return Answer(body=[OK if item["data"] == 0 else busy for item in asked.body])

    with ScriptedHub(first_taken) as hub:
        results = publishers(hub.url).publish_batch([Publication("t", n) for n in range(1500)], attempts=2)
        assert isinstance(results[0], Published)
        assert all(isinstance(result, OverloadedError) for result in results[1:])
        assert all(item["data"] < 1000 for asked in hub.asked for item in asked.body)


@pytest.mark.parametrize("body", [[], [OK] * 3, OK, b"<html>"], ids=["none", "too many", "one", "html"])
def test_an_answer_to_another_batch_is_no_answer(publishers: Publishers, body: object) -> None:
    with ScriptedHub(Answer(200, body)) as hub, pytest.raises(UnexpectedAnswerError):
        publishers(hub.url).publish_batch([Publication("t"), Publication("t")])


def test_a_batch_that_nobody_may_publish_fails_as_a_whole(publishers: Publishers) -> None:
    with ScriptedHub(Answer(401, {"code": "key_unknown"})) as hub:
        with pytest.raises(RefusedError, match="key_unknown"):
            publishers(hub.url).publish_batch([Publication("t")] * 1500)
        assert len(hub.asked) == 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def waits(error: PublishError, *, deadline: float, chance: float, attempts: int | None = None) -> list[float]:
    clock = Clock()
    tries = Tries(deadline, attempts, clock=clock, chance=lambda: chance)
    waited: list[float] = []
    while (wait := tries.wait_after(error)) is not None:
        waited.append(wait)
        clock.now += wait
    return waited


def test_waits_double_up_to_a_bound_and_end_with_the_deadline() -> None:
    away = UnreachableError("away")
    longest = waits(away, deadline=10, chance=1.0)
    assert longest[:6] == pytest.approx([FIRST_WAIT * 2**n for n in range(5)] + [LONGEST_WAIT])
    assert sum(longest) < 10
    assert waits(away, deadline=10, chance=0.0)[:6] == pytest.approx([wait / 2 for wait in longest[:6]])


def test_a_wish_of_the_hubs_is_honoured_up_to_a_bound() -> None:
    busy = OverloadedError("busy", retry_after=3600)
    assert waits(busy, deadline=6, chance=1.0) == pytest.approx([MOST_PATIENCE + FIRST_WAIT])


def test_tries_are_counted_where_that_is_asked_for() -> None:
    assert len(waits(UnreachableError("away"), deadline=100, chance=1.0, attempts=3)) == 2
    assert waits(RefusedError("no"), deadline=100, chance=1.0) == []
