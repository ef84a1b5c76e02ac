"""Socket.IO clients as the field has them: `python-socketio` with threads and with asyncio, behind one face.

Not here: what they are told (`test_socketio_clients`), and a script as it stands in the field (`field_socketio`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest
import socketio

from tests.servers import PATIENCE_S, token, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NAMESPACES: Final = ("/sns", "/orders", "/chat", "/notifications")

#: The ways a client may come: as most do, by polling alone, by WebSocket alone.
TRANSPORTS: Final = {"upgrade": ["polling", "websocket"], "polling": ["polling"], "websocket": ["websocket"]}

#: What tells who is there, which tests about something else leave out.
PRESENCE: Final = ("user_online", "user_offline")


#: What modules say that use these clients: python-socketio closes not all of its sockets.
LEAVES_SOCKETS: Final = pytest.mark.filterwarnings("ignore::ResourceWarning")


def in_order(client: Any) -> Any:
    """A client that handles one message after the other; else each has a thread, and nobody knows which is first."""
    trigger = client.eio._trigger_event
    client.eio._trigger_event = lambda event, *args, **_: trigger(event, *args, run_async=False)
    return client


class Client:
    """One client with its namespaces. What comes is kept by namespace, in order."""

    def __init__(self, kind: str, transports: str = "upgrade", **options: Any) -> None:
        self.kind = kind
        self._transports = TRANSPORTS[transports]
        self._events: dict[str, list[tuple[str, Any]]] = {}
        self.connected: list[str] = []
        self.refused: dict[str, Any] = {}
        self.lost: list[str] = []
        self._closed = False
        options = {"handle_sigint": False, "reconnection_delay": 0.1, "reconnection_delay_max": 0.5, **options}
        self._client: Any = in_order(socketio.Client(**options)) if kind == "sync" else None
        self._loop: asyncio.AbstractEventLoop | None = None
        if kind == "async":
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever)
            self._thread.start()

            async def make() -> Any:
                return socketio.AsyncClient(**options)

            self._client = self._wait(make())

    def connect(
        self, url: str, auth: object, namespaces: Sequence[str] = NAMESPACES, *, wait: bool = True, **options: Any
    ) -> Client:
        """Connects, and with `wait` returns when all namespaces are; else at once."""
        for namespace in namespaces:
            self._watch(namespace)
        self._wait(
            self._client.connect(
                url,
                auth=auth,
                transports=self._transports,
                namespaces=list(namespaces),
                wait=wait,
                wait_timeout=PATIENCE_S,
                **options,
            )
        )
        return self

    def _watch(self, namespace: str) -> None:
        seen = self._events.setdefault(namespace, [])

        def any_event(event: str, *args: Any) -> None:
            seen.append((event, args[0] if len(args) == 1 else args))

        def connected() -> None:
            self.connected.append(namespace)

        def refused(why: Any = None) -> None:
            self.refused[namespace] = why

        def lost(*_: Any) -> None:
            self.lost.append(namespace)

        for event, handler in (
            ("*", any_event),
            ("connect", connected),
            ("connect_error", refused),
            ("disconnect", lost),
        ):
            self._client.on(event, handler, namespace=namespace)

    @property
    def transport(self) -> str:
        """What it speaks over now: `polling` or `websocket`."""
        return str(self._client.transport())

    def all(self, namespace: str) -> list[tuple[str, Any]]:
        """All that has come in a namespace but who is there."""
        return [(event, data) for event, data in list(self._events[namespace]) if event not in PRESENCE]

    def presence(self, namespace: str) -> list[tuple[str, Any]]:
        """Who came and went in a namespace."""
        return [(event, data) for event, data in list(self._events[namespace]) if event in PRESENCE]

    def take(self, namespace: str, count: int = 1) -> list[tuple[str, Any]]:
        """The first events of a namespace, once there are so many."""
        wait_until(lambda: len(self.all(namespace)) >= count, f"{count} events in {namespace}")
        return self.all(namespace)[:count]

    def call(self, namespace: str, event: str, data: Any = None) -> Any:
        """Emits an event, and returns its acknowledgement."""
        return self._wait(self._client.call(event, data, namespace=namespace, timeout=PATIENCE_S))

    def emit(self, namespace: str, event: str, data: Any = None, callback: Callable[..., None] | None = None) -> None:
        """Emits an event, and waits for nothing."""
        self._wait(self._client.emit(event, data, namespace=namespace, callback=callback))

    def sid(self, namespace: str) -> str:
        """The socket's id in a namespace."""
        return str(self._client.get_sid(namespace))

    def close(self) -> None:
        """Goes away, once."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(Exception):
            self._wait(self._client.disconnect())
        with contextlib.suppress(Exception):
            self._wait(self._client.shutdown())
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _wait(self, work: Any) -> Any:
        if self._loop is None:
            return work
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S * 2)


class Clients:
    """Makes clients, and closes them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._made: list[Client] = []

    def client(self, kind: str = "sync", transports: str = "upgrade", **options: Any) -> Client:
        """One that is not connected."""
        client = Client(kind, transports, **options)
        self._made.append(client)
        return client

    def user(
        self,
        user: int | str,
        kind: str = "sync",
        transports: str = "upgrade",
        namespaces: Sequence[str] = NAMESPACES,
        **options: Any,
    ) -> Client:
        """One of a user, connected to all its namespaces."""
        client = self.client(kind, transports, **options)
        return client.connect(self.url, {"token": token(user)}, namespaces)

    def close(self) -> None:
        for client in self._made:
            client.close()


#: Each kind of client with each way to connect.
EVERY_WAY: Final = list(itertools.product(("sync", "async"), TRANSPORTS))


@contextlib.contextmanager
def clients_of(url: str) -> Iterator[Clients]:
    """Clients of a server that are closed in the end."""
    made = Clients(url)
    try:
        yield made
    finally:
        made.close()
        # Their clients leave sockets to the garbage collector: here, where the tests do not mind (`LEAVES_SOCKETS`).
        del made
        gc.collect()
