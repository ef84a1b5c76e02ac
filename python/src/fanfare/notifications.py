"""Notifications into users' inboxes: `create_notification`, `create_many`, `notify_topic`.

```python
from fanfare.notifications import create_many, create_notification, notify_topic

create_notification(7, "Shipped", "Your order is on its way", category="orders", data={"order_id": 981})
for result in create_many(range(1, 10_001), "We are back", idempotency_key="maintenance-2026-11"):
    if result.error:
        print(result.user_id, result.error)
notify_topic("releases", "Version 2 is out")
```

The notification service stores a notification, then tells it to the user's devices, and to phones where nobody saw it.
Each function has a form for asyncio with the same name behind `async_`. Unlike those of `socketio` they raise. They
find the service by `NOTIFICATION_SERVICE_URL` and `SERVICE_API_KEY`, or by a `service` that is given.

Not here: what a user does with an inbox, which takes the user's own token (`GET /api/notifications`), calls of code in
the field (`socketio`), and those that wait for a commit (`django`).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fanfare.answers import Sent, Told
from fanfare.bulk import Counts, Result
from fanfare.bulk_results import AsyncResults, Results
from fanfare.notification import Notification, NotificationOptions, Priority, SharedOptions
from fanfare.notification_service import BULK_DEADLINE, AsyncNotificationService, NotificationService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from typing_extensions import Unpack

    from fanfare.publication import UserId

__all__ = [
    "BULK_DEADLINE",
    "AsyncNotificationService",
    "AsyncResults",
    "Counts",
    "Notification",
    "NotificationService",
    "Priority",
    "Result",
    "Results",
    "Sent",
    "Told",
    "async_create_many",
    "async_create_notification",
    "async_notify_topic",
    "create_many",
    "create_notification",
    "default_notifications",
    "notify_topic",
]


def create_notification(
    user_id: UserId,
    title: str,
    message: str = "",
    *,
    service: NotificationService | None = None,
    deadline: float | None = None,
    **options: Unpack[NotificationOptions],
) -> Sent:
    """Creates a notification for one user, who need not be known anywhere; returns its id when it is stored.

    `options`: `type`, `category`, `data`, `priority`, `expires_at` as of a `Notification`, and `idempotency_key`, under
    which it is stored once within 24 h, however often the call is made: as by a task that runs again. Raises
    `InvalidPublicationError` before anything is sent, else `PublishError`.
    """
    return (service or default_notifications()).create(user_id, title, message, deadline=deadline, **options)


def create_many(
    to: Iterable[UserId] | Iterable[Notification | Mapping[str, object]],
    title: str | None = None,
    message: str = "",
    *,
    service: NotificationService | None = None,
    deadline: float = BULK_DEADLINE,
    idempotency_key: str | None = None,
    **options: Unpack[SharedOptions],
) -> Results:
    """Creates the same notification for each of these users; without a `title`, all of these notifications.

    Returns an iterator, which sends as it goes and tells of each, in order, what became of it. Nothing is sent before
    it is iterated; `finish()` is for who does not look at the results. One that the service refuses costs the others
    nothing. Any number of them needs little memory: `to` may be a generator, of which 10,000 users or 500
    notifications are read ahead.

    When the service stays away for `deadline` seconds, the iterator raises a `PublishError`. The same call with the
    same `idempotency_key` and the same items, within 24 h, then does what is left, and tells again what was done.
    Raises `InvalidPublicationError`, which names the place, before the items read ahead are sent.
    """
    return (service or default_notifications()).create_many(
        to, title, message, deadline=deadline, idempotency_key=idempotency_key, **options
    )


def notify_topic(
    topic: str,
    title: str,
    message: str = "",
    *,
    service: NotificationService | None = None,
    deadline: float | None = None,
    **options: Unpack[NotificationOptions],
) -> Told:
    """Creates a notification for every user who follows a topic, and returns how many they are.

    The service carries it out by and by, also over a restart. Options and errors are those of `create_notification`.
    """
    return (service or default_notifications()).notify_topic(topic, title, message, deadline=deadline, **options)


async def async_create_notification(
    user_id: UserId,
    title: str,
    message: str = "",
    *,
    service: AsyncNotificationService | None = None,
    deadline: float | None = None,
    **options: Unpack[NotificationOptions],
) -> Sent:
    """`create_notification` for asyncio. Without a `service` it connects for this one call."""
    async with _service_of(service) as here:
        return await here.create(user_id, title, message, deadline=deadline, **options)


def async_create_many(
    to: Iterable[UserId] | Iterable[Notification | Mapping[str, object]],
    title: str | None = None,
    message: str = "",
    *,
    service: AsyncNotificationService | None = None,
    deadline: float = BULK_DEADLINE,
    idempotency_key: str | None = None,
    **options: Unpack[SharedOptions],
) -> AsyncResults:
    """`create_many` for asyncio, for `async for`. Without a `service` it connects for this one call."""
    here = service or AsyncNotificationService()
    results = here.create_many(to, title, message, deadline=deadline, idempotency_key=idempotency_key, **options)
    if service is None:
        results.then(here.aclose)
    return results


async def async_notify_topic(
    topic: str,
    title: str,
    message: str = "",
    *,
    service: AsyncNotificationService | None = None,
    deadline: float | None = None,
    **options: Unpack[NotificationOptions],
) -> Told:
    """`notify_topic` for asyncio. Without a `service` it connects for this one call."""
    async with _service_of(service) as here:
        return await here.notify_topic(topic, title, message, deadline=deadline, **options)


@asynccontextmanager
async def _service_of(service: AsyncNotificationService | None) -> AsyncIterator[AsyncNotificationService]:
    """The service that was given, or one for the time of the block."""
    if service is not None:
        yield service
        return
    async with AsyncNotificationService() as own:
        yield own


#: At most one; as the hub's in `client`.
_default: dict[str, NotificationService] = {}


def default_notifications() -> NotificationService:
    """The service of this process, made of the environment when it is first asked for. Raises `SettingsError`."""
    kept = _default.get("notifications")
    if kept is None:
        made = NotificationService()
        kept = _default.setdefault("notifications", made)
        if kept is not made:
            made.close()
    return kept
