"""Publishing and notifying on commit, with Django on a database of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from typing import TYPE_CHECKING

import django
import pytest
from django.conf import settings
from django.db import connections, transaction

from fanfare import Fanfare, InvalidPublicationError, UnreachableError
from fanfare.django import create_notification_on_commit, publish_on_commit
from fanfare.notifications import NotificationService
from tests.scripted import Answer, ScriptedHub
from tests.servers import Hub, free_port
from tests.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _database(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two databases in files, and the hub in the environment."""
    if not settings.configured:
        one = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
        settings.configure(DATABASES={"default": one, "other": dict(one)}, USE_TZ=True)
        django.setup()
    for alias in ("default", "other"):
        connections[alias].settings_dict["NAME"] = str(tmp_path / alias)
    monkeypatch.setenv("WS_SERVICE_URL", hub.url)
    yield
    connections.close_all()


def test_an_event_goes_out_after_the_commit_and_not_before(hub: Hub, user: int) -> None:
    with Watcher.user(hub, user) as watcher:
        with transaction.atomic():
            publish_on_commit("order_shipped", {"order_id": 7}, user_id=user)
            publish_on_commit("order_billed", {"order_id": 7}, user_id=user)
            assert watcher.nothing_more()
        assert [event["type"] for event in watcher.take(2)] == ["order_shipped", "order_billed"]


def test_nothing_goes_out_when_it_is_rolled_back(hub: Hub, user: int) -> None:
    with Watcher.user(hub, user) as watcher:
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            publish_on_commit("t", user_id=user)
            raise ZeroDivisionError
        with transaction.atomic():
            with contextlib.suppress(ZeroDivisionError), transaction.atomic():
                publish_on_commit("in a savepoint", user_id=user)
                raise ZeroDivisionError
            publish_on_commit("kept", user_id=user)
        assert watcher.next()["type"] == "kept"
        assert watcher.nothing_more()


def test_without_a_transaction_it_goes_out_at_once(hub: Hub, user: int) -> None:
    with Watcher.user(hub, user) as watcher:
        publish_on_commit("t", user_id=user)
        assert watcher.next()["type"] == "t"


def test_the_event_is_as_it_was_when_it_was_asked_for(hub: Hub, user: int) -> None:
    data = {"n": 1}
    with Watcher.user(hub, user) as watcher:
        with transaction.atomic():
            publish_on_commit("t", data, user_ids=(one for one in [user]))
            data["n"] = 2
        assert watcher.next()["data"] == {"n": 1}


def test_each_database_has_its_own_commits(hub: Hub, user: int) -> None:
    with Watcher.user(hub, user) as watcher, transaction.atomic():
        with transaction.atomic(using="other"):
            publish_on_commit("t", user_id=user, using="other")
        assert watcher.next()["type"] == "t"


def test_a_mistake_is_told_before_the_commit() -> None:
    with pytest.raises(InvalidPublicationError, match="data"), transaction.atomic():
        publish_on_commit("t", object())


def test_a_hub_that_is_away_fails_no_request_whose_data_are_committed(
    user: int, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[str] = []
    with Fanfare(f"http://127.0.0.1:{free_port()}") as away, caplog.at_level(logging.ERROR):
        with transaction.atomic():
            publish_on_commit("t", user_id=user, client=away, deadline=0.1)
            transaction.on_commit(lambda: called.append("another callback"))
        publish_on_commit("t", user_id=user, client=away, deadline=0.1)
    assert called == ["another callback"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_who_wants_to_know_is_told(user: int) -> None:
    with Fanfare(f"http://127.0.0.1:{free_port()}") as away, pytest.raises(UnreachableError):  # noqa: SIM117
        with transaction.atomic():
            publish_on_commit("t", user_id=user, client=away, deadline=0.1, robust=False)


def test_requests_in_threads_share_the_client_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedHub() as scripted:
        monkeypatch.setenv("WS_SERVICE_URL", scripted.url)

        def request() -> None:
            with transaction.atomic():
                publish_on_commit("t")
            connections.close_all()

        threads = [threading.Thread(target=request) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(scripted.asked) == 8


KEY = "the-service-key-0123456789"


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedHub]:
    """A notification service in the environment, which stores all."""
    with ScriptedHub(Answer(201, {"id": 12})) as server:
        monkeypatch.setenv("NOTIFICATION_SERVICE_URL", server.url)
        monkeypatch.setenv("SERVICE_API_KEY", KEY)
        yield server


def test_a_notification_is_created_after_the_commit_as_it_was_asked_for(inbox: ScriptedHub) -> None:
    data = {"order_id": 7}
    with transaction.atomic():
        create_notification_on_commit(7, "Shipped", "On its way", data=data, idempotency_key="order-7")
        create_notification_on_commit("8", "Billed")
        data["order_id"] = 8
        assert inbox.asked == []
    first, second = (asked.body for asked in inbox.asked)
    assert first == {"user_id": 7, "title": "Shipped", "message": "On its way", "data": {"order_id": 7}}
    assert second == {"user_id": "8", "title": "Billed", "message": ""}
    assert inbox.keys()[0] == "order-7"
    create_notification_on_commit(7, "Without a transaction")
    assert len(inbox.asked) == 3


def test_no_notification_is_created_of_what_is_rolled_back(inbox: ScriptedHub) -> None:
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        create_notification_on_commit(7, "t")
        raise ZeroDivisionError
    with pytest.raises(InvalidPublicationError, match="title"), transaction.atomic():
        create_notification_on_commit(7, None)  # type: ignore[arg-type]
    assert inbox.asked == []


def test_a_notification_service_that_is_away_fails_no_request_whose_data_are_committed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with NotificationService(f"http://127.0.0.1:{free_port()}", KEY) as away:
        with transaction.atomic():
            create_notification_on_commit(7, "t", service=away, deadline=0.1)
        assert [record.levelname for record in caplog.records if record.levelno >= logging.ERROR] == ["ERROR"]
        with pytest.raises(UnreachableError), transaction.atomic():
            create_notification_on_commit(7, "t", service=away, deadline=0.1, robust=False)
