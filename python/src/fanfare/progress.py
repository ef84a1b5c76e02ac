"""A task that reports itself: `with task_progress(…) as task: task.step(…)`, and the same for asyncio.

Nothing that the network does breaks the task: a report that cannot be sent is logged and left out, unless `strict` asks
for the error. The start and the end are tried for longer than the steps (`Patience`). What is the caller's own mistake,
such as a step that there is not, is raised.

What ends the block decides what is sent:

- nothing: completed.
- an exception: failed, with its text; it is raised again.
- `KeyboardInterrupt`, `SystemExit`, `GeneratorExit`, asyncio's `CancelledError`: failed as well, so that no bar stands
  still for an hour, with the error `interrupted` and only a moment's patience, since somebody waits for the end.
- Celery's `Retry`, `Ignore` and `Reject`: nothing. The task is not over, or says itself how it is.

Not here: what the events are (`task_events`), Celery tasks as a whole (`fanfare.celery`).
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fanfare.aio import AsyncFanfare
from fanfare.client import Fanfare, default_client
from fanfare.errors import FanfareError, PublishError
from fanfare.task_events import TTL_S, TaskEvents, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    from typing_extensions import Self

    from fanfare.answers import Published
    from fanfare.publication import Prepared, Publication, UserId

__all__ = ["AsyncTaskProgress", "Patience", "TaskProgress", "async_task_progress", "task_progress"]

log = logging.getLogger("fanfare")

#: What failing reports may cost a task, as a part of its running time; at least twice `Patience.step`.
_SHARE: Final = 0.1

#: How many reports that may have arrived late are said again before the next one; of more the oldest are forgotten.
_MOST_UNSETTLED: Final = 16

#: Less than this is not worth a try, in seconds.
_WORTH_IT: Final = 0.05

#: What ends a block without being a failure of the task's own.
_INTERRUPTIONS: Final = (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError)


@dataclass(frozen=True)
class Patience:
    """How many seconds a report is tried for.

    `started`, `ended`: the first and the last one. `step`: one in between; all that fail together cost a task no more
    than twice this or a tenth of its running time, whichever is more. `interrupted`: the last one of a task that is
    told to stop.
    """

    started: float = 10.0
    step: float = 3.0
    ended: float = 30.0
    interrupted: float = 2.0


class _Reports:
    """What both kinds of reporting share: the events, what to wait for, and what failing has cost so far."""

    def __init__(
        self, events: TaskEvents, patience: Patience, strict: bool, error_text: Callable[[BaseException], str]
    ):
        self.events = events
        self.patience = patience
        self.strict = strict
        self.error_text = error_text
        self._began = time.monotonic()
        self._cost = 0.0
        self._failing = False
        self._unsettled: deque[Prepared] = deque(maxlen=_MOST_UNSETTLED)
        self._result_path: str | None = None
        self._message: str | None = None

    def finish(self, result_path: str | None = None, message: str | None = None) -> None:
        """Notes what the last event shall say when the block ends well; sends nothing."""
        self._result_path = result_path
        self._message = message

    def _allowance(self) -> tuple[float, int | None]:
        """For how many seconds a step's report may be tried, and how often."""
        most = max(self.patience.step * 2, (time.monotonic() - self._began) * _SHARE) - self._cost
        if self._failing:
            # One try costs hardly anything where nobody listens, and finds a hub that is back.
            return min(self.patience.step / 3, most), 1
        return min(self.patience.step, most), None

    @contextmanager
    def _fate(self, prepared: Prepared) -> Iterator[None]:
        """Notes whether a report that failed may arrive later, behind what is reported after it.

        Such a one goes before the next report once more, in one batch and under its key: the hub takes it there, and
        knows it when the first try turns up at last. Otherwise a bar that is done could go back to a step.
        """
        try:
            yield
        except PublishError as error:
            if error.may_have_arrived:
                self._unsettled.append(prepared)
            raise
        except BaseException:
            self._unsettled.append(prepared)
            raise
        self._unsettled.clear()

    def _spent(self, began: float) -> None:
        """Notes what a step's report has cost if it failed."""
        if self._failing:
            self._cost += time.monotonic() - began

    def _went(self, error: FanfareError | None, what: Publication, strict: bool) -> None:
        """Notes how a report went. Raises the error where it is asked for."""
        self._failing = error is not None
        if error is None:
            return
        log.warning("%s of %s was not reported: %s", what.type, self.events.transaction_id, error)
        if strict:
            raise error

    def _last(self, error: BaseException | None) -> tuple[Publication, float] | None:
        """What the end of the block says, and for how long that is tried."""
        if error is None:
            return self.events.completed(self._result_path, self._message), self.patience.ended
        if _is_celerys_own(error):
            return None
        if isinstance(error, _INTERRUPTIONS):
            message = f"{self.events.title} was interrupted"
            return self.events.failed("interrupted", message), self.patience.interrupted
        return self.events.failed(self._text(error)), self.patience.ended

    def _text(self, error: BaseException) -> str:
        try:
            return self.error_text(error)
        except Exception:
            log.exception("error_text failed")
            return type(error).__name__


