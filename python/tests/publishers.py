"""Both publishers behind one face, so that each promise is tested of both.

Not here: what only one of them has, such as forks and event loops.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from fanfare import AsyncFanfare, Fanfare

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from fanfare import Published, PublishError

T = TypeVar("T")


class Blocking:
    """`AsyncFanfare` on a loop of its own, called from outside."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._client = AsyncFanfare(*args, **kwargs)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def publish(self, type: str, *args: Any, **options: Any) -> Published:
        return self._run(self._client.publish(type, *args, **options))

    def publish_batch(self, publications: Any, **options: Any) -> list[Published | PublishError]:
        return self._run(self._client.publish_batch(publications, **options))

    def close(self) -> None:
        self._run(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


#: What both can do.
Publisher: TypeAlias = "Fanfare | Blocking"


class Publishers:
    """Makes publishers of one kind, and closes them."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._made: list[Publisher] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Publisher:
        made: type[Publisher] = Fanfare if self.kind == "sync" else Blocking
        publisher = made(*args, **kwargs)
        self._made.append(publisher)
        return publisher

    def close(self) -> None:
        for publisher in self._made:
            publisher.close()
