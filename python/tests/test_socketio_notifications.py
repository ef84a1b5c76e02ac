"""Notifications from a back end into inboxes, and on to clients of `/ws` and Socket.IO, with the real service and hub.

Not here: what the notification service promises to its users, which its own tests hold.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from fanfare import RefusedError, UnreachableError
from fanfare.notifications import (
    Notification,
    NotificationService,
    Sent,
    Told,
    async_create_many,
    async_create_notification,
    async_notify_topic,
    create_many,
    create_notification,
    notify_topic,
)
from fanfare.socketio import async_broadcast_notification, broadcast_notification, notify_sns_publish_success
from tests.servers import PATIENCE_S, SERVICE_KEY, Hub, Inbox, free_port, token
from tests.socketio_clients import LEAVES_SOCKETS, Clients, clients_of
from tests.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = LEAVES_SOCKETS

#: What the hub hands to the notification service.
HOOKS = """
[[hooks]]
event = ["mark_read", "mark_all_read", "delete"]
namespaces = ["/notifications"]
url = "{url}/hooks/notifications"

[[delivery_hooks]]
types = ["notification"]
url = "{url}/hooks/deliveries"

[[feeds]]
name = "notifications"
types = ["job_accepted"]
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, Inbox]]:
    """A hub with a notification service behind it."""
    directory = tmp_path_factory.mktemp("inbox")
    port = free_port()
    configuration = directory / "fanfare.toml"
    configuration.write_text(HOOKS.format(url=f"http://127.0.0.1:{port}"), "utf-8")
    settings = {
        "FANFARE_CONFIG": str(configuration),
        "FANFARE_API_KEYS": f"services:{SERVICE_KEY}:+admin",
        "SERVICE_API_KEY": SERVICE_KEY,
        "SOCKETIO_PING_INTERVAL": "1s",
    }
    with (
        Hub(0, **settings).start() as hub,
        Inbox(directory, hub.url, port).start() as inbox,
    ):
        yield hub, inbox


