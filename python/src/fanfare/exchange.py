"""The limits of one HTTP exchange: its time as a whole, and the size of its answer. No I/O of its own.

Not here: retries (`retry`), and what answers mean (`answers`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeAlias

import httpx

from fanfare.answers import MAX_ANSWER
from fanfare.errors import UnexpectedAnswerError, UnreachableError

if TYPE_CHECKING:
    import ssl

__all__ = ["KEY_HEADER", "LIMITS", "Body", "TimeLeft", "Verify", "unreachable", "verify_for"]

KEY_HEADER: Final = "Idempotency-Key"

#: How a TLS certificate is checked: by the system's list, by a context of one's own, or not at all.
Verify: TypeAlias = "ssl.SSLContext | bool"

#: Connections are kept for less than the hub's 75 s, so that a call hardly ever meets one that is just being closed.
LIMITS: Final = httpx.Limits(max_connections=20, max_keepalive_connections=5, keepalive_expiry=60.0)


class TimeLeft(dict[str, float]):
    """The timeouts of one exchange, each read when its step begins: so all steps together keep one limit."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        super().__init__(dict.fromkeys(("connect", "read", "write", "pool"), seconds))

    def get(self, _step: str, _default: object = None) -> float:
        """What is left for a step, in seconds."""
        return max(self._end - time.monotonic(), 0.001)

    def is_over(self) -> bool:
        """Whether nothing is left."""
        return time.monotonic() >= self._end


class Body:
    """An answer as it comes in, bounded in size and time."""

    def __init__(self, left: TimeLeft) -> None:
        self._left = left
        self._chunks: list[bytes] = []
        self._size = 0

    def take(self, chunk: bytes) -> None:
        """One more piece. Raises `PublishError` when it is too much, or too late."""
        self._size += len(chunk)
        if self._size > MAX_ANSWER:
            raise UnexpectedAnswerError(f"an answer of more than {MAX_ANSWER} bytes")
        if self._left.is_over():
            raise UnreachableError("the answer did not come whole in time")
        self._chunks.append(chunk)

    def whole(self) -> bytes:
        """All of it."""
        return b"".join(self._chunks)


def unreachable(error: httpx.TransportError) -> UnreachableError:
    """What a failed exchange is called: the kind of failure and the system's words, never the request."""
    kind = type(error).__name__
    unreachable = UnreachableError(f"{kind}: {error}" if str(error) else kind)
    # Without a connection nothing was sent.
    unreachable.may_have_arrived = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
    return unreachable


def verify_for(scheme: str, verify: Verify) -> Verify:
    """Certificates are read only where there is TLS, which saves a client of plain HTTP tens of milliseconds."""
    return verify if scheme == "https" else False
