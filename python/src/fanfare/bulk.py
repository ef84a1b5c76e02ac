"""Many notifications on their way: which go into the next call, and what became of each. No I/O.

A call has up to 10,000 users who get the same, or up to 500 notifications that differ: the service answers after every
500, so nobody waits for an answer that nobody reads. All tries of a call have one key, and the service makes of it one
for each item: what was stored by a try that broke off is told again, not stored again.

Not here: tries and waits (`notifications`), and connections (`post`).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from fanfare.answers import refused_of
from fanfare.errors import InvalidPublicationError, UnexpectedAnswerError, UnreachableError
from fanfare.exchange import KEY_HEADER
from fanfare.notification import Notification, SharedOptions, for_anybody
from fanfare.publication import encode, key_of
from fanfare.settings import NOTIFICATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fanfare.errors import PublishError
    from fanfare.publication import UserId

__all__ = ["MAX_KEY", "MAX_LINES", "MAX_USERS", "Answers", "Call", "Counts", "Result", "calls_of"]

#: Users of one call (the service's bound).
MAX_USERS: Final = 10_000

#: Notifications of one call that differ: as many as the service stores at once.
MAX_LINES: Final = 500

#: Bytes of a call for many users: below the 1 MiB that the service takes.
MAX_BYTES: Final = 900 * 1024

#: The longest key, in characters: it has to leave room for the number of the call.
MAX_KEY: Final = 240

#: The longest line of an answer, in bytes: a problem with all its members needs far less.
_MAX_LINE: Final = 64 * 1024


@dataclass(frozen=True)
class Result:
    """What became of one notification.

    `place`: its place, from 0. `id`: the notification's, where it is stored. `error`: why it is not.
    """

    place: int
    user_id: UserId
    id: int | None = None
    error: PublishError | None = None


@dataclass
class Counts:
    """How many were created, filtered and refused so far.

    Filtered: stored, but in no inbox by a preference of the user. Until the answer with it ends, it counts as created.
    """

    created: int = 0
    filtered: int = 0
    refused: int = 0


@dataclass
class Call:
    """One `POST /api/notifications/bulk`, and how much of its answer is known."""

    first: int
    users: list[UserId]
    content_type: str
    body: bytes = field(repr=False)
    key: str
    answered: int = 0
    is_done: bool = False

    #: Where it goes.
    path = "api/notifications/bulk"

    def headers(self) -> dict[str, str]:
        """What the request carries beside the key of the back end."""
        return {"Content-Type": self.content_type, KEY_HEADER: self.key}


class Answers:
    """The answer of one try, a line for each item in their order; what an earlier try told is passed over."""

    def __init__(self, call: Call, counts: Counts) -> None:
        self._call = call
        self._counts = counts
        self._seen = 0
        self._rest = b""

    def take(self, chunk: bytes) -> Iterator[Result]:
        """The results in one more piece of the answer. Raises `PublishError`."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            result = self._line(line)
            if result is not None:
                yield result
        if len(self._rest) > _MAX_LINE:
            raise UnexpectedAnswerError(f"a line of more than {_MAX_LINE} bytes", status=200)

    def end(self) -> None:
        """The answer has ended. Raises `UnreachableError` where something is missing."""
        if not self._call.is_done:
            raise UnreachableError("the answer broke off")

    def _line(self, line: bytes) -> Result | None:
        if not line.strip() or self._call.is_done:
            return None
        answer = _object(line)
        if answer.get("done") is True:
            if self._seen != len(self._call.users):
                raise UnexpectedAnswerError(f"{self._seen} answers to {len(self._call.users)}", status=200)
            filtered = answer.get("filtered")
            if isinstance(filtered, int):
                self._counts.filtered += filtered
                self._counts.created -= filtered
            self._call.is_done = True
            return None
        if self._seen == len(self._call.users):
            raise UnexpectedAnswerError(f"more than {self._seen} answers", status=200)
        self._seen += 1
        if self._seen <= self._call.answered:
            return None
        result = self._result(answer)
        self._call.answered = self._seen
        return result

    def _result(self, answer: dict[str, Any]) -> Result:
        at = self._seen - 1
        place, user = self._call.first + at, self._call.users[at]
        if answer.get("success") is True:
            id_ = answer.get("id")
            if not isinstance(id_, int) or isinstance(id_, bool):
                raise UnexpectedAnswerError("no id", status=200)
            self._counts.created += 1
            return Result(place, user, id_)
        error = refused_of(answer)
        error.who = NOTIFICATIONS.name
        if error.temporary:
            # The call is made again from here on.
            raise error
        self._counts.refused += 1
        return Result(place, user, error=error)