@pytest.fixture
def hub(servers: tuple[Hub, Inbox], monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The hub, and the notification service in the environment."""
    monkeypatch.setenv("WS_SERVICE_URL", servers[0].url)
    monkeypatch.setenv("FANFARE_API_KEY", SERVICE_KEY)
    monkeypatch.setenv("NOTIFICATION_SERVICE_URL", servers[1].url)
    monkeypatch.setenv("SERVICE_API_KEY", SERVICE_KEY)
    return servers[0]


@pytest.fixture
def inbox(hub: Hub, servers: tuple[Hub, Inbox]) -> Inbox:
    return servers[1]


@pytest.fixture
def clients(hub: Hub) -> Iterator[Clients]:
    with clients_of(hub.url) as made:
        yield made


def call(inbox: Inbox, method: str, path: str, user: int | str, body: object = None) -> Any:
    """A user's own call."""
    headers = {"Authorization": f"Bearer {token(user)}"}
    url = f"{inbox.url}/api/{path}"
    answer = httpx.request(method, url, headers=headers, json=body, timeout=PATIENCE_S, trust_env=False)
    assert answer.is_success, answer.text
    return answer.json()


def listed(inbox: Inbox, user: int | str) -> list[dict[str, Any]]:
    """What a user has, the newest first."""
    notifications: list[dict[str, Any]] = call(inbox, "GET", "notifications?per_page=100", user)["notifications"]
    return notifications


def test_a_notification_is_stored_and_told_to_every_world(clients: Clients, hub: Hub, inbox: Inbox, user: int) -> None:
    client = clients.user(user, namespaces=["/notifications"])
    until = datetime.now(timezone.utc) + timedelta(days=1)
    data = {"order_id": 2**53, "text": "Größe 😀 <b>\u2028"}
    with Watcher.user(hub, user) as watcher:
        sent = create_notification(
            user,
            "Shipped <b>",
            "On its way",
            type="order_shipped",
            category="orders",
            data=data,
            priority="high",
            expires_at=until,
        )
        event = watcher.next()
    (stored,) = listed(inbox, user)
    assert stored["id"] == sent.id
    assert {name: stored[name] for name in ("user_id", "type", "category", "title", "message", "data", "priority")} == {
        "user_id": user,
        "type": "order_shipped",
        "category": "orders",
        "title": "Shipped <b>",
        "message": "On its way",
        "data": data,
        "priority": "high",
    }
    assert abs(datetime.fromisoformat(stored["expires_at"].replace("Z", "+00:00")) - until) < timedelta(seconds=1)
    assert event["type"] == "notification"
    ((name, told),) = client.take("/notifications")
    assert name == "notification"
    for one in (event["data"], told):
        assert {member: one[member] for member in stored} == stored
        assert one["unread_count"] == 1
    answer = client.call("/notifications", "mark_read", {"notification_id": sent.id})
    assert (answer["success"], answer["unread_count"]) == (True, 0)


@pytest.mark.parametrize(
    ("data", "title", "kept"),
    [
        (
            {"type": "order", "title": "Shipped", "message": "m", "action_url": "/o/9"},
            "Shipped",
            {"action_url": "/o/9"},
        ),
        ("On its way\nwith a friend", "On its way", {}),
        ({"type": "Order shipped!", "order_id": 9}, "Order shipped", {"type": "Order shipped!", "order_id": 9}),
        ({"title": "x" * 300, "priority": "medium"}, "x" * 199 + "…", {"title": "x" * 300, "priority": "medium"}),
        ({}, "Notification", {}),
        (None, "Notification", {}),
        ({"title": "t", "expires_at": "2100-01-01T00:00:00", "data": [1]}, "t", {"data": [1]}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_the_field_passes_is_taken(
    hub: Hub, inbox: Inbox, user: int, data: object, title: str, kept: dict[str, Any]
) -> None:
    sent = broadcast_notification(user, data, strict=True)
    (stored,) = listed(inbox, user)
    assert sent == Sent(stored["id"])
    assert (stored["title"], stored["data"]) == (title, kept)


def test_asyncio_has_the_same_and_ids_rise(hub: Hub, inbox: Inbox, user: int) -> None:
    async def several() -> list[Sent | None]:
        return [
            await async_create_notification(user, "first"),
            await async_broadcast_notification(str(user), {"title": "second"}),
            *[Sent(one.id or 0) async for one in async_create_many([user], "third")],
        ]

    sent = [one.id for one in asyncio.run(several()) if one is not None]
    stored = listed(inbox, user)
    assert [one["id"] for one in stored] == sorted(sent, reverse=True)
    assert [one["title"] for one in stored] == ["third", "second", "first"]


def test_a_post_that_is_published_stands_in_the_inbox(hub: Hub, inbox: Inbox, user: int) -> None:
    with Watcher.user(hub, user) as watcher:
        assert notify_sns_publish_success(user, 12, ["x"], strict=True) is not None
        (stored,) = listed(inbox, user)
        assert stored["data"] == {"post_id": 12, "platforms": ["x"], "action_url": "/sns/posts/12"}
        assert watcher.next()["data"]["id"] == stored["id"]


def test_the_same_key_is_one_notification(hub: Hub, inbox: Inbox, user: int) -> None:
    first = create_notification(user, "once", idempotency_key=f"k-{user}")
    assert create_notification(user, "once", idempotency_key=f"k-{user}") == first
    assert broadcast_notification(user, {"title": "2"}, idempotency_key=f"b-{user}", strict=True) == (
        broadcast_notification(user, {"title": "2"}, idempotency_key=f"b-{user}", strict=True)
    )
    with pytest.raises(RefusedError, match="idempotency_key_reused"):
        create_notification(user, "another", idempotency_key=f"k-{user}")
    assert [one["title"] for one in listed(inbox, user)] == ["2", "once"]


def test_what_the_service_does_not_take_is_told(hub: Hub, inbox: Inbox, user: int) -> None:
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    for wrong in ({"title": ""}, {"type": "a b"}, {"expires_at": yesterday}, {"data": {"n": "x" * 17_000}}):
        with pytest.raises(RefusedError, match="the notification service refused it: 422"):
            create_notification(user, **{"title": "t", **wrong})  # type: ignore[arg-type]
    assert listed(inbox, user) == []
    with (
        NotificationService(inbox.url, "a-wrong-key-0123456789") as stranger,
        pytest.raises(RefusedError, match="401") as told,
    ):
        stranger.create(user, "t")
    assert "a-wrong-key" not in str(told.value) + repr(vars(told.value))


def test_while_the_service_is_away_nobody_is_told(hub: Hub, user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATION_SERVICE_URL", f"http://127.0.0.1:{free_port()}")
    with Watcher.user(hub, user) as watcher:
        assert broadcast_notification(user, {"title": "t"}, deadline=0.3) is None
        with pytest.raises(UnreachableError, match="the notification service does not answer"):
            create_notification(user, "t", deadline=0.3)
        assert watcher.nothing_more()


def test_many_users_get_theirs_and_a_repeat_gives_the_same_ids(hub: Hub, inbox: Inbox, user: int) -> None:
    users = [f"m-{user}-{n}" for n in range(1_200)]
    first = list(create_many(users, "We are back", category="news", idempotency_key=f"m-{user}"))
    assert [one.user_id for one in first] == users
    ids = [one.id for one in first if one.id is not None]
    assert ids == sorted(set(ids))
    assert len(ids) == 1_200
    assert list(create_many(users, "We are back", category="news", idempotency_key=f"m-{user}")) == first
    for one in (first[0], first[-1]):
        (stored,) = listed(inbox, str(one.user_id))
        assert (stored["id"], stored["title"], stored["category"]) == (one.id, "We are back", "news")


def test_notifications_that_differ_are_each_taken_or_refused(hub: Hub, inbox: Inbox, user: int) -> None:
    given = [Notification(f"d-{user}-{n}", "x" * (201 if n == 7 else 5), f"m {n}") for n in range(600)]
    counts = create_many(iter(given)).finish()
    assert (counts.created, counts.filtered, counts.refused) == (599, 0, 1)
    results = list(create_many(given, idempotency_key=f"d-{user}"))
    assert [(one.place, type(one.error)) for one in results if one.error] == [(7, RefusedError)]
    assert "title" in str(results[7].error)
    assert [one["message"] for one in listed(inbox, f"d-{user}-599")] == ["m 599"] * 2


def test_who_switched_a_category_off_has_it_filtered(hub: Hub, inbox: Inbox, user: int) -> None:
    off = {"categories": {"news": {"in_app": False, "push": False, "sound": False}}}
    call(inbox, "PUT", "notifications/preferences", user, off)
    users: list[int | str] = [user, f"o-{user}"]
    counts = create_many(users, "t", category="news").finish()
    assert (counts.created, counts.filtered, counts.refused) == (1, 1, 0)
    assert listed(inbox, user) == []


def test_a_topic_reaches_all_who_follow_it(hub: Hub, inbox: Inbox, user: int) -> None:
    topic = f"releases-{user}"
    with Watcher.user(hub, user) as watcher:
        for one in (user, f"t-{user}"):
            call(inbox, "POST", "fcm/subscribe-topic", one, {"topic": topic})
        assert notify_topic(topic, "Version 2", category="news", idempotency_key=topic) == Told(topic, 2)
        assert notify_topic(topic, "Version 2", category="news", idempotency_key=topic) == Told(topic, 2)
        assert watcher.next()["data"]["title"] == "Version 2"
        assert asyncio.run(async_notify_topic(topic, "Version 3")) == Told(topic, 2)
        assert watcher.next()["data"]["title"] == "Version 3"
    assert notify_topic(f"nobodys-{user}", "t").recipients == 0


def test_a_service_that_is_killed_in_the_middle_makes_each_notification_once(
    hub: Hub, user: int, tmp_path: Path
) -> None:
    users = [f"k-{user}-{n}" for n in range(3_000)]
    with Inbox(tmp_path, hub.url, free_port()) as inbox:
        with NotificationService(inbox.start().url, SERVICE_KEY) as service:
            results = []
            for result in service.create_many(users, "once", idempotency_key="k", deadline=PATIENCE_S):
                results.append(result)
                if len(results) in (1, 1_501):
                    inbox.stop()
                    inbox.start()
            assert [one.user_id for one in results] == users
            assert [one.id for one in service.create_many(users, "once", idempotency_key="k")] == [
                one.id for one in results
            ]
        for one in (results[0], results[499], results[1_600], results[-1]):
            assert [stored["id"] for stored in listed(inbox, str(one.user_id))] == [one.id]
    ids = [one.id for one in results]
    assert len(set(ids)) == len(users)
