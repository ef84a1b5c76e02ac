"""Publish to a Fanfare hub.

```python
from fanfare import Fanfare

with Fanfare() as hub:                       # WS_SERVICE_URL, FANFARE_API_KEY
    hub.publish("job_created", {"job_id": 7, "title": "Fix the roof"}, channel="jobs")
```

`Fanfare` and `AsyncFanfare` publish; `task_progress` and `async_task_progress` report long tasks. `fanfare.socketio`
has what back ends of Socket.IO clients call, `fanfare.chat` the chat service, `fanfare.notifications` the inbox.
`fanfare.celery`, `fanfare.django` and `fanfare.pubsub` need their extras and are imported by name.
"""

from fanfare.aio import AsyncFanfare
from fanfare.answers import Published
from fanfare.client import Fanfare, default_client
from fanfare.errors import (
    FanfareError,
    InvalidPublicationError,
    OverloadedError,
    PublishError,
    RefusedError,
    SettingsError,
    UnexpectedAnswerError,
    UnreachableError,
)
from fanfare.progress import AsyncTaskProgress, Patience, TaskProgress, async_task_progress, task_progress
from fanfare.publication import Publication, Retain

__all__ = [
    "AsyncFanfare",
    "AsyncTaskProgress",
    "Fanfare",
    "FanfareError",
    "InvalidPublicationError",
    "OverloadedError",
    "Patience",
    "Publication",
    "PublishError",
    "Published",
    "RefusedError",
    "Retain",
    "SettingsError",
    "TaskProgress",
    "UnexpectedAnswerError",
    "UnreachableError",
    "async_task_progress",
    "default_client",
    "task_progress",
]
