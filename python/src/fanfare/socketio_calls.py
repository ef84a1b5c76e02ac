"""What the calls of `socketio` share: their events, how long they may take, what became of them. Clocks, but no I/O.

Not here: the calls themselves (`socketio`), and tries and waits (`retry`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, TypedDict

from fanfare.errors import FanfareError, InvalidPublicationError, PublishError
from fanfare.publication import Publication, listed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from fanfare.publication import UserId

__all__ = [
    "AWAY_DEADLINE",
    "CHAT",
    "DEADLINE",
    "HUB",
    "NOTIFICATIONS",
    "TOLD",
    "Limits",
    "Server",
    "Told",
    "event_of",
    "names_of",
    "part_of",
    "success_event",
    "success_notification",
    "warn_in_a_loop",
]

log = logging.getLogger("fanfare")

#: For how many seconds an event or a message is tried, since a request waits for it.
DEADLINE: Final = 3.0

#: The same, and for one try, after a call that found nobody or a server that is overloaded.
AWAY_DEADLINE: Final = 1.0

#: For how many seconds `publish_success` of a post that was told is not told again by `notify_sns_publish_success`.
_TOLD_S: Final = 10.0

#: How many of them are remembered; the oldest is forgotten first.
_MOST_TOLD: Final = 256


class Limits(TypedDict):
    """How long and how often a call is tried."""

    deadline: float
    attempts: int | None


class Server:
    """What calls to one server share in this process: whether the last one found it away or overloaded."""

    def __init__(self) -> None:
        self.away = False

    def limits(self, deadline: float | None, strict: bool) -> Limits:
        """What a call may take. The caller's own deadline and `strict` ask for all of it."""
        if deadline is not None or strict or not self.away:
            return {"deadline": DEADLINE if deadline is None else deadline, "attempts": None}
        return {"deadline": AWAY_DEADLINE, "attempts": 1}

    def call(self, what: object, strict: bool) -> _Call:
        """One call, as a block: its error is logged and ends the block; `strict` raises it as well."""
        return _Call(self, what, strict)


class _Call:
    """A call on its way."""

    def __init__(self, server: Server, what: object, strict: bool) -> None:
        self._server = server
        self._what = what
        self._strict = strict

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self._server.away = False
        # Nobody else's: a task's soft time limit is an exception too, and may come at any time.
        if not isinstance(error, FanfareError):
            return False
        temporary = isinstance(error, PublishError) and error.temporary
        if isinstance(error, PublishError):
            # 429 is about one key or one user, 409 about one message.
            self._server.away = temporary and error.status not in (409, 429)
        # A network that fails is not this program's fault, unlike all else.
        log.log(logging.WARNING if temporary else logging.ERROR, "%s was not sent: %s", self._what, error)
        return not self._strict


HUB: Final = Server()
CHAT: Final = Server()
NOTIFICATIONS: Final = Server()


class Told:
    """The posts whose `publish_success` was told of late. Without a lock, which a fork could take along."""

    def __init__(self) -> None:
        self._when: dict[tuple[str, str], float] = {}

    def note(self, event: str, user_id: UserId, data: object) -> None:
        """Notes an event that was sent, if it is one of these."""
        if event == "publish_success" and isinstance(data, dict) and "post_id" in data:
            self._when[str(user_id), str(data["post_id"])] = time.monotonic()
            for oldest in tuple(self._when)[:-_MOST_TOLD]:
                self._when.pop(oldest, None)

    def take(self, user_id: UserId, post_id: object) -> bool:
        """Whether it was told of late; asked once."""
        when = self._when.pop((str(user_id), str(post_id)), None)
        return when is not None and time.monotonic() - when < _TOLD_S

    def clear(self) -> None:
        """Forgets all."""
        self._when.clear()


TOLD: Final = Told()


def event_of(namespace: str, event: str, user_id: UserId, data: object, key: str | None) -> Publication:
    """The publication of an event for one user in one namespace. Raises `InvalidPublicationError`."""
    if user_id is None or isinstance(user_id, bool) or user_id == "":
        raise InvalidPublicationError("user_id: a number or a text")
    return Publication(event, data, namespace=namespace, user_id=user_id, idempotency_key=key)


def names_of(platforms: Iterable[str], strict: bool) -> list[object] | None:
    """The platforms; `None` where they are no list, which is logged."""
    # No server is asked.
    with Server().call("publish_success", strict):
        return listed("platforms", platforms)
    return None


def success_event(post_id: int | str, platforms: list[object]) -> dict[str, object]:
    """What `publish_success` says."""
    moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"post_id": post_id, "platforms": platforms, "timestamp": moment}


def success_notification(post_id: int | str, platforms: list[object]) -> dict[str, object]:
    """What the notification beside it says."""
    where = ", ".join(str(name) for name in platforms)
    return {
        "type": "sns_publish_success",
        "category": "sns",
        "title": "Published successfully",
        "message": f"Your post was published to {where}" if where else "Your post was published",
        # Where pages of the field show a post.
        "action_url": f"/sns/posts/{post_id}",
        "data": {"post_id": post_id, "platforms": platforms},
    }


def part_of(key: str | None, of: str) -> str | None:
    """The key of one of the two that one call makes: an event and a notification."""
    return None if key is None else f"{key}/{of}"


_warned: set[str] = set()


def warn_in_a_loop(name: str) -> None:
    """Says once that a function which waits was called where an event loop runs, and so holds the loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if name not in _warned:
        _warned.add(name)
        log.warning("%s holds the event loop while it waits; await async_%s there", name, name)
