"""How a hub is reached: address, API key, and how long a call may take.

Not here: configuration files. The address comes from `WS_SERVICE_URL` and the key from `FANFARE_API_KEY` where they
are not given.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Final

import httpx

from fanfare.errors import SettingsError

__all__ = ["DEADLINE", "TIMEOUT", "URL", "Settings"]

#: Where a hub on the same machine listens.
URL: Final = "http://127.0.0.1:8080"

#: The longest time for one try, in seconds: a hub that is behind makes a call wait for up to 1 s before it refuses it.
TIMEOUT: Final = 3.0

#: The longest time for a call with all its tries, in seconds: a restart of the hub takes less.
DEADLINE: Final = 10.0

_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True)
class Settings:
    """Checked settings. `repr` does not show the key."""

    url: httpx.URL
    api_key: str | None = field(repr=False)
    timeout: float = TIMEOUT
    deadline: float = DEADLINE

    @classmethod
    def of(cls, url: str | None, api_key: str | None, timeout: float, deadline: float) -> Settings:
        """Settings of what was given and the environment. Raises `SettingsError`."""
        # An empty variable is the same as one that is not set.
        url = url or os.environ.get("WS_SERVICE_URL") or URL
        key = api_key or os.environ.get("FANFARE_API_KEY") or None
        if key is not None and not (key.isascii() and key.isprintable() and key == key.strip()):
            raise SettingsError("the API key (FANFARE_API_KEY) can't stand in a header")
        for name, value in (("timeout", timeout), ("deadline", deadline)):
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"{name} is a number of seconds above 0")
        return cls(_address(url), key, timeout, deadline)

    def at(self, path: str) -> httpx.URL:
        """The address of a path of the hub."""
        return self.url.copy_with(path=f"{self.url.path.rstrip('/')}/{path}")

    def headers(self) -> dict[str, str]:
        """What every request carries."""
        # No compression: an answer is small, and its bound counts what is read.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return headers


def _address(text: str) -> httpx.URL:
    # What is wrong is told without the address: it may hold a password.
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, TypeError):
        raise SettingsError("the hub's address (WS_SERVICE_URL) is none") from None
    scheme = _SCHEMES.get(url.scheme)
    if scheme is None or not url.host:
        raise SettingsError("the hub's address (WS_SERVICE_URL) begins with neither http:// nor https://")
    if url.port is not None and not 0 < url.port < 65536:
        raise SettingsError("the hub's address (WS_SERVICE_URL) has a port that there is not")
    if url.userinfo:
        raise SettingsError("the hub's address (WS_SERVICE_URL) holds a user or a password; use an API key")
    return url.copy_with(scheme=scheme, query=None, fragment=None)
