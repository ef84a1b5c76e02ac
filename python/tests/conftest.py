"""What tests share: one hub, both kinds of publishers, an environment without a developer's settings."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from fanfare import client
from tests.publishers import Publishers
from tests.servers import Hub, PubSubFake

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A developer's own settings decide nothing."""
    for name in ("WS_SERVICE_URL", "FANFARE_API_KEY", "PUBSUB_EMULATOR_HOST", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(client, "_default", {})
    yield
    for one in client._default.values():
        one.close()


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
