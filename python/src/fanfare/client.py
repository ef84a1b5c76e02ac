"""The publisher for threads and processes that may wait: `Fanfare`.

Not here: the one for asyncio (`aio`), the progress of tasks (`progress`), what is sent (`publication`), how (`post`).
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from fanfare import answers
from fanfare.batch import Batch
from fanfare.errors import PublishError
from fanfare.exchange import KEY_HEADER, Verify
from fanfare.post import Poster
from fanfare.publication import UNSET, Options, Prepared, Publication
from fanfare.retry import Tries
from fanfare.settings import DEADLINE, TIMEOUT, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    import httpx
    from typing_extensions import Self, Unpack

    from fanfare.answers import Published

__all__ = ["Fanfare", "default_client"]


class Fanfare:
    """Publishes to one hub.

    `url`: its address (`WS_SERVICE_URL`, else `http://127.0.0.1:8080`). `api_key`: where the hub wants one
    (`FANFARE_API_KEY`). `timeout`: seconds for one try, `deadline`: seconds for a call with all its tries and waits.
    `verify`: how the certificate of an https hub is checked. `transport`: another way to the hub, for tests.

    A call is tried again, with the same idempotency key, while the hub is away or busy: on connection errors, timeouts,
    429, 502, 503 and 504, never on another 4xx. Proxies of the environment are not used, redirects not followed.

    One client may be shared by threads. In a forked process it opens connections of its own. Nothing is connected
    before the first call. Raises `SettingsError`.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        verify: Verify = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = Settings.of(url, api_key, timeout, deadline)
        self._poster = Poster(self._settings, verify, transport)

    def publish(
        self,
        type: str,
        data: object = UNSET,
        *,
        deadline: float | None = None,
        attempts: int | None = None,
        **options: Unpack[Options],
    ) -> Published:
        """Publishes one event, and returns when the hub has it.

        `options` are the targets and all else that a `Publication` has. `deadline` and `attempts` bound this call.
        Raises `InvalidPublicationError` before anything is sent, else `PublishError`; after the last try a
        temporary one.
        """
        return self.send(Publication(type, data, **options), deadline=deadline, attempts=attempts)

    def send(
        self, publication: Publication | Prepared, *, deadline: float | None = None, attempts: int | None = None
    ) -> Published:
        """As `publish`, of a publication that is there already."""
        prepared = publication.prepare() if isinstance(publication, Publication) else publication
        headers = {KEY_HEADER: prepared.key}
        return self._poster.call(
            "broadcast", prepared.body, headers, self._tries(deadline, attempts), answers.published_of
        )

    def publish_batch(
        self,
        publications: Iterable[Publication | Prepared | Mapping[str, object]],
        *,
        deadline: float | None = None,
        attempts: int | None = None,
    ) -> list[Published | PublishError]:
        """Publishes several in their order, and tells of each what became of it.

        One that the hub refuses costs the others nothing. Long lists go out in several calls, each with the deadline.
        Once the hub stays away or busy, or lets nobody in, the later ones are not tried. Raises
        `InvalidPublicationError` before anything is sent, and `PublishError` when the whole batch failed with it.
        """
        batch = Batch(publications)
        while (call := batch.next_call()) is not None:
            tries = self._tries(deadline, attempts)
            while True:
                error: PublishError | None
                try:
                    answered = self._poster.once(
                        "broadcast/batch",
                        call.body(),
                        {},
                        tries.remaining(),
                        partial(answers.batch_of, call.count()),
                    )
                    error = batch.settle(call, answered)
                except PublishError as failed:
                    error = failed
                if error is None:
                    break
                wait = tries.wait_after(error)
                if wait is None:
                    batch.give_up(call, error)
                    break
                time.sleep(wait)
        return batch.results()

    def close(self) -> None:
        """Closes the connections. A later call opens new ones."""
        self._poster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Fanfare({str(self._settings.url)!r})"

    def _tries(self, deadline: float | None, attempts: int | None) -> Tries:
        return Tries(self._settings.deadline if deadline is None else deadline, attempts)


#: At most one. A dictionary, since its `setdefault` needs no lock, which a fork could take along.
_default: dict[str, Fanfare] = {}


def default_client() -> Fanfare:
    """The client of this process, made of the environment when it is first asked for. Raises `SettingsError`."""
    kept = _default.get("client")
    if kept is None:
        made = Fanfare()
        kept = _default.setdefault("client", made)
        if kept is not made:
            made.close()
    return kept
