"""What back ends call that used to serve Socket.IO themselves (contract: socketio, For Python back ends).

```python
from fanfare.socketio import broadcast_chat_message, broadcast_notification, broadcast_sns_event

broadcast_sns_event("post_liked", 7, {"post_id": 12, "by": 8})
broadcast_notification(7, {"title": "Shipped", "message": "Your order is on its way"})
broadcast_chat_message(8, 7, "Is it still available?")
```

Each has a form for asyncio with the same name behind `async_`. The functions may be called from any thread, also of
eventlet or gevent. They find hub and services by the environment, or by a client that is given.

**They never raise into the request that calls them**, as an `emit` does not: what cannot be sent is logged (`fanfare`)
and the answer is `None`. `strict=True` raises the `FanfareError`. Nor do they hold a request for long: `DEADLINE`, and
`AWAY_DEADLINE` for one try each while the hub or the service is away.

Not here: the hub's own API (`client`), the services' (`chat`, `notifications`), and other ways to call these
(`field_names`).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fanfare.aio import AsyncFanfare
from fanfare.answers import Sent
from fanfare.chat import AsyncChatService, ChatService, default_chat
from fanfare.client import Fanfare, default_client
from fanfare.notification_data import notification_of
from fanfare.notification_service import AsyncNotificationService, NotificationService
from fanfare.notifications import default_notifications
from fanfare.socketio_calls import (
    AWAY_DEADLINE,
    CHAT,
    DEADLINE,
    HUB,
    NOTIFICATIONS,
    TOLD,
    event_of,
    names_of,
    part_of,
    success_event,
    success_notification,
    warn_in_a_loop,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from fanfare.publication import UserId

__all__ = [
    "AWAY_DEADLINE",
    "DEADLINE",
    "Sent",
    "async_broadcast_chat_message",
    "async_broadcast_notification",
    "async_broadcast_sns_event",
    "async_notify_sns_publish_success",
    "broadcast_chat_message",
    "broadcast_notification",
    "broadcast_sns_event",
    "notify_sns_publish_success",
]


def broadcast_sns_event(
    event: str,
    user_id: UserId,
    data: object,
    *,
    client: Fanfare | None = None,
    strict: bool = False,
    deadline: float | None = None,
    idempotency_key: str | None = None,
) -> Sent | None:
    """Tells a user's sockets in `/sns` of an event, such as `publish_success` or `post_liked`.

    `data` arrives as the event's one argument, unchanged. Returns when the hub has it, with the event's id. `None` for
    `user_id` is a mistake, never everyone.
    """
    with HUB.call(event, strict):
        publication = event_of("/sns", event, user_id, data, idempotency_key)
        warn_in_a_loop("broadcast_sns_event")
        hub = client or default_client()
        sent = Sent(hub.send(publication, **HUB.limits(deadline, strict)).id)
        TOLD.note(event, user_id, data)
        return sent
    return None


def broadcast_notification(
    user_id: UserId,
    data: object,
    *,
    client: Fanfare | None = None,  # noqa: ARG001
    notifications: NotificationService | None = None,
    strict: bool = False,
    deadline: float | None = None,
    idempotency_key: str | None = None,
) -> Sent | None:
    """Puts a notification into a user's inbox; the notification service tells it to the user's devices.

    `data` is an object: of `title`, `message`, `type`, `category`, `priority`, `expires_at` and `data` the inbox makes
    the notification, and what else is in it goes into the notification's `data`. Without a title it is the message's
    first line. Returns when it is stored, with its id. What cannot be stored is not told either: there is no way round
    the inbox, so that the bell shows what a reload shows. `client` is taken and not used: the hub is not asked.
    """
    with NOTIFICATIONS.call("notification", strict):
        notification = notification_of(user_id, data, idempotency_key)
        warn_in_a_loop("broadcast_notification")
        service = notifications or default_notifications()
        return service.send(notification, **NOTIFICATIONS.limits(deadline, strict))
    return None


def broadcast_chat_message(
    from_user_id: UserId,
    to_user_id: UserId,
    text: str,
    *,
    chat: ChatService | None = None,
    strict: bool = False,
    deadline: float | None = None,
    idempotency_key: str | None = None,
) -> Sent | None:
    """Sends a message from one user to another: stored by the chat service, then told to both as `message_received`.

    Returns when it is stored, with the message's id. What cannot be stored is not told either: there is no way around
    the chat service, so that nobody reads a message that is gone after a reload.
    """
    with CHAT.call("message_received", strict):
        warn_in_a_loop("broadcast_chat_message")
        service = chat or default_chat()
        limits = CHAT.limits(deadline, strict)
        return service.send(from_user_id, to_user_id, text, idempotency_key=idempotency_key, **limits)
    return None


def notify_sns_publish_success(
    user_id: UserId,
    post_id: int | str,
    platforms: Iterable[str],
    *,
    client: Fanfare | None = None,
    notifications: NotificationService | None = None,
    strict: bool = False,
    deadline: float | None = None,
    idempotency_key: str | None = None,
) -> Sent | None:
    """Tells a user that a post is published: `publish_success` in `/sns`, and a notification in the inbox.

    `publish_success` has `post_id`, `platforms` and `timestamp`. It is left out where this process has told it of the
    same post in the last 10 s by `broadcast_sns_event`: code in the field calls both. Returns the notification's
    answer; `None` when one of the two could not be sent. `deadline` is for each.
    """
    names = names_of(platforms, strict)
    if names is None:
        return None
    told = TOLD.take(user_id, post_id)
    if not told:
        event = success_event(post_id, names)
        key = part_of(idempotency_key, "sns")
        told = bool(
            broadcast_sns_event(
                "publish_success",
                user_id,
                event,
                client=client,
                strict=strict,
                deadline=deadline,
                idempotency_key=key,
            )
        )
        TOLD.take(user_id, post_id)
    notification = broadcast_notification(
        user_id,
        success_notification(post_id, names),
        notifications=notifications,
        strict=strict,
        deadline=deadline,
        idempotency_key=part_of(idempotency_key, "notifications"),
    )
    return notification if told else None


async def async_broadcast_sns_event(
    event: str,
    user_id: UserId,
    data: object,
    *,
    client: AsyncFanfare | None = None,
    strict: bool = False,
    deadline: float | None = None,
    idempotency_key: str | None = None,
) -> Sent | None:
    """`broadcast_sns_event` for asyncio. Without a `client` it connects for this one call."""
    with HUB.call(event, strict):
        publication = event_of("/sns", event, user_id, data, idempotency_key)
        async with _hub_of(client) as hub:
            sent = Sent((await hub.send(publication, **HUB.limits(deadline, strict))).id)
        TOLD.note(event, user_id, data)
        return sent
    return None


async def async_broadcast_notification(
    user_id: UserId,
    data: object,
    *,
    client: AsyncFanfare | None = None,  # noqa: ARG001
    notifications: AsyncNotificationService | None = None,
    strict: bool = False,
    deadline: float | None = None,
    idempotency_key: str | None = None,
) -> Sent | None:
    """`broadcast_notification` for asyncio. Without `notifications` it connects for this one call."""
    with NOTIFICATIONS.call("notification", strict):
        notification = notification_of(user_id, data, idempotency_key)
        limits = NOTIFICATIONS.limits(deadline, strict)
        async with _inbox_of(notifications) as service:
            return await service.send(notification, **limits)
    return None


async def async_broadcast_chat_message(
    from_user_id: UserId,
    to_user_id: UserId,
    text: str,
    *,
    chat: AsyncChatService | None = None,
    strict: bool = False,
    deadline: float | None = None,
    idempotency_key: str | None = None,
) -> Sent | None:
    """`broadcast_chat_message` for asyncio. Without a `chat` it connects for this one call."""
    with CHAT.call("message_received", strict):
        limits = CHAT.limits(deadline, strict)
        async with _chat_of(chat) as service:
            return await service.send(from_user_id, to_user_id, text, idempotency_key=idempotency_key, **limits)
    return None


async def async_notify_sns_publish_success(
    user_id: UserId,
    post_id: int | str,
    platforms: Iterable[str],
    *,
    client: AsyncFanfare | None = None,
    notifications: AsyncNotificationService | None = None,
    strict: bool = False,
    deadline: float | None = None,
    idempotency_key: str | None = None,
) -> Sent | None:
    """`notify_sns_publish_success` for asyncio. Without a client it connects for each of the two."""
    names = names_of(platforms, strict)
    if names is None:
        return None
    told = TOLD.take(user_id, post_id)
    if not told:
        event = success_event(post_id, names)
        key = part_of(idempotency_key, "sns")
        told = bool(
            await async_broadcast_sns_event(
                "publish_success",
                user_id,
                event,
                client=client,
                strict=strict,
                deadline=deadline,
                idempotency_key=key,
            )
        )
        TOLD.take(user_id, post_id)
    notification = await async_broadcast_notification(
        user_id,
        success_notification(post_id, names),
        notifications=notifications,
        strict=strict,
        deadline=deadline,
        idempotency_key=part_of(idempotency_key, "notifications"),
    )
    return notification if told else None


@asynccontextmanager
async def _hub_of(client: AsyncFanfare | None) -> AsyncIterator[AsyncFanfare]:
    """The client that was given, or one for the time of the block."""
    if client is not None:
        yield client
        return
    async with AsyncFanfare() as own:
        yield own


@asynccontextmanager
async def _chat_of(chat: AsyncChatService | None) -> AsyncIterator[AsyncChatService]:
    if chat is not None:
        yield chat
        return
    async with AsyncChatService() as own:
        yield own


@asynccontextmanager
async def _inbox_of(notifications: AsyncNotificationService | None) -> AsyncIterator[AsyncNotificationService]:
    if notifications is not None:
        yield notifications
        return
    async with AsyncNotificationService() as own:
        yield own
