"""The publisher for asyncio: `AsyncFanfare`. The same promises as `client`, and the same words.

Not here: the one that blocks (`client`), the progress of tasks (`progress`), and how it is sent (`post`).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from fanfare import answers
from fanfare.batch import Batch
from fanfare.errors import PublishError
from fanfare.exchange import KEY_HEADER, Verify
from fanfare.post import AsyncPoster
from fanfare.publication import UNSET, Options, Prepared, Publication
from fanfare.retry import Tries
from fanfare.settings import DEADLINE, TIMEOUT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    import httpx
    from typing_extensions import Self, Unpack

    from fanfare.answers import Published

__all__ = ["AsyncFanfare"]


class AsyncFanfare:
    """Publishes to one hub from asyncio. Arguments, retries and errors are those of `Fanfare`.

    Its connections belong to the event loop that uses them: in another loop, or after a fork, it opens new ones. Close
    it before its loop ends (`async with` does), or the garbage collector closes them, with a `ResourceWarning`.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        verify: Verify = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = Settings.of(url, api_key, timeout, deadline)
        self._poster = AsyncPoster(self._settings, verify, transport)

    async def publish(
        self,
        type: str,
        data: object = UNSET,
        *,
        deadline: float | None = None,
        attempts: int | None = None,
        **options: Unpack[Options],
    ) -> Published:
        """Publishes one event, and returns when the hub has it; as `Fanfare.publish`."""
        return await self.send(Publication(type, data, **options), deadline=deadline, attempts=attempts)

    async def send(
        self, publication: Publication | Prepared, *, deadline: float | None = None, attempts: int | None = None
    ) -> Published:
        """As `publish`, of a publication that is there already."""
        prepared = publication.prepare() if isinstance(publication, Publication) else publication
        headers = {KEY_HEADER: prepared.key}
        return await self._poster.call(
            "broadcast", prepared.body, headers, self._tries(deadline, attempts), answers.published_of
        )

    async def publish_batch(
        self,
        publications: Iterable[Publication | Prepared | Mapping[str, object]],
        *,
        deadline: float | None = None,
        attempts: int | None = None,
    ) -> list[Published | PublishError]:
        """Publishes several in their order; as `Fanfare.publish_batch`."""
        batch = Batch(publications)
        while (call := batch.next_call()) is not None:
            tries = self._tries(deadline, attempts)
            while True:
                error: PublishError | None
                try:
                    answered = await self._poster.once(
                        "broadcast/batch",
                        call.body(),
                        {},
                        tries.remaining(),
                        partial(answers.batch_of, call.count()),
                    )
                    error = batch.settle(call, answered)
                except PublishError as failed:
                    error = failed
                if error is None:
                    break
                wait = tries.wait_after(error)
                if wait is None:
                    batch.give_up(call, error)
                    break
                await asyncio.sleep(wait)
        return batch.results()

    async def aclose(self) -> None:
        """Closes the connections. A later call opens new ones."""
        await self._poster.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncFanfare({str(self._settings.url)!r})"

    def _tries(self, deadline: float | None, attempts: int | None) -> Tries:
        return Tries(self._settings.deadline if deadline is None else deadline, attempts)
