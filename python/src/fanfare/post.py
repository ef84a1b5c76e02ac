"""POSTs to one server, with their tries: `Poster` for threads, `AsyncPoster` for asyncio. Connections are kept.

An answer is read as a whole (`call`, `once`) or as it comes (`stream`).

Not here: what is sent and what answers mean (`answers`), how long a try and its answer may be (`exchange`), and when
there is another one (`retry`).
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, TypeVar

import httpx

from fanfare.answers import failure_of
from fanfare.errors import PublishError, UnreachableError
from fanfare.exchange import LIMITS, Body, TimeLeft, Verify, unreachable, verify_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping

    from fanfare.retry import Tries
    from fanfare.settings import Settings

__all__ = ["AsyncPoster", "Poster"]

T = TypeVar("T")


class Poster:
    """The connections to one server. Shared by threads; in a forked process it opens its own."""

    def __init__(self, settings: Settings, verify: Verify, transport: httpx.BaseTransport | None) -> None:
        self._settings = settings
        self._verify = verify_for(settings.url.scheme, verify)
        self._transport = transport
        self._opened = (os.getpid(), self._connections())

    def call(
        self,
        path: str,
        body: bytes,
        headers: dict[str, str],
        tries: Tries,
        read: Callable[[int, Mapping[str, str], bytes], T],
    ) -> T:
        """Posts it, again and again while that may help, and returns what `read` makes of the answer.

        Raises the last try's `PublishError`.
        """
        while True:
            try:
                return self.once(path, body, headers, tries.remaining(), read)
            except PublishError as error:
                wait = tries.wait_after(error)
                if wait is None:
                    raise
            time.sleep(wait)

    def once(
        self,
        path: str,
        body: bytes,
        headers: dict[str, str],
        remaining: float,
        read: Callable[[int, Mapping[str, str], bytes], T],
    ) -> T:
        """One try, which takes `remaining` seconds at most. Raises `PublishError`."""
        try:
            return read(*self._exchange(path, body, headers, min(self._settings.timeout, remaining)))
        except PublishError as error:
            error.who = self._settings.place.name
            raise

    def _exchange(
        self, path: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        left = TimeLeft(seconds)
        http = self._http()
        request = http.build_request(
            "POST", self._settings.at(path), content=body, headers=headers, extensions={"timeout": left}
        )
        whole = Body(left)
        try:
            response = http.send(request, stream=True)
            try:
                for chunk in response.iter_raw():
                    whole.take(chunk)
            finally:
                response.close()
        except httpx.TransportError as error:
            raise unreachable(error) from None
        return response.status_code, response.headers, whole.whole()

    def stream(self, path: str, body: bytes, headers: dict[str, str], seconds: float) -> Generator[bytes, None, None]:
        """One try, and the pieces of its good answer as they come, each within `seconds`. Raises `PublishError`."""
        http = self._http()
        request = http.build_request(
            "POST", self._settings.at(path), content=body, headers=headers, timeout=httpx.Timeout(seconds)
        )
        try:
            response = http.send(request, stream=True)
            try:
                if response.status_code != 200:
                    whole = Body(TimeLeft(seconds))
                    for chunk in response.iter_raw():
                        whole.take(chunk)
                    raise failure_of(response.status_code, response.headers, whole.whole())
                yield from response.iter_raw()
            finally:
                response.close()
        except httpx.TransportError as error:
            raise unreachable(error) from None

    def close(self) -> None:
        """Closes the connections. A later call opens new ones."""
        pid, http = self._opened
        if pid == os.getpid():
            http.close()
        self._opened = (0, http)

    def _http(self) -> httpx.Client:
        pid, http = self._opened
        if pid != os.getpid():
            # What a fork took along belongs to the parent; it is left alone, not closed.
            http = self._connections()
            self._opened = (os.getpid(), http)
        return http

    def _connections(self) -> httpx.Client:
        return httpx.Client(
            headers=self._settings.headers(),
            verify=self._verify,
            transport=self._transport,
            limits=LIMITS,
            trust_env=False,
        )


class AsyncPoster:
    """The connections to one server from asyncio: those of the event loop that uses them."""

    def __init__(self, settings: Settings, verify: Verify, transport: httpx.AsyncBaseTransport | None) -> None:
        self._settings = settings
        self._verify = verify_for(settings.url.scheme, verify)
        self._transport = transport
        self._opened: tuple[int, asyncio.AbstractEventLoop, httpx.AsyncClient] | None = None

    async def call(
        self,
        path: str,
        body: bytes,
        headers: dict[str, str],
        tries: Tries,
        read: Callable[[int, Mapping[str, str], bytes], T],
    ) -> T:
        """As `Poster.call`."""
        while True:
            try:
                return await self.once(path, body, headers, tries.remaining(), read)
            except PublishError as error:
                wait = tries.wait_after(error)
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    async def once(
        self,
        path: str,
        body: bytes,
        headers: dict[str, str],
        remaining: float,
        read: Callable[[int, Mapping[str, str], bytes], T],
    ) -> T:
        """As `Poster.once`."""
        seconds = min(self._settings.timeout, remaining)
        try:
            return read(*await self._in_time(path, body, headers, seconds))
        except PublishError as error:
            error.who = self._settings.place.name
            raise

    async def _in_time(
        self, path: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        try:
            return await asyncio.wait_for(self._exchange(path, body, headers, seconds), seconds)
        except asyncio.TimeoutError:
            raise UnreachableError("no answer in time") from None
        except httpx.TransportError as error:
            raise unreachable(error) from None

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

    async def stream(
        self, path: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> AsyncGenerator[bytes, None]:
        """As `Poster.stream`."""
        http = self._http()
        request = http.build_request(
            "POST", self._settings.at(path), content=body, headers=headers, timeout=httpx.Timeout(seconds)
        )
        try:
            response = await http.send(request, stream=True)
            try:
                if response.status_code != 200:
                    whole = Body(TimeLeft(seconds))
                    async for chunk in response.aiter_raw():
                        whole.take(chunk)
                    raise failure_of(response.status_code, response.headers, whole.whole())
                async for chunk in response.aiter_raw():
                    yield chunk
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise unreachable(error) from None

    async def aclose(self) -> None:
        """Closes the connections. A later call opens new ones."""
        opened, self._opened = self._opened, None
        if opened is not None and opened[:2] == (os.getpid(), asyncio.get_running_loop()):
            await opened[2].aclose()

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
