"""What the hub and services answer, read: the id of what they took, or an error by its cause. No I/O.

Not here: what is tried again (`retry`), and what became of a batch's items (`batch`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from fanfare.errors import (
    OverloadedError,
    PublishError,
    RefusedError,
    UnexpectedAnswerError,
    UnreachableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MAX_ANSWER",
    "Published",
    "Sent",
    "Told",
    "batch_of",
    "failure_of",
    "published_of",
    "refused_of",
    "stored_of",
    "told_of",
]

#: The longest answer that is read, in bytes: a thousand problems of a batch need less.
MAX_ANSWER: Final = 4 * 1024 * 1024

#: The longest text of the hub's that an error repeats, in characters.
_MAX_DETAIL: Final = 500


@dataclass(frozen=True)
class Published:
    """The hub has it. `id`: a UUID of version 7. `recipients`: connections of that hub it was queued to."""

    id: str
    recipients: int


@dataclass(frozen=True)
class Sent:
    """It was taken. `id`: what whoever took it calls it: the hub an event, a service a message or a notification."""

    id: int | str


@dataclass(frozen=True)
class Told:
    """A notification for a topic was taken. `recipients`: how many users follow it."""

    topic: str
    recipients: int


def published_of(status: int, headers: Mapping[str, str], body: bytes) -> Published:
    """The answer to `POST /broadcast`. Raises `PublishError`."""
    return _published(_json(status, headers, body))


def batch_of(count: int, status: int, headers: Mapping[str, str], body: bytes) -> list[Published | PublishError]:
    """The answers to the items of `POST /broadcast/batch`, in their order. Raises `PublishError` for the whole call."""
    answers = _json(status, headers, body)
    if not isinstance(answers, list) or len(answers) != count:
        raise UnexpectedAnswerError(f"no list of {count} answers", status=status)
    return [_item(answer) for answer in answers]


def stored_of(status: int, headers: Mapping[str, str], body: bytes) -> Sent:
    """The answer of a service that has stored something with an `id`. Raises `PublishError`."""
    stored = _json(status, headers, body, (200, 201))
    id_ = stored.get("id") if isinstance(stored, dict) else None
    if isinstance(id_, (int, str)) and not isinstance(id_, bool):
        return Sent(id_)
    raise UnexpectedAnswerError("no id", status=status)


def told_of(status: int, headers: Mapping[str, str], body: bytes) -> Told:
    """The answer to a notification for a topic. Raises `PublishError`."""
    told = _json(status, headers, body, (200, 201))
    if isinstance(told, dict):
        topic, recipients = told.get("topic"), told.get("recipients")
        if isinstance(topic, str) and isinstance(recipients, int):
            return Told(topic, recipients)
    raise UnexpectedAnswerError("no topic and recipients", status=status)


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> PublishError:
    """The error of an answer that is none of the good ones."""
    try:
        _json(status, headers, body, ())
    except PublishError as error:
        return error
    raise AssertionError("no status is good")


def refused_of(answer: Mapping[str, Any]) -> PublishError:
    """The error of one item among others: `{"success": false, "status": …, "error": {problem}}`."""
    problem, status = answer.get("error"), answer.get("status")
    return _failure(status if isinstance(status, int) else 500, problem if isinstance(problem, dict) else {}, None)


def _item(answer: Any) -> Published | PublishError:
    if isinstance(answer, dict) and answer.get("success") is False:
        return refused_of(answer)
    try:
        return _published(answer)
    except UnexpectedAnswerError as error:
        return error


def _published(answer: Any) -> Published:
    if isinstance(answer, dict):
        id_, recipients = answer.get("id"), answer.get("recipients")
        if isinstance(id_, str) and isinstance(recipients, int):
            return Published(id_, recipients)
    raise UnexpectedAnswerError("no id and recipients", status=200)


def _json(status: int, headers: Mapping[str, str], body: bytes, good: tuple[int, ...] = (200,)) -> Any:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        parsed = None
    if status in good:
        if parsed is None:
            raise UnexpectedAnswerError("no JSON", status=status)
        return parsed
    problem = parsed if isinstance(parsed, dict) else {}
    raise _failure(status, problem, _seconds(headers.get("retry-after")))


def _failure(status: int, problem: Mapping[str, Any], retry_after: float | None) -> PublishError:
    code = _text(problem.get("code"))
    detail = _text(problem.get("detail")) or _text(problem.get("title")) or "without a reason"
    # A service says 409 with a time to come back while the first call under the same key is under way.
    if status in (429, 503) or (status == 409 and retry_after is not None):
        return OverloadedError(detail, status=status, code=code, retry_after=retry_after)
    if status in (502, 504):
        return UnreachableError(detail, status=status, code=code)
    if 400 <= status < 500:
        return RefusedError(detail, status=status, code=code)
    return UnexpectedAnswerError(detail, status=status, code=code)


def _text(value: object) -> str:
    return value[:_MAX_DETAIL] if isinstance(value, str) else ""


def _seconds(text: str | None) -> float | None:
    """The seconds of a `Retry-After`: a number or a date (RFC 9110, 10.2.3)."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        seconds = (moment - datetime.now(timezone.utc)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
