"""A notification to be stored: the body of `POST /api/notifications`, and a line of its bulk call. No I/O.

Not here: how it is sent (`notifications`), many at once (`bulk`), and what the service makes of it: how long texts may
be and which names there are is for it to judge.
"""

from __future__ import annotations

import uuid
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from fanfare.errors import InvalidPublicationError
from fanfare.publication import Prepared, encode, key_of, timestamp_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fanfare.publication import UserId

__all__ = [
    "Notification",
    "NotificationOptions",
    "Priority",
    "SharedOptions",
    "for_anybody",
    "for_topic",
    "for_user",
]

#: How much it matters: `normal` where nothing is said.
Priority: TypeAlias = Literal["low", "normal", "high", "urgent"]


class SharedOptions(TypedDict, total=False):
    """Everything of a notification but whom it is for and its texts; see `Notification`."""

    type: str | None
    category: str | None
    data: Mapping[str, object] | None
    priority: Priority | None
    expires_at: datetime | str | None


class NotificationOptions(SharedOptions, total=False):
    """The same, and the key under which it is stored once."""

    idempotency_key: str | None


@dataclass(frozen=True)
class Notification:
    """What one user is told, and finds in the inbox until it is deleted or expires.

    `title`: 1 to 200 characters, `message`: up to 20,000; both are text, never markup. `type` and `category`: 1 to 64
    of `A-Za-z0-9_-.:`, each the other where it is missing, `general` without both; people switch sound and push by
    category. `data`: an object of up to 16 KiB, for the page that shows it. `expires_at`: when it vanishes by itself,
    in the future: a `datetime` with a zone, or a text of RFC 3339.
    """

    user_id: UserId
    title: str
    message: str = ""
    _: KW_ONLY
    type: str | None = None
    category: str | None = None
    data: Mapping[str, object] | None = None
    priority: Priority | None = None
    expires_at: datetime | str | None = None

    def members(self) -> dict[str, object]:
        """The members on the wire. Raises `InvalidPublicationError` for what can be no member."""
        if self.user_id is None or isinstance(self.user_id, bool) or self.user_id == "":
            raise InvalidPublicationError("user_id: a number or a text")
        user = self.user_id if isinstance(self.user_id, int) else str(self.user_id)
        members: dict[str, object] = {"user_id": user}
        for name in ("title", "message"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise InvalidPublicationError(f"{name}: a text")
            members[name] = value
        if self.expires_at is not None:
            members["expires_at"] = timestamp_text(self.expires_at, "expires_at")
        for name in ("type", "category", "data", "priority"):
            value = getattr(self, name)
            # `None` is the same as a member that is not given.
            if value is not None:
                members[name] = value
        return members


def for_user(user_id: UserId, title: str, message: str, options: NotificationOptions) -> Prepared:
    """A notification for one user: the body, encoded once, and the key that all tries have.

    Raises `InvalidPublicationError`.
    """
    key, shared = _split(options)
    return Prepared(encode(Notification(user_id, title, message, **shared).members()), key)


def for_topic(topic: str, title: str, message: str, options: NotificationOptions) -> Prepared:
    """The same for all who follow a topic."""
    if not isinstance(topic, str) or not topic:
        raise InvalidPublicationError("topic: a text that is not empty")
    key, shared = _split(options)
    return Prepared(encode({"topic": topic, **for_anybody(title, message, shared)}), key)


def for_anybody(title: str, message: str, options: SharedOptions) -> dict[str, object]:
    """The members but whom it is for."""
    members = Notification(0, title, message, **options).members()
    del members["user_id"]
    return members


def _split(options: NotificationOptions) -> tuple[str, SharedOptions]:
    """The key, which is made where it is missing, and the rest."""
    given = options.get("idempotency_key")
    shared = {name: value for name, value in options.items() if name != "idempotency_key"}
    return str(uuid.uuid4()) if given is None else key_of(given), shared  # type: ignore[return-value]
