"""Receipt events over Google Cloud Pub/Sub (contract: receipts): `publish_event`. The bridge takes them to the hub.

Not here: events that go to the hub straight (`client`), and the bridge. Needs the extra `pubsub`.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Final

try:
    from google.cloud import pubsub_v1
except ImportError as error:  # pragma: no cover - the test of the wheel sees it
    raise ImportError("fanfare.pubsub needs Google's library: pip install 'fanfare[pubsub]'") from error

__all__ = ["TIMEOUT", "publish_event"]

#: The longest time for one message with all that Google's library tries, in seconds.
TIMEOUT: Final = 60.0

_lock = threading.Lock()

#: The publisher of this process, and what it was made for: a process, and an emulator or none.
_publisher: tuple[tuple[int, str | None], pubsub_v1.PublisherClient] | None = None


def publish_event(project_id: str, topic_id: str, message: Mapping[str, Any], *, timeout: float = TIMEOUT) -> str:
    """Publishes one message, and returns its id when Pub/Sub has it.

    `message` is a mapping of JSON, with at least `type`, `status` and `receipt_id` for what the bridge shall show; it
    is not changed. Where it has no `timestamp`, the message that is sent has this moment's: `2025-03-26T22:30:00Z`.
    `PUBSUB_EMULATOR_HOST` is honoured; without it application-default credentials are used.

    Raises `TypeError` or `ValueError` for what is no JSON object or is too large, and what Google's library raises:
    `NotFound` without the topic, `google.auth.exceptions.DefaultCredentialsError` without credentials, `TimeoutError`
    when nobody answers in `timeout` seconds (the message may still arrive).
    """
    if not isinstance(message, Mapping):
        raise TypeError("message: a mapping of JSON")
    body = dict(message)
    if body.get("timestamp") is None:
        body["timestamp"] = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    publisher = _publisher_here()
    topic = publisher.topic_path(project_id, topic_id)
    try:
        return str(publisher.publish(topic, content).result(timeout=timeout))
    except concurrent.futures.TimeoutError:
        # Before Python 3.11 it is not the built-in one.
        raise TimeoutError(f"Pub/Sub did not answer within {timeout:g} s; the message may still arrive") from None


def _publisher_here() -> pubsub_v1.PublisherClient:
    """The one publisher of this process; another one after a fork, or for another emulator."""
    global _publisher
    wanted = (os.getpid(), os.environ.get("PUBSUB_EMULATOR_HOST") or None)
    made = _publisher
    if made is not None and made[0] == wanted:
        return made[1]
    with _lock:
        if _publisher is None or _publisher[0] != wanted:
            _publisher = (wanted, pubsub_v1.PublisherClient())
        return _publisher[1]
