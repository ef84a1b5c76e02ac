"""A batch on its way: which items go into the next call, and what became of each. No I/O: the clients send and wait.

Items keep their order: a call is not made before all of the one before it is settled, and once one is given up
because the hub is away or takes no more, the later ones are not tried.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from fanfare.errors import InvalidPublicationError, PublishError, RefusedError, UnexpectedAnswerError
from fanfare.publication import Prepared, Publication

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fanfare.answers import Published

__all__ = ["MAX_BYTES", "MAX_ITEMS", "Batch", "Call"]

#: Publications in one call (the hub's bound).
MAX_ITEMS: Final = 1_000

#: Bytes of one call, unless a single item has more: below the 1 MiB that a hub takes (`MAX_BODY`).
MAX_BYTES: Final = 900 * 1024


class Call:
    """The items of one `POST /broadcast/batch`, by their places in the batch."""

    def __init__(self, items: list[tuple[int, bytes]]) -> None:
        self.items = items

    def body(self) -> bytes:
        """The array that is posted."""
        return b"[" + b",".join(item for _, item in self.items) + b"]"

    def count(self) -> int:
        """How many items it has."""
        return len(self.items)


class Batch:
    """All items of one `publish_batch`.

    Raises `InvalidPublicationError`, which names the place, before anything is sent.
    """

    def __init__(self, publications: Iterable[Publication | Prepared | Mapping[str, object]]) -> None:
        self._waiting: deque[tuple[int, bytes]] = deque()
        for place, one in enumerate(publications):
            try:
                self._waiting.append((place, _prepared(one).item()))
            except InvalidPublicationError as error:
                raise InvalidPublicationError(f"publication {place}: {error}") from None
        self._results: list[Published | PublishError | None] = [None] * len(self._waiting)
        self._given_up: PublishError | None = None

    def next_call(self) -> Call | None:
        """The next items that fit one call; `None` when none is left."""
        items: list[tuple[int, bytes]] = []
        size = 2
        while self._waiting and len(items) < MAX_ITEMS:
            size += len(self._waiting[0][1]) + 1
            if items and size > MAX_BYTES:
                break
            items.append(self._waiting.popleft())
        return Call(items) if items else None

    def settle(self, call: Call, answers: Sequence[Published | PublishError]) -> PublishError | None:
        """Notes the answers. What may succeed later stays in the call; the error tells why, `None` that nothing did."""
        again: list[tuple[int, bytes]] = []
        why: PublishError | None = None
        for item, answer in zip(call.items, answers, strict=True):
            if isinstance(answer, PublishError) and answer.temporary:
                again.append(item)
                why = why or answer
            else:
                self._results[item[0]] = answer
        call.items = again
        return why

    def give_up(self, call: Call, error: PublishError) -> None:
        """Notes that the rest of a call failed, and that nothing after it is tried, unless it was only too large."""
        self._given_up = error
        for place, _ in call.items:
            self._results[place] = error
        if isinstance(error, RefusedError) and error.status == 413:
            return
        for place, _ in self._waiting:
            self._results[place] = error
        self._waiting.clear()

    def results(self) -> list[Published | PublishError]:
        """What became of each, in order. Raises the error of a call where every item has it."""
        missing = UnexpectedAnswerError("no answer to this one")
        results = [missing if result is None else result for result in self._results]
        if self._given_up is not None and all(result is self._given_up for result in results):
            raise self._given_up
        return results


def _prepared(one: Publication | Prepared | Mapping[str, object]) -> Prepared:
    if isinstance(one, Prepared):
        return one
    if isinstance(one, Publication):
        return one.prepare()
    try:
        publication = Publication(**one)  # type: ignore[arg-type]
    except TypeError:
        known = ", ".join(name for name in Publication.__dataclass_fields__ if name != "_")
        raise InvalidPublicationError(f"a Publication, or a mapping with type and of {known}") from None
    return publication.prepare()
