"""Publishing from Django when, and only when, the transaction is committed; notifications likewise.

```python
from fanfare.django import create_notification_on_commit, publish_on_commit

with transaction.atomic():
    order.save()
    publish_on_commit("order_shipped", {"order_id": order.pk}, user_id=order.customer_id)
    create_notification_on_commit(order.customer_id, "Shipped", data={"order_id": order.pk})
```

Not here: Django's settings; hub and notification service are found by the environment, or by a client that is given. An
event that must not be lost when the process dies right after the commit needs a table of its own. Needs the extra
`django`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

try:
    from django.db import transaction
except ImportError as error:  # pragma: no cover - the test of the wheel sees it
    raise ImportError("fanfare.django needs Django: pip install 'fanfare[django]'") from error

from fanfare.client import Fanfare, default_client
from fanfare.notification import NotificationOptions, for_user
from fanfare.notifications import default_notifications
from fanfare.publication import UNSET, Options, Publication

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fanfare.notification_service import NotificationService
    from fanfare.publication import UserId

__all__ = ["DEADLINE", "create_notification_on_commit", "publish_on_commit"]

#: For how many seconds an event is tried, since a request waits for it.
DEADLINE: Final = 3.0


def publish_on_commit(
    type: str,
    data: object = UNSET,
    *,
    using: str | None = None,
    robust: bool = True,
    client: Fanfare | None = None,
    deadline: float = DEADLINE,
    **options: Unpack[Options],
) -> None:
    """Publishes one event once the current transaction is committed; at once where there is none.

    Nothing is sent when it is rolled back, also to a savepoint. Events go out in the order of the calls. The event is
    fixed now: what is changed in `data` later does not change it, and what can be none is raised now
    (`InvalidPublicationError`).

    `using`: the database. `robust`: an event that cannot be published is logged (by `django.db.backends.base`) and
    fails neither the request, whose data are committed already, nor other callbacks; `False` raises it. `client`:
    `default_client()` where it is missing. `options`: targets and all else that a `Publication` has.
    """
    prepared = Publication(type, data, **options).prepare()

    def publish() -> None:
        (client or default_client()).send(prepared, deadline=deadline)

    transaction.on_commit(publish, using=using, robust=robust)


def create_notification_on_commit(
    user_id: UserId,
    title: str,
    message: str = "",
    *,
    using: str | None = None,
    robust: bool = True,
    service: NotificationService | None = None,
    deadline: float = DEADLINE,
    **options: Unpack[NotificationOptions],
) -> None:
    """Creates a notification once the current transaction is committed; at once where there is none.

    As `publish_on_commit`: it is fixed now, with its key, and what can be none is raised now. `service`:
    `fanfare.notifications.default_notifications()` where it is missing. `options`: those of
    `fanfare.notifications.create_notification`.
    """
    notification = for_user(user_id, title, message, options)

    def create() -> None:
        (service or default_notifications()).send(notification, deadline=deadline)

    transaction.on_commit(create, using=using, robust=robust)
