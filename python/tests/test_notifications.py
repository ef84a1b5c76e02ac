"""`fanfare.notifications` as the notification service gets it, and what becomes of a call that fails.

Not here: many at once (`test_notifications_many`), code of the field (`test_notification_data`), and the real service
(`test_socketio_notifications`).
"""

from __future__ import annotations

import asyncio
import inspect
import pickle
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from fanfare import InvalidPublicationError, OverloadedError, RefusedError, SettingsError, UnreachableError
from fanfare import notifications as calls_of_the_package
from fanfare.notifications import AsyncNotificationService, NotificationService, Sent, Told
from tests.scripted import CUT, Answer, ScriptedHub
from tests.servers import PATIENCE_S, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "the-service-key-0123456789"

STORED = Answer(201, {"id": 12, "user_id": 7, "title": "Shipped"})

TOLD = Answer(201, {"topic": "releases", "recipients": 3})


@dataclass
class Calls:
    """The functions in one form: those that wait, or those for asyncio, each in a loop of its own."""

    kind: str

    def _call(self, name: str, *args: Any, **options: Any) -> Any:
        if self.kind == "sync":
            return getattr(calls_of_the_package, name)(*args, **options)
        return asyncio.run(getattr(calls_of_the_package, f"async_{name}")(*args, **options))

    def create(self, *args: Any, **options: Any) -> Any:
        return self._call("create_notification", *args, **options)

    def topic(self, *args: Any, **options: Any) -> Any:
        return self._call("notify_topic", *args, **options)


@pytest.fixture(params=["sync", "async"])
def calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """One form, then the other."""
    monkeypatch.setenv("SERVICE_API_KEY", KEY)
    return Calls(request.param)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedHub]:
    """A service that stores whatever it gets."""
    with ScriptedHub(STORED) as server:
        monkeypatch.setenv("NOTIFICATION_SERVICE_URL", server.url)
        yield server


def test_a_notification_goes_to_the_service_with_what_it_was_given_and_nothing_else(
    calls: Calls, service: ScriptedHub
) -> None:
    assert calls.create(7, "Shipped") == Sent(12)
    data = {"order_id": 2**63, "text": "ü \u2028 <b>", "nested": {"none": None}}
    until = datetime(2027, 1, 1, 12, tzinfo=timezone(timedelta(hours=1)))
    calls.create(
        "u-7",
        "Shipped",
        "On its way",
        type="order_shipped",
        category="orders",
        data=data,
        priority="high",
        expires_at=until,
        idempotency_key="order-981",
    )
    first, second = service.asked
    assert first.path == second.path == "/api/notifications"
    assert first.body == {"user_id": 7, "title": "Shipped", "message": ""}
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert uuid.UUID(first.headers["idempotency-key"])
    assert second.body == {
        "user_id": "u-7",
        "title": "Shipped",
        "message": "On its way",
        "type": "order_shipped",
        "category": "orders",
        "data": data,
        "priority": "high",
        "expires_at": "2027-01-01T11:00:00.000000Z",
    }
    assert second.headers["idempotency-key"] == "order-981"


