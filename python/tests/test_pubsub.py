"""Messages to Pub/Sub, with Google's own library on both sides and Google's own in-memory server between them."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core.exceptions import NotFound
from google.auth.exceptions import DefaultCredentialsError
from google.cloud import pubsub_v1

from communication import pubsub_publisher
from fanfare import pubsub as fanfare_pubsub
from fanfare.pubsub import publish_event
from tests.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers import PubSubFake

_projects = itertools.count()


class Subscription:
    """A topic of its own, and what was published to it."""

    def __init__(self) -> None:
        self.project = f"project-{os.getpid()}-{next(_projects)}"
        self.topic = "receipt-updates"
        with pubsub_v1.PublisherClient() as publisher:
            topic = publisher.topic_path(self.project, self.topic)
            publisher.create_topic(name=topic)
        self._client = pubsub_v1.SubscriberClient()
        self._name = self._client.subscription_path(self.project, "watching")
        self._client.create_subscription(name=self._name, topic=topic)

    def take(self, count: int) -> list[tuple[str, bytes]]:
        """Ids and contents of the next messages."""
        taken: list[tuple[str, bytes]] = []
        while len(taken) < count:
            answer = self._client.pull(subscription=self._name, max_messages=count - len(taken), timeout=20)
            taken += [(one.message.message_id, one.message.data) for one in answer.received_messages]
            ids = [one.ack_id for one in answer.received_messages]
            if ids:
                self._client.acknowledge(subscription=self._name, ack_ids=ids)
        return taken

    def close(self) -> None:
        self._client.close()


@pytest.fixture
def subscription(pubsub: PubSubFake, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub.address)
    subscription = Subscription()
    yield subscription
    subscription.close()


RECEIPT = {"type": "receipt_update", "status": "processed", "receipt_id": "abc123"}


def test_a_message_arrives_with_the_id_that_was_returned(subscription: Subscription) -> None:
    message = {**RECEIPT, "timestamp": "2025-03-26T22:30:00Z"}
    sent = publish_event(subscription.project, subscription.topic, message)
    ((id_, content),) = subscription.take(1)
    assert sent == id_
    assert isinstance(sent, str)
    assert json.loads(content) == message


def test_a_timestamp_is_added_where_there_is_none(subscription: Subscription) -> None:
    message: dict[str, Any] = dict(RECEIPT)
    publish_event(subscription.project, subscription.topic, message)
    publish_event(subscription.project, subscription.topic, {**RECEIPT, "timestamp": None})
    assert message == RECEIPT
    for _, content in subscription.take(2):
        parsed = json.loads(content)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", parsed.pop("timestamp"))
        assert parsed == RECEIPT


def test_more_members_pass_unharmed(subscription: Subscription) -> None:
    message = {
        **RECEIPT,
        "total": {"amount": 12.5},
        "cents": 9007199254740993,
        "note": "Größe 12 € 😀",
        "timestamp": "t",
    }
    publish_event(subscription.project, subscription.topic, message)
    assert json.loads(subscription.take(1)[0][1]) == message


@pytest.mark.parametrize("wrong", [[], "text", None, b"{}"], ids=repr)
def test_what_is_no_object_is_not_sent(subscription: Subscription, wrong: Any) -> None:
    with pytest.raises(TypeError, match="message"):
        publish_event(subscription.project, subscription.topic, wrong)


def test_a_topic_that_there_is_not_is_told(subscription: Subscription) -> None:
    with pytest.raises(NotFound):
        publish_event(subscription.project, "no-such-topic", RECEIPT)


def test_who_waits_in_vain_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    with pytest.raises(TimeoutError, match=r"within 0\.5 s"):
        publish_event("p", "t", RECEIPT, timeout=0.5)


def test_without_an_emulator_credentials_are_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(DefaultCredentialsError):
        publish_event("p", "t", RECEIPT)


def test_one_publisher_serves_the_process_and_all_its_threads(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    real = pubsub_v1.PublisherClient

    def counted() -> object:
        made.append(None)
        return real()

    monkeypatch.setattr(fanfare_pubsub, "_publisher", None)
    monkeypatch.setattr(pubsub_v1, "PublisherClient", counted)
    threads = [
        threading.Thread(target=publish_event, args=(subscription.project, subscription.topic, {**RECEIPT, "n": n}))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads(content)["n"] for _, content in subscription.take(20)) == list(range(20))
    assert len(made) == 1


def test_code_in_the_field_finds_it_under_its_old_name(subscription: Subscription) -> None:
    assert pubsub_publisher.publish_event is publish_event
    assert pubsub_publisher.publish_event(subscription.project, subscription.topic, RECEIPT)


COMMANDS = [["-m", "fanfare.commands.publish_event"], ["-m", "communication.pubsub_publisher"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[-1])
def test_a_message_may_be_published_from_the_shell(subscription: Subscription, command: list[str]) -> None:
    words = ["type=receipt_update", "status=processed", "receipt_id=abc123", "total=12.5"]
    done = subprocess.run(
        [sys.executable, *command, subscription.project, subscription.topic, *words],
        capture_output=True,
        text=True,
        check=True,
    )
    ((id_, content),) = subscription.take(1)
    assert done.stdout == f"{id_}\n"
    parsed = json.loads(content)
    assert parsed.pop("timestamp")
    assert parsed == {**RECEIPT, "total": 12.5}


@pytest.mark.parametrize(
    ("topic", "words", "code"),
    [("no-such-topic", ["a=1"], 1), ("t", [], 2), ("t", ["[1]"], 2), ("t", ["a"], 2)],
    ids=repr,
)
def test_the_command_says_what_went_wrong(subscription: Subscription, topic: str, words: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, *COMMANDS[0], subscription.project, topic, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert "fanfare-publish-event: " in done.stderr
    assert "Traceback" not in done.stderr
