"""The names of the field: what `backend.websocket_server` and `backend.services.notifications` offer, and to whom.

Applications of the field have a package `backend` of their own; some tests start a Python in such an application. Not
here: what the functions do (`test_socketio_calls`), and the wheel (`test_package`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from backend import websocket_server
from backend.services import notifications
from fanfare import InvalidPublicationError, field_names, socketio
from fanfare.socketio import Sent
from tests.scripted import Answer, ScriptedHub

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {"broadcast_chat_message", "broadcast_notification", "broadcast_sns_event", "notify_sns_publish_success"}

MODULES = [websocket_server, notifications, field_names]

IMPORTS = """\
from backend.websocket_server import broadcast_sns_event, broadcast_notification, broadcast_chat_message
from backend.services.notifications import notify_sns_publish_success
print(broadcast_sns_event.__module__, notify_sns_publish_success.__module__)
"""

OURS = "fanfare.socketio fanfare.socketio"


def application(directory: Path, **modules: str) -> Path:
    """An application's package `backend`: the content of each of its files by the file's name, `services` below it."""
    for name, content in modules.items():
        path = directory / "backend" / f"{name.replace('services_', 'services/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")
    return directory


def python(directory: Path, code: str) -> str:
    """What a Python says that is started in this directory: all that it prints, or the last line of its error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=directory,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.__name__))
def test_the_field_finds_all_names_in_both_modules(module: Any) -> None:
    assert set(module.__all__) == NAMES
    for name in NAMES - {"broadcast_notification"}:
        assert getattr(module, name) is getattr(socketio, name)
    assert module.broadcast_notification is field_names.broadcast_notification


def test_an_application_without_a_backend_of_its_own_finds_ours(tmp_path: Path) -> None:
    assert python(tmp_path, IMPORTS) == OURS


def test_an_application_whose_backend_is_a_namespace_keeps_its_modules_and_finds_ours(tmp_path: Path) -> None:
    application(tmp_path, models="MINE = 1", services_mail="MINE = 2")
    code = "import backend.models, backend.services.mail\n" + IMPORTS + "print(backend.models.MINE)"
    assert python(tmp_path, code).split("\n") == [OURS, "1"]


def test_an_application_whose_backend_is_a_package_sees_nothing_of_ours(tmp_path: Path) -> None:
    application(tmp_path, __init__="", models="MINE = 1", services___init__="")
    assert python(tmp_path, "import backend.models; print(backend.models.MINE)") == "1"
    assert python(tmp_path, IMPORTS) == "ModuleNotFoundError: No module named 'backend.websocket_server'"
    application(tmp_path, websocket_server="def broadcast_sns_event(): 'their own'")
    theirs = "import backend.websocket_server as own; print(own.broadcast_sns_event.__doc__)"
    assert python(tmp_path, theirs) == "their own"


def test_one_line_in_its_own_modules_gives_such_an_application_our_functions(tmp_path: Path) -> None:
    line = "from fanfare.field_names import *  # noqa: F403"
    application(
        tmp_path,
        __init__="",
        app="from .websocket_server import broadcast_notification",
        websocket_server=line,
        services___init__="",
        services_notifications=line,
    )
    assert python(tmp_path, "import backend.app\n" + IMPORTS) == OURS


@pytest.mark.parametrize(
    ("args", "options", "data", "title"),
    [
        (({"title": "t", "n": 1},), {}, {"title": "t", "n": 1}, "t"),
        ((), {"data": {"title": "t"}}, {"title": "t"}, "t"),
        (("a text",), {}, "a text", "a text"),
        ((None,), {}, None, "Notification"),
        ((), {}, {}, "Notification"),
        ((), {"notification_type": "info"}, {"type": "info"}, "Info"),
        (
            ("info", "Title", "Message"),
            {},
            {"type": "info", "title": "Title", "message": "Message", "action_url": None},
            "Title",
        ),
        (
            (),
            {"notification_type": "info", "title": "Title", "message": "", "action_url": "/x"},
            {"type": "info", "title": "Title", "message": "", "action_url": "/x"},
            "Title",
        ),
    ],
    ids=repr,
)
def test_a_notification_is_one_object_or_its_members(
    monkeypatch: pytest.MonkeyPatch, args: tuple[Any, ...], options: dict[str, Any], data: object, title: str
) -> None:
    with ScriptedHub(Answer(201, {"id": 12})) as inbox:
        monkeypatch.setenv("NOTIFICATION_SERVICE_URL", inbox.url)
        monkeypatch.setenv("SERVICE_API_KEY", "the-service-key-0123456789")
        assert websocket_server.broadcast_notification(7, *args, **options) == Sent(12)
        assert notifications.broadcast_notification(user_id=7, data=data) == Sent(12)
        first, second = (asked.body for asked in inbox.asked)
        assert first == second
        assert (first["user_id"], first["title"]) == (7, title)


def test_the_field_may_ask_for_errors_too() -> None:
    with pytest.raises(InvalidPublicationError):
        websocket_server.broadcast_notification(7, object(), strict=True)
    assert websocket_server.broadcast_notification(7, object()) is None
