"""What can be published and what cannot, told before anything is sent; and what a client can be made of."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from fanfare import Fanfare, InvalidPublicationError, Publication, Retain, SettingsError
from fanfare.batch import Batch


def members(*args: Any, **kwargs: Any) -> dict[str, Any]:
    parsed = json.loads(Publication(*args, **kwargs).prepare().body)
    assert isinstance(parsed, dict)
    return parsed


def test_only_what_is_given_is_on_the_wire() -> None:
    assert members("t") == {"type": "t"}
    assert members("t", None) == {"type": "t", "data": None}
    assert members("t", channel=None, channels=None, namespace=None, retain=None, timestamp=None) == {"type": "t"}
    assert members("t", {}, sanitize=True, timestamp="2025-11-01T12:00:00Z") == {
        "type": "t",
        "data": {},
        "sanitize": True,
        "timestamp": "2025-11-01T12:00:00Z",
    }


def test_users_keep_their_kind_and_nobody_is_an_empty_list() -> None:
    assert members("t", user_id=7)["user_id"] == 7
    assert members("t", user_id="u-7")["user_id"] == "u-7"
    assert members("t", user_ids=iter([1, None, "2"]))["user_ids"] == [1, "2"]
    assert members("t", queue_id=3)["queue_id"] == "3"
    assert members("t", user_id=None) == {"type": "t", "user_ids": []}
    assert members("t", user_id=None, queue_id=None) == {"type": "t", "user_ids": []}
    assert members("t", user_ids=None, channel="jobs") == {"type": "t", "channel": "jobs"}


def test_what_is_retained_has_what_was_given() -> None:
    assert members("t", retain=Retain("k"))["retain"] == {"key": "k"}
    assert members("t", retain=Retain("k", 60, final=True))["retain"] == {"key": "k", "ttl_s": 60, "final": True}


def circle() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


@pytest.mark.parametrize(
    ("wrong", "member"),
    [
        ({"type": ""}, "type"),
        ({"type": 7}, "type"),
        ({"type": "t", "data": float("nan")}, "data"),
        ({"type": "t", "data": object}, "data"),
        ({"type": "t", "data": circle()}, "data"),
        ({"type": "t", "data": "\ud800"}, "data"),
        ({"type": "t", "data": {(1, 2): 3}}, "data"),
        ({"type": "t", "channels": "jobs"}, "channels"),
        ({"type": "t", "user_ids": 7}, "user_ids"),
        ({"type": "t", "timestamp": datetime(2025, 1, 1)}, "timestamp"),  # noqa: DTZ001 - that is what is wrong with it
        ({"type": "t", "timestamp": 7}, "timestamp"),
        ({"type": "t", "idempotency_key": ""}, "idempotency_key"),
        ({"type": "t", "idempotency_key": "ü"}, "idempotency_key"),
        ({"type": "t", "idempotency_key": "a\r\nX-Other: b"}, "idempotency_key"),
        ({"type": "t", "idempotency_key": "x" * 256}, "idempotency_key"),
    ],
    ids=repr,
)
def test_what_cannot_be_sent_names_its_member(wrong: dict[str, Any], member: str) -> None:
    with pytest.raises(InvalidPublicationError, match=f"^{member}: "):
        Publication(**wrong).prepare()
    with pytest.raises(InvalidPublicationError, match=f"^publication 1: {member}: "):
        Batch([{"type": "t"}, wrong])


def test_a_batch_is_told_of_members_that_there_are_not() -> None:
    with pytest.raises(InvalidPublicationError, match="publication 0: "):
        Batch([{"type": "t", "user": 7}])
    with pytest.raises(InvalidPublicationError, match="publication 0: "):
        Batch([{"data": 7}])


def test_what_is_prepared_does_not_change_any_more() -> None:
    data = {"n": 1}
    prepared = Publication("t", data).prepare()
    data["n"] = 2
    assert json.loads(prepared.body)["data"] == {"n": 1}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://hub:8080", "http://hub:8080/broadcast"),
        ("http://hub:8080/", "http://hub:8080/broadcast"),
        (" https://hub/at/ ", "https://hub/at/broadcast"),
        ("ws://hub:8080/ws?token=x#y", "http://hub:8080/ws/broadcast"),
        ("wss://[::1]:8443", "https://[::1]:8443/broadcast"),
    ],
)
def test_addresses_are_read_as_the_other_clients_do(url: str, address: str) -> None:
    assert str(Fanfare(url)._settings.at("broadcast")) == address


@pytest.mark.parametrize(
    "url", ["hub:8080", "ftp://hub", "http://", "//hub", "http://user:s3cr3t@hub", "http://hub:999999", "\0"]
)
def test_what_is_no_address_is_told_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError, match="WS_SERVICE_URL") as wrong:
        Fanfare(url)
    assert "s3cr3t" not in str(wrong.value)


@pytest.mark.parametrize("key", ["with\nnewline", "ümlaut", " padded "])
def test_what_is_no_key_is_told_without_showing_it(key: str) -> None:
    with pytest.raises(SettingsError, match="FANFARE_API_KEY") as wrong:
        Fanfare(api_key=key)
    assert key.strip() not in str(wrong.value)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_times_are_above_zero(seconds: float) -> None:
    with pytest.raises(SettingsError, match="timeout"):
        Fanfare(timeout=seconds)
    with pytest.raises(SettingsError, match="deadline"):
        Fanfare(deadline=seconds)


def test_the_environment_names_hub_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(Fanfare()._settings.url) == "http://127.0.0.1:8080"
    monkeypatch.setenv("WS_SERVICE_URL", "http://hub:1")
    monkeypatch.setenv("FANFARE_API_KEY", "k-of-the-environment")
    settings = Fanfare()._settings
    assert (str(settings.url), settings.api_key) == ("http://hub:1", "k-of-the-environment")
    assert "k-of" not in repr(settings)
    settings = Fanfare("http://other", "k2")._settings
    assert (str(settings.url), settings.api_key) == ("http://other", "k2")
    monkeypatch.setenv("WS_SERVICE_URL", "")
    monkeypatch.setenv("FANFARE_API_KEY", "")
    assert Fanfare()._settings.api_key is None
