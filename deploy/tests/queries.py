"""Queries in PromQL, as far as the tests look into them: which metrics they read, and by which labels.

No parser: our metrics are known by their prefixes, and promtool says whether a query is one.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

from conftest import DEPLOY, DOCS

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMETHEUS = DEPLOY / "prometheus"
RULES = ("recording-rules.yml", "alerts-hub.yml", "alerts-services.yml")
DASHBOARD = DEPLOY / "grafana" / "fanfare.json"

Metric = str

# Labels that Prometheus adds, and that of histograms.
EVERYWHERE = {"job", "instance", "le"}


def rules() -> list[dict[str, Any]]:
    """All rules."""
    return [
        rule
        for name in RULES
        for group in yaml.safe_load((PROMETHEUS / name).read_text())["groups"]
        for rule in group["rules"]
    ]


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    return dict(json.loads(DASHBOARD.read_text()))


def shown() -> list[str]:
    """The dashboard's queries, with its variables filled in."""
    queries = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    return [query.replace("$__rate_interval", "1m").replace("$instance", ".*") for query in queries]


def queries() -> list[str]:
    """All queries of rules and dashboard."""
    return [rule["expr"] for rule in rules()] + shown()


def unquoted(query: str) -> str:
    return re.sub(r'"[^"]*"|\'[^\']*\'', '""', query)


def metrics(query: str) -> set[Metric]:
    """Our metrics and the process' that a query reads; histograms by the name of the whole."""
    found = re.findall(r"(?<![\w:])(?:fanfare|process)_\w+(?![\w:])", unquoted(query))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def recorded(query: str) -> set[str]:
    """The results of recording rules that a query reads."""
    return set(re.findall(r"\b(?:instance|job):[\w:]+", unquoted(query)))


def matchers(query: str) -> Iterator[tuple[Metric, str, str]]:
    """Metric, label and value of each matcher."""
    for name, inside in re.findall(r"(\w+)\{([^}]*)\}", query):
        for label, value in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', inside):
            yield re.sub(r"_(bucket|sum|count)$", "", name), label, value


def documented() -> dict[Metric, set[str]]:
    """The metrics of docs/operations.md, which a test of the workspace holds to the code.

    Each with what stands in its row in backticks: labels and their values.
    """
    known: dict[Metric, set[str]] = {}
    for line in (DOCS / "operations.md").read_text().splitlines():
        if not line.startswith("|"):
            continue
        cells = line.split("|")
        first = next((i for i, cell in enumerate(cells[:3]) if "`fanfare_" in cell), None)
        if first is None or "alert" in line:
            continue
        for name in re.findall(r"`(fanfare_\w+)`", cells[first]):
            # Later tables speak of some again.
            known.setdefault(name, set(re.findall(r"`(\w+)`", cells[first + 1])))
    text = (DOCS / "operations.md").read_text()
    for name in re.findall(r"`(process_\w+)`", text):
        known.setdefault(name, set())
    return known
