"""Many notifications in one call: what is sent, what is told of each, and what happens when it breaks off.

Not here: the real service (`test_socketio_notifications`).
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from fanfare import (
    FanfareError,
    InvalidPublicationError,
    OverloadedError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
    notifications,
)
from fanfare.bulk import MAX_BYTES, calls_of
from fanfare.notifications import (
    AsyncNotificationService,
    Counts,
    Notification,
    NotificationService,
    Result,
    async_create_many,
    create_many,
)
from tests.scripted import CUT, Answer, Asked, RawServer, ScriptedHub
from tests.servers import PATIENCE_S, free_port

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable, Iterator

KEY = "the-service-key-0123456789"


@dataclass
class Many:
    """`create_many` in one form."""

    kind: str

    def __call__(self, *args: Any, **options: Any) -> list[Result]:
        """All results of a call."""
        results, error = self.until_error(*args, **options)
        if error is not None:
            raise error
        return results

    def until_error(self, *args: Any, **options: Any) -> tuple[list[Result], Exception | None]:
        """The results, and the error that ended them."""
        results: list[Result] = []

        async def run() -> None:
            async for result in async_create_many(*args, **options):
                results.append(result)  # noqa: PERF401 - those before the error count

        try:
            if self.kind == "sync":
                results.extend(create_many(*args, **options))
            else:
                asyncio.run(run())
        except FanfareError as error:
            return results, error
        return results, None

    def make(self, *args: Any, **options: Any) -> object:
        """A call that is not begun."""
        return (create_many if self.kind == "sync" else async_create_many)(*args, **options)

    def finish(self, *args: Any, **options: Any) -> Counts:
        """The counts of a call whose results nobody looks at."""
        if self.kind == "sync":
            return create_many(*args, **options).finish()

        async def run() -> Counts:
            return await async_create_many(*args, **options).finish()

        return asyncio.run(run())


@pytest.fixture(params=["sync", "async"])
def many(request: pytest.FixtureRequest) -> Many:
    return Many(request.param)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ScriptedHub]]:
    """Makes services that answer what they are told, in the environment."""
    made: list[ScriptedHub] = []
    monkeypatch.setenv("SERVICE_API_KEY", KEY)

    def make(*answers: Answer | Callable[[Asked], Answer]) -> ScriptedHub:
        server = ScriptedHub(*(answers or (stores_all,)))
        made.append(server)
        # What waits keeps one service for a process.
        while notifications._default:
            notifications._default.popitem()[1].close()
        monkeypatch.setenv("NOTIFICATION_SERVICE_URL", server.url)
        return server

    yield make
    for server in made:
        server.__exit__()


def users_of(asked: Asked) -> list[Any]:
    return [one["user_id"] for one in asked.body] if isinstance(asked.body, list) else asked.body["user_ids"]


def lines(*answers: dict[str, Any], done: int | None = None, **counts: int) -> bytes:
    """An answer of the service: lines, and the last one where it is done."""
    last = [] if done is None else [{"done": True, "created": done, "filtered": 0, "refused": 0, **counts}]
    return b"".join(json.dumps(one).encode() + b"\n" for one in [*answers, *last])


def stored(user: Any, id_: int) -> dict[str, Any]:
    return {"success": True, "user_id": user, "id": id_}


def stores_all(asked: Asked) -> Answer:
    """Stores each under an id of its user's, so that it is the same however often it is asked."""
    users = users_of(asked)
    return Answer(200, lines(*(stored(user, 1000 + int(user)) for user in users), done=len(users)))


REFUSED = {"success": False, "status": 422, "error": {"code": "invalid", "detail": "title: too long"}}


def test_the_same_for_many_users_is_one_request_and_each_has_its_result(
    many: Many, service: Callable[..., ScriptedHub]
) -> None:
    server = service()
    results = many(range(1, 10_001), "We are back", "All is well", category="news", data={"n": 1}, idempotency_key="k")
    assert results == [Result(place, place + 1, 1001 + place) for place in range(10_000)]
    (asked,) = server.asked
    assert asked.path == "/api/notifications/bulk"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["idempotency-key"] == "k"
    assert asked.body == {
        "title": "We are back",
        "message": "All is well",
        "category": "news",
        "data": {"n": 1},
        "user_ids": list(range(1, 10_001)),
    }


