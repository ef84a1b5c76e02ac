"""The units: systemd takes them, they are hardened, and they agree with the programs that they start."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import (
    ALL,
    DEPLOY,
    KEPT,
    PROGRAMS,
    SERVICES,
    command,
    drain_timeout_default,
    environment_file,
    seconds,
    unknown,
)

SYSTEMD = DEPLOY / "systemd"
UNITS = ("fanfare-hub@8080.service", *(f"fanfare-{name}.service" for name in (*SERVICES, "pubsub-bridge")))

# In tenths, as systemd-analyze counts: at 1.1 all that is left is the network, AF_UNIX, /proc for metrics and the group
# of the settings.
MOST_EXPOSURE = 15

# Of systemd's own, in what it gives to units.
SPECIFIERS = {"%i": "8080", "%d": "/run/credentials/unit", "%S": "/var/lib", "%H": "host", "%p": "fanfare"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine's file system as far as systemd looks at it: its own units, ours, and programs by name."""
    root = tmp_path_factory.mktemp("root")
    units = root / "etc" / "systemd" / "system"
    shutil.copytree(SYSTEMD, units, ignore=shutil.ignore_patterns("etc", "*.sysctl", "*.sysusers", "*.tmpfiles"))
    standard = next(path for path in (Path("/usr/lib/systemd/system"), Path("/lib/systemd/system")) if path.is_dir())
    shutil.copytree(standard, root / "usr" / "lib" / "systemd" / "system", symlinks=True)
    for program in (*(f"usr/local/bin/{name}" for name in ALL), "bin/kill"):
        path = root / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        path.chmod(0o755)
    return root


def analyze(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command("systemd-analyze"), *arguments, f"--root={root}"],
        capture_output=True,
        text=True,
        env=KEPT | {"SYSTEMD_LOG_LEVEL": "warning", "SYSTEMD_COLORS": "0"},
        timeout=60,
    )


def directives(unit: str) -> list[tuple[str, str]]:
    """A unit's directives with those of its drop-ins, in systemd's order; comments and sections left out."""
    template = re.sub(r"@.*\.", "@.", unit)
    paths = [SYSTEMD / template]
    paths += sorted(SYSTEMD.glob("fanfare-.service.d/*.conf")) + sorted((SYSTEMD / f"{template}.d").glob("*.conf"))
    lines = [line.strip() for path in paths for line in path.read_text().splitlines()]
    found = [line.split("=", 1) for line in lines if line and line[0] not in "#[" and "=" in line]
    return [(name, value) for name, value in found]


def values(unit: str, name: str) -> list[str]:
    return [value for directive, value in directives(unit) if directive == name]


def assignments(unit: str) -> dict[str, str]:
    """What the unit puts into the environment."""
    words = [word for value in values(unit, "Environment") for word in value.split()]
    pairs = dict(word.split("=", 1) for word in words)
    for removed in values(unit, "UnsetEnvironment"):
        del pairs[removed]
    return pairs


def resolved(value: str) -> str:
    for specifier, meaning in SPECIFIERS.items():
        value = value.replace(specifier, meaning)
    assert "%" not in value
    return value


def program(unit: str) -> str:
    (start,) = values(unit, "ExecStart")
    return Path(start.split()[0]).name


def test_systemd_takes_the_units(root: Path) -> None:
    done = analyze(root, "verify", "--man=no", "fanfare.target", *UNITS)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_typing_error_in_a_unit_is_noticed(root: Path) -> None:
    bad = root / "etc" / "systemd" / "system" / "fanfare-bad.service"
    bad.write_text((SYSTEMD / "fanfare-job-service.service").read_text().replace("LimitNOFILE=", "LimitNOFILES="))
    try:
        done = analyze(root, "verify", "--man=no", "fanfare-bad.service")
    finally:
        bad.unlink()
    assert "LimitNOFILES" in done.stderr


