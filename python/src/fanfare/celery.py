"""Celery tasks that report themselves: one decorator, and Celery's signals do the rest.

```python
from fanfare.celery import task, tracked

@app.task(bind=True, autoretry_for=(OSError,), max_retries=3)
@tracked("oracle_upload", steps=["Preparing Data", "Upload to UCM"])
def upload(self, user_id, transaction_id):
    task.step("Preparing Data")
    task.step("Upload to UCM")
    task.finish(result_path="/exports/602.zip")
```

| Celery says | the user gets |
|---|---|
| the task begins | started; not again when it is tried again |
| it succeeds | completed |
| it raises, runs out of time, or its process dies | failed, with the exception's text |
| it will be tried again | nothing; in 10 s or later its last progress once more, with the message that it waits |
| it is revoked, or has expired | failed, with `revoked` or `expired` |
| `Ignore`, `Reject` with requeue, a worker that stops in the middle | nothing |

Nothing that the network does breaks a task. Prefork workers are fine: every process opens connections of its own. Where
Celery speaks in the worker's main process (revoked, killed), reports have only a moment, since all tasks wait for it.

Not here: plain scripts (`progress`), and what the events are (`task_events`). Needs the extra `celery`.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

try:
    from celery import current_task, signals
except ImportError as error:  # pragma: no cover - the test of the wheel sees it
    raise ImportError("fanfare.celery needs Celery: pip install 'fanfare[celery]'") from error

from fanfare.client import Fanfare, default_client
from fanfare.progress import Patience, TaskProgress
from fanfare.task_events import TTL_S, TaskEvents, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fanfare.publication import UserId

__all__ = ["CurrentTask", "task", "tracked"]

log = logging.getLogger("fanfare")

F = TypeVar("F", bound="Callable[..., Any]")

#: Where the decorator leaves its mark.
_MARK: Final = "__fanfare_tracked__"

#: In the worker's main process all tasks wait for a report, so it has only this many seconds.
_MAIN_PROCESS: Final = Patience(started=2.0, step=1.0, ended=2.0)

#: A wait for the next try that is worth telling of, in seconds: far longer than telling it may take (`Patience.step`).
_LONG_WAIT: Final = 10.0

#: The tracked tasks that this process runs now, by their ids; as many as the worker's concurrency.
_running: dict[str, TaskProgress] = {}


@dataclass(frozen=True)
class _Tracked:
    """What the decorator was told."""

    name: str
    steps: tuple[str, ...]
    user_id: str | Callable[..., UserId]
    transaction_id: str | Callable[..., int | str]
    title: str | None
    ttl_s: int
    client: Fanfare | None
    patience: Patience | None
    error_text: Callable[[BaseException], str]

    def progress(
        self, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any], patience: Patience | None
    ) -> TaskProgress | None:
        """The progress of a call with these arguments; `None`, and a line in the log, where they name no user."""
        try:
            named = inspect.signature(task.run).bind(*args, **kwargs)
        except TypeError as error:
            log.warning("%s is not reported: %s", task.name, error)
            return None
        named.apply_defaults()
        ids = [self._id(which, named) for which in (self.user_id, self.transaction_id)]
        if any(not isinstance(one, (int, str)) for one in ids):
            log.warning("%s is not reported: its call says no user or no transaction", task.name)
            return None
        events = TaskEvents(ids[0], self.name, ids[1], self.steps, title=self.title, ttl_s=self.ttl_s)
        return TaskProgress(
            self.client or default_client(), events, patience=patience or self.patience, error_text=self.error_text
        )

    @staticmethod
    def _id(which: str | Callable[..., Any], named: inspect.BoundArguments) -> Any:
        if callable(which):
            return which(*named.args, **named.kwargs)
        # `**options` of a task may hold it as well.
        return {**named.arguments, **named.kwargs}.get(which)


def tracked(
    name: str,
    *,
    steps: Sequence[str] = (),
    user_id: str | Callable[..., UserId] = "user_id",
    transaction_id: str | Callable[..., int | str] = "transaction_id",
    title: str | None = None,
    ttl_s: int = TTL_S,
    client: Fanfare | None = None,
    patience: Patience | None = None,
    error_text: Callable[[BaseException], str] = text_of,
) -> Callable[[F], F]:
    """Makes a Celery task report itself. Stands below or above `@app.task`, and changes nothing of what it decorates.

    `user_id`, `transaction_id`: the names of the task's parameters that hold them, or functions of its arguments
    (without `self`). The others are those of `fanfare.task_progress`.
    """
    if isinstance(steps, str):
        raise TypeError("steps: a list of names, not a text")
    mark = _Tracked(name, tuple(steps), user_id, transaction_id, title, ttl_s, client, patience, error_text)

    def decorate(function: F) -> F:
        setattr(function, _MARK, mark)
        return function

    return decorate


class CurrentTask:
    """The tracked task that runs here. Where none runs, as in a direct call in a test, nothing is reported."""

    def step(self, step: str | int | None = None, message: str | None = None) -> None:
        """Reports that the task goes to a step; as `fanfare.TaskProgress.step`."""
        if (progress := _here()) is not None:
            progress.step(step, message)

    def finish(self, result_path: str | None = None, message: str | None = None) -> None:
        """Notes what the last event shall say when the task succeeds; sends nothing."""
        if (progress := _here()) is not None:
            progress.finish(result_path, message)


#: The tracked task that runs here.
task: Final = CurrentTask()


def _here() -> TaskProgress | None:
    return _running.get(str(current_task.request.id)) if current_task else None


def _mark_of(sender: Any) -> _Tracked | None:
    mark = getattr(sender, _MARK, None) or getattr(getattr(sender, "run", None), _MARK, None)
    return mark if isinstance(mark, _Tracked) else None


@signals.task_prerun.connect(weak=False, dispatch_uid="fanfare.prerun")
def _prerun(sender: Any, task_id: str, args: Sequence[Any], kwargs: Mapping[str, Any], **_: Any) -> None:
    mark = _mark_of(sender)
    progress = mark.progress(sender, args, kwargs, None) if mark else None
    if progress is None:
        return
    _running[task_id] = progress
    if not sender.request.retries:
        progress.begin()


@signals.task_success.connect(weak=False, dispatch_uid="fanfare.success")
def _success(sender: Any, **_: Any) -> None:
    if _mark_of(sender) and (progress := _running.get(sender.request.id)) is not None:
        progress.end()


@signals.task_failure.connect(weak=False, dispatch_uid="fanfare.failure")
def _failure(
    sender: Any, task_id: str, exception: BaseException, args: Sequence[Any], kwargs: Mapping[str, Any], **_: Any
) -> None:
    mark = _mark_of(sender)
    if mark is None:
        return
    progress = _running.get(task_id)
    if progress is None:
        # The process that ran it is gone: this is the worker's main one.
        progress = mark.progress(sender, args or (), kwargs or {}, _MAIN_PROCESS)
    if progress is not None:
        progress.fail(progress.error_text(exception))


@signals.task_retry.connect(weak=False, dispatch_uid="fanfare.retry")
def _retry(sender: Any, request: Any, reason: Any, **_: Any) -> None:
    progress = _running.get(request.id) if _mark_of(sender) else None
    # The next try is on its way already: what is said now must not come after what that says.
    if progress is not None and progress.events.step_number and _seconds_until(reason.when) >= _LONG_WAIT:
        progress.repeat("Waiting to try again")


def _seconds_until(when: object) -> float:
    if isinstance(when, datetime):
        return (when - datetime.now(when.tzinfo)).total_seconds()
    return when if isinstance(when, (int, float)) else 0.0


@signals.task_revoked.connect(weak=False, dispatch_uid="fanfare.revoked")
def _revoked(sender: Any, request: Any, expired: bool, **_: Any) -> None:
    mark = _mark_of(sender)
    progress = mark.progress(sender, request.args or (), request.kwargs or {}, _MAIN_PROCESS) if mark else None
    if progress is not None:
        title = progress.events.title
        progress.fail(*(("expired", f"{title} came too late") if expired else ("revoked", f"{title} was cancelled")))


@signals.task_postrun.connect(weak=False, dispatch_uid="fanfare.postrun")
def _postrun(task_id: str, **_: Any) -> None:
    _running.pop(task_id, None)
