"""Dashboard, rules and alerts: they read what the programs tell, fire when they should, and are in the runbook."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

import queries
from conftest import DEPLOY, DOCS, KEPT, REPOSITORY, SERVICES, Process, command, environment_file, get, until
from queries import PROMETHEUS
from test_kubernetes import KUBERNETES
from test_systemd import UNITS, assignments, program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNBOOK = (DOCS / "runbook.md").read_text() if (DOCS / "runbook.md").exists() else ""

# What the collector of process metrics has besides those of our documents.
PROCESS = {"process_start_time_seconds"}

SCHEMA = json.loads((DEPLOY / "tests" / "schemas" / "dashboard.json").read_text())


def promtool(*arguments: str, directory: Path = PROMETHEUS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [command("promtool"), *arguments], capture_output=True, text=True, env=KEPT, cwd=directory, timeout=120
    )


def test_prometheus_takes_the_example_and_the_rules() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    named = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["rule_files"]
    assert tuple(named) == queries.RULES
    assert {path.name for path in PROMETHEUS.glob("*.yml")} == {*queries.RULES, "prometheus.yml"}


@pytest.mark.parametrize("file", sorted(path.name for path in (PROMETHEUS / "tests").iterdir()))
def test_alerts_fire_when_they_should_and_are_silent_otherwise(file: str) -> None:
    done = promtool("test", "rules", file, directory=PROMETHEUS / "tests")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    tested = []
    for path in (PROMETHEUS / "tests").iterdir():
        for test in yaml.safe_load(path.read_text())["tests"]:
            (check,) = test["promql_expr_test"]
            name, kind = test["name"].split(" ", 1)
            assert f'alertname="{name}"' in check["expr"]
            assert bool(check["exp_samples"]) == (kind == "fires")
            tested.append((name, kind))
    assert sorted(tested) == sorted((name, kind) for name in queries.alerts() for kind in ("fires", "stays silent"))


def test_every_alert_says_what_how_bad_and_where_to_read_on() -> None:
    headings = {heading(text) for text in re.findall(r"^#+ (.*)$", RUNBOOK, re.M)}
    for name, alert in queries.alerts().items():
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert alert["annotations"]["summary"]
        page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
        assert page.endswith("/docs/runbook.md")
        assert anchor == name.lower()
        assert anchor in headings, f"the runbook has no section {name}"
    told = {text for text in re.findall(r"^### (\w+)$", RUNBOOK, re.M) if text.startswith("Fanfare")}
    assert told == set(queries.alerts()), "the runbook has no section without an alert"


@pytest.mark.parametrize("page", ["runbook.md", "deployment.md"])
def test_links_lead_to_a_section_that_is_there(page: str) -> None:
    for file, anchor in re.findall(r"\]\(([\w.-]*)#([\w-]+)\)", (DOCS / page).read_text()):
        there = re.findall(r"^#+ (.*)$", (DOCS / (file or page)).read_text(), re.M)
        assert anchor in {heading(text) for text in there}, f"{page} links to {file}#{anchor}"


def heading(text: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")


def test_every_section_of_the_runbook_says_what_it_means_where_to_look_and_what_to_do() -> None:
    for section in re.split(r"^### ", RUNBOOK, flags=re.M)[1:]:
        name, _, body = section.partition("\n")
        for part in ("**Means:**", "**Look at:**", "**Do:**"):
            assert part in body, f"{name}: {part}"


def test_queries_read_only_metrics_that_the_operations_document_tells_of() -> None:
    known = queries.documented()
    assert len(known) > 80
    results = {rule["record"] for rule in queries.rules() if "record" in rule}
    for query in queries.queries():
        assert queries.metrics(query) - set(known) - PROCESS == set(), query
        assert queries.recorded(query) <= results, query
        for metric, label, _ in queries.matchers(query):
            if metric in known:
                assert label in known[metric] | queries.EVERYWHERE, f"{metric} has no label {label}"


def test_values_of_labels_are_ones_that_the_programs_write() -> None:
    source = "".join(path.read_text() for path in (REPOSITORY / "crates").glob("*/src/**/*.rs"))
    close_codes = (REPOSITORY / "docs" / "protocol.md").read_text()
    for query in queries.queries():
        for metric, label, value in queries.matchers(query):
            if not metric.startswith("fanfare_") or label in queries.EVERYWHERE:
                continue
            for word in value.split("|"):
                if re.fullmatch(r"[\d.]+", word):
                    assert label == "status" or f"| {word} |" in close_codes or f"`{word}`" in close_codes, query
                else:
                    beginning = re.match(r"\w+", word)
                    assert beginning, value
                    assert f'"{beginning[0]}' in source, f"{metric}: nobody writes {label}={word}"


def families(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\w+) ", text, re.M))


def test_programs_expose_the_metrics_that_are_asked_for(
    start: Callable[..., Process], redis: str, tmp_path: Path
) -> None:
    key = "a-key-of-the-test"
    hub = start("websocket-server", FANFARE_API_KEYS=f"services:{key}:+admin", REDIS_URL=redis).listening()
    alone = start("websocket-server", FANFARE_DATA=str(tmp_path / "alone")).listening()
    to = {"SERVICE_API_KEY": key, "WS_SERVICE_URL": hub.url}
    others = [start(name, **to) for name in SERVICES]
    others.append(start("pubsub-bridge", PUBSUB_EMULATOR_HOST="127.0.0.1:9", **to))
    told: set[str] = set()
    for process in (hub, alone, *(other.listening() for other in others)):
        status, text = get(f"{process.url}/metrics")
        assert status == 200
        told |= families(text)
    known = queries.documented()
    used = set().union(*(queries.metrics(query) for query in queries.queries()))
    # Those with labels appear with their first value; that they exist is known from the document.
    silent = {name for name in used - told if not known.get(name)}
    assert silent == set(), "no program tells these"
    assert len(used & told) > 30


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    board = queries.dashboard()
    jsonschema.validate(board, SCHEMA)
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not own & cells, f"{panel['title']} lies on another"
        cells |= own
        refs = [target["refId"] for target in panel.get("targets", [])]
        assert len(set(refs)) == len(refs)
    variables = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(board))) - {"__rate_interval", "__all"}
    assert used == variables


def test_prometheus_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    group = {
        "name": "shown",
        "rules": [{"record": f"a:b{i}", "expr": query} for i, query in enumerate(queries.shown())],
    }
    file = tmp_path / "shown.yml"
    file.write_text(yaml.safe_dump({"groups": [group]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_jobs_have_one_name_everywhere() -> None:
    jobs = {"fanfare-hub", *(f"fanfare-{name}" for name in (*SERVICES, "pubsub-bridge"))}
    example = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    assert {job["job_name"] for job in example} == jobs
    ports = {program(unit): assignments(unit)["PORT"].replace("%i", "8080") for unit in UNITS}
    for job in example:
        name = job["job_name"].removeprefix("fanfare-").replace("hub", "websocket-server")
        assert f"127.0.0.1:{ports[name]}" in job["static_configs"][0]["targets"]
    for query in queries.queries():
        for _, label, value in queries.matchers(query):
            if label == "job":
                assert any(re.fullmatch(value, job) for job in jobs), query
    overlay = KUBERNETES / "overlays" / "production" / "service-monitor.yaml"
    hub, services = (document["spec"] for document in yaml.safe_load_all(overlay.read_text()))
    assert hub["endpoints"][0]["relabelings"][0]["replacement"] == "fanfare-hub"
    assert services["endpoints"][0]["relabelings"][0]["replacement"] == "fanfare-$1"


def test_limits_that_alerts_know_are_those_of_the_deployment() -> None:
    limit = queries.alerts()["FanfareMemoryHigh"]["expr"].split(">")[1]
    overlay = yaml.safe_load((KUBERNETES / "overlays" / "production" / "hub-resources.yaml").read_text())
    (container,) = overlay["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["memory"] == "4Gi"
    assert int(limit) == int(0.8 * 4 * 1024**3)
    drain = environment_file(KUBERNETES / "base" / "config" / "hub.env")["DRAIN_TIMEOUT"]
    assert drain == "30s", "FanfareDrainingTooLong speaks of it"


@pytest.fixture
def redis(tmp_path: Path, scratch: Path) -> Iterator[str]:
    """A Redis of the test's own, as durable as a cluster wants it; its URL."""
    path = scratch / "redis"
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(path), "--dir", str(scratch)]
    options += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    server = subprocess.Popen(
        [command("redis-server"), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=KEPT
    )
    try:
        until("Redis listens", lambda: server.poll() is None and path.exists())
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


def free_port() -> int:
    """A port that nobody has, and that the system gives to nobody: below the range that it gives from."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    below = [10_000 + secrets.randbelow(first - 10_000) for _ in range(100)] if first >= 11_000 else []
    for port in [*below, 0]:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    pytest.fail("no free port")


class Prometheus:
    """A real Prometheus with our rules, at a hundredth of their times."""

    def __init__(self, directory: Path, target: str) -> None:
        self.port = free_port()
        for name in queries.RULES:
            text = re.sub(r"for: \d+[sm]", "for: 1s", (PROMETHEUS / name).read_text())
            (directory / name).write_text(text)
        (directory / "prometheus.yml").write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
                    "rule_files": list(queries.RULES),
                    "scrape_configs": [{"job_name": "fanfare-hub", "static_configs": [{"targets": [target]}]}],
                }
            )
        )
        self.log = directory / "prometheus.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    command("prometheus"),
                    f"--config.file={directory / 'prometheus.yml'}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
                env=KEPT | {"GOMAXPROCS": "1"},
                cwd=directory,
            )

    def ask(self, path: str) -> object:
        assert self.process.poll() is None, self.log.read_text()
        status, text = get(f"http://127.0.0.1:{self.port}/api/v1/{path}")
        return json.loads(text)["data"] if status == 200 else None

    def firing(self) -> dict[str, dict[str, dict[str, str]]]:
        answer = self.ask("alerts")
        alerts = answer["alerts"] if isinstance(answer, dict) else []
        return {alert["labels"]["alertname"]: alert for alert in alerts if alert["state"] == "firing"}

    def sees(self, up: str) -> bool:
        answer = self.ask("query?query=up")
        return isinstance(answer, dict) and [sample["value"][1] for sample in answer["result"]] == [up]


def test_a_real_prometheus_raises_the_alarm_when_a_hub_is_killed(start: Callable[..., Process], tmp_path: Path) -> None:
    hub = start("websocket-server").listening()
    target = hub.url.removeprefix("http://")
    prometheus = Prometheus(tmp_path, target)
    try:
        until("the hub is seen", lambda: prometheus.sees("1"))

        def evaluated() -> bool:
            answer = prometheus.ask("rules")
            rules = [rule for group in answer["groups"] for rule in group["rules"]] if isinstance(answer, dict) else []
            assert not [rule["name"] for rule in rules if rule["health"] == "err"], "a rule cannot be worked out"
            return bool(rules) and all(rule["health"] == "ok" for rule in rules)

        until("every rule is worked out", evaluated)
        assert "FanfareHubDown" not in prometheus.firing()
        os.kill(hub.process.pid, 9)
        hub.process.wait()
        down = until("the alarm", lambda: prometheus.firing().get("FanfareHubDown"))
        assert down["labels"]["instance"] == target
        assert down["labels"]["severity"] == "critical"
        assert down["annotations"]["summary"] == f"The hub {target} does not answer"
        until("nobody serves", lambda: "FanfareNoHubServes" in prometheus.firing())
    finally:
        prometheus.process.terminate()
        prometheus.process.wait(60)