def test_notifications_that_differ_go_line_by_line(many: Many, service: Callable[..., ScriptedHub]) -> None:
    server = service()
    given = [
        Notification(7, "A bill", data={"id": 1}, expires_at="2027-01-01T00:00:00Z"),
        {"user_id": "8", "title": "A reminder", "priority": "high"},
    ]
    assert many(given) == [Result(0, 7, 1007), Result(1, "8", 1008)]
    (asked,) = server.asked
    assert asked.headers["content-type"] == "application/x-ndjson"
    assert uuid.UUID(asked.headers["idempotency-key"])
    assert asked.body == [
        {"user_id": 7, "title": "A bill", "message": "", "expires_at": "2027-01-01T00:00:00Z", "data": {"id": 1}},
        {"user_id": "8", "title": "A reminder", "message": "", "priority": "high"},
    ]


def test_more_than_a_call_takes_goes_in_several_each_with_a_key_of_its_own_that_is_the_same_next_time(
    many: Many, service: Callable[..., ScriptedHub]
) -> None:
    server = service()
    assert len(many(range(25_000), "t", idempotency_key="k")) == 25_000
    assert [len(users_of(asked)) for asked in server.asked] == [10_000, 10_000, 5_000]
    assert server.keys() == ["k", "k/1/", "k/2/"]
    del server.asked[:]
    results = many((Notification(user, "t") for user in range(1_200)), idempotency_key="k")
    assert [(one.place, one.user_id) for one in results] == [(n, n) for n in range(1_200)]
    assert [len(users_of(asked)) for asked in server.asked] == [500, 500, 200]
    assert server.keys() == ["k", "k/1/", "k/2/"]
    del server.asked[:]
    many(range(10_001), "t")
    one, other = server.keys()
    assert other == f"{one}/1/"


def test_a_call_has_less_than_a_megabyte_however_long_ids_and_texts_are() -> None:
    ids = [f"{n:0190}" for n in range(10_000)]
    calls = list(calls_of(ids, "t", "€" * 20_000, {}, "k"))
    assert len(calls) == 3
    assert all(len(call.body) < 1024 * 1024 for call in calls)
    assert [user for call in calls for user in json.loads(call.body)["user_ids"]] == ids
    assert [call.first for call in calls] == [0, len(calls[0].users), len(calls[0].users) + len(calls[1].users)]
    # A text that is too long by itself is for the service to refuse.
    (call,) = calls_of([7], "t", "x" * MAX_BYTES * 2, {}, "k")
    assert len(call.users) == 1


def test_one_that_is_refused_costs_the_others_nothing(many: Many, service: Callable[..., ScriptedHub]) -> None:
    answer = lines(stored(1, 5), {**REFUSED, "user_id": 2}, stored(3, 6), done=1, refused=1, filtered=1)
    server = service(Answer(200, answer))
    first, second, third = many([1, 2, 3], "t")
    assert (first, third) == (Result(0, 1, 5), Result(2, 3, 6))
    assert (second.place, second.user_id, second.id) == (1, 2, None)
    assert isinstance(second.error, RefusedError)
    assert (second.error.status, second.error.detail) == (422, "title: too long")
    assert str(second.error) == "the notification service refused it: 422 invalid: title: too long"
    assert many.finish([1, 2, 3], "t") == Counts(created=1, filtered=1, refused=1)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "first",
    [
        Answer(503),
        CUT,
        Answer(409, {}, {"Retry-After": "0"}),
        Answer(200, lines(stored(1, 5), stored(2, 6)), broken=True),
        Answer(200, lines(stored(1, 5), stored(2, 6))),
        Answer(200, lines(stored(1, 5)) + b'{"success":true,"us', broken=True),
        Answer(200, lines(stored(1, 5), stored(2, 6), stored(3, 7)), broken=True),
        Answer(200, lines(stored(1, 5), {"success": False, "user_id": 2, "status": 503, "error": {}}, stored(3, 7))),
    ],
    ids=lambda answer: str(answer)[:60],
)
def test_what_breaks_off_is_asked_for_again_under_its_key_and_each_is_told_once(
    many: Many, service: Callable[..., ScriptedHub], first: Answer
) -> None:
    whole = Answer(200, lines(stored(1, 5), stored(2, 6), stored(3, 7), done=3))
    server = service(first, first, whole)
    assert many([1, 2, 3], "t") == [Result(0, 1, 5), Result(1, 2, 6), Result(2, 3, 7)]
    assert len(server.asked) == 3
    assert len(set(server.keys())) == 1
    assert server.asked[0].body == server.asked[2].body


