"""The Celery application of celery.browser.mjs: a long upload that goes on, step by step, when the test says so.

The steps are let through by a list in Redis, so that the test looks at the page in the middle of a task without waiting
for a clock. Not here: what the page must show.
"""

from __future__ import annotations

import os

import redis
from celery import Celery
from fanfare.celery import task, tracked

BROKER = os.environ["BROKER"]
STEPS = ["Preparing Data", "Upload to UCM", "Interface Loader", "Journal Import", "AutoPost"]

#: Seconds that a step may wait for the test; longer than any test runs.
PATIENCE_S = 120

app = Celery("uploads", broker=BROKER)
app.conf.update(broker_connection_retry_on_startup=True, worker_prefetch_multiplier=1, task_ignore_result=True)


def let_through(transaction_id: int) -> str:
    """Waits for the test's next word for this upload."""
    # Redis' own client gives up sooner unless it is told, after five seconds.
    with redis.Redis.from_url(BROKER, socket_timeout=2 * PATIENCE_S) as gate:
        word = gate.blpop([f"steps:{transaction_id}"], timeout=PATIENCE_S)
    if word is None:
        raise TimeoutError("the test said nothing")
    return bytes(word[1]).decode()


@app.task
@tracked("oracle_upload", steps=STEPS)
def upload(user_id: int, transaction_id: int) -> None:
    """Uploads; each word of the test is a step, or what it fails with."""
    for step in STEPS:
        word = let_through(transaction_id)
        if word != "go":
            raise ValueError(word)
        task.step(step, message=f"Working on {step}")
    let_through(transaction_id)
    task.finish(result_path=f"/exports/{transaction_id}.zip")
