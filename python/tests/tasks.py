"""The Celery application of the tests, as the worker runs it.

Not here: what is expected of it (`test_celery`).
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore
from celery.signals import worker_init

from fanfare import Fanfare, OverloadedError, Patience, UnreachableError, default_client, task_progress
from fanfare.celery import task, tracked
from fanfare.notifications import create_many, create_notification

STEPS = ["Preparing Data", "Upload to UCM", "Interface Loader", "Journal Import", "AutoPost"]

app = Celery("tasks", broker=os.environ.get("TEST_BROKER"), backend=os.environ.get("TEST_BROKER"))
app.conf.update(
    broker_connection_retry_on_startup=True, worker_prefetch_multiplier=1, task_default_retry_delay=0, result_expires=60
)

#: A hub that is not there.
AWAY = Fanfare("http://127.0.0.1:9")


@worker_init.connect
def connect_before_the_fork(**_: object) -> None:
    """The main process has connections open when its children are made."""
    default_client().publish("worker_started", user_ids=[])
    create_notification("nobody", "The worker has started")


@app.task
@tracked("oracle_upload", steps=STEPS)
def upload(user_id: int, transaction_id: int) -> str:
    for step in STEPS:
        task.step(step)
    task.finish(result_path=f"/exports/{transaction_id}.zip")
    return "done"


@app.task
@tracked("oracle_upload", steps=STEPS)
def broken(user_id: int, transaction_id: int) -> None:
    task.step()
    raise ValueError("ORA-00001: unique constraint violated")


@app.task(bind=True, autoretry_for=(OSError,), max_retries=5, retry_backoff=False, default_retry_delay=0)
@tracked("oracle_upload", steps=STEPS)
def shaky(self: Task[Any, Any], user_id: int, transaction_id: int, failures: int) -> int:
    task.step("Preparing Data")
    if self.request.retries < failures:
        raise OSError("UCM does not answer")
    task.step("AutoPost")
    return int(self.request.retries)


@app.task(bind=True, max_retries=1, default_retry_delay=0)
@tracked("oracle_upload", steps=STEPS)
def given_up(self: Task[Any, Any], user_id: int, transaction_id: int) -> None:
    try:
        raise OSError("UCM does not answer")
    except OSError as error:
        raise self.retry(exc=error) from error


@app.task(bind=True, max_retries=1)
@tracked("oracle_upload", steps=STEPS)
def patient(self: Task[Any, Any], /, *, transaction_id: int, **options: Any) -> None:
    task.step()
    raise self.retry(countdown=3600)


@tracked("export", user_id="owner", transaction_id=lambda owner, **_: f"export-of-{owner}", title="Export")
@app.task
def export(owner: int, *, name: str = "all") -> str:
    task.step(f"export {name}")
    return name


@app.task
@tracked("oracle_upload", steps=STEPS)
def killed(user_id: int, transaction_id: int) -> None:
    task.step()
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(time_limit=4)
@tracked("oracle_upload", steps=STEPS)
def endless(user_id: int, transaction_id: int) -> None:
    task.step()
    time.sleep(60)


@app.task
@tracked("oracle_upload", steps=STEPS)
def long(user_id: int, transaction_id: int) -> None:
    task.step()
    time.sleep(60)


@app.task
@tracked("oracle_upload", steps=STEPS)
def ignored(user_id: int, transaction_id: int) -> None:
    raise Ignore


@app.task
@tracked("oracle_upload", steps=STEPS, client=AWAY, patience=Patience(0.1, 0.1, 0.1, 0.1))
def unheard(user_id: int, transaction_id: int) -> str:
    for step in STEPS:
        task.step(step)
    return "done"


@app.task
@tracked("oracle_upload", steps=STEPS)
def nobodys(transaction_id: int, user_id: int | None = None) -> str:
    task.step()
    return "done"


@app.task
@tracked("oracle_upload", steps=STEPS)
def misspelt(user_id: int, transaction_id: int) -> None:
    task.step("Auto Post")


@app.task(bind=True, max_retries=1, default_retry_delay=0)
def by_hand(self: Task[Any, Any], user_id: int, transaction_id: int) -> str:
    with task_progress(user_id, "oracle_upload", transaction_id=transaction_id, steps=STEPS) as progress:
        progress.step()
        if not self.request.retries:
            raise self.retry()
    return "done"


@app.task(
    bind=True,
    autoretry_for=(OverloadedError, UnreachableError),
    max_retries=5,
    retry_backoff=False,
    default_retry_delay=0,
)
def notify(self: Task[Any, Any], user_id: int, title: str) -> int | str:
    # The key is the task's: however often it runs, it is one notification.
    return create_notification(user_id, title, deadline=3.0, idempotency_key=f"task-{self.request.id}").id


@app.task(bind=True)
def notify_all(self: Task[Any, Any], users: list[int]) -> int:
    return create_many(users, "We are back", idempotency_key=f"task-{self.request.id}").finish().created


@app.task
def refused(user_id: int) -> None:
    create_notification(user_id, "refused")
