"""The functions of `socketio` as code in the field calls them: all that `backend.websocket_server` holds.

For whoever has a package `backend` of their own:

```python
# backend/websocket_server.py of such an application, in place of what it was
from fanfare.field_names import *
```

Three of them are those of `socketio`. `broadcast_notification` takes besides `(user_id, data)` the members one by one,
as the field's own functions call it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fanfare import socketio
from fanfare.publication import UNSET
from fanfare.socketio import Sent, broadcast_chat_message, broadcast_sns_event, notify_sns_publish_success

if TYPE_CHECKING:
    from fanfare.client import Fanfare
    from fanfare.notification_service import NotificationService
    from fanfare.publication import UserId

__all__ = [
    "broadcast_chat_message",
    "broadcast_notification",
    "broadcast_sns_event",
    "notify_sns_publish_success",
]


def broadcast_notification(
    user_id: UserId,
    data: object = UNSET,
    title: str | None = None,
    message: str | None = None,
    action_url: str | None = None,
    *,
    notification_type: str | None = None,
    client: Fanfare | None = None,
    notifications: NotificationService | None = None,
    strict: bool = False,
    deadline: float | None = None,
    idempotency_key: str | None = None,
) -> Sent | None:
    """`socketio.broadcast_notification`, also of `title`, `message` and `action_url` one by one.

    In that form the second argument is the type, which may be called `notification_type`.
    """
    if title is not None or message is not None:
        type_ = notification_type if data is UNSET else data
        data = {"type": type_, "title": title or "", "message": message or "", "action_url": action_url}
    elif data is UNSET:
        data = {} if notification_type is None else {"type": notification_type}
    return socketio.broadcast_notification(
        user_id,
        data,
        client=client,
        notifications=notifications,
        strict=strict,
        deadline=deadline,
        idempotency_key=idempotency_key,
    )
