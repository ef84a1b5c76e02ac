"""What tests share: one hub, both kinds of publishers, an environment without a developer's settings."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from fanfare import chat, client, notifications, socketio_calls
from tests.publishers import Publishers
from tests.servers import Hub, PubSubFake

if TYPE_CHECKING:
    from collections.abc import Iterator


#: What would decide something in a test.
SETTINGS = (
    "WS_SERVICE_URL",
    "FANFARE_API_KEY",
    "CHAT_SERVICE_URL",
    "NOTIFICATION_SERVICE_URL",
    "SERVICE_API_KEY",
    "PUBSUB_EMULATOR_HOST",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A developer's own settings decide nothing, nor does what happened in another test."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(client, "_default", {})
    monkeypatch.setattr(chat, "_default", {})
    monkeypatch.setattr(notifications, "_default", {})
    monkeypatch.setattr(socketio_calls, "_warned", set())
    socketio_calls.HUB.away = socketio_calls.CHAT.away = socketio_calls.NOTIFICATIONS.away = False
    socketio_calls.TOLD.clear()
    yield
    for one in client._default.values():
        one.close()
    for service in chat._default.values():
        service.close()
    for inbox in notifications._default.values():
        inbox.close()


@pytest.fixture(scope="session")
def hub() -> Iterator[Hub]:
    """One hub for all tests that do not end it; they differ in users and channels."""
    with Hub() as hub:
        yield hub.start()


@pytest.fixture(scope="session")
def pubsub() -> Iterator[PubSubFake]:
    """One Pub/Sub for all tests; they differ in projects."""
    with PubSubFake() as fake:
        yield fake.start()


@pytest.fixture(params=["sync", "async"])
def publishers(request: pytest.FixtureRequest) -> Iterator[Publishers]:
    """Makes publishers: of the one kind, then of the other."""
    made = Publishers(request.param)
    yield made
    made.close()


_users = itertools.count(1000)


@pytest.fixture
def user() -> int:
    """A user that no other test has."""
    return next(_users)