def calls_of(
    to: Iterable[UserId] | Iterable[Notification | Mapping[str, object]],
    title: str | None,
    message: str,
    options: SharedOptions,
    idempotency_key: str | None,
) -> Iterator[Call]:
    """The calls for these users, or for these notifications where there is no title; made as they are asked for.

    What is wrong whatever the items are is raised now, what is wrong with an item before its call is made:
    `InvalidPublicationError`.
    """
    key = str(uuid.uuid4()) if idempotency_key is None else key_of(idempotency_key)
    if len(key) > MAX_KEY:
        raise InvalidPublicationError(f"idempotency_key: at most {MAX_KEY} characters for many")
    if isinstance(to, (str, bytes)) or not hasattr(to, "__iter__"):
        raise InvalidPublicationError("create_many: a list of users or of notifications")
    if title is None:
        if message or any(value is not None for value in options.values()):
            raise InvalidPublicationError("title: is missing; notifications have their own texts and options")
        return _of_notifications(iter(to), key)
    members = encode(for_anybody(title, message, options))
    return _of_users(iter(to), members, key)  # type: ignore[arg-type]


def _of_users(users: Iterator[UserId], members: bytes, key: str) -> Iterator[Call]:
    """Calls of many users who get the same; `members` is an object with at least one member."""
    room = MAX_BYTES - len(members)
    first = number = 0
    ids: list[UserId] = []
    encoded: list[bytes] = []
    size = 0

    def call() -> Call:
        body = members[:-1] + b',"user_ids":[' + b",".join(encoded) + b"]}"
        return Call(first, ids, "application/json", body, _part(key, number))

    for place, user in enumerate(users):
        try:
            if user is None or isinstance(user, bool) or user == "":
                raise InvalidPublicationError("a number or a text")
            one = encode({"": user if isinstance(user, int) else str(user)}, "id")[4:-1]
        except InvalidPublicationError as error:
            raise InvalidPublicationError(f"user {place}: {error}") from None
        size += len(one) + 1
        if encoded and (len(encoded) == MAX_USERS or size > room):
            yield call()
            first, number, ids, encoded, size = place, number + 1, [], [], len(one) + 1
        ids.append(user)
        encoded.append(one)
    if encoded:
        yield call()


def _of_notifications(items: Iterator[object], key: str) -> Iterator[Call]:
    first = number = 0
    while some := list(islice(items, MAX_LINES)):
        lines: list[bytes] = []
        ids: list[UserId] = []
        for place, item in enumerate(some, first):
            try:
                one = _notification(item)
                lines.append(encode(one.members()))
            except InvalidPublicationError as error:
                raise InvalidPublicationError(f"notification {place}: {error}") from None
            ids.append(one.user_id)
        yield Call(first, ids, "application/x-ndjson", b"\n".join(lines) + b"\n", _part(key, number))
        first, number = first + len(some), number + 1


def _notification(item: Any) -> Notification:
    if isinstance(item, Notification):
        return item
    try:
        return Notification(**item)
    except TypeError:
        known = ", ".join(name for name in Notification.__dataclass_fields__ if name != "_")
        raise InvalidPublicationError(f"a Notification, or a mapping of {known}") from None


def _part(key: str, number: int) -> str:
    """The key of a call: the first one's is the caller's own."""
    return key if number == 0 else f"{key}/{number}/"


def _object(line: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise UnexpectedAnswerError("a line that is no object", status=200)
    return parsed
