"""A script as it stands in the field: `socketio.Client()` with several namespaces, which prints what it is told.

python field_socketio.py http://localhost:8080 <jwt>

Not here: anything of this package or of the tests, which run it as it is.
"""

import json
import sys

import socketio

url, token = sys.argv[1:3]
sio = socketio.Client()


def show(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201


@sio.on("connect", namespace="/sns")
def sns_connected() -> None:
    show("connected /sns")
    answer = sio.call("publish_start", {"post_id": 123, "platforms": ["instagram", "twitter"]}, namespace="/sns")
    show("ack", json.dumps(answer))


@sio.on("connect_error", namespace="/sns")
def sns_refused(why: object) -> None:
    show("refused /sns", json.dumps(why))


@sio.on("publish_started", namespace="/sns")
def publish_started(data: object) -> None:
    show("publish_started", json.dumps(data))


@sio.on("publish_success", namespace="/sns")
def publish_success(data: object) -> None:
    show("publish_success", json.dumps(data))


@sio.on("order_updated", namespace="/orders")
def order_updated(data: object) -> None:
    show("order_updated", json.dumps(data))


class Notifications(socketio.ClientNamespace):
    def on_connect(self) -> None:
        show("connected /notifications")

    def on_notification(self, data: dict[str, object]) -> None:
        show("notification", json.dumps(data))
        sio.disconnect()

    def on_disconnect(self, reason: str) -> None:
        show("gone /notifications", reason)


sio.register_namespace(Notifications("/notifications"))
try:
    sio.connect(url, auth={"token": token})
except socketio.exceptions.ConnectionError as error:
    show("ConnectionError", error)
    sys.exit(1)
show("transport", sio.transport())
sio.wait()
