"""As `backend.websocket_server`: `fanfare.socketio`'s functions where code in the field looks for them."""

from fanfare.field_names import (
    broadcast_chat_message,
    broadcast_notification,
    broadcast_sns_event,
    notify_sns_publish_success,
)

__all__ = [
    "broadcast_chat_message",
    "broadcast_notification",
    "broadcast_sns_event",
    "notify_sns_publish_success",
]
