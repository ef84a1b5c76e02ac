"""The network policies: what has to talk can, what need not cannot."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import kustomize
from conftest import SERVICES
from kustomize import Object
from test_kubernetes import (
    BASE,
    KUBERNETES,
    container,
    environment,
    of_kind,
    ours,
    pod_labels,
    program,
    selects,
    workloads,
)

EXAMPLE = KUBERNETES / "overlays" / "example"

# What stands for those outside of the namespace: the labels of their namespaces.
OUTSIDE = {
    "ingress": {"kubernetes.io/metadata.name": "ingress-nginx"},
    "prometheus": {"kubernetes.io/metadata.name": "monitoring"},
    "stranger": {"kubernetes.io/metadata.name": "default"},
}


class Network:
    """The pods of an overlay and the policies between them."""

    def __init__(self, directory: Path) -> None:
        self.objects = kustomize.build(directory)
        self.pods = {one["metadata"]["name"]: one for one in workloads(self.objects)}
        self.policies = of_kind(self.objects, "NetworkPolicy")

    def labels(self, name: str) -> dict[str, str]:
        return pod_labels(self.pods[name])

    def port_matches(self, ports: list[Object] | None, target: str | None, port: int) -> bool:
        if ports is None:
            return True
        named = {p["name"]: p["containerPort"] for p in container(self.pods[target])["ports"]} if target else {}
        return any(
            entry["port"] in (port, *(name for name, number in named.items() if number == port)) for entry in ports
        )

    def peer_matches(self, peers: list[Object] | None, other: str) -> bool:
        if peers is None:
            return True
        for peer in peers:
            if "ipBlock" in peer:
                continue
            if "namespaceSelector" in peer:
                if other in OUTSIDE and selects(peer["namespaceSelector"], OUTSIDE[other]):
                    return True
            elif other in self.pods and selects(peer["podSelector"], self.labels(other)):
                return True
        return False

    def allows(self, side: str, pod: str, other: str, target: str | None, port: int) -> bool:
        """Whether a pod's policies of one direction let it talk with another."""
        mine = [p for p in self.policies if selects(p["spec"]["podSelector"], self.labels(pod))]
        mine = [p for p in mine if side in p["spec"]["policyTypes"]]
        assert mine, "nobody is without a policy"
        rules = [rule for policy in mine for rule in policy["spec"].get(side.lower(), [])]
        who = "from" if side == "Ingress" else "to"
        return any(
            self.peer_matches(rule.get(who), other) and self.port_matches(rule.get("ports"), target, port)
            for rule in rules
        )

    def may(self, source: str, target: str, port: int) -> bool:
        out = source in OUTSIDE or self.allows("Egress", source, target, target, port)
        return out and self.allows("Ingress", target, source, target, port)

    def service(self, name: str) -> tuple[str, dict[int, int]]:
        """The workload behind a service, and its ports to those of the container."""
        (service,) = [one for one in of_kind(self.objects, "Service") if one["metadata"]["name"] == name]
        selector = {"matchLabels": service["spec"]["selector"]}
        (pod,) = [name for name, one in self.pods.items() if selects(selector, pod_labels(one))]
        ports = {port["name"]: port["containerPort"] for port in container(self.pods[pod])["ports"]}
        return pod, {port["port"]: ports[port["targetPort"]] for port in service["spec"]["ports"]}


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(EXAMPLE)


def addresses(network: Network) -> set[tuple[str, str]]:
    """Who has the address of whom in its settings: workload and URL."""
    found = set()
    used = {
        "WS_SERVICE_URL": {*SERVICES, "pubsub-bridge"},
        "USER_SERVICE_URL": set(SERVICES) - {"user-service"},
        "PAYMENT_SERVICE_URL": {"job-service"},
        "JWKS_URL": {"websocket-server"},
    }
    for workload in ours(network.objects):
        given = environment(workload, network.objects)
        for variable, programs in used.items():
            if program(workload) in programs:
                found.add((workload["metadata"]["name"], given[variable]))
        if "FANFARE_CONFIG" in given:
            rules = (BASE / "config" / Path(given["FANFARE_CONFIG"]).name).read_text()
            found |= {(workload["metadata"]["name"], url) for url in re.findall(r'url = "([^"]+)"', rules)}
    return found


def test_every_address_in_the_settings_leads_to_a_service_and_may_be_called(network: Network) -> None:
    pairs = addresses(network)
    assert len(pairs) >= 14
    for source, url in pairs:
        parts = urlsplit(url)
        assert parts.hostname
        target, ports = network.service(parts.hostname)
        assert parts.port in ports, f"{source}: {url}"
        assert network.may(source, target, ports[parts.port]), f"{source} may not call {url}"


def test_databases_are_reached_by_those_who_keep_data_there(network: Network) -> None:
    for name in SERVICES:
        assert network.may(f"paychain-{name}", "postgres", 5432)
        assert not network.may(f"paychain-{name}", "redis", 6379)
    assert network.may("paychain-websocket", "redis", 6379)
    assert not network.may("paychain-websocket", "postgres", 5432)
    assert not network.may("paychain-pubsub-bridge", "postgres", 5432)


def test_nobody_else_is_let_in(network: Network) -> None:
    assert not network.may("paychain-chat-service", "paychain-payment-service", 8082)
    assert not network.may("paychain-websocket", "paychain-payment-service", 8082)
    assert not network.may("paychain-chat-service", "paychain-websocket", 8765)
    assert not network.may("paychain-pubsub-bridge", "paychain-user-service", 8083)
    for pod, workload in network.pods.items():
        for port in container(workload)["ports"]:
            assert not network.may("stranger", pod, port["containerPort"])
            assert not network.may(pod, pod, port["containerPort"]) or pod == "paychain-user-service"


def test_clients_and_prometheus_come_in(network: Network) -> None:
    for port in (8000, 5000, 8765):
        assert network.may("ingress", "paychain-websocket", port)
    for workload in ours(network.objects):
        name = workload["metadata"]["name"]
        assert network.may("prometheus", name, container(workload)["ports"][0]["containerPort"])
    assert not network.may("ingress", "paychain-pubsub-bridge", 8087)
    assert not network.may("ingress", "postgres", 5432)


def test_everybody_is_denied_before_something_is_allowed(network: Network) -> None:
    deny = next(policy for policy in network.policies if policy["metadata"]["name"] == "default-deny")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