def test_units_are_exposed_to_no_more_than_they_need(root: Path) -> None:
    done = analyze(root, "security", "--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSURE}", *UNITS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Overall exposure level") == len(UNITS)


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_has_time_to_drain_and_comes_back(unit: str) -> None:
    (stop,) = values(unit, "TimeoutStopSec")
    set_to = environment_file(SYSTEMD / "etc/fanfare/hub.env").get("DRAIN_TIMEOUT")
    drain = max(seconds(set_to) if set_to else 0, drain_timeout_default())
    # Services: 30 s for calls, 30 s for what nobody waits for, 10 s each for background work and database.
    assert float(stop) > max(drain + 10, 80)
    assert values(unit, "Type") == ["notify"]
    assert values(unit, "Restart") == ["on-failure"]
    assert values(unit, "KillSignal") == ["SIGTERM"]
    assert int(values(unit, "WatchdogSec")[0]) >= 10
    # Exit code 2 is a wrong setting; starting again does not mend it.
    assert values(unit, "RestartPreventExitStatus") == ["2"]
    # Without this systemd would start at once and give up after five times.
    assert values(unit, "StartLimitIntervalSec") == ["0"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_asks_for_what_its_program_knows(unit: str, settings: dict[str, set[str]]) -> None:
    assert PROGRAMS.joinpath(program(unit)).exists()
    given = set(assignments(unit)) - {"FANFARE_ENV"} if program(unit) == "pubsub-bridge" else set(assignments(unit))
    assert unknown(given, settings[program(unit)]) == set()


@pytest.mark.parametrize("unit", UNITS)
def test_secrets_are_credentials_of_the_unit_and_of_nobody_else(unit: str) -> None:
    loaded = {value.partition(":")[0]: value.partition(":")[2] for value in values(unit, "LoadCredential")}
    for name, path in loaded.items():
        assert path == f"/etc/fanfare/credentials/{name}"
    named = {
        variable: value.removeprefix("%d/") for variable, value in assignments(unit).items() if value.startswith("%d/")
    }
    assert set(named.values()) == set(loaded), "each credential is used, and each that is used is loaded"
    for variable, credential in named.items():
        assert variable in (f"{credential}_FILE", "GOOGLE_APPLICATION_CREDENTIALS")
    assert "SERVICE_API_KEY" in loaded


def test_a_node_of_a_cluster_keeps_no_data_of_its_own() -> None:
    given = assignments("fanfare-hub@8080.service")
    assert "REDIS_URL_FILE" in given
    assert "FANFARE_DATA" not in given
    alone = dict(
        line.split("=", 1) for line in re.findall(r"FANFARE_DATA=\S+", (SYSTEMD / "fanfare-hub@.service").read_text())
    )
    assert resolved(alone["FANFARE_DATA"]) == "/var/lib/fanfare-hub-8080"


def test_nodes_of_one_machine_have_ports_names_and_data_of_their_own() -> None:
    given = assignments("fanfare-hub@8080.service")
    for name in ("PORT", "NODE_NAME", "NODE_TAG"):
        assert "%i" in given[name]
    assert values("fanfare-hub@8080.service", "StateDirectory") == ["fanfare-hub-%i"]


def test_the_target_starts_every_service_and_stops_everything() -> None:
    wanted = re.findall(r"^Wants=(.*)$", (SYSTEMD / "fanfare.target").read_text(), re.M)
    assert set(" ".join(wanted).split()) == {f"fanfare-{name}.service" for name in SERVICES}
    for unit in UNITS:
        assert values(unit, "PartOf") == ["fanfare.target"]
        assert values(unit, "WantedBy") == ["fanfare.target"]


def test_the_settings_files_hold_what_the_programs_take(settings: dict[str, set[str]], tmp_path: Path) -> None:
    etc = SYSTEMD / "etc" / "fanfare"
    used = {Path(path).name for unit in UNITS for path in [assignments(unit)["FANFARE_ENV_FILE"]]}
    own = {f"{name}.env" for name in (*SERVICES, "pubsub-bridge")}
    assert used == {"hub.env", "services.env", "pubsub-bridge.env"}
    assert {path.name for path in etc.glob("*.env")} <= used | own
    shared = set().union(*(settings[name] for name in SERVICES))
    known = {"hub.env": settings["websocket-server"], "services.env": shared}
    for path in etc.glob("*.env"):
        variables = set(environment_file(path))
        assert unknown(variables, known.get(path.name) or settings[path.stem]) == set(), path.name
        assert not {name for name in variables if "KEY" in name or "SECRET" in name}, "secrets are credentials"
    rules = tmp_path / "hub.toml"
    rules.write_text((etc / "hub.toml").read_text())
    given = environment_file(etc / "hub.env") | {
        "FANFARE_CONFIG": str(rules),
        "FANFARE_DATA": str(tmp_path / "data"),
        "FANFARE_API_KEYS": "services:a-key-of-the-test:+admin",
        "SERVICE_API_KEY": "a-key-of-the-test",
        "FANFARE_ENV": "production",
    }
    done = subprocess.run(
        [str(PROGRAMS / "websocket-server"), "--check"], capture_output=True, text=True, env=KEPT | given, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_users_and_directories_are_what_the_units_ask_for(tmp_path: Path) -> None:
    for kind in ("sysusers", "tmpfiles"):
        directory = tmp_path / "usr" / "lib" / f"{kind}.d"
        directory.mkdir(parents=True)
        shutil.copy(SYSTEMD / f"fanfare.{kind}", directory / "fanfare.conf")
    (tmp_path / "etc").mkdir()
    for name, arguments in (("sysusers", []), ("tmpfiles", ["--create"])):
        done = subprocess.run(
            [command(f"systemd-{name}"), *arguments, f"--root={tmp_path}", f"{tmp_path}/usr/lib/{name}.d/fanfare.conf"]
            if name == "tmpfiles"
            else [command("systemd-sysusers"), f"--root={tmp_path}"],
            capture_output=True,
            text=True,
            env=KEPT,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
    groups = [line.split(":")[0] for line in (tmp_path / "etc" / "group").read_text().splitlines()]
    assert groups == ["fanfare"]
    assert (tmp_path / "etc/fanfare").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "etc/fanfare/credentials").stat().st_mode & 0o777 == 0o700
    for unit in UNITS:
        assert values(unit, "SupplementaryGroups") == ["fanfare"]


def test_kernel_settings_are_ones_that_linux_has_and_hold_the_units() -> None:
    lines = [line for line in (SYSTEMD / "fanfare.sysctl").read_text().splitlines() if line and line[0] != "#"]
    keys = {key.strip().lstrip("-"): value.strip() for key, _, value in (line.partition("=") for line in lines)}
    for key in keys:
        path = Path("/proc/sys") / key.replace(".", "/")
        # The table of connections exists where a firewall has one; the dash says so.
        assert path.exists() or f"-{key} =" in "\n".join(lines), key
    assert int(keys["net.core.somaxconn"]) >= 4096, "what the hub asks for (service_kit::listen::BACKLOG)"
    first, last = (int(port) for port in keys["net.ipv4.ip_local_port_range"].split())
    ports = {8000, 8080, 8090, 8081, 8082, 8083, 8084, 8086, 8087, 5000, 8765, 6379, 5432, 9090, 9093}
    assert not {port for port in ports if first <= port <= last}, "a server's port may be taken before it starts"
    low, pressure, high = (int(pages) for pages in keys["net.ipv4.tcp_mem"].split())
    assert low < pressure < high
    for unit in UNITS:
        assert int(values(unit, "LimitNOFILE")[0]) <= int(keys["fs.nr_open"])
    connections = int(environment_file(SYSTEMD / "etc/fanfare/hub.env")["MAX_CONNECTIONS"])
    assert connections + 256 <= int(values("fanfare-hub@8080.service", "LimitNOFILE")[0])
    assert int(keys["net.netfilter.nf_conntrack_max"]) >= 2 * connections


def test_no_file_of_the_directory_is_left_out() -> None:
    there = {str(path.relative_to(SYSTEMD)) for path in SYSTEMD.rglob("*") if path.is_file()}
    text = (DEPLOY.parent / "docs" / "deployment.md").read_text()
    for name in there:
        assert Path(name).name in text or Path(name).match("fanfare-*-service.service") or name.startswith("etc/"), name
