"""What `broadcast_notification(user_id, data)` makes of its data: a notification for the inbox. No I/O, no clock.

Code in the field passed whatever its own pages showed. What the inbox has a member for becomes that member, everything
else goes into the notification's `data`: nothing that was passed is dropped. Not here: what the service refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from fanfare.notification import for_user

if TYPE_CHECKING:
    from fanfare.notification import NotificationOptions
    from fanfare.publication import Prepared, UserId

__all__ = ["notification_of"]

#: The longest title, and the longest name of a type or category, in characters (the service's bounds).
MAX_TITLE: Final = 200
MAX_NAME: Final = 64

_PRIORITIES: Final = ("low", "normal", "high", "urgent")

#: How pages of the field call the message, in the order in which it is looked for.
_MESSAGES: Final = ("message", "body", "text")

#: What a type or a category can't have.
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_.:-]+")


def notification_of(user_id: UserId, data: object, key: str | None) -> Prepared:
    """The notification that a call of the field means. Raises `InvalidPublicationError`.

    - `title`; without one the message's first line, else the type in words, else "Notification". One that is longer
      than 200 characters is cut, and stands whole in `data`.
    - `message`, else `body`, else `text`; data that is a text is the message.
    - `type` and `category`, with `_` for what the inbox takes in no name; the name as it was then stands in `data`.
    - `priority`, if it is one of the four in any case of its letters; `expires_at`, which is UTC without a zone.
    - `data`, and beside its members all that is left; what is no object stands there as `data`.
    """
    if isinstance(data, str):
        data = {"message": data}
    given = {str(name): value for name, value in data.items()} if isinstance(data, Mapping) else {"data": data}
    inner = given.pop("data", None)
    options: NotificationOptions = {"idempotency_key": key}
    kept: dict[str, Any] = {}
    message = ""
    for name in _MESSAGES:
        text = _text(given.get(name))
        if text:
            message = text
        if text or given.get(name) == "":
            del given[name]
        if message:
            break
    title = _text(given.pop("title", None)).strip()
    if len(title) > MAX_TITLE:
        kept["title"] = title
    type_, category = _name(given, "type", kept), _name(given, "category", kept)
    title = title or _first_line(message) or (type_ or "").replace("_", " ").strip().capitalize() or "Notification"
    options["type"], options["category"] = type_, category
    priority = given.get("priority")
    if isinstance(priority, str) and priority.lower() in _PRIORITIES:
        options["priority"] = priority.lower()  # type: ignore[typeddict-item]
        del given["priority"]
    options["expires_at"] = _moment(given)
    # A member that is nothing is as good as none; what the caller put into `data` stands above what stood beside it.
    rest = {name: value for name, value in given.items() if value is not None}
    if isinstance(inner, Mapping):
        rest.update((str(name), value) for name, value in inner.items())
    elif inner is not None:
        rest["data"] = inner
    options["data"] = {**kept, **rest} or None
    if len(title) > MAX_TITLE:
        title = title[: MAX_TITLE - 1] + "…"
    return for_user(user_id, title, message, options)


def _name(given: dict[str, Any], member: str, kept: dict[str, Any]) -> str | None:
    value = given.pop(member, None)
    if value is None or value == "":
        return None
    name = _NO_NAME.sub("_", value)[:MAX_NAME] if isinstance(value, str) else ""
    if name != value:
        kept[member] = value
    return name or None


def _moment(given: dict[str, Any]) -> datetime | str | None:
    """When it expires; without a zone it is UTC, as most of the field's `datetime.utcnow()`."""
    value = given.get("expires_at")
    if not isinstance(value, (datetime, str)):
        return None
    del given["expires_at"]
    if value == "":
        return None
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return value
        if moment.tzinfo is not None:
            return value
        value = moment
    return value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)


def _first_line(text: str) -> str:
    """The first line that is not blank."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _text(value: object) -> str:
    """A text, also of a number; empty for all else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value)
