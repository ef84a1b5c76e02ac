"""What a client sees: real WebSocket connections, as a script with Python's `websockets` makes them.

Not here: what a client of each world would do with it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from websockets.sync.client import connect

from tests.servers import PATIENCE_S, token

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from tests.servers import Hub


class Watcher:
    """A connection whose frames are read one by one."""

    def __init__(self, hub: Hub, path: str) -> None:
        self._socket = connect(hub.socket_url(path), proxy=None, max_size=4 << 20)
        self.welcome = self.next()

    @classmethod
    def channel(cls, hub: Hub, *channels: str) -> Self:
        """A client of `/ws` that follows these channels."""
        watcher = cls(hub, "/ws")
        if channels:
            watcher._socket.send(json.dumps({"type": "subscribe", "channels": channels}))
            assert watcher.next()["type"] == "subscribed"
        return watcher

    @classmethod
    def user(cls, hub: Hub, user: int | str) -> Self:
        """A signed-in client of `/ws`."""
        return cls(hub, f"/ws?token={token(user)}")

    @classmethod
    def tasks(cls, hub: Hub, user: int | str) -> Self:
        """A signed-in client of `/ws/notifications/`."""
        watcher = cls(hub, f"/ws/notifications/?token={token(user)}")
        assert watcher.welcome["type"] == "connection_established", watcher.welcome
        return watcher

    @property
    def connection_id(self) -> str:
        """The connection's id on `/ws`."""
        return str(self.welcome["data"]["connection_id"])

    def next(self) -> dict[str, Any]:
        """The next frame."""
        frame = json.loads(self._socket.recv(timeout=PATIENCE_S))
        assert isinstance(frame, dict)
        return frame

    def take(self, count: int) -> list[dict[str, Any]]:
        """The next frames."""
        return [self.next() for _ in range(count)]

    def nothing_more(self) -> bool:
        """Whether nothing has come by the time the hub answers a ping."""
        self._socket.send('{"type":"ping"}')
        return bool(self.next()["type"] == "pong")

    def close(self) -> None:
        """Goes away."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