def test_a_service_that_stays_away_is_told_after_what_was_stored_and_a_repeat_does_the_rest(
    many: Many, service: Callable[..., ScriptedHub]
) -> None:
    server = service(stores_all, Answer(503))
    given = [Notification(user, "t") for user in range(700)]
    some, error = many.until_error(given, idempotency_key="k", deadline=2.5)
    assert len(some) == 500
    assert isinstance(error, OverloadedError)
    assert error.who == "the notification service"
    keys = server.keys()
    assert keys[0] == "k"
    assert set(keys[1:]) == {"k/1/"}
    server = service(stores_all)
    assert len(many(given, idempotency_key="k")) == 700
    assert server.keys() == ["k", "k/1/"]


def test_nobody_there_is_told_in_time(many: Many, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", KEY)
    monkeypatch.setenv("NOTIFICATION_SERVICE_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError, match="the notification service does not answer") as told:
        many([1, 2], "t", deadline=0.3)
    assert not told.value.may_have_arrived


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(401, {"code": "unauthorized", "detail": "no key"}), RefusedError),
        (Answer(413, {"code": "too_large"}), RefusedError),
        (Answer(500, {"code": "internal"}), UnexpectedAnswerError),
        (Answer(200, b"<html>\n"), UnexpectedAnswerError),
        (Answer(200, b"[]\n"), UnexpectedAnswerError),
        (Answer(200, lines({"success": True, "user_id": 1})), UnexpectedAnswerError),
        (Answer(200, lines(stored(1, 5), done=1)), UnexpectedAnswerError),
        (Answer(200, lines(*(stored(n, n) for n in range(5)), done=5)), UnexpectedAnswerError),
        (Answer(200, b"x" * 1_000_000), UnexpectedAnswerError),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_answer_that_is_none_ends_it_at_once_and_shows_no_secret(
    many: Many, service: Callable[..., ScriptedHub], answer: Answer, error: type[Exception]
) -> None:
    server = service(answer)
    _, told = many.until_error([1, 2], "a private text")
    assert isinstance(told, error)
    assert str(told).startswith("the notification service ")
    assert "private" not in repr(told)
    assert KEY not in repr(told)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("to", "options", "text"),
    [
        ("7", {"title": "t"}, "create_many: a list"),
        (7, {"title": "t"}, "create_many: a list"),
        (None, {"title": "t"}, "create_many: a list"),
        ([7], {"message": "m"}, "title: "),
        ([], {"category": "news"}, "title: "),
        ([7], {"title": b"t"}, "title: "),
        ([7], {"title": "t", "data": {"n": {1}}}, "data: "),
        ([7], {"title": "t", "idempotency_key": "k" * 241}, "idempotency_key: "),
    ],
    ids=repr,
)
def test_what_is_wrong_with_the_call_is_said_at_once(
    many: Many, service: Callable[..., ScriptedHub], to: Any, options: dict[str, Any], text: str
) -> None:
    server = service()
    with pytest.raises(InvalidPublicationError, match=f"^{text}"):
        many.make(to, **options)
    assert server.asked == []


