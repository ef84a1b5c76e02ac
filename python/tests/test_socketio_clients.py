"""What clients of Socket.IO rely on with the real hub: python-socketio, with threads and asyncio, by every transport.

Not here: browsers' clients, which are Node's (web), chat and the inbox, which need their services
(`test_socketio_chat`, `test_socketio_notifications`).
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import socketio as python_socketio

from fanfare import Fanfare
from fanfare.socketio import broadcast_sns_event
from tests.servers import PATIENCE_S, Hub, free_port, token, wait_until
from tests.socketio_clients import EVERY_WAY, LEAVES_SOCKETS, NAMESPACES, Client, Clients, clients_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = LEAVES_SOCKETS

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

#: Heartbeats that come often: a client that has forgotten its poll waits for the next one.
OFTEN = {"SOCKETIO_PING_INTERVAL": "1s"}

#: Data that a careless server would change.
DATA: Any = {
    "big": 2**63 + 1,
    "fraction": 1.5,
    "nested": [[{"deep": [None, True]}], {}],
    "text": 'Größe € 😀 \u2028 \x1e 42["x"] b4 \\ "',
    "timestamp": "its own",
}


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """A hub for all tests that do not end it."""
    with Hub(0, **OFTEN) as hub:
        yield hub.start()


@pytest.fixture
def clients(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    """Clients of the hub, to which this package publishes."""
    monkeypatch.setenv("WS_SERVICE_URL", hub.url)
    with clients_of(hub.url) as made:
        yield made


@pytest.fixture
def publisher(hub: Hub) -> Iterator[Fanfare]:
    with Fanfare(hub.url) as publisher:
        yield publisher


def settled(publisher: Fanfare, user: int, *clients: Client) -> None:
    """Waits until whatever was sent before has arrived: each namespace has an event of its own behind it."""
    for namespace in NAMESPACES:
        publisher.publish("settled", namespace=namespace, user_id=user)
    for client in clients:
        for namespace in NAMESPACES:
            wait_until(lambda c=client, n=namespace: ("settled", {}) in c.all(n), f"settled in {namespace}")  # type: ignore[misc]


@pytest.mark.parametrize(("kind", "transports"), EVERY_WAY)
def test_what_a_back_end_tells_arrives_in_its_namespace_alone_and_unchanged(
    clients: Clients, publisher: Fanfare, user: int, kind: str, transports: str
) -> None:
    client = clients.user(user, kind, transports)
    other = clients.user(f"not-{user}", kind, transports, ["/sns", "/notifications"])
    assert client.transport == ("polling" if transports == "polling" else "websocket")
    assert broadcast_sns_event("post_liked", user, DATA)
    for own in ({"timestamp": "its own"}, {}):
        publisher.publish("notification", {"title": "t", **own}, namespace="/notifications", user_id=str(user))
    assert broadcast_sns_event("publish_success", user, {"post_id": 12})
    publisher.publish("order_updated", DATA, user_id=user)
    publisher.publish("shipment_update", DATA, namespace="/orders", user_id=user)
    publisher.publish("of no namespace", DATA, user_id=user)
    settled(publisher, user, client)
    assert client.all("/sns")[:-1] == [("post_liked", DATA), ("publish_success", {"post_id": 12})]
    assert client.all("/orders")[:-1] == [("order_updated", DATA), ("shipment_update", DATA)]
    assert client.all("/chat")[:-1] == []
    told, bell, _ = client.all("/notifications")
    assert told == ("notification", {"title": "t", "timestamp": "its own"})
    assert TIMESTAMP.fullmatch(bell[1]["timestamp"])
    assert other.all("/sns") == other.all("/notifications") == []


def test_an_event_for_nobody_in_particular_reaches_the_namespaces_that_name_its_type(
    clients: Clients, publisher: Fanfare, user: int
) -> None:
    one, other = clients.user(user), clients.user(f"also-{user}", "async", "websocket")
    publisher.publish("delivery_confirmed", {"order": user})
    publisher.publish("shipment_update", {"order": user}, namespace="/orders")
    for client in (one, other):
        wait_until(
            lambda c=client: (
                [e for e in c.all("/orders") if e[1] == {"order": user}]  # type: ignore[misc]
                == [("delivery_confirmed", {"order": user}), ("shipment_update", {"order": user})]
            ),
            "both in /orders",
        )
        assert all(data != {"order": user} for namespace in ("/sns", "/chat") for _, data in client.all(namespace))


def test_a_user_that_is_missing_is_nobody_in_a_namespace(clients: Clients, publisher: Fanfare, user: int) -> None:
    client = clients.user(user)
    assert publisher.publish("post_liked", {}, namespace="/sns", user_id=None).recipients == 0
    assert publisher.publish("post_liked", {}, namespace="/sns", user_ids=[]).recipients == 0
    settled(publisher, user, client)
    assert [event for event, _ in client.all("/sns")] == ["settled"]


@pytest.mark.parametrize(("kind", "transports"), EVERY_WAY)
def test_without_a_good_token_where_it_belongs_it_is_unauthorized(
    clients: Clients, user: int, kind: str, transports: str
) -> None:
    good, expired = token(user), token(user, exp=int(time.time()) - 3600)
    wrong: list[tuple[object, dict[str, str], str]] = [
        (None, {}, ""),
        ({"token": "a-bad-token"}, {}, ""),
        ({"token": expired}, {}, ""),
        ({"token": [good]}, {}, ""),
        ({"tokens": good}, {}, ""),
        (None, {"Authorization": f"Bearer {good}"}, ""),
        (None, {}, f"?token={good}"),
    ]
    for auth, headers, query in wrong:
        client = clients.client(kind, transports)
        with pytest.raises(python_socketio.exceptions.ConnectionError, match="/sns"):
            client.connect(clients.url + query, auth, ["/sns"], headers=headers)
        assert client.refused == {"/sns": {"message": "Unauthorized"}}
        assert client.connected == []


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_namespace_that_there_is_not_is_invalid_and_the_others_work(clients: Clients, user: int, kind: str) -> None:
    client = clients.client(kind)
    client.connect(clients.url, {"token": token(user)}, ["/sns", "/no-such"], wait=False)
    wait_until(lambda: client.refused and client.connected, "one of each")
    assert client.refused == {"/no-such": {"message": "Invalid namespace"}}
    assert client.connected == ["/sns"]
    assert broadcast_sns_event("post_liked", user, {"n": 1})
    assert client.take("/sns") == [("post_liked", {"n": 1})]


@pytest.mark.parametrize(("kind", "transports"), EVERY_WAY)
def test_publishing_is_acknowledged_and_told_to_all_of_the_users_sockets(
    clients: Clients, user: int, kind: str, transports: str
) -> None:
    client, second = clients.user(user, kind, transports), clients.user(user)
    post = {"post_id": 123, "platforms": ["instagram", "twitter"], "big": 2**63}
    answer = client.call("/sns", "publish_start", post)
    assert answer["success"] is True
    for one in (client, second):
        assert one.take("/sns") == [("publish_started", post)]


@pytest.mark.parametrize(("kind", "transports"), EVERY_WAY)
def test_a_channel_is_followed_until_it_is_left(
    clients: Clients, publisher: Fanfare, user: int, kind: str, transports: str
) -> None:
    client = clients.user(user, kind, transports, ["/orders"])
    channel = f"orders:{user}"
    answer = client.call("/orders", "subscribe", {"channels": [channel, f"user:{user}"]})
    assert (answer["success"], channel in answer["channels"]) == (True, True)
    refused = client.call("/orders", "subscribe", {"channels": ["user:1"]})
    assert (refused["success"], refused["code"]) == (False, "forbidden")
    publisher.publish("of_its_own", {"n": 1}, channel=channel)
    assert client.take("/orders") == [("of_its_own", {"n": 1})]
    assert client.call("/orders", "unsubscribe", {"channels": [channel]})["success"] is True
    publisher.publish("of_its_own", {"n": 2}, channel=channel)
    publisher.publish("order_updated", {"n": 3}, user_id=user)
    assert client.take("/orders", 2)[1] == ("order_updated", {"n": 3})


@pytest.mark.parametrize(
    ("event", "data"),
    [("no_such_event", {}), ("subscribe", {"channels": "no spaces please"}), ("subscribe", 7), ("subscribe", None)],
    ids=repr,
)
def test_what_cannot_be_done_is_acknowledged_with_the_reason(
    clients: Clients, user: int, event: str, data: object
) -> None:
    client = clients.user(user, namespaces=["/sns"])
    answer = client.call("/sns", event, data)
    assert answer["success"] is False
    assert answer["code"]
    assert answer["message"]
    assert client.call("/sns", "subscribe", {"channels": ["jobs"]})["success"] is True


@pytest.mark.parametrize(("kind", "transports"), EVERY_WAY)
def test_binary_data_are_answered_and_cost_nothing(clients: Clients, user: int, kind: str, transports: str) -> None:
    client = clients.user(user, kind, transports, ["/sns"])
    answer = client.call("/sns", "publish_start", {"post_id": 1, "file": b"\x00\x01\xff" * 1000, "more": [b""]})
    assert answer["success"] is False
    assert client.call("/sns", "publish_start", {"post_id": 2})["success"] is True
    assert client.take("/sns") == [("publish_started", {"post_id": 2})]


@pytest.mark.parametrize(("kind", "transports"), EVERY_WAY)
def test_events_may_be_large_and_many_and_keep_their_order(
    clients: Clients, publisher: Fanfare, user: int, kind: str, transports: str
) -> None:
    client = clients.user(user, kind, transports, ["/orders"])
    large = "€" * 200_000
    for n in range(50):
        publisher.publish("order_updated", {"n": n, "text": large if n == 25 else ""}, user_id=user)
    events = client.take("/orders", 50)
    assert [data["n"] for _, data in events] == list(range(50))
    assert events[25][1]["text"] == large


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_acknowledgements_find_their_calls_whatever_else_goes_on(clients: Clients, user: int, kind: str) -> None:
    client = clients.user(user, kind, namespaces=["/sns", "/orders"])
    answers: dict[str, Any] = {}
    for n in range(30):
        namespace = ("/sns", "/orders")[n % 2]
        client.emit(
            namespace,
            "subscribe",
            {"channels": [f"c-{n}"]},
            callback=lambda answer, n=n: answers.__setitem__(f"c-{n}", answer),
        )
    wait_until(lambda: len(answers) == 30, "30 acknowledgements")
    assert all(channel in answer["channels"] for channel, answer in answers.items())


@pytest.mark.parametrize("transports", ["upgrade", "polling", "websocket"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_client_comes_back_when_the_hub_is_killed_and_started_again(user: int, kind: str, transports: str) -> None:
    with Hub(free_port(), **OFTEN) as hub, clients_of(hub.start().url) as clients:
        client = clients.user(user, kind, transports, ["/sns", "/notifications"])
        hub.stop()
        wait_until(lambda: {"/sns", "/notifications"} <= set(client.lost), "the hub is gone")
        hub.start()
        wait_until(lambda: len(client.connected) == 4, "both namespaces again")
        with Fanfare(hub.url) as publisher:
            assert broadcast_sns_event("post_liked", user, {"n": 1}, client=publisher, strict=True)
            publisher.publish("notification", {"n": 2}, user_id=user)
        assert client.take("/sns") == [("post_liked", {"n": 1})]
        assert client.take("/notifications")[0][1]["n"] == 2


@pytest.mark.parametrize(("kind", "transports"), [("sync", "upgrade"), ("async", "websocket")])
def test_a_client_comes_back_to_a_hub_that_was_stopped_in_order(user: int, kind: str, transports: str) -> None:
    with Hub(free_port(), **OFTEN) as hub, clients_of(hub.start().url) as clients:
        client = clients.user(user, kind, transports, ["/sns"])
        assert hub.terminate() == 0
        wait_until(lambda: client.lost, "the hub is gone")
        hub.start()
        wait_until(lambda: len(client.connected) == 2, "it is there again")
        with Fanfare(hub.url) as publisher:
            assert broadcast_sns_event("post_liked", user, {"n": 1}, client=publisher, strict=True)
        assert client.take("/sns") == [("post_liked", {"n": 1})]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_who_comes_and_goes_is_told_to_the_others_in_the_namespace(kind: str) -> None:
    with Hub(0, **OFTEN).start() as hub, clients_of(hub.url) as clients:
        watcher = clients.user(1, kind, namespaces=["/sns", "/chat", "/orders"])
        first = clients.user(2, kind, "websocket", ["/sns"])
        wait_until(lambda: watcher.presence("/sns"), "2 is here")
        second = clients.user(2, kind, "polling", ["/sns"])
        first.close()
        # A reload is no absence: the second one is still there.
        clients.user(3, kind, namespaces=["/sns"])
        wait_until(lambda: len(watcher.presence("/sns")) == 2, "3 is here")
        second.close()
        wait_until(lambda: len(watcher.presence("/sns")) == 3, "2 is gone")
        told = watcher.presence("/sns")
        assert [(event, data["user_id"]) for event, data in told] == [
            ("user_online", 2),
            ("user_online", 3),
            ("user_offline", 2),
        ]
        assert all(set(data) == {"user_id", "timestamp"} and TIMESTAMP.fullmatch(data["timestamp"]) for _, data in told)
        assert watcher.presence("/chat") == watcher.presence("/orders") == []
        # Nobody is told of oneself.
        assert first.presence("/sns") == []
        assert [(event, data["user_id"]) for event, data in second.presence("/sns")] == [("user_online", 3)]


def test_a_socket_can_be_named_by_its_id(clients: Clients, publisher: Fanfare, user: int) -> None:
    one, other = clients.user(user, namespaces=["/sns"]), clients.user(user, "async", namespaces=["/sns"])
    publisher.publish("post_liked", {"n": 1}, user_id=user, namespace="/sns", except_connection_id=one.sid("/sns"))
    publisher.publish("post_liked", {"n": 2}, connection_id=one.sid("/sns"))
    publisher.publish("post_liked", {"n": 3}, user_id=user, namespace="/sns")
    assert [data["n"] for _, data in one.take("/sns", 2)] == [2, 3]
    assert [data["n"] for _, data in other.take("/sns", 2)] == [1, 3]


def script(url: str, secret: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("field_socketio.py")), url, secret],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"NO_PROXY": "*"},
    )


def test_a_script_of_the_field_works_as_it_is(clients: Clients, publisher: Fanfare, user: int) -> None:
    with script(clients.url, token(user)) as child:
        assert child.stdout is not None
        lines: list[str] = []
        for line in child.stdout:
            lines.append(line.rstrip("\n"))
            if {word.split(" ")[0] for word in lines} >= {"ack", "publish_started", "transport"} and (
                "connected /notifications" in lines
            ):
                break
        broadcast_sns_event("publish_success", user, {"post_id": 123})
        publisher.publish("order_updated", {"order_id": 9}, user_id=user)
        # In another namespace is another order, so the script is told to go after the others have come.
        for line in child.stdout:
            lines.append(line.rstrip("\n"))
            if {word.split(" ")[0] for word in lines} >= {"publish_success", "order_updated"}:
                break
        publisher.publish("notification", {"title": "Shipped", "timestamp": "t"}, user_id=user)
        lines += [line.rstrip("\n") for line in child.stdout]
        assert child.wait(PATIENCE_S) == 0, lines
    assert "transport websocket" in lines
    assert 'publish_started {"post_id": 123, "platforms": ["instagram", "twitter"]}' in lines
    assert 'publish_success {"post_id": 123}' in lines
    assert 'order_updated {"order_id": 9}' in lines
    assert 'notification {"title": "Shipped", "timestamp": "t"}' in lines
    assert any(line.startswith('ack {"success": true') for line in lines), lines
    assert "gone /notifications client disconnect" in lines


def test_a_script_of_the_field_says_why_it_is_refused(clients: Clients) -> None:
    with script(clients.url, "a-bad-token") as child:
        assert child.stdout is not None
        lines = child.stdout.read().splitlines()
        assert child.wait(PATIENCE_S) == 1
    assert 'refused /sns {"message": "Unauthorized"}' in lines
    assert lines[-1].startswith("ConnectionError One or more namespaces failed to connect: ")
