"""The calls of `fanfare.socketio` as the hub and the chat service get them, and what becomes of one that fails.

Not here: what Socket.IO clients see of them (`test_socketio_clients`), and the field's names (`test_backend_names`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import threading
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from fanfare import (
    AsyncFanfare,
    Fanfare,
    InvalidPublicationError,
    OverloadedError,
    RefusedError,
    SettingsError,
    UnreachableError,
    socketio,
)
from fanfare.chat import AsyncChatService, ChatService
from fanfare.notifications import AsyncNotificationService, NotificationService
from fanfare.socketio import AWAY_DEADLINE, Sent
from fanfare.socketio_calls import CHAT, HUB, Told
from tests.scripted import CUT, OK, Answer, Asked, ScriptedHub
from tests.servers import PATIENCE_S, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "the-service-key-0123456789"

STORED = {"id": 12, "from_user_id": 8, "to_user_id": 7, "message": "hi", "timestamp": "2026-11-21T12:00:00.000Z"}

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@dataclass
class Calls:
    """The functions in one form: those that wait, or those for asyncio, each in a loop of its own."""

    kind: str

    def _call(self, name: str, *args: Any, **options: Any) -> Sent | None:
        sent: Sent | None
        if self.kind == "sync":
            sent = getattr(socketio, name)(*args, **options)
        else:
            sent = asyncio.run(getattr(socketio, f"async_{name}")(*args, **options))
        return sent

    def sns(self, *args: Any, **options: Any) -> Sent | None:
        return self._call("broadcast_sns_event", *args, **options)

    def notification(self, *args: Any, **options: Any) -> Sent | None:
        return self._call("broadcast_notification", *args, **options)

    def chat(self, *args: Any, **options: Any) -> Sent | None:
        return self._call("broadcast_chat_message", *args, **options)

    def published(self, *args: Any, **options: Any) -> Sent | None:
        return self._call("notify_sns_publish_success", *args, **options)


@pytest.fixture(params=["sync", "async"])
def calls(request: pytest.FixtureRequest) -> Calls:
    return Calls(request.param)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ScriptedHub]]:
    """Makes hubs and chat services that answer what they are told, and are found by the environment."""
    made: list[ScriptedHub] = []

    def make(variable: str, *answers: Answer | Callable[[Asked], Answer]) -> ScriptedHub:
        server = ScriptedHub(*answers)
        made.append(server)
        monkeypatch.setenv(variable, server.url)
        monkeypatch.setenv("SERVICE_API_KEY", KEY)
        return server

    yield make
    for server in made:
        server.__exit__()


def the_one(server: ScriptedHub) -> Asked:
    (asked,) = server.asked
    return asked


def test_an_event_goes_to_one_user_in_sns_with_its_data_unchanged(
    calls: Calls, scripted: Callable[..., ScriptedHub]
) -> None:
    hub = scripted("WS_SERVICE_URL")
    data = {"post_id": 12, "platforms": ["instagram"], "big": 2**63, "text": "ü \u2028"}
    assert calls.sns("publish_success", 7, data) == Sent(str(OK["id"]))
    asked = the_one(hub)
    assert asked.path == "/broadcast"
    assert asked.body == {"type": "publish_success", "data": data, "namespace": "/sns", "user_id": 7}
    assert uuid.UUID(asked.headers["idempotency-key"])
    calls.sns(event="post_liked", user_id="u-7", data=None, idempotency_key="like-1")
    assert hub.asked[1].body == {"type": "post_liked", "data": None, "namespace": "/sns", "user_id": "u-7"}
    assert hub.asked[1].headers["idempotency-key"] == "like-1"


def test_a_notification_is_stored_by_the_notification_service_and_nothing_else_is_asked(
    calls: Calls, scripted: Callable[..., ScriptedHub]
) -> None:
    hub = scripted("WS_SERVICE_URL")
    inbox = scripted("NOTIFICATION_SERVICE_URL", Answer(201, STORED))
    assert calls.notification(user_id=7, data={"title": "Shipped"}, idempotency_key="n-1") == Sent(12)
    asked = the_one(inbox)
    assert asked.path == "/api/notifications"
    assert asked.body == {"user_id": 7, "title": "Shipped", "message": ""}
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["idempotency-key"] == "n-1"
    assert hub.asked == []


def test_a_message_is_stored_by_the_chat_service_and_nothing_else_is_asked(
    calls: Calls, scripted: Callable[..., ScriptedHub]
) -> None:
    hub = scripted("WS_SERVICE_URL")
    chat = scripted("CHAT_SERVICE_URL", Answer(201, STORED))
    assert calls.chat(8, 7, "hi") == Sent(12)
    asked = the_one(chat)
    assert asked.path == "/api/chat/7/messages"
    assert asked.body == {"from_user_id": 8, "message": "hi"}
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert uuid.UUID(asked.headers["idempotency-key"])
    calls.chat(from_user_id="8", to_user_id="a/b?c#ü", text="\u2028", idempotency_key="m-1")
    assert chat.asked[1].path == "/api/chat/a%2Fb%3Fc%23%C3%BC/messages"
    assert chat.asked[1].body == {"from_user_id": "8", "message": "\u2028"}
    assert chat.asked[1].headers["idempotency-key"] == "m-1"
    assert hub.asked == []


def test_a_post_that_is_published_is_told_in_sns_and_put_into_the_inbox(
    calls: Calls, scripted: Callable[..., ScriptedHub]
) -> None:
    hub, inbox = scripted("WS_SERVICE_URL"), scripted("NOTIFICATION_SERVICE_URL", Answer(201, STORED))
    assert calls.published(7, 12, ("instagram", "x"), idempotency_key="p-12") == Sent(12)
    event = the_one(hub).body
    assert TIMESTAMP.fullmatch(event["data"].pop("timestamp"))
    post = {"post_id": 12, "platforms": ["instagram", "x"]}
    assert event == {"type": "publish_success", "data": post, "namespace": "/sns", "user_id": 7}
    assert the_one(inbox).body == {
        "user_id": 7,
        "type": "sns_publish_success",
        "category": "sns",
        "title": "Published successfully",
        "message": "Your post was published to instagram, x",
        "data": {**post, "action_url": "/sns/posts/12"},
    }
    assert hub.keys() + inbox.keys() == ["p-12/sns", "p-12/notifications"]


def test_code_that_tells_of_the_post_itself_does_not_tell_it_twice(
    calls: Calls, scripted: Callable[..., ScriptedHub]
) -> None:
    hub, inbox = scripted("WS_SERVICE_URL"), scripted("NOTIFICATION_SERVICE_URL", Answer(201, STORED))
    calls.sns("publish_success", 7, {"post_id": 12, "platforms": ["x"], "timestamp": "t"})
    assert calls.published("7", 12, ["x"]) is not None
    assert [asked.body["type"] for asked in hub.asked + inbox.asked] == ["publish_success", "sns_publish_success"]
    # The next time, of another post and for another user it is told.
    for user, post in ((7, 12), (7, 12), (7, 13), (8, 12)):
        del hub.asked[:], inbox.asked[:]
        calls.published(user, post, ["x"])
        assert [asked.body["type"] for asked in hub.asked + inbox.asked] == ["publish_success", "sns_publish_success"]


def test_what_was_told_is_forgotten_in_time_and_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    told = Told()
    for post in range(300):
        told.note("publish_success", 7, {"post_id": post})
    told.note("post_liked", 7, {"post_id": 500})
    told.note("publish_success", 7, ["post_id"])
    assert len(told._when) == 256
    assert (told.take(7, 0), told.take(7, 500), told.take(7, 299), told.take(7, 299)) == (False, False, True, False)
    now[0] = 10.5
    assert not told.take(7, 298)


@pytest.mark.parametrize("platforms", ["instagram", 7, None], ids=repr)
def test_platforms_are_a_list(calls: Calls, scripted: Callable[..., ScriptedHub], platforms: object) -> None:
    hub = scripted("WS_SERVICE_URL")
    assert calls.published(7, 12, platforms) is None
    with pytest.raises(InvalidPublicationError, match=r"^platforms: "):
        calls.published(7, 12, platforms, strict=True)
    assert hub.asked == []


@pytest.mark.parametrize("nobody", [None, "", True], ids=repr)
def test_a_user_that_is_missing_is_a_mistake_and_nobody_is_told(
    calls: Calls, scripted: Callable[..., ScriptedHub], caplog: pytest.LogCaptureFixture, nobody: object
) -> None:
    hub, chat = scripted("WS_SERVICE_URL"), scripted("CHAT_SERVICE_URL", Answer(201, STORED))
    inbox = scripted("NOTIFICATION_SERVICE_URL", Answer(201, STORED))
    assert calls.sns("post_liked", nobody, {}) is None
    assert calls.notification(nobody, {}) is None
    assert calls.published(nobody, 12, ["x"]) is None
    assert calls.chat(nobody, 7, "hi") is calls.chat(8, nobody, "hi") is None
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 6
    assert hub.asked == chat.asked == inbox.asked == []
    for call, args in ((calls.sns, ("post_liked", nobody, {})), (calls.notification, (nobody, {}))):
        with pytest.raises(InvalidPublicationError, match=r"^user_id: "):
            call(*args, strict=True)


@pytest.mark.parametrize(
    ("args", "member"),
    [
        ((8, "..", "hi"), "to_user_id"),
        ((8, 7, b"hi"), "text"),
        ((8, 7, "\ud800"), "text"),
        ((8, "\ud800", "x"), "to_"),
        (("x" * 70_000, 7, "x"), "from_"),
    ],
    ids=repr,
)
def test_a_message_that_can_be_none_is_not_sent(
    calls: Calls, scripted: Callable[..., ScriptedHub], args: tuple[Any, ...], member: str
) -> None:
    chat = scripted("CHAT_SERVICE_URL", Answer(201, STORED))
    with pytest.raises(InvalidPublicationError, match=f"^{member}"):
        calls.chat(*args, strict=True)
    assert calls.chat(*args) is None
    assert chat.asked == []


def test_user_ids_of_other_kinds_go_as_text(calls: Calls, scripted: Callable[..., ScriptedHub]) -> None:
    hub, chat = scripted("WS_SERVICE_URL"), scripted("CHAT_SERVICE_URL", Answer(201, STORED))
    user = uuid.UUID(int=7)
    calls.sns("post_liked", user, {"by": user})
    calls.chat(user, user, "hi")
    assert the_one(hub).body["user_id"] == the_one(hub).body["data"]["by"] == str(user)
    assert (the_one(chat).path, the_one(chat).body["from_user_id"]) == (f"/api/chat/{user}/messages", str(user))


@pytest.mark.parametrize("first", [Answer(503), Answer(429), CUT, Answer(409, {}, {"Retry-After": "0"})], ids=repr)
def test_a_message_is_tried_again_under_the_same_key(
    calls: Calls, scripted: Callable[..., ScriptedHub], first: Answer
) -> None:
    chat = scripted("CHAT_SERVICE_URL", first, Answer(201, STORED))
    assert calls.chat(8, 7, "hi", deadline=PATIENCE_S) == Sent(12)
    assert len(chat.keys()) == 2
    assert len(set(chat.keys())) == 1


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (
            Answer(422, {"code": "invalid", "detail": "message: no"}),
            RefusedError,
            "the chat service refused it: 422 inv",
        ),
        (Answer(409, {"code": "idempotency_key_reused"}), RefusedError, "the chat service refused it: 409 idem"),
        (
            Answer(503, {}, {"Retry-After": "3600"}),
            OverloadedError,
            "the chat service takes no more at the moment: 503",
        ),
        (Answer(200, b"<html>"), Exception, "the chat service does not answer as it should"),
        (Answer(201, {"id": True}), Exception, "the chat service does not answer as it should: 201: no id"),
        (Answer(201, []), Exception, "the chat service does not answer as it should"),
        (CUT, UnreachableError, "the chat service does not answer: "),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_error_says_that_it_is_the_chat_services_and_shows_no_secret(
    calls: Calls,
    scripted: Callable[..., ScriptedHub],
    caplog: pytest.LogCaptureFixture,
    answer: Answer,
    error: type[Exception],
    text: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    scripted("CHAT_SERVICE_URL", answer)
    # As long as a busy machine may need for one try; no second one fits.
    deadline = 0.5 if answer is CUT else 4.5
    with pytest.raises(error) as told:
        calls.chat(8, 7, "a private text", strict=True, deadline=deadline)
    assert str(told.value).startswith(text)
    assert calls.chat(8, 7, "a private text", deadline=deadline) is None
    said = caplog.text + repr(told.value) + repr(vars(told.value))
    assert text in caplog.text
    assert KEY not in said
    assert "private" not in said


def test_a_message_that_cannot_be_stored_is_not_told_either(
    calls: Calls, scripted: Callable[..., ScriptedHub], caplog: pytest.LogCaptureFixture
) -> None:
    hub = scripted("WS_SERVICE_URL")
    scripted("CHAT_SERVICE_URL", Answer(500))
    scripted("NOTIFICATION_SERVICE_URL", Answer(500))
    assert calls.chat(8, 7, "hi") is None
    assert calls.notification(7, {"title": "hi"}) is None
    assert hub.asked == []
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2
    assert "notification was not sent: the notification service does not answer as it should: 500" in caplog.text


def test_without_a_service_key_nothing_for_a_service_leaves(
    calls: Calls, scripted: Callable[..., ScriptedHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = scripted("CHAT_SERVICE_URL", Answer(201, STORED))
    inbox = scripted("NOTIFICATION_SERVICE_URL", Answer(201, STORED))
    monkeypatch.delenv("SERVICE_API_KEY")
    assert calls.chat(8, 7, "hi") is calls.notification(7, {}) is None
    for call, args in ((calls.chat, (8, 7, "hi")), (calls.notification, (7, {}))):
        with pytest.raises(SettingsError, match="SERVICE_API_KEY"):
            call(*args, strict=True)
    monkeypatch.setenv("SERVICE_API_KEY", KEY)
    monkeypatch.setenv("CHAT_SERVICE_URL", "chat")
    with pytest.raises(SettingsError, match="CHAT_SERVICE_URL"):
        calls.chat(8, 7, "hi", strict=True)
    assert chat.asked == inbox.asked == []


def test_a_request_goes_on_while_the_hub_is_away_and_waits_but_once(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WS_SERVICE_URL", f"http://127.0.0.1:{free_port()}")
    assert calls.sns("post_liked", 7, {"n": 1}, deadline=0.3) is None
    began = time.monotonic()
    for _ in range(20):
        assert calls.sns("post_liked", 7, {"n": 1}) is None
    # One try each, where nobody listens: no time at all, but for a busy machine.
    assert time.monotonic() - began < 10
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert "post_liked was not sent: the hub does not answer" in caplog.text
    assert HUB.away
    with ScriptedHub() as hub, Fanfare(hub.url) as back:
        monkeypatch.setenv("WS_SERVICE_URL", hub.url)
        client = back if calls.kind == "sync" else None
        assert calls.sns("post_liked", 7, {}, client=client, deadline=PATIENCE_S) is not None
    assert not HUB.away


def test_what_the_caller_asks_for_is_tried_for_as_long_as_it_says(calls: Calls) -> None:
    assert HUB.limits(None, strict=False) == {"deadline": 3.0, "attempts": None}
    HUB.away = True
    assert HUB.limits(None, strict=False) == {"deadline": AWAY_DEADLINE, "attempts": 1}
    assert HUB.limits(None, strict=True) == {"deadline": 3.0, "attempts": None}
    assert HUB.limits(0.5, strict=False) == {"deadline": 0.5, "attempts": None}


@pytest.mark.parametrize(("status", "away"), [(429, False), (409, False), (503, True), (502, True), (422, False)])
def test_a_limit_on_one_user_is_not_taken_for_a_server_that_is_away(
    calls: Calls, scripted: Callable[..., ScriptedHub], status: int, away: bool
) -> None:
    scripted("CHAT_SERVICE_URL", Answer(status, {}, {"Retry-After": "3600"} if status != 502 else {}))
    assert calls.chat(8, 7, "hi", deadline=0.5 if status == 502 else 4.5) is None
    assert CHAT.away is away
    assert not HUB.away


def test_a_hub_that_refuses_is_not_away_and_who_asks_is_told(
    calls: Calls, scripted: Callable[..., ScriptedHub]
) -> None:
    scripted("WS_SERVICE_URL", Answer(422, {"code": "invalid", "detail": "data: no"}))
    HUB.away = True
    assert calls.sns("post_liked", 7, {}) is None
    assert not HUB.away
    with pytest.raises(RefusedError, match="the hub refused it: 422 invalid: data: no"):
        calls.sns("post_liked", 7, {}, strict=True)
    with pytest.raises(RefusedError):
        calls.published(7, 12, [], strict=True)
    assert calls.published(7, 12, []) is None
    with pytest.raises(InvalidPublicationError):
        calls.sns("post_liked", 7, object(), strict=True)


def test_a_client_that_is_given_is_used_and_left_open() -> None:
    with ScriptedHub() as hub, ScriptedHub(Answer(201, STORED)) as chat, ScriptedHub(Answer(201, STORED)) as inbox:
        with (
            Fanfare(hub.url) as client,
            ChatService(chat.url, KEY) as service,
            NotificationService(inbox.url, KEY) as notifications,
        ):
            for _ in range(2):
                assert socketio.broadcast_sns_event("e", 7, {}, client=client)
                assert socketio.broadcast_notification(7, {}, client=client, notifications=notifications)
                assert socketio.broadcast_chat_message(8, 7, "hi", chat=service)
                assert socketio.notify_sns_publish_success(7, 12, [], client=client, notifications=notifications)
            assert KEY not in f"{service!r} {vars(service)} {notifications!r} {vars(notifications)}"

        async def under_asyncio() -> None:
            async with (
                AsyncFanfare(hub.url) as client,
                AsyncChatService(chat.url, KEY) as service,
                AsyncNotificationService(inbox.url, KEY) as notifications,
            ):
                both: Any = {"client": client, "notifications": notifications}
                for _ in range(2):
                    assert await socketio.async_broadcast_sns_event("e", 7, {}, client=client)
                    assert await socketio.async_broadcast_notification(7, {}, **both)
                    assert await socketio.async_broadcast_chat_message(8, 7, "hi", chat=service)
                    assert await socketio.async_notify_sns_publish_success(7, 12, [], **both)
                assert KEY not in f"{service!r} {vars(service)} {notifications!r} {vars(notifications)}"

        asyncio.run(under_asyncio())
        assert (len(hub.asked), len(chat.asked), len(inbox.asked)) == (8, 4, 8)


def test_threads_share_one_client_and_a_forked_child_has_its_own(scripted: Callable[..., ScriptedHub]) -> None:
    hub, chat = scripted("WS_SERVICE_URL"), scripted("CHAT_SERVICE_URL", Answer(201, STORED))

    def request(n: int) -> None:
        assert socketio.broadcast_sns_event("e", n, {"n": n}) is not None
        assert socketio.broadcast_chat_message(n, 7, "hi") is not None

    threads = [threading.Thread(target=request, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked.body["data"]["n"] for asked in hub.asked) == list(range(30))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            request(100)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    request(101)
    assert [asked.body["from_user_id"] for asked in chat.asked[-2:]] == [100, 101]


def test_many_calls_at_once_in_one_event_loop(scripted: Callable[..., ScriptedHub]) -> None:
    hub = scripted("WS_SERVICE_URL")

    async def all_at_once() -> list[Sent | None]:
        events = [socketio.async_broadcast_sns_event("e", n, {"n": n}, deadline=PATIENCE_S) for n in range(30)]
        return await asyncio.gather(*events)

    assert None not in asyncio.run(all_at_once())
    # On a busy machine some are tried again, under their key.
    told = {(asked.body["data"]["n"], asked.headers["idempotency-key"]) for asked in hub.asked}
    assert sorted(n for n, _ in told) == list(range(30))


def test_a_call_that_holds_an_event_loop_works_and_says_so_once(
    scripted: Callable[..., ScriptedHub], caplog: pytest.LogCaptureFixture
) -> None:
    scripted("WS_SERVICE_URL")

    async def handler() -> None:
        for _ in range(3):
            assert socketio.broadcast_sns_event("e", 7, {}) is not None

    asyncio.run(handler())
    assert [record.message for record in caplog.records] == [
        "broadcast_sns_event holds the event loop while it waits; await async_broadcast_sns_event there"
    ]


def test_a_call_that_is_cancelled_ends(scripted: Callable[..., ScriptedHub]) -> None:
    over = threading.Event()

    def slow(_: Asked) -> Answer:
        over.wait(PATIENCE_S)
        return Answer()

    scripted("WS_SERVICE_URL", slow)

    async def cancelled() -> None:
        await asyncio.wait_for(socketio.async_broadcast_sns_event("e", 7, {}, deadline=PATIENCE_S), 0.2)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(cancelled())
    over.set()


def test_both_forms_take_the_same(calls: Calls) -> None:
    import inspect

    for name in (
        "broadcast_sns_event",
        "broadcast_notification",
        "broadcast_chat_message",
        "notify_sns_publish_success",
    ):
        one = inspect.signature(getattr(socketio, name))
        other = inspect.signature(getattr(socketio, f"async_{name}"))
        assert list(one.parameters) == list(other.parameters)
        assert json.dumps([str(p.default) for p in one.parameters.values()]) == json.dumps(
            [str(p.default) for p in other.parameters.values()]
        )
