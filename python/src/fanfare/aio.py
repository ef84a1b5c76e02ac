"""The publisher for asyncio: `AsyncFanfare`. The same promises as `client`, and the same words.

Not here: the one that blocks (`client`), the progress of tasks (`progress`).
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import httpx

from fanfare import answers
from fanfare.batch import Batch
from fanfare.errors import PublishError, UnreachableError
from fanfare.exchange import KEY_HEADER, LIMITS, Body, TimeLeft, Verify, unreachable, verify_for
from fanfare.publication import UNSET, Options, Prepared, Publication
from fanfare.retry import Tries
from fanfare.settings import DEADLINE, TIMEOUT, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from fanfare.answers import Published

__all__ = ["AsyncFanfare"]

T = TypeVar("T")


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
        self._verify = verify_for(self._settings.url.scheme, verify)
        self._transport = transport
        self._opened: tuple[int, asyncio.AbstractEventLoop, httpx.AsyncClient] | None = None

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
        body, headers = prepared.body, {KEY_HEADER: prepared.key}
        tries = self._tries(deadline, attempts)
        while True:
            try:
                return await self._post("broadcast", body, headers, tries.remaining(), answers.published_of)
            except PublishError as error:
                wait = tries.wait_after(error)
                if wait is None:
                    raise
            await asyncio.sleep(wait)

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
                    answered = await self._post(
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
        opened, self._opened = self._opened, None
        if opened is not None and opened[:2] == (os.getpid(), asyncio.get_running_loop()):
            await opened[2].aclose()

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

    async def _post(
        self,
        path: str,
        body: bytes,
        headers: dict[str, str],
        remaining: float,
        read: Callable[[int, Mapping[str, str], bytes], T],
    ) -> T:
        seconds = min(self._settings.timeout, remaining)
        try:
            status, answered, whole = await asyncio.wait_for(self._exchange(path, body, headers, seconds), seconds)
        except asyncio.TimeoutError:
            raise UnreachableError("no answer in time") from None
        except httpx.TransportError as error:
            raise unreachable(error) from None
        return read(status, answered, whole)

    async def _exchange(
        self, path: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        left = TimeLeft(seconds)
        http = self._http()
        request = http.build_request(
            "POST", self._settings.at(path), content=body, headers=headers, extensions={"timeout": left}
        )
        whole = Body(left)
        response = await http.send(request, stream=True)
        try:
            async for chunk in response.aiter_raw():
                whole.take(chunk)
        finally:
            await response.aclose()
        return response.status_code, response.headers, whole.whole()

    def _http(self) -> httpx.AsyncClient:
        here = (os.getpid(), asyncio.get_running_loop())
        if self._opened is None or self._opened[:2] != here:
            # Those of another process or a loop that has ended are left alone, not closed.
            http = httpx.AsyncClient(
                headers=self._settings.headers(),
                verify=self._verify,
                transport=self._transport,
                limits=LIMITS,
                trust_env=False,
            )
            self._opened = (*here, http)
        return self._opened[2]