class TaskProgress(_Reports):
    """A running task. Made by `task_progress`; used by one thread at a time."""

    def __init__(
        self,
        client: Fanfare,
        events: TaskEvents,
        *,
        patience: Patience | None = None,
        strict: bool = False,
        error_text: Callable[[BaseException], str] = text_of,
    ) -> None:
        super().__init__(events, patience or Patience(), strict, error_text)
        self._client = client

    def step(self, step: str | int | None = None, message: str | None = None) -> None:
        """Reports that the task goes to a step: the next one, one by its number from 1, or one by its name.

        Raises `ValueError` for a step that there is not.
        """
        what = self.events.advance(step, message)
        seconds, attempts = self._allowance()
        if seconds < _WORTH_IT and not self.strict:
            log.debug("%s was left out: the hub is away", what.type)
            return
        began = time.monotonic()
        self._send(what, self.patience.step if self.strict else seconds, attempts, self.strict)
        self._spent(began)

    def begin(self) -> None:
        """Reports that the task begins. `with` does it."""
        self._send(self.events.started(), self.patience.started, None, self.strict)

    def end(self, error: BaseException | None = None) -> None:
        """Reports how the task ended. `with` does it."""
        if (last := self._last(error)) is not None:
            # An error of the task's own is not hidden by one of its report.
            self._send(*last, None, self.strict and error is None)

    def fail(self, error: str, message: str | None = None) -> None:
        """Reports that the task failed, where that is not told by an exception in a block."""
        self._send(self.events.failed(error, message), self.patience.ended, None, False)

    def repeat(self, message: str) -> None:
        """Reports the step that the task is at once more, with another message."""
        self._send(self.events.at(message), self.patience.step, None, False)

    def _send(self, what: Publication, seconds: float, attempts: int | None, strict: bool) -> None:
        failure: FanfareError | None = None
        try:
            prepared = what.prepare()
            with self._fate(prepared):
                if self._unsettled:
                    reports = [*self._unsettled, prepared]
                    _raise_last(self._client.publish_batch(reports, deadline=seconds, attempts=attempts))
                else:
                    self._client.send(prepared, deadline=seconds, attempts=attempts)
        except FanfareError as error:
            failure = error
        self._went(failure, what, strict)

    def __enter__(self) -> Self:
        try:
            self.begin()
        except _INTERRUPTIONS as error:
            # It may have been told already, and `with` does not call the end of what did not begin.
            self.end(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(error)


class AsyncTaskProgress(_Reports):
    """A running task under asyncio. Made by `async_task_progress`; used by one task at a time."""

    def __init__(
        self,
        client: AsyncFanfare | None,
        events: TaskEvents,
        *,
        patience: Patience | None = None,
        strict: bool = False,
        error_text: Callable[[BaseException], str] = text_of,
    ) -> None:
        super().__init__(events, patience or Patience(), strict, error_text)
        # Without one it has its own, for the time of the block.
        self._own = client is None
        self._client = client or AsyncFanfare()

    async def step(self, step: str | int | None = None, message: str | None = None) -> None:
        """Reports that the task goes to a step; as `TaskProgress.step`."""
        what = self.events.advance(step, message)
        seconds, attempts = self._allowance()
        if seconds < _WORTH_IT and not self.strict:
            log.debug("%s was left out: the hub is away", what.type)
            return
        began = time.monotonic()
        await self._send(what, self.patience.step if self.strict else seconds, attempts, self.strict)
        self._spent(began)

    async def begin(self) -> None:
        """Reports that the task begins. `async with` does it."""
        await self._send(self.events.started(), self.patience.started, None, self.strict)

    async def end(self, error: BaseException | None = None) -> None:
        """Reports how the task ended. `async with` does it."""
        try:
            if (last := self._last(error)) is not None:
                await self._send(*last, None, self.strict and error is None)
        finally:
            if self._own:
                await self._client.aclose()

    async def _send(self, what: Publication, seconds: float, attempts: int | None, strict: bool) -> None:
        failure: FanfareError | None = None
        try:
            prepared = what.prepare()
            with self._fate(prepared):
                if self._unsettled:
                    reports = [*self._unsettled, prepared]
                    _raise_last(await self._client.publish_batch(reports, deadline=seconds, attempts=attempts))
                else:
                    await self._client.send(prepared, deadline=seconds, attempts=attempts)
        except FanfareError as error:
            failure = error
        self._went(failure, what, strict)

    async def __aenter__(self) -> Self:
        try:
            await self.begin()
        except _INTERRUPTIONS as error:
            await self.end(error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.end(error)


def task_progress(
    user_id: UserId,
    name: str,
    *,
    transaction_id: int | str,
    steps: Sequence[str] = (),
    title: str | None = None,
    ttl_s: int = TTL_S,
    client: Fanfare | None = None,
    patience: Patience | None = None,
    strict: bool = False,
    error_text: Callable[[BaseException], str] = text_of,
) -> TaskProgress:
    """Reports a task to its user from beginning to end.

    ```python
    with task_progress(7, "oracle_upload", transaction_id=602, steps=["Preparing Data", "Upload to UCM"]) as task:
        task.step("Preparing Data")
        task.step("Upload to UCM", message="3 of 5 files")
        task.finish(result_path="/exports/602.zip")
    ```

    `title`: what messages call the task; made of `name` where it is missing. `ttl_s`: for how long the hub keeps the
    state of a task that says nothing more. `client`: `default_client()` where it is missing. `strict`: raises what
    could not be sent. `error_text`: what the user is told of an exception; its text where it is missing.
    """
    events = TaskEvents(user_id, name, transaction_id, steps, title=title, ttl_s=ttl_s)
    return TaskProgress(client or default_client(), events, patience=patience, strict=strict, error_text=error_text)


def async_task_progress(
    user_id: UserId,
    name: str,
    *,
    transaction_id: int | str,
    steps: Sequence[str] = (),
    title: str | None = None,
    ttl_s: int = TTL_S,
    client: AsyncFanfare | None = None,
    patience: Patience | None = None,
    strict: bool = False,
    error_text: Callable[[BaseException], str] = text_of,
) -> AsyncTaskProgress:
    """`task_progress` for asyncio: `async with`, and `await task.step(…)`.

    Without a `client` it has its own for the time of the block.
    """
    events = TaskEvents(user_id, name, transaction_id, steps, title=title, ttl_s=ttl_s)
    return AsyncTaskProgress(client, events, patience=patience, strict=strict, error_text=error_text)


def _raise_last(results: list[Published | PublishError]) -> None:
    if isinstance(results[-1], PublishError):
        raise results[-1]


def _is_celerys_own(error: BaseException) -> bool:
    # Without importing it: where it was never imported, nothing is of its kinds.
    celery = sys.modules.get("celery.exceptions")
    return celery is not None and isinstance(error, celery.TaskPredicate)
