"""What `broadcast_notification(user_id, data)` makes of what code in the field passes."""

from __future__ import annotations

import json
import uuid
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from fanfare import InvalidPublicationError
from fanfare.notification_data import notification_of


def of(data: object) -> dict[str, Any]:
    """The body of the notification for user 7, without the user."""
    body: dict[str, Any] = json.loads(notification_of(7, data, None).body)
    assert body.pop("user_id") == 7
    return body


def plain(title: str, message: str = "", **members: Any) -> dict[str, Any]:
    return {"title": title, "message": message, **members}


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"title": "Shipped", "message": "On its way"}, plain("Shipped", "On its way")),
        (
            {"title": "t", "type": "order", "category": "orders", "priority": "high", "data": {"n": 1}},
            plain("t", type="order", category="orders", priority="high", data={"n": 1}),
        ),
        # What pages of the field look at beside these is still there.
        (
            {"type": "order", "title": "t", "message": "m", "action_url": "/orders/9", "icon": None},
            plain("t", "m", type="order", data={"action_url": "/orders/9"}),
        ),
        ({"title": "t", "id": 5, "timestamp": "now"}, plain("t", data={"id": 5, "timestamp": "now"})),
        # What the caller put into `data` stands above what stood beside it.
        ({"title": "t", "n": 1, "data": {"n": 2}}, plain("t", data={"n": 2})),
        ({"title": "t", "n": 1, "data": [1]}, plain("t", data={"n": 1, "data": [1]})),
        (OrderedDict(title="t", data=OrderedDict(n=1)), plain("t", data={"n": 1})),
        ({"title": "t", 5: "five"}, plain("t", data={"5": "five"})),
    ],
    ids=repr,
)
def test_members_of_the_inbox_are_members_and_all_else_is_data(data: object, body: dict[str, Any]) -> None:
    assert of(data) == body


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"message": "On its way\nwith a friend"}, plain("On its way", "On its way\nwith a friend")),
        ({"message": "\n  \n Late "}, plain("Late", "\n  \n Late ")),
        ("a text", plain("a text", "a text")),
        ({"title": "  ", "message": "m"}, plain("m", "m")),
        ({"title": None, "body": "b"}, plain("b", "b")),
        ({"message": "", "text": "x"}, plain("x", "x")),
        ({"message": "m", "body": "b"}, plain("m", "m", data={"body": "b"})),
        ({"type": "order_updated", "order_id": 9}, plain("Order updated", type="order_updated", data={"order_id": 9})),
        ({}, plain("Notification")),
        (None, plain("Notification")),
        ([1, 2], plain("Notification", data={"data": [1, 2]})),
        (7, plain("Notification", data={"data": 7})),
        ({"title": 404}, plain("404")),
        ({"title": {"en": "t"}, "message": ["m"]}, plain("Notification", data={"message": ["m"]})),
    ],
    ids=repr,
)
def test_what_has_no_title_gets_one(data: object, body: dict[str, Any]) -> None:
    assert of(data) == body


def test_a_title_that_is_too_long_is_cut_and_stands_whole_in_data() -> None:
    title = "x" * 300
    assert of({"title": title, "n": 1}) == plain("x" * 199 + "…", data={"title": title, "n": 1})
    # A message stands whole in the message.
    assert of({"message": title}) == plain("x" * 199 + "…", title)
    assert of({"title": "x" * 200}) == plain("x" * 200)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        ({"type": "Order shipped!"}, plain("Order shipped", type="Order_shipped_", data={"type": "Order shipped!"})),
        ({"type": "주문", "title": "t"}, plain("t", type="_", data={"type": "주문"})),
        ({"type": "x" * 100, "title": "t"}, plain("t", type="x" * 64, data={"type": "x" * 100})),
        ({"type": 5, "title": "t"}, plain("t", data={"type": 5})),
        ({"category": ["a"], "title": "t"}, plain("t", data={"category": ["a"]})),
        ({"type": "", "category": None, "title": "t"}, plain("t")),
        ({"type": "a.b-c_d:e", "title": "t"}, plain("t", type="a.b-c_d:e")),
        ({"priority": "URGENT", "title": "t"}, plain("t", priority="urgent")),
        ({"priority": "medium", "title": "t"}, plain("t", data={"priority": "medium"})),
        ({"priority": 1, "title": "t"}, plain("t", data={"priority": 1})),
    ],
    ids=repr,
)
def test_names_that_the_inbox_does_not_take_are_mended_and_kept(data: object, body: dict[str, Any]) -> None:
    assert of(data) == body


@pytest.mark.parametrize(
    ("expires_at", "told"),
    [
        (datetime(2027, 1, 1, tzinfo=timezone(timedelta(hours=9))), "2026-12-31T15:00:00.000000Z"),
        (datetime(2027, 1, 1), "2027-01-01T00:00:00.000000Z"),  # noqa: DTZ001
        ("2027-01-01T00:00:00", "2027-01-01T00:00:00.000000Z"),
        ("2027-01-01T00:00:00+09:00", "2027-01-01T00:00:00+09:00"),
        ("next week", "next week"),
    ],
    ids=repr,
)
def test_the_time_of_expiry_is_one_with_a_zone(expires_at: object, told: str) -> None:
    assert of({"title": "t", "expires_at": expires_at}) == plain("t", expires_at=told)


def test_a_time_of_expiry_that_is_none_is_data() -> None:
    assert of({"title": "t", "expires_at": 1_900_000_000}) == plain("t", data={"expires_at": 1_900_000_000})
    assert of({"title": "t", "expires_at": None}) == of({"title": "t", "expires_at": ""}) == plain("t")


def test_values_may_be_what_python_has() -> None:
    one = uuid.UUID(int=7)
    assert of({"title": "t", "order": one}) == plain("t", data={"order": str(one)})


def test_what_is_passed_stays_as_it_was() -> None:
    data = {"title": "t", "n": 1, "data": {"m": 2}, "expires_at": "2027-01-01T00:00:00Z"}
    before = json.dumps(data)
    notification_of(7, data, None)
    assert json.dumps(data) == before


def test_a_user_and_a_key_are_checked_and_the_key_is_kept() -> None:
    assert notification_of(7, {}, "k").key == "k"
    assert uuid.UUID(notification_of(7, {}, None).key)
    for user in (None, "", True):
        with pytest.raises(InvalidPublicationError, match=r"^user_id: "):
            notification_of(user, {}, None)  # type: ignore[arg-type]
    with pytest.raises(InvalidPublicationError, match=r"^data: "):
        notification_of(7, {"n": object()}, None)