@pytest.mark.parametrize(
    ("to", "options", "text"),
    [
        ([1, None], {"title": "t"}, "^user 1: a number or a text$"),
        ([1, 2, True], {"title": "t"}, "^user 2: "),
        ([1, "\ud800"], {"title": "t"}, "^user 1: id: "),
        ([Notification(1, "t"), Notification(None, "t")], {}, "^notification 1: user_id: "),  # type: ignore[arg-type]
        (
            [{"user_id": 1, "title": "t"}, {"title": "t"}],
            {},
            "^notification 1: a Notification, or a mapping of user_id",
        ),
        ([Notification(1, "t"), 7], {}, "^notification 1: a Notification"),
        ([{"user_id": 1, "title": "t", "urgency": "high"}], {}, "^notification 0: a Notification"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_item_that_can_be_none_is_named_and_nothing_of_its_call_is_sent(
    many: Many, service: Callable[..., ScriptedHub], to: Any, options: dict[str, Any], text: str
) -> None:
    server = service()
    with pytest.raises(InvalidPublicationError, match=text):
        many(to, **options)
    assert server.asked == []


def test_none_at_all_is_no_request(many: Many, service: Callable[..., ScriptedHub]) -> None:
    server = service()
    assert many([], "t") == many([]) == []
    assert many.finish(iter(()), "t") == Counts()
    assert server.asked == []


def test_results_come_while_the_service_still_works_and_items_are_read_as_they_are_needed(many: Many) -> None:
    read: list[int] = []

    def items() -> Iterator[dict[str, Any]]:
        for n in range(5_000):
            read.append(n)
            yield {"user_id": n, "title": "t"}

    def serve(connection: socket.socket, over: threading.Event) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
        part = lines(stored(0, 5), stored(1, 6))
        connection.sendall(head + f"{len(part):x}\r\n".encode() + part + b"\r\n")
        over.wait(PATIENCE_S)

    with RawServer(serve) as server:
        if many.kind == "sync":
            with NotificationService(server.url, KEY) as service, service.create_many(items()) as results:
                assert [next(results).id, next(results).id] == [5, 6]
        else:

            async def two() -> list[int | None]:
                async with (
                    AsyncNotificationService(server.url, KEY) as service,
                    service.create_many(items()) as results,
                ):
                    return [(await anext(results)).id, (await anext(results)).id]

            assert asyncio.run(two()) == [5, 6]
        assert server.taken == 1
    assert len(read) == 500


def test_a_service_that_says_nothing_is_given_up(many: Many) -> None:
    def serve(connection: socket.socket, over: threading.Event) -> None:
        part = lines(stored(1, 5))
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + f"{len(part):x}\r\n".encode() + part + b"\r\n")
        over.wait(PATIENCE_S)

    with RawServer(serve) as server, NotificationService(server.url, KEY) as service:
        results = service.create_many([1, 2], "t", deadline=2.5)
        assert next(results) == Result(0, 1, 5)
        with pytest.raises(UnreachableError) as told:
            next(results)
        assert told.value.may_have_arrived


def test_any_number_needs_little_memory() -> None:
    answer = lines(*(stored(n, n) for n in range(500)), done=500)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=iter([answer])))
    text = "x" * 4_000
    with NotificationService("http://inbox", KEY, transport=transport) as service:
        results = service.create_many(Notification(n, "t", text) for n in range(25_000))
        tracemalloc.start()
        try:
            assert results.finish().created == 25_000
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    # 25,000 of them are 100 MB. 500, which are sent at once, are 2 MB, in each of the forms that they have on their way
    # and until Python looks for what is not used any more.
    assert peak < 50 * 1024 * 1024


def test_results_that_nobody_asks_for_are_a_mistake_that_is_said(
    many: Many, service: Callable[..., ScriptedHub]
) -> None:
    server = service()
    with pytest.warns(RuntimeWarning, match="nothing was sent"):
        many.make([1, 2], "t")
    assert server.asked == []
