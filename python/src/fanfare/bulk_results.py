"""The results of a call for many, one by one as the service tells them: `Results`, and `AsyncResults` for asyncio.

Not here: how they come about (`notification_service`, `bulk`).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
    from types import TracebackType

    from typing_extensions import Self

    from fanfare.bulk import Counts, Result

__all__ = ["AsyncResults", "Results"]

_UNUSED = "create_many was not iterated, so nothing was sent: use its results, or finish()"


class Results:
    """An iterator of `Result`s, in the order of the items. What is not asked for is not sent."""

    def __init__(self, results: Generator[Result, None, None], counts: Counts) -> None:
        self._results = results
        self._begun = False
        #: How many were stored, filtered and refused so far.
        self.counts = counts

    def finish(self) -> Counts:
        """Goes through all that is left, and returns the counts. Raises `PublishError`."""
        for _ in self:
            pass
        return self.counts

    def close(self) -> None:
        """Ends it before its end: what is on its way may still be stored."""
        self._begun = True
        self._results.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result:
        self._begun = True
        return next(self._results)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not self._begun:
            warnings.warn(_UNUSED, RuntimeWarning, stacklevel=2)


class AsyncResults:
    """`Results` for asyncio: an asynchronous iterator."""

    def __init__(self, results: AsyncGenerator[Result, None], counts: Counts) -> None:
        self._results = results
        self._begun = False
        self._then: Callable[[], Awaitable[None]] | None = None
        #: How many were stored, filtered and refused so far.
        self.counts = counts

    def then(self, closes: Callable[[], Awaitable[None]]) -> None:
        """What is called when it has ended, one way or the other."""
        self._then = closes

    async def finish(self) -> Counts:
        """Goes through all that is left, and returns the counts. Raises `PublishError`."""
        async for _ in self:
            pass
        return self.counts

    async def aclose(self) -> None:
        """Ends it before its end: what is on its way may still be stored."""
        self._begun = True
        try:
            await self._results.aclose()
        finally:
            await self._ended()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Result:
        self._begun = True
        try:
            return await anext(self._results)
        except BaseException:
            await self._ended()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if not self._begun:
            warnings.warn(_UNUSED, RuntimeWarning, stacklevel=2)

    async def _ended(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            await then()
