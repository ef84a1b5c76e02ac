"""A task's publications, held to the golden file that the hub and the browser read too; and its steps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fanfare.task_events import MAX_TEXT, TaskEvents, text_of
from tests.servers import REPOSITORY

if TYPE_CHECKING:
    from fanfare.publication import Publication

STEPS = ["Preparing Data", "Upload to UCM", "Interface Loader", "Journal Import", "AutoPost"]

GOLDEN: list[dict[str, Any]] = [
    entry["publication"]
    for entry in json.loads((REPOSITORY / "crates/protocol/fixtures/flat.json").read_text("utf-8"))
    if entry["dialect"] == "tasks" and entry["publication"]["type"].startswith("oracle_upload_")
]


def events() -> TaskEvents:
    return TaskEvents(123, "oracle_upload", 602, STEPS, title="Upload")


def published(publication: Publication) -> dict[str, Any]:
    body = json.loads(publication.prepare().body)
    assert isinstance(body, dict)
    return body


def of(golden: dict[str, Any]) -> Publication:
    """What a task publishes where the golden file has this."""
    data, task = golden["data"], events()
    kind = golden["type"].removeprefix("oracle_upload_")
    if kind == "progress":
        task.advance(data["step_number"] - 1) if data["step_number"] > 1 else None
        return task.advance(data["step"], None if data["message"].endswith("5)") else data["message"])
    if kind == "completed":
        return task.completed(data["result_path"])
    return task.started() if kind == "started" else task.failed(data["error"])


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: f"{golden['type']} {golden['data']['message']}")
def test_publications_are_those_of_the_golden_file_to_the_byte(golden: dict[str, Any]) -> None:
    body = published(of(golden))
    assert body["type"] == golden["type"]
    # The hub makes the time; an entry of the file may have one of its own.
    data = {name: value for name, value in golden["data"].items() if name != "timestamp"}
    assert json.dumps(body["data"]) == json.dumps(data)
    assert "timestamp" not in body
    assert body["user_id"] == 123


def test_the_golden_file_has_all_four_events() -> None:
    assert len({golden["type"] for golden in GOLDEN}) == 4


def test_state_is_kept_for_an_hour_and_the_last_event_is_the_final_one() -> None:
    task = events()
    kept = {"key": "oracle_upload:602", "ttl_s": 3600}
    assert published(task.started())["retain"] == kept
    assert published(task.advance())["retain"] == kept
    last = {"key": "oracle_upload:602", "final": True}
    assert published(task.completed())["retain"] == last
    assert published(task.failed("no"))["retain"] == last
    assert published(TaskEvents(1, "t", "a", ttl_s=60).started())["retain"] == {"key": "t:a", "ttl_s": 60}


def place(publication: Publication) -> tuple[object, object, object]:
    data = published(publication)["data"]
    return data["step"], data["step_number"], data["total_steps"]


def test_steps_are_named_or_numbered_or_the_next_one() -> None:
    task = events()
    assert place(task.advance()) == ("Preparing Data", 1, 5)
    assert place(task.advance()) == ("Upload to UCM", 2, 5)
    assert place(task.advance("Journal Import")) == ("Journal Import", 4, 5)
    assert place(task.advance("Journal Import")) == ("Journal Import", 4, 5)
    assert place(task.advance(5)) == ("AutoPost", 5, 5)
    assert place(task.advance("Upload to UCM")) == ("Upload to UCM", 2, 5)
    assert place(task.at("still there")) == ("Upload to UCM", 2, 5)


def test_steps_of_the_same_name_follow_each_other() -> None:
    task = TaskEvents(1, "t", 1, ["Load", "Check", "Load", "Done"])
    assert [place(task.advance(step))[1] for step in ("Load", "Check", "Load", "Done")] == [1, 2, 3, 4]


def test_a_step_that_there_is_not_is_the_callers_mistake_and_changes_nothing() -> None:
    task = events()
    task.advance(4)
    for wrong in ("AutoPosting", 0, 6, -1):
        with pytest.raises(ValueError, match="step"):
            task.advance(wrong)
    assert place(task.advance()) == ("AutoPost", 5, 5)
    with pytest.raises(ValueError, match="no step 6: there are 5"):
        task.advance()


def test_without_a_list_each_name_is_a_step_of_its_own() -> None:
    task = TaskEvents(1, "t", 1)
    assert [place(task.advance(step)) for step in ("a", "b", "b")] == [("a", 1, 1), ("b", 2, 2), ("b", 2, 2)]
    with pytest.raises(ValueError, match="there are 0"):
        task.advance()


def test_a_title_is_made_of_the_name() -> None:
    assert published(TaskEvents(1, "oracle_upload", 1).started())["data"]["message"] == "Oracle upload started"


def test_a_task_is_for_somebody_and_its_steps_are_a_list() -> None:
    with pytest.raises(TypeError, match="user_id"):
        TaskEvents(None, "t", 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="steps"):
        TaskEvents(1, "t", 1, "abc")


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_any_exception_has_a_text_that_can_be_sent() -> None:
    assert text_of(ValueError("no such file: a\udc80b")) == "no such file: a?b"
    assert text_of(KeyError()) == "KeyError"
    assert text_of(MuteError()) == "MuteError"
    assert text_of(ValueError("x" * 3_000_000)) == "x" * (MAX_TEXT - 1) + "…"
