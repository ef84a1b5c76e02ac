"""Chat from a back end to clients of `/ws` and Socket.IO, with the real chat service and the real hub.

Not here: what the chat service promises to its clients, which its own tests hold.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from fanfare import RefusedError, UnreachableError
from fanfare.chat import ChatService
from fanfare.socketio import Sent, async_broadcast_chat_message, broadcast_chat_message
from tests.servers import PATIENCE_S, SERVICE_KEY, Chat, Hub, free_port, token
from tests.socketio_clients import LEAVES_SOCKETS, Clients, clients_of
from tests.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = LEAVES_SOCKETS

#: What the hub hands to the chat service.
HOOKS = """
[[hooks]]
event = ["send_message", "typing", "mark_read"]
namespaces = ["/chat"]
url = "{url}/hooks/chat"
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, Chat]]:
    """A hub with a chat service behind it."""
    directory = tmp_path_factory.mktemp("chat")
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
        Chat(directory, hub.url, port).start() as chat,
    ):
        yield hub, chat


@pytest.fixture
def hub(servers: tuple[Hub, Chat], monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The hub, and the chat service in the environment."""
    monkeypatch.setenv("CHAT_SERVICE_URL", servers[1].url)
    monkeypatch.setenv("SERVICE_API_KEY", SERVICE_KEY)
    return servers[0]


@pytest.fixture
def clients(hub: Hub) -> Iterator[Clients]:
    with clients_of(hub.url) as made:
        yield made


def get(chat: Chat, path: str, user: int | str) -> Any:
    headers = {"Authorization": f"Bearer {token(user)}"}
    return httpx.get(f"{chat.url}/api/chat/{path}", headers=headers, timeout=PATIENCE_S, trust_env=False).json()


def test_a_message_is_stored_and_both_are_told(hub: Hub, servers: tuple[Hub, Chat], user: int) -> None:
    writer, reader = f"w-{user}", user
    with Watcher.user(hub, writer) as from_, Watcher.user(hub, reader) as to:
        sent = broadcast_chat_message(writer, reader, "Größe 😀\tok?")
        assert sent is not None
        for watcher in (from_, to):
            event = watcher.next()
            assert event["type"] == "message_received"
            told = {**event["data"]}
            assert told.pop("timestamp")
            assert told == {
                "id": sent.id,
                "from_user_id": writer,
                "to_user_id": reader,
                "message": "Größe 😀\tok?",
            }
    (stored,) = get(servers[1], f"{writer}/messages", reader)["items"]
    assert (stored["id"], stored["message"], stored["read"]) == (sent.id, "Größe 😀\tok?", False)
    assert get(servers[1], "unread", reader) == {"unread_count": 1}


def test_asyncio_has_the_same_and_ids_rise(hub: Hub, servers: tuple[Hub, Chat], user: int) -> None:
    async def several() -> list[Sent | None]:
        return [await async_broadcast_chat_message(user, f"r-{user}", f"text {n}") for n in range(3)]

    sent = [one.id for one in asyncio.run(several()) if one is not None]
    stored = get(servers[1], f"r-{user}/messages", user)["items"]
    assert [message["id"] for message in stored] == sorted(sent, reverse=True)
    assert [message["message"] for message in stored] == ["text 2", "text 1", "text 0"]


def test_the_same_key_is_one_message(hub: Hub, servers: tuple[Hub, Chat], user: int) -> None:
    first = broadcast_chat_message(user, f"r-{user}", "once", idempotency_key=f"k-{user}")
    assert broadcast_chat_message(user, f"r-{user}", "once", idempotency_key=f"k-{user}") == first
    assert len(get(servers[1], f"r-{user}/messages", user)["items"]) == 1


@pytest.mark.parametrize("to", ["a/b?c#d%2F é", "..."], ids=repr)
def test_users_may_be_called_anything(hub: Hub, servers: tuple[Hub, Chat], user: int, to: str) -> None:
    assert broadcast_chat_message(user, to, "hi", strict=True) is not None
    assert get(servers[1], "conversations", user)["items"][0]["user_id"] == to


@pytest.mark.parametrize("text", ["", " \n", "x" * 4097, "a\x00", "\x1b[1m"], ids=lambda text: repr(text)[:12])
def test_what_the_service_does_not_take_is_told(hub: Hub, user: int, text: str) -> None:
    with pytest.raises(RefusedError, match="the chat service refused it: 422"):
        broadcast_chat_message(user, 1, text, strict=True)
    assert broadcast_chat_message(user, 1, text) is None


def test_a_wrong_key_is_refused_and_not_shown(servers: tuple[Hub, Chat], user: int) -> None:
    with (
        ChatService(servers[1].url, "a-wrong-key-0123456789") as chat,
        pytest.raises(RefusedError, match="401") as told,
    ):
        chat.send(user, 1, "hi")
    assert "a-wrong-key" not in str(told.value) + repr(vars(told.value))


def test_while_the_service_is_away_nobody_is_told(hub: Hub, user: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_SERVICE_URL", f"http://127.0.0.1:{free_port()}")
    with Watcher.user(hub, user) as watcher:
        assert broadcast_chat_message(1, user, "hi", deadline=0.3) is None
        with pytest.raises(UnreachableError, match="the chat service does not answer"):
            broadcast_chat_message(1, user, "hi", deadline=0.3, strict=True)
        assert watcher.nothing_more()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_back_end_and_clients_of_socketio_write_to_each_other(
    clients: Clients, servers: tuple[Hub, Chat], user: int, kind: str
) -> None:
    writer, reader = clients.user(user, kind), clients.user(f"r-{user}", kind, "polling")
    second = clients.user(user, namespaces=["/chat"])
    answer = writer.call("/chat", "send_message", {"to_user_id": f"r-{user}", "message": "from a client"})
    assert answer["success"] is True
    sent = broadcast_chat_message(f"r-{user}", user, "from a back end", strict=True)
    assert sent is not None
    for client, own in ((writer, []), (reader, [answer["id"]]), (second, [answer["id"]])):
        told = client.take("/chat", len(own) + 1)
        assert [(event, data["id"]) for event, data in told] == [("message_received", id_) for id_ in [*own, sent.id]]
    refused = writer.call("/chat", "send_message", {"to_user_id": 1, "message": ""})
    assert refused["success"] is False
    assert writer.call("/chat", "typing", {"to_user_id": f"r-{user}", "is_typing": True})["success"] is True
    typing = reader.take("/chat", 3)[2]
    assert typing == ("user_typing", {"user_id": user, "is_typing": True})
    assert reader.call("/chat", "mark_read", {"message_id": answer["id"]})["success"] is True
    event, read = next(one for one in writer.take("/chat", 2) if one[0] == "message_read")
    assert (event, read["message_id"], read["user_id"]) == ("message_read", answer["id"], f"r-{user}")
