"""The notification service as a back end calls it: `NotificationService` and `AsyncNotificationService`.

Not here: the functions that use one of the process (`notifications`), and what is sent (`notification`, `bulk`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Final

from fanfare import answers
from fanfare.bulk import Answers, Call, Counts, Result, calls_of
from fanfare.bulk_results import AsyncResults, Results
from fanfare.errors import PublishError
from fanfare.exchange import KEY_HEADER, Verify
from fanfare.notification import NotificationOptions, SharedOptions, for_topic, for_user
from fanfare.post import AsyncPoster, Poster
from fanfare.retry import Tries
from fanfare.settings import DEADLINE, NOTIFICATIONS, TIMEOUT, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Mapping
    from types import TracebackType

    import httpx
    from typing_extensions import Self, Unpack

    from fanfare.answers import Sent, Told
    from fanfare.notification import Notification
    from fanfare.publication import Prepared, UserId

__all__ = ["BULK_DEADLINE", "AsyncNotificationService", "NotificationService"]

#: For how many seconds a call for many may go without one more result, with all its tries and waits.
BULK_DEADLINE: Final = 30.0

#: For how many seconds one try of it may go without a piece of the answer: three such tries fit the deadline.
_BULK_TIMEOUT: Final = 9.0

_ONE: Final = "api/notifications"


class NotificationService:
    """Creates notifications in the name of a back end.

    `url`: its address (`NOTIFICATION_SERVICE_URL`, else `http://127.0.0.1:8084`; with `fanfare up` that of the hub).
    `service_key`: the key by which services know each other (`SERVICE_API_KEY`). The rest, retries, threads and forks
    are as for `Fanfare`. Raises `SettingsError`.
    """

    def __init__(
        self,
        url: str | None = None,
        service_key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        verify: Verify = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = Settings.of_service(url, service_key, timeout, deadline, NOTIFICATIONS)
        self._poster = Poster(self._settings, verify, transport)

    def create(
        self,
        user_id: UserId,
        title: str,
        message: str = "",
        *,
        deadline: float | None = None,
        attempts: int | None = None,
        **options: Unpack[NotificationOptions],
    ) -> Sent:
        """Creates one, and returns its id when it is stored; delivery follows by itself.

        `options` are those of a `Notification`, and `idempotency_key`: all tries have one key, so it is stored once.
        Raises `InvalidPublicationError` before anything is sent, else `PublishError`: `RefusedError` with 422 for what
        the service does not take.
        """
        return self.send(for_user(user_id, title, message, options), deadline=deadline, attempts=attempts)

    def send(self, notification: Prepared, *, deadline: float | None = None, attempts: int | None = None) -> Sent:
        """As `create`, of one that is prepared already (`notification.for_user`)."""
        headers = {KEY_HEADER: notification.key}
        tries = _tries(self._settings, deadline, attempts)
        return self._poster.call(_ONE, notification.body, headers, tries, answers.stored_of)

    def create_many(
        self,
        to: Iterable[UserId] | Iterable[Notification | Mapping[str, object]],
        title: str | None = None,
        message: str = "",
        *,
        deadline: float = BULK_DEADLINE,
        attempts: int | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[SharedOptions],
    ) -> Results:
        """Creates one for each of these users, or all of these notifications; see the function `create_many`."""
        counts = Counts()
        calls = calls_of(to, title, message, options, idempotency_key)
        return Results(self._results(calls, counts, deadline, attempts), counts)

    def notify_topic(
        self,
        topic: str,
        title: str,
        message: str = "",
        *,
        deadline: float | None = None,
        attempts: int | None = None,
        **options: Unpack[NotificationOptions],
    ) -> Told:
        """Creates one for every user who follows a topic; see the function `notify_topic`."""
        one = for_topic(topic, title, message, options)
        tries = _tries(self._settings, deadline, attempts)
        return self._poster.call(_ONE, one.body, {KEY_HEADER: one.key}, tries, answers.told_of)

    def _results(
        self, calls: Iterator[Call], counts: Counts, deadline: float, attempts: int | None
    ) -> Generator[Result, None, None]:
        for call in calls:
            tries = Tries(deadline, attempts)
            while not call.is_done:
                told = Answers(call, counts)
                seconds = min(_BULK_TIMEOUT, tries.remaining())
                try:
                    with closing(self._poster.stream(call.path, call.body, call.headers(), seconds)) as chunks:
                        for chunk in chunks:
                            for result in told.take(chunk):
                                yield result
                                # What the caller does in between is not the service's time.
                                tries = Tries(deadline, attempts)
                    told.end()
                except PublishError as error:
                    error.who = NOTIFICATIONS.name
                    wait = tries.wait_after(error)
                    if wait is None:
                        raise
                    time.sleep(wait)

    def close(self) -> None:
        """Closes the connections. A later call opens new ones."""
        self._poster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"NotificationService({str(self._settings.url)!r})"


class AsyncNotificationService:
    """`NotificationService` for asyncio; its connections are as those of `AsyncFanfare`."""

    def __init__(
        self,
        url: str | None = None,
        service_key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        verify: Verify = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = Settings.of_service(url, service_key, timeout, deadline, NOTIFICATIONS)
        self._poster = AsyncPoster(self._settings, verify, transport)

    async def create(
        self,
        user_id: UserId,
        title: str,
        message: str = "",
        *,
        deadline: float | None = None,
        attempts: int | None = None,
        **options: Unpack[NotificationOptions],
    ) -> Sent:
        """Creates one; as `NotificationService.create`."""
        return await self.send(for_user(user_id, title, message, options), deadline=deadline, attempts=attempts)

    async def send(self, notification: Prepared, *, deadline: float | None = None, attempts: int | None = None) -> Sent:
        """As `create`, of one that is prepared already (`notification.for_user`)."""
        headers = {KEY_HEADER: notification.key}
        tries = _tries(self._settings, deadline, attempts)
        return await self._poster.call(_ONE, notification.body, headers, tries, answers.stored_of)

    def create_many(
        self,
        to: Iterable[UserId] | Iterable[Notification | Mapping[str, object]],
        title: str | None = None,
        message: str = "",
        *,
        deadline: float = BULK_DEADLINE,
        attempts: int | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[SharedOptions],
    ) -> AsyncResults:
        """Creates one for each of these users, or all of these notifications; see the function `create_many`."""
        counts = Counts()
        calls = calls_of(to, title, message, options, idempotency_key)
        return AsyncResults(self._results(calls, counts, deadline, attempts), counts)

    async def notify_topic(
        self,
        topic: str,
        title: str,
        message: str = "",
        *,
        deadline: float | None = None,
        attempts: int | None = None,
        **options: Unpack[NotificationOptions],
    ) -> Told:
        """Creates one for every user who follows a topic; see the function `notify_topic`."""
        one = for_topic(topic, title, message, options)
        tries = _tries(self._settings, deadline, attempts)
        return await self._poster.call(_ONE, one.body, {KEY_HEADER: one.key}, tries, answers.told_of)

    async def _results(
        self, calls: Iterator[Call], counts: Counts, deadline: float, attempts: int | None
    ) -> AsyncGenerator[Result, None]:
        for call in calls:
            tries = Tries(deadline, attempts)
            while not call.is_done:
                told = Answers(call, counts)
                seconds = min(_BULK_TIMEOUT, tries.remaining())
                try:
                    async with aclosing(self._poster.stream(call.path, call.body, call.headers(), seconds)) as chunks:
                        async for chunk in chunks:
                            for result in told.take(chunk):
                                yield result
                                tries = Tries(deadline, attempts)
                    told.end()
                except PublishError as error:
                    error.who = NOTIFICATIONS.name
                    wait = tries.wait_after(error)
                    if wait is None:
                        raise
                    await asyncio.sleep(wait)

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
        return f"AsyncNotificationService({str(self._settings.url)!r})"


def _tries(settings: Settings, deadline: float | None, attempts: int | None) -> Tries:
    return Tries(settings.deadline if deadline is None else deadline, attempts)
