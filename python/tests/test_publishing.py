"""What publishers rely on with the real hub: events arrive where they should, as they were sent, once."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from fanfare import Fanfare, Publication, Published, RefusedError, Retain, UnreachableError
from tests.servers import Hub, free_port
from tests.watching import Watcher

if TYPE_CHECKING:
    from tests.publishers import Publishers


def name() -> str:
    return f"c-{uuid.uuid4()}"


def test_an_event_reaches_the_subscribers_of_its_channel_and_nobody_else(publishers: Publishers, hub: Hub) -> None:
    channel = name()
    with Watcher.channel(hub, channel) as there, Watcher.channel(hub, name()) as elsewhere:
        answer = publishers(hub.url).publish("job_created", {"job_id": 7}, channel=channel)
        assert answer.recipients == 1
        assert uuid.UUID(answer.id).version == 7
        event = there.next()
        assert (event["type"], event["data"]) == ("job_created", {"job_id": 7})
        assert elsewhere.nothing_more()


def test_targets_add_up_and_one_connection_can_be_left_out(publishers: Publishers, hub: Hub, user: int) -> None:
    first, second, queue = name(), name(), name()
    with (
        Watcher.channel(hub, first) as a,
        Watcher.channel(hub, second) as b,
        Watcher.channel(hub, f"queue:{queue}") as c,
        Watcher.user(hub, user) as d,
        Watcher.channel(hub) as e,
        Watcher.channel(hub, first) as left_out,
    ):
        answer = publishers(hub.url).publish(
            "t",
            1,
            channels=[first, second],
            queue_id=queue,
            user_ids=[str(user), None],
            connection_id=e.connection_id,
            except_connection_id=left_out.connection_id,
        )
        assert answer.recipients == 5
        for watcher in (a, b, c, d, e):
            assert watcher.next()["data"] == 1
        assert left_out.nothing_more()


def test_without_a_target_everyone_gets_it(publishers: Publishers, hub: Hub) -> None:
    with Watcher.channel(hub) as watcher:
        kind = name()
        assert publishers(hub.url).publish(kind).recipients >= 1
        while (event := watcher.next())["type"] != kind:
            pass
        assert event["data"] == {}


@pytest.mark.parametrize("target", ["user_id", "user_ids", "connection_id", "queue_id"])
def test_an_event_for_a_user_that_is_missing_goes_to_nobody_and_not_to_everyone(
    publishers: Publishers, hub: Hub, target: str
) -> None:
    nobody: Any = {target: None}
    with Watcher.channel(hub) as watcher:
        assert publishers(hub.url).publish("private", {"secret": 1}, **nobody).recipients == 0
        assert watcher.nothing_more()


DATA: list[Any] = [
    None,
    [],
    "text",
    9007199254740993,
    -(2**63),
    2**64 - 1,
    1.5,
    True,
    {"nested": {"deep": [1, {"2": [None, False]}]}, "text": 'Größe 12 € 😀 \u2028 \x00 "quoted" \\ </script>'},
]


@pytest.mark.parametrize("data", DATA, ids=repr)
def test_data_arrive_as_they_were_sent(publishers: Publishers, hub: Hub, data: Any) -> None:
    channel = name()
    with Watcher.channel(hub, channel) as watcher:
        publishers(hub.url).publish("t", data, channel=channel)
        assert watcher.next()["data"] == data


def test_times_ids_and_amounts_of_python_arrive_as_text(hub: Hub) -> None:
    channel = name()
    moment = datetime(2026, 11, 21, 14, 30, 0, 123456, timezone(timedelta(hours=1)))
    key = uuid.UUID(int=7)
    with Watcher.channel(hub, channel) as watcher, Fanfare(hub.url) as publisher:
        publisher.publish(
            "t",
            {"at": moment, "day": moment.date(), "id": key, "sum": Decimal("12.50")},
            channel=channel,
            timestamp=moment,
        )
        event = watcher.next()
    assert event["data"] == {
        "at": "2026-11-21T13:30:00.123456Z",
        "day": "2026-11-21",
        "id": str(key),
        "sum": "12.50",
    }
    assert event["timestamp"] == "2026-11-21T13:30:00.123Z"


def test_the_same_key_is_sent_once_and_gets_the_first_answer(publishers: Publishers, hub: Hub) -> None:
    channel, key = name(), name()
    with Watcher.channel(hub, channel) as watcher:
        publisher = publishers(hub.url)
        first = publisher.publish("t", 1, channel=channel, idempotency_key=key)
        assert publisher.publish("t", 2, channel=channel, idempotency_key=key) == first
        assert watcher.next()["data"] == 1
        assert watcher.nothing_more()


def test_what_is_retained_is_given_to_who_comes_later_until_the_last_one(publishers: Publishers, hub: Hub) -> None:
    channel = name()
    publisher = publishers(hub.url)
    publisher.publish("state", 1, channel=channel, retain=Retain("k", ttl_s=60))
    publisher.publish("state", 2, channel=channel, retain={"key": "k", "final": True})
    with Watcher.channel(hub, channel) as watcher:
        assert watcher.next()["data"] == 2


def test_what_the_hub_refuses_is_told_with_its_code_and_not_tried_again(publishers: Publishers, hub: Hub) -> None:
    publisher = publishers(hub.url)
    with pytest.raises(RefusedError) as refused:
        publisher.publish("t", connection_id=str(uuid.uuid4()))
    assert (refused.value.status, refused.value.code) == (404, "connection_not_found")
    with pytest.raises(RefusedError, match="channel") as refused:
        publisher.publish("t", channel="no spaces")
    assert (refused.value.status, refused.value.code, refused.value.temporary) == (422, "invalid", False)
    with pytest.raises(RefusedError) as refused:
        publisher.publish("t", "x" * (1 << 20))
    assert refused.value.status == 413


def test_a_key_opens_its_channels_and_is_in_no_error(publishers: Publishers) -> None:
    with Hub(FANFARE_API_KEYS="shop:the-key-of-the-shop-0123456789:orders:*").start() as hub:
        shop = publishers(hub.url, "the-key-of-the-shop-0123456789")
        assert shop.publish("t", channel="orders:eu").recipients == 0
        with pytest.raises(RefusedError) as refused:
            shop.publish("t", channel="jobs")
        assert refused.value.status == 403
        wrong = publishers(hub.url, "a-wrong-key-of-some-length-012345")
        with pytest.raises(RefusedError) as unknown:
            wrong.publish("t", channel="orders:eu")
        assert unknown.value.status in (401, 403)
        for error in (refused.value, unknown.value):
            assert "key-of" not in f"{error!r} {error} {error.__dict__}"
        assert "key-of" not in f"{shop!r} {vars(shop)}"


def test_a_call_waits_for_a_hub_that_starts_again(publishers: Publishers) -> None:
    with Hub(port=free_port()) as hub:
        hub.start()
        publisher = publishers(hub.url, deadline=30)
        publisher.publish("t")
        hub.stop()
        again = threading.Timer(0.3, hub.start)
        again.start()
        # The connection of before is dead; then nobody listens; then the hub is back.
        assert publisher.publish("t").recipients == 0
        again.join()


def test_a_batch_keeps_its_order_and_one_that_is_wrong_costs_the_others_nothing(
    publishers: Publishers, hub: Hub
) -> None:
    channel = name()
    with Watcher.channel(hub, channel) as watcher:
        results = publishers(hub.url).publish_batch(
            [
                Publication("t", 0, channel=channel),
                Publication("t", 1, channel="no spaces"),
                {"type": "t", "data": 2, "channel": channel},
            ]
        )
        assert [event["data"] for event in watcher.take(2)] == [0, 2]
    assert [type(result) for result in results] == [Published, RefusedError, Published]
    assert isinstance(results[1], RefusedError)
    assert (results[1].status, results[1].code) == (422, "invalid")


def test_a_batch_may_have_any_length_and_items_of_any_size(publishers: Publishers, hub: Hub) -> None:
    channel = name()
    large = "x" * 400_000
    items = [Publication("t", n, channel=channel) for n in range(2500)]
    items[1200:1200] = [Publication("t", large, channel=channel) for _ in range(5)]
    items[7] = Publication("t", "x" * (2 << 20), channel=channel)
    with Watcher.channel(hub, channel) as watcher:
        results = publishers(hub.url).publish_batch(items, deadline=60)
        wanted = [item.data for place, item in enumerate(items) if place != 7]
        assert [event["data"] for event in watcher.take(len(wanted))] == wanted
    refused = [(place, result) for place, result in enumerate(results) if not isinstance(result, Published)]
    assert [(place, str(getattr(result, "status", ""))) for place, result in refused] == [(7, "413")]


def test_a_batch_is_sent_once_however_often_it_is_published(publishers: Publishers, hub: Hub) -> None:
    channel = name()
    batch = [Publication("t", n, channel=channel, idempotency_key=f"{channel}-{n}") for n in range(3)]
    with Watcher.channel(hub, channel) as watcher:
        publisher = publishers(hub.url)
        assert publisher.publish_batch(batch) == publisher.publish_batch(batch)
        assert [event["data"] for event in watcher.take(3)] == [0, 1, 2]
        assert watcher.nothing_more()


def test_an_empty_batch_needs_no_hub(publishers: Publishers) -> None:
    assert publishers(f"http://127.0.0.1:{free_port()}").publish_batch([]) == []


def test_a_batch_to_a_hub_that_is_away_fails_as_a_whole(publishers: Publishers) -> None:
    publisher = publishers(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnreachableError):
        publisher.publish_batch([Publication("t")] * 1500, deadline=0.3)


def test_a_hundred_threads_may_share_one_client(hub: Hub) -> None:
    channel = name()
    with Watcher.channel(hub, channel) as watcher, Fanfare(hub.url) as publisher:
        threads = [
            threading.Thread(target=publisher.publish, args=("t", n), kwargs={"channel": channel}) for n in range(100)
        ]
        for thread in threads:
            thread.start()
        assert sorted(event["data"] for event in watcher.take(100)) == list(range(100))
        for thread in threads:
            thread.join()


def test_json_on_the_wire_is_short_and_in_utf_8() -> None:
    body = Publication("t", {"a": "ü"}, user_id=7, retain=Retain("k")).prepare().body
    assert body == '{"type":"t","data":{"a":"ü"},"user_id":7,"retain":{"key":"k"}}'.encode()
    assert json.loads(Publication("t").prepare().item()).keys() == {"type", "idempotency_key"}
