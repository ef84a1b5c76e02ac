"""What plays a hub or a service that misbehaves: it answers what a test tells it, and remembers what it was asked.

Not here: the real one (`servers`).
"""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.servers import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

OK = {"success": True, "id": "0190c8a2-5b7e-7c31-9d0f-2f6f3a1c4e55", "recipients": 1}


@dataclass
class Answer:
    """An answer; `body` as JSON unless it is bytes."""

    status: int = 200
    body: Any = field(default_factory=lambda: dict(OK))
    headers: dict[str, str] = field(default_factory=dict)
    #: The connection is cut where more of the body should come.
    broken: bool = False


#: The connection is cut instead of an answer.
CUT = Answer(status=0)


@dataclass
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: Any


class ScriptedHub:
    """Gives its answers in order, and the last one for ever."""

    def __init__(self, *answers: Answer | Callable[[Asked], Answer]) -> None:
        self.asked: list[Asked] = []
        self._answers = list(answers) or [Answer()]
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # What is left of a connection that a client gave up does not hold the test.
            timeout = PATIENCE_S
            # An answer is one write: its second one would wait for the client's delayed acknowledgement, 40 ms.
            wbufsize = -1

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["content-length"]))
                in_lines = self.headers["content-type"] == "application/x-ndjson"
                body = [json.loads(line) for line in content.splitlines()] if in_lines else json.loads(content)
                asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                answer = outer._next(asked)
                if answer is CUT:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) + answer.broken))
                self.end_headers()
                self.wfile.write(content)
                if answer.broken:
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        class Listener(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that goes away in the middle is what some tests are about."""

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def _next(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return answer if isinstance(answer, Answer) else answer(asked)

    def keys(self) -> list[str]:
        """The idempotency keys in the order of the requests."""
        return [asked.headers["idempotency-key"] for asked in self.asked]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class RawServer:
    """Gives each connection to a function once its request is read; for answers that no HTTP library makes."""

    def __init__(self, serve: Callable[[socket.socket, threading.Event], None]) -> None:
        self.taken = 0
        self._over = threading.Event()
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.taken += 1
            thread = threading.Thread(target=self._one, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                self._serve(connection, self._over)
            except OSError:
                pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
