"""What is published: the body of `POST /broadcast`, built once and encoded once.

Not here: how it is sent, and what the hub makes of it; names, lengths and permissions are for the hub to judge.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import KW_ONLY, dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, TypedDict

from fanfare.errors import InvalidPublicationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "MAX_IDEMPOTENCY_KEY",
    "UNSET",
    "Options",
    "Publication",
    "Retain",
    "Unset",
    "UserId",
    "timestamp_text",
]

#: The longest idempotency key, in characters (the hub's bound).
MAX_IDEMPOTENCY_KEY: Final = 255


class _Unset(Enum):
    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


#: A member that was not given, where `None` means something else.
UNSET: Final = _Unset.UNSET
Unset: TypeAlias = Literal[_Unset.UNSET]

#: How users are named: `456` and `"456"` are the same user.
UserId: TypeAlias = "int | str"


@dataclass(frozen=True)
class Retain:
    """Keeps the event as the state of its audience, so that who joins later gets it.

    `key`: the next event under the same key takes this one's place. `ttl_s`: for how many seconds it is kept; `None`
    leaves it to the hub (an hour). `final`: the last one under this key, kept for 60 s.
    """

    key: str
    ttl_s: int | None = None
    final: bool = False

    def members(self) -> dict[str, object]:
        """The members of `retain` on the wire."""
        members: dict[str, object] = {"key": self.key}
        if self.ttl_s is not None:
            members["ttl_s"] = self.ttl_s
        if self.final:
            members["final"] = True
        return members


class Options(TypedDict, total=False):
    """Everything of a publication but its type and data; see `Publication`."""

    channel: str | None
    channels: Iterable[str] | None
    user_id: UserId | None
    user_ids: Iterable[UserId | None] | None
    connection_id: str | None
    queue_id: UserId | None
    namespace: str | None
    except_connection_id: str | None
    retain: Retain | Mapping[str, object] | None
    timestamp: datetime | str | None
    sanitize: bool
    idempotency_key: str | None


@dataclass(frozen=True)
class Publication:
    """One event and whom it is for. Without any target it is for everyone; targets add up.

    `data` is any JSON; dates, UUIDs and decimals become text. It is `{}` where it is not given.

    `user_id`, `user_ids`, `connection_id` and `queue_id` name somebody: given as `None` they name nobody, so that an
    event for one user never becomes one for everyone because the user was missing. `channel`, `channels` and
    `namespace` are absent when they are `None`.

    `timestamp`: when it happened, as a text of ISO 8601 or a `datetime` with a zone; the hub's time without it.
    `sanitize`: the hub strips markup from every text in `data`. `idempotency_key`: 1 to 255 printable ASCII characters,
    under which the hub sends it once within 10 minutes; an own one is made where it is missing.
    """

    type: str
    data: object = UNSET
    _: KW_ONLY
    channel: str | None = None
    channels: Iterable[str] | None = None
    user_id: UserId | Unset | None = UNSET
    user_ids: Iterable[UserId | None] | Unset | None = UNSET
    connection_id: str | Unset | None = UNSET
    queue_id: UserId | Unset | None = UNSET
    namespace: str | None = None
    except_connection_id: str | None = None
    retain: Retain | Mapping[str, object] | None = None
    timestamp: datetime | str | None = None
    sanitize: bool = False
    idempotency_key: str | None = None

    def members(self) -> dict[str, object]:
        """The members on the wire, without the idempotency key.

        Raises `InvalidPublicationError` for what can be no member.
        """
        if not isinstance(self.type, str) or not self.type:
            raise InvalidPublicationError("type: a text that is not empty")
        members: dict[str, object] = {"type": self.type}
        if self.data is not UNSET:
            members["data"] = self.data
        members.update(self._targets())
        if self.except_connection_id is not None:
            members["except_connection_id"] = str(self.except_connection_id)
        if self.retain is not None:
            retain = self.retain
            members["retain"] = retain.members() if isinstance(retain, Retain) else dict(retain)
        if self.timestamp is not None:
            members["timestamp"] = timestamp_text(self.timestamp)
        if self.sanitize:
            members["sanitize"] = True
        return members

    def _targets(self) -> dict[str, object]:
        targets: dict[str, object] = {}
        if self.channel is not None:
            targets["channel"] = self.channel
        if self.channels is not None:
            targets["channels"] = listed("channels", self.channels)
        if self.namespace is not None:
            targets["namespace"] = self.namespace
        persons: dict[str, object] = {
            "user_id": self.user_id,
            "user_ids": self.user_ids,
            "connection_id": self.connection_id,
            "queue_id": self.queue_id,
        }
        named = {name: value for name, value in persons.items() if value is not UNSET}
        for name, value in named.items():
            if value is None:
                continue
            if name == "user_ids":
                # A party that is missing addresses nobody.
                targets[name] = [one for one in listed(name, value) if one is not None]
            elif name == "user_id" and isinstance(value, int):
                targets[name] = value
            else:
                targets[name] = str(value)
        if named and targets.keys() <= {"namespace"}:
            # A namespace is where somebody is told, not who.
            return {"user_ids": []}
        return targets

    def prepare(self) -> Prepared:
        """Encodes it, with the key that all tries have; later changes do not reach it.

        Raises `InvalidPublicationError`.
        """
        key = str(uuid.uuid4()) if self.idempotency_key is None else key_of(self.idempotency_key)
        return Prepared(encode(self.members()), key)


class Prepared(NamedTuple):
    """A publication that is ready to be sent: the body of `POST /broadcast`, and its idempotency key."""

    body: bytes
    key: str

    def item(self) -> bytes:
        """An item of `POST /broadcast/batch`: the body, an object with at least one member, with the key in it."""
        return self.body[:-1] + b',"idempotency_key":' + json.dumps(self.key).encode() + b"}"


def key_of(text: str) -> str:
    """An idempotency key that may stand in a header. Raises `InvalidPublicationError`."""
    if not isinstance(text, str) or not 1 <= len(text) <= MAX_IDEMPOTENCY_KEY or not _is_visible(text):
        raise InvalidPublicationError("idempotency_key: 1 to 255 printable ASCII characters")
    return text


def encode(members: Mapping[str, object], member: str = "data") -> bytes:
    """JSON in UTF-8. Raises `InvalidPublicationError`, which names the member and never shows a value."""
    try:
        text = json.dumps(members, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_as_text)
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidPublicationError(f"{member}: a text has a half of a surrogate pair, which is no Unicode") from None
    except TypeError as error:
        raise InvalidPublicationError(f"{member}: {error}") from None
    except ValueError:
        raise InvalidPublicationError(f"{member}: NaN, an infinity or a circle is no JSON") from None
    except RecursionError:
        raise InvalidPublicationError(f"{member}: nested too deep") from None


def timestamp_text(timestamp: datetime | str, member: str = "timestamp") -> str:
    """`2025-11-01T12:00:00.000000Z`; a text stays as it is. Raises `InvalidPublicationError` without a zone."""
    if isinstance(timestamp, str):
        return timestamp
    if not isinstance(timestamp, datetime) or timestamp.tzinfo is None:
        raise InvalidPublicationError(f"{member}: a text of ISO 8601, or a datetime with a zone")
    moment = timestamp.astimezone(timezone.utc).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds") + "Z"


def _is_visible(text: str) -> bool:
    return text.isascii() and text.isprintable()


def listed(name: str, value: Any) -> list[object]:
    """The items of any iterable but a text. Raises `InvalidPublicationError`."""
    # A text is a sequence of its characters, which nobody means.
    if isinstance(value, (str, bytes)):
        raise InvalidPublicationError(f"{name}: a list, not a text")
    try:
        return list(value)
    except TypeError:
        raise InvalidPublicationError(f"{name}: a list") from None


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return timestamp_text(value) if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (uuid.UUID, Decimal)):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
