"""`fanfare-publish`: one event from the shell, and its exit codes."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from fanfare.commands.publish import main
from tests.scripted import Answer, ScriptedHub
from tests.servers import Hub, free_port
from tests.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedHub]:
    with ScriptedHub() as hub:
        monkeypatch.setenv("WS_SERVICE_URL", hub.url)
        yield hub


def test_an_event_reaches_its_user(hub: Hub, user: int, capsys: pytest.CaptureFixture[str]) -> None:
    with Watcher.user(hub, user) as watcher:
        assert main(["--url", hub.url, "order_shipped", "order=981", "note=two parts", "-u", str(user)]) == 0
        event = watcher.next()
    assert (event["type"], event["data"]) == ("order_shipped", {"order": 981, "note": "two parts"})
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == {"id", "recipients"}
    assert answer["recipients"] == 1


@pytest.mark.parametrize(
    ("words", "data"),
    [
        ([], {}),
        (
            ["a=1", "b=x", "c=", "d=a=b", "e=null", "f=[1,2]", "g=NaN"],
            {"a": 1, "b": "x", "c": "", "d": "a=b", "e": None, "f": [1, 2], "g": "NaN"},
        ),
        (['{"a":"b=c"}'], {"a": "b=c"}),
        (["[1, 2]"], [1, 2]),
        (['"a=b"'], "a=b"),
        (["7"], 7),
        (["null"], None),
    ],
    ids=repr,
)
def test_data_are_json_or_pairs(scripted: ScriptedHub, words: list[str], data: Any) -> None:
    assert main(["t", *words]) == 0
    assert scripted.asked[0].body == {"type": "t", "data": data}


def test_data_may_come_from_standard_input(scripted: ScriptedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": "from a file"}\n'))
    assert main(["t", "-", "--channel", "jobs"]) == 0
    assert scripted.asked[0].body == {"type": "t", "data": {"a": "from a file"}, "channels": ["jobs"]}


def test_every_flag_is_a_member_of_the_publication(scripted: ScriptedHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANFARE_API_KEY", "k-of-the-environment")
    flags = "-c a -c b -u 7 -u 8 -q 9 --connection c1 --namespace /chat --except-connection c2"
    flags += " --retain oracle_upload:602 --ttl 60 --timestamp 2025-11-01T12:00:00Z --sanitize --idempotency-key once"
    assert main(["t", *flags.split()]) == 0
    asked = scripted.asked[0]
    assert asked.body == {
        "type": "t",
        "data": {},
        "channels": ["a", "b"],
        "user_ids": ["7", "8"],
        "queue_id": "9",
        "connection_id": "c1",
        "namespace": "/chat",
        "except_connection_id": "c2",
        "retain": {"key": "oracle_upload:602", "ttl_s": 60},
        "timestamp": "2025-11-01T12:00:00Z",
        "sanitize": True,
    }
    assert asked.headers["idempotency-key"] == "once"
    assert asked.headers["authorization"] == "Bearer k-of-the-environment"


#: So late that the command does not wait for it.
LATER = {"Retry-After": "3600"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(422), 3),
        (Answer(401), 3),
        (Answer(429, headers=LATER), 4),
        (Answer(503, headers=LATER), 4),
        (Answer(502), 5),
        (Answer(500), 1),
    ],
    ids=repr,
)
def test_the_exit_code_says_whose_fault_it_is(answer: Answer, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedHub(answer) as hub:
        assert main(["--url", hub.url, "--deadline", "3", "t"]) == code
    assert re.match(r"fanfare-publish: [^\n]+\n$", capsys.readouterr().err)


def test_a_hub_that_is_away_is_code_5(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", f"http://127.0.0.1:{free_port()}", "--deadline", "0.2", "t"]) == 5
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["t", "{"],
        ["t", "a"],
        ["t", "a=1", "b"],
        ["t", "=1"],
        ["t", "NaN"],
        ["t", "--ttl", "60"],
        ["t", "--final"],
        ["t", "--retain", "k", "--ttl", "soon"],
        ["t", "--api-key", "k"],
        ["t", "--url", "ftp://hub"],
        ["t", "--deadline", "-1"],
        ["t", "--idempotency-key", "ü"],
        [""],
    ],
    ids=repr,
)
def test_wrong_usage_is_code_2_and_one_clear_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = main(words)
    except SystemExit as end:
        code = end.code
    assert code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("fanfare-publish: ")


def test_help_tells_of_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert all(f"\n  {code}  " in told for code in range(6))
