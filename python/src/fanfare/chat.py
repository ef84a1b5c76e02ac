"""Messages to the chat service: `ChatService` and `AsyncChatService`. It stores a message, then delivers it.

Not here: reading messages, which is a user's own (`GET /api/chat/…` with the user's token), and the short forms for
back ends that used to serve Socket.IO themselves (`socketio`).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from fanfare import answers
from fanfare.errors import InvalidPublicationError
from fanfare.exchange import KEY_HEADER, Verify
from fanfare.post import AsyncPoster, Poster
from fanfare.publication import encode, key_of
from fanfare.retry import Tries
from fanfare.settings import CHAT, DEADLINE, TIMEOUT, Settings

if TYPE_CHECKING:
    from types import TracebackType

    import httpx
    from typing_extensions import Self

    from fanfare.answers import Sent
    from fanfare.publication import UserId

__all__ = ["AsyncChatService", "ChatService", "default_chat"]

#: The longest user id, in characters: hub and services take 195 bytes.
_MAX_USER: Final = 200


class ChatService:
    """Sends messages as users, in the name of a back end.

    `url`: its address (`CHAT_SERVICE_URL`, else `http://127.0.0.1:8086`; with `fanfare up` that of the hub).
    `service_key`: the key by which services know each other (`SERVICE_API_KEY`). The rest, retries, threads and forks
    are as for `Fanfare`. Raises `SettingsError`.
    """

    def __init__(
        self,
        url: str | None = None,
        service_key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        verify: Verify = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = Settings.of_service(url, service_key, timeout, deadline, CHAT)
        self._poster = Poster(self._settings, verify, transport)

    def send(
        self,
        from_user_id: UserId,
        to_user_id: UserId,
        text: str,
        *,
        deadline: float | None = None,
        attempts: int | None = None,
        idempotency_key: str | None = None,
    ) -> Sent:
        """Sends one message, and returns its id when it is stored; delivery follows by itself.

        All tries have one key, so it is stored once. Raises `InvalidPublicationError` before anything is sent, else
        `PublishError`: 422 `RefusedError` for a text that the service does not take (more than 4 KB, control
        characters), 403 where the recipient has blocked the sender.
        """
        path, body, headers = _message(from_user_id, to_user_id, text, idempotency_key)
        return self._poster.call(path, body, headers, _tries(self._settings, deadline, attempts), answers.stored_of)

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
        return f"ChatService({str(self._settings.url)!r})"


class AsyncChatService:
    """`ChatService` for asyncio; its connections are as those of `AsyncFanfare`."""

    def __init__(
        self,
        url: str | None = None,
        service_key: str | None = None,
        *,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        verify: Verify = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = Settings.of_service(url, service_key, timeout, deadline, CHAT)
        self._poster = AsyncPoster(self._settings, verify, transport)

    async def send(
        self,
        from_user_id: UserId,
        to_user_id: UserId,
        text: str,
        *,
        deadline: float | None = None,
        attempts: int | None = None,
        idempotency_key: str | None = None,
    ) -> Sent:
        """Sends one message; as `ChatService.send`."""
        path, body, headers = _message(from_user_id, to_user_id, text, idempotency_key)
        tries = _tries(self._settings, deadline, attempts)
        return await self._poster.call(path, body, headers, tries, answers.stored_of)

    async def aclose(self) -> None:
        """Closes the connections. A later call opens new ones."""
        await self._poster.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncChatService({str(self._settings.url)!r})"


def _tries(settings: Settings, deadline: float | None, attempts: int | None) -> Tries:
    return Tries(settings.deadline if deadline is None else deadline, attempts)


def _message(
    from_user_id: UserId, to_user_id: UserId, text: str, idempotency_key: str | None
) -> tuple[str, bytes, dict[str, str]]:
    """Path, body and headers of `POST /api/chat/{to}/messages`. Raises `InvalidPublicationError`."""
    for name, user in (("from_user_id", from_user_id), ("to_user_id", to_user_id)):
        # The last two mean something else in a path.
        if user is None or isinstance(user, bool) or user in ("", ".", "..") or len(str(user)) > _MAX_USER:
            raise InvalidPublicationError(f"{name}: a number or a text of at most {_MAX_USER} characters")
    if not isinstance(text, str):
        raise InvalidPublicationError("text: a text")
    sender = from_user_id if isinstance(from_user_id, int) else str(from_user_id)
    body = encode({"from_user_id": sender, "message": text}, "text")
    try:
        to = quote(str(to_user_id), safe="")
    except UnicodeEncodeError:
        raise InvalidPublicationError("to_user_id: half of a surrogate pair, which is no Unicode") from None
    key = str(uuid.uuid4()) if idempotency_key is None else key_of(idempotency_key)
    return f"api/chat/{to}/messages", body, {KEY_HEADER: key}


#: At most one; as the hub's in `client`.
_default: dict[str, ChatService] = {}


def default_chat() -> ChatService:
    """The chat service of this process, made of the environment when it is first asked for. Raises `SettingsError`."""
    kept = _default.get("chat")
    if kept is None:
        made = ChatService()
        kept = _default.setdefault("chat", made)
        if kept is not made:
            made.close()
    return kept
