"""`fanfare.socketio`'s functions where code in the field looks for them. New code imports `fanfare.socketio`.

`backend` and `backend.services` have no `__init__.py`: they are namespace packages, which share their names with an
application's own and never hide anything of it. The package's README says what an application does whose `backend` has
an `__init__.py`.
"""

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