def test_a_topic_is_told_of_by_its_name(calls: Calls, service: ScriptedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedHub(TOLD) as server:
        monkeypatch.setenv("NOTIFICATION_SERVICE_URL", server.url)
        assert calls.topic("releases", "Version 2", category="news", idempotency_key="v2") == Told("releases", 3)
        (asked,) = server.asked
    assert asked.path == "/api/notifications"
    assert asked.body == {"topic": "releases", "title": "Version 2", "message": "", "category": "news"}
    assert asked.headers["idempotency-key"] == "v2"
    assert service.asked == []


@pytest.mark.parametrize(
    ("args", "options", "member"),
    [
        ((None, "t"), {}, "user_id"),
        (("", "t"), {}, "user_id"),
        ((True, "t"), {}, "user_id"),
        ((7, None), {}, "title"),
        ((7, "t", b"m"), {}, "message"),
        ((7, "t"), {"expires_at": datetime(2027, 1, 1)}, "expires_at"),  # noqa: DTZ001
        ((7, "t"), {"expires_at": 1_900_000_000}, "expires_at"),
        ((7, "t"), {"data": {"n": float("nan")}}, "data"),
        ((7, "t"), {"data": {"n": {1}}}, "data"),
        ((7, "\ud800"), {}, "data"),
        ((7, "t"), {"idempotency_key": "ü"}, "idempotency_key"),
    ],
    ids=repr,
)
def test_what_can_be_no_notification_is_said_and_not_sent(
    calls: Calls, service: ScriptedHub, args: tuple[Any, ...], options: dict[str, Any], member: str
) -> None:
    with pytest.raises(InvalidPublicationError, match=f"^{member}: "):
        calls.create(*args, **options)
    assert service.asked == []


def test_a_topic_without_a_name_and_an_option_that_there_is_not_are_said(calls: Calls, service: ScriptedHub) -> None:
    for topic in ("", None, 7):
        with pytest.raises(InvalidPublicationError, match=r"^topic: "):
            calls.topic(topic, "t")
    for call in (calls.create, calls.topic):
        with pytest.raises(TypeError, match="urgency"):
            call("7", "t", urgency="high")
    assert service.asked == []


@pytest.mark.parametrize("first", [Answer(503), Answer(429), CUT, Answer(409, {}, {"Retry-After": "0"})], ids=repr)
@pytest.mark.parametrize("good", [STORED, TOLD], ids=["one", "topic"])
def test_a_call_is_tried_again_under_the_same_key(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, first: Answer, good: Answer
) -> None:
    with ScriptedHub(first, first, good) as server:
        monkeypatch.setenv("NOTIFICATION_SERVICE_URL", server.url)
        call = calls.create if good is STORED else calls.topic
        assert call("7", "Shipped", deadline=PATIENCE_S) in (Sent(12), Told("releases", 3))
        assert len(server.keys()) == 3
        assert len(set(server.keys())) == 1
        assert server.asked[0].body == server.asked[2].body


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (Answer(422, {"code": "invalid", "detail": "title: no"}), RefusedError, " refused it: 422 invalid: title: no"),
        (Answer(409, {"code": "idempotency_key_reused"}), RefusedError, " refused it: 409 idem"),
        (Answer(503, {}, {"Retry-After": "3600"}), OverloadedError, " takes no more at the moment: 503"),
        (Answer(200, b"<html>"), Exception, " does not answer as it should"),
        (Answer(201, {"id": True}), Exception, " does not answer as it should: 201: no "),
        (CUT, UnreachableError, " does not answer: "),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_error_says_that_it_is_the_notification_services_and_shows_no_secret(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, answer: Answer, error: type[Exception], text: str
) -> None:
    with ScriptedHub(answer) as server:
        monkeypatch.setenv("NOTIFICATION_SERVICE_URL", server.url)
        deadline = 0.5 if answer is CUT else 4.5
        for call in (calls.create, calls.topic):
            with pytest.raises(error) as told:
                call("7", "a private text", deadline=deadline)
            assert str(told.value).startswith(f"the notification service{text}")
            said = repr(told.value) + repr(vars(told.value))
            assert KEY not in said
            assert "private" not in said
            # As Celery carries it.
            assert str(pickle.loads(pickle.dumps(told.value))) == str(told.value)  # noqa: S301


def test_without_a_service_key_nothing_leaves(
    calls: Calls, service: ScriptedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SERVICE_API_KEY")
    for call in (calls.create, calls.topic):
        with pytest.raises(SettingsError, match=r"the notification service .*SERVICE_API_KEY"):
            call("7", "t")
    monkeypatch.setenv("SERVICE_API_KEY", KEY)
    monkeypatch.setenv("NOTIFICATION_SERVICE_URL", "inbox")
    with pytest.raises(SettingsError, match="NOTIFICATION_SERVICE_URL"):
        calls.create(7, "t")
    assert service.asked == []


def test_a_service_that_is_away_is_told_when_the_deadline_is_over(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFICATION_SERVICE_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError, match="the notification service does not answer"):
        calls.create(7, "t", deadline=0.3)
    # Refused at once, and not cut off by a deadline: then it is known that nothing has arrived.
    with pytest.raises(UnreachableError) as refused:
        calls.create(7, "t", attempts=1)
    assert not refused.value.may_have_arrived


def test_a_service_that_is_given_is_used_and_left_open(service: ScriptedHub) -> None:
    with NotificationService(service.url, KEY) as given:
        for _ in range(2):
            assert calls_of_the_package.create_notification(7, "t", service=given) == Sent(12)
        assert given.create(7, "t", attempts=1) == Sent(12)
        assert repr(given) == f"NotificationService({service.url!r})"

    async def under_asyncio() -> None:
        async with AsyncNotificationService(service.url, KEY) as given:
            for _ in range(2):
                assert await calls_of_the_package.async_create_notification(7, "t", service=given) == Sent(12)
            assert KEY not in f"{given!r} {vars(given)}"

    asyncio.run(under_asyncio())
    assert len(service.asked) == 5


@pytest.mark.parametrize("name", ["create_notification", "create_many", "notify_topic"])
def test_both_forms_take_the_same(name: str) -> None:
    one = inspect.signature(getattr(calls_of_the_package, name))
    other = inspect.signature(getattr(calls_of_the_package, f"async_{name}"))
    assert list(one.parameters) == list(other.parameters)
    assert [str(p.default) for p in one.parameters.values()] == [str(p.default) for p in other.parameters.values()]
