"""How the hub or a service is reached: address, key, and how long a call may take.

Not here: configuration files. Where address and key are not given they come from the environment: `WS_SERVICE_URL` and
`FANFARE_API_KEY` for the hub, `CHAT_SERVICE_URL`, `NOTIFICATION_SERVICE_URL` and `SERVICE_API_KEY` for the services.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Final

import httpx

from fanfare.errors import SettingsError

__all__ = ["CHAT", "DEADLINE", "HUB", "NOTIFICATIONS", "TIMEOUT", "Place", "Settings"]

#: The longest time for one try, in seconds: a hub that is behind makes a call wait for up to 1 s before it refuses it.
TIMEOUT: Final = 3.0

#: The longest time for a call with all its tries, in seconds: a restart of the hub takes less.
DEADLINE: Final = 10.0

_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}


@dataclass(frozen=True)
class Place:
    """A server that calls go to: its name in errors, the variables of its address and key, its address without them."""

    name: str
    url_variable: str
    key_variable: str
    key_name: str
    url: str


#: The hub, on its port of the same machine (contract: channels).
HUB: Final = Place("the hub", "WS_SERVICE_URL", "FANFARE_API_KEY", "the API key", "http://127.0.0.1:8080")

#: The chat service, on its port of the same machine (contract: services, Addresses).
CHAT: Final = Place(
    "the chat service", "CHAT_SERVICE_URL", "SERVICE_API_KEY", "the service key", "http://127.0.0.1:8086"
)

#: The notification service, on its port of the same machine (contract: services, Addresses).
NOTIFICATIONS: Final = Place(
    "the notification service",
    "NOTIFICATION_SERVICE_URL",
    "SERVICE_API_KEY",
    "the service key",
    "http://127.0.0.1:8084",
)


@dataclass(frozen=True)
class Settings:
    """Checked settings. `repr` does not show the key."""

    url: httpx.URL
    api_key: str | None = field(repr=False)
    timeout: float = TIMEOUT
    deadline: float = DEADLINE
    place: Place = HUB

    @classmethod
    def of(cls, url: str | None, api_key: str | None, timeout: float, deadline: float, place: Place = HUB) -> Settings:
        """Settings of what was given and the environment. Raises `SettingsError`."""
        # An empty variable is the same as one that is not set.
        url = url or os.environ.get(place.url_variable) or place.url
        key = api_key or os.environ.get(place.key_variable) or None
        if key is not None and not (key.isascii() and key.isprintable() and key == key.strip()):
            raise SettingsError(f"{place.key_name} ({place.key_variable}) can't stand in a header")
        for name, value in (("timeout", timeout), ("deadline", deadline)):
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"{name} is a number of seconds above 0")
        return cls(_address(url, place), key, timeout, deadline, place)

    @classmethod
    def of_service(
        cls, url: str | None, service_key: str | None, timeout: float, deadline: float, place: Place
    ) -> Settings:
        """Those of a service, which knows a back end by the service key alone. Raises `SettingsError` without one."""
        settings = cls.of(url, service_key, timeout, deadline, place)
        if settings.api_key is None:
            raise SettingsError(
                f"{place.name} knows a back end by {place.key_name} ({place.key_variable}), which is missing"
            )
        return settings

    def at(self, path: str) -> httpx.URL:
        """The address of a path, whose parts are percent-encoded already."""
        base = self.url.raw_path.partition(b"?")[0].rstrip(b"/")
        return self.url.copy_with(raw_path=base + b"/" + path.encode("ascii"))

    def headers(self) -> dict[str, str]:
        """What every request carries."""
        # No compression: an answer is small, and its bound counts what is read.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        return headers


def _address(text: str, place: Place) -> httpx.URL:
    which = f"{place.name}'s address ({place.url_variable})"
    # What is wrong is told without the address: it may hold a password.
    try:
        url = httpx.URL(text.strip())
    except (httpx.InvalidURL, TypeError):
        raise SettingsError(f"{which} is none") from None
    scheme = _SCHEMES.get(url.scheme)
    if scheme is None or not url.host:
        raise SettingsError(f"{which} begins with neither http:// nor https://")
    if url.port is not None and not 0 < url.port < 65536:
        raise SettingsError(f"{which} has a port that there is not")
    if url.userinfo:
        raise SettingsError(f"{which} holds a user or a password; use a key")
    return url.copy_with(scheme=scheme, query=None, fragment=None)
