"""The manifests: each is what Kubernetes takes, they agree with each other, and with the programs that they start."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

import kustomize
from conftest import ALL, DEPLOY, KEPT, PROGRAMS, SERVICES, drain_timeout_default, seconds, unknown
from kustomize import KustomizationError, Object

KUBERNETES = DEPLOY / "kubernetes"
BASE = KUBERNETES / "base"
OVERLAYS = sorted((KUBERNETES / "overlays").iterdir())

# The release whose schemas hold; `lifecycle.preStop.sleep` is in it, and newer ones take what it takes.
RELEASE = "1.34"

# No object, and not in a kustomization: a rule for prometheus-adapter's own configuration.
NO_OBJECTS = {KUBERNETES / "overlays" / "production" / "prometheus-adapter.yaml"}

# For those who have them, made by hand (docs/deployment.md): their keys.
SECRETS = {
    "fanfare-keys": {"FANFARE_API_KEYS", "SERVICE_API_KEY"},
    "fanfare-redis": {"REDIS_URL", "redis.conf"},
    "fanfare-postgres": {"DATABASE_URL", "password"},
    "fanfare-google": {"google.json"},
}

SERVICE_MONITOR = json.loads((DEPLOY / "tests" / "schemas" / "service-monitor.json").read_text())


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [one for one in objects if one["kind"] in kinds]


def workloads(objects: list[Object]) -> list[Object]:
    return of_kind(objects, "Deployment", "StatefulSet")


def container(workload: Object) -> Object:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(only)


def pod_labels(workload: Object) -> dict[str, str]:
    return dict(workload["spec"]["template"]["metadata"]["labels"])


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """A label selector, as Kubernetes reads it; `{}` is everybody."""
    wanted = selector.get("matchLabels", {}).items()
    if not all(labels.get(key) == value for key, value in wanted):
        return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", "only In is used"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def ours(objects: list[Object]) -> list[Object]:
    return [one for one in workloads(objects) if container(one)["image"].startswith("fanfare/")]


def program(workload: Object) -> str:
    """The program that its image starts: image and program have one name, as in the Dockerfile."""
    return container(workload)["image"].partition(":")[0].removeprefix("fanfare/")


def environment(workload: Object, objects: list[Object]) -> dict[str, str]:
    """What its container's environment holds, as Kubernetes puts it together."""
    maps = {one["metadata"]["name"]: one["data"] for one in of_kind(objects, "ConfigMap")}
    result: dict[str, str] = {}
    for source in container(workload).get("envFrom", []):
        result |= maps[source["configMapRef"]["name"]]
    for entry in container(workload).get("env", []):
        result[entry["name"]] = entry.get("value", "a-pods-name")
    return result


@pytest.fixture(scope="module", params=[BASE, *OVERLAYS], ids=lambda path: path.name)
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return kustomize.build(request.param)


def test_every_file_is_in_a_kustomization_and_every_named_file_is_there() -> None:
    named = set().union(*(kustomize.files(directory) for directory in (BASE, *OVERLAYS)))
    there = {path for path in KUBERNETES.rglob("*") if path.is_file()} - NO_OBJECTS
    assert {path.relative_to(KUBERNETES) for path in named ^ there} == set()


def test_kubernetes_takes_every_object(objects: list[Object]) -> None:
    for one in objects:
        if one["kind"] == "ServiceMonitor":
            jsonschema.validate(one, SERVICE_MONITOR)
        else:
            kubernetes_validate.validate(one, RELEASE, strict=True)


def test_a_typing_error_is_noticed() -> None:
    (hub, *_) = [one for one in kustomize.build(BASE) if kustomize.name_of(one) == ("Deployment", "paychain-websocket")]
    container(hub)["readinesProbe"] = {}
    hub["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(hub, RELEASE, strict=True)
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "a"}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(monitor | {"spec": {"selector": {}, "endpoint": []}}, SERVICE_MONITOR)


def test_a_patch_for_nothing_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text(
        "resources: []\npatches: [{target: {kind: Deployment, name: gone}, patch: '[]'}]\n"
    )
    with pytest.raises(KustomizationError):
        kustomize.build(tmp_path)


def test_every_part_is_there_and_in_the_fields_names(objects: list[Object]) -> None:
    names = {one["metadata"]["name"] for one in ours(objects)}
    assert names == {"paychain-websocket", *(f"paychain-{name}" for name in (*SERVICES, "pubsub-bridge"))}
    assert {program(one) for one in ours(objects)} == set(ALL)
    hub = next(one for one in of_kind(objects, "Service") if one["metadata"]["name"] == "websocket-server")
    assert {port["port"] for port in hub["spec"]["ports"]} == {8000, 8080, 5000, 8765}
    for workload in ours(objects):
        if program(workload) != "websocket-server":
            service = next(
                one for one in of_kind(objects, "Service") if one["metadata"]["name"] == workload["metadata"]["name"]
            )
            assert [str(port["port"]) for port in service["spec"]["ports"]] == [environment(workload, objects)["PORT"]]


def test_everything_that_is_named_exists(objects: list[Object]) -> None:
    by_kind = {kind: {one["metadata"]["name"] for one in of_kind(objects, kind)} for kind in ("ConfigMap", "Service")}
    by_kind["ServiceAccount"] = {one["metadata"]["name"] for one in of_kind(objects, "ServiceAccount")}
    for workload in workloads(objects):
        spec = workload["spec"]["template"]["spec"]
        assert spec["serviceAccountName"] in by_kind["ServiceAccount"]
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        claims = {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        mounts = {mount["name"] for mount in container(workload).get("volumeMounts", [])}
        assert mounts == set(volumes) | claims, f"{workload['metadata']['name']}: volumes and mounts"
        for volume in volumes.values():
            if "configMap" in volume:
                assert volume["configMap"]["name"] in by_kind["ConfigMap"]
            secrets = [source["secret"] for source in volume.get("projected", {}).get("sources", [])]
            secrets += [{"name": volume["secret"]["secretName"], **volume["secret"]}] if "secret" in volume else []
            for secret in secrets:
                assert {item["key"] for item in secret["items"]} <= SECRETS[secret["name"]]
        for source in container(workload).get("envFrom", []):
            assert source["configMapRef"]["name"] in by_kind["ConfigMap"]
    for ingress in of_kind(objects, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                service = path["backend"]["service"]
                target = next(one for one in of_kind(objects, "Service") if one["metadata"]["name"] == service["name"])
                assert service["port"]["name"] in {port["name"] for port in target["spec"]["ports"]}


def test_selectors_find_what_they_are_for(objects: list[Object]) -> None:
    labels = {one["metadata"]["name"]: pod_labels(one) for one in workloads(objects)}
    for workload in workloads(objects):
        found = [name for name, its in labels.items() if selects(workload["spec"]["selector"], its)]
        assert found == [workload["metadata"]["name"]], "a workload owns its own pods alone"
    for service in of_kind(objects, "Service"):
        (target,) = [
            one for one in workloads(objects) if selects({"matchLabels": service["spec"]["selector"]}, pod_labels(one))
        ]
        ports = {port["name"]: port["containerPort"] for port in container(target)["ports"]}
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports
    for budget in of_kind(objects, "PodDisruptionBudget"):
        found = [name for name, its in labels.items() if selects(budget["spec"]["selector"], its)]
        assert found == [budget["metadata"]["name"]]
    services = {one["metadata"]["name"]: one["metadata"]["labels"] for one in of_kind(objects, "Service")}
    for monitor in of_kind(objects, "ServiceMonitor"):
        assert any(selects(monitor["spec"]["selector"], its) for its in services.values())


def test_what_may_not_be_away_has_a_budget_and_several_pods(objects: list[Object]) -> None:
    budgets = {one["metadata"]["name"] for one in of_kind(objects, "PodDisruptionBudget")}
    scaled = {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in of_kind(objects, "HorizontalPodAutoscaler")}
    for workload in ours(objects):
        name = workload["metadata"]["name"]
        if name == "paychain-pubsub-bridge":
            continue
        assert name in budgets
        # A budget of one pod would keep a machine from ever being emptied. Those of the autoscaler have no number.
        least = scaled[name]["minReplicas"] if name in scaled else workload["spec"]["replicas"]
        assert least >= 2
        assert ("replicas" in workload["spec"]) == (name not in scaled)
        assert workload["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_the_programs_know_every_variable_and_take_the_settings(
    objects: list[Object], settings: dict[str, set[str]], tmp_path: Path
) -> None:
    shared = set().union(*settings.values())
    for workload in ours(objects):
        name, given = program(workload), environment(workload, objects)
        own = {entry["name"] for entry in container(workload).get("env", [])}
        assert unknown(own, settings[name]) == set(), f"{name} does not know these"
        assert unknown(set(given), shared) == set(), f"nobody knows these of {name}"
        for variable, value in given.items():
            if variable.endswith("_FILE") and value.startswith("/run/secrets/"):
                mounted(workload, value)
        check(name, {key: local(key, value, objects, tmp_path) for key, value in given.items()})


def mounted(workload: Object, path: str) -> None:
    """Whether a secret's file is where the variable says."""
    spec = workload["spec"]["template"]["spec"]
    (mount,) = [m for m in container(workload)["volumeMounts"] if path.startswith(m["mountPath"] + "/")]
    (volume,) = [v for v in spec["volumes"] if v["name"] == mount["name"]]
    items = [item["path"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]]
    assert path.removeprefix(mount["mountPath"] + "/") in items


# What stands in the Secrets, for a check on this machine.
VALUES = {
    "FANFARE_API_KEYS": "services:a-key-of-the-test:+admin",
    "SERVICE_API_KEY": "a-key-of-the-test",
    "REDIS_URL": "redis://user:secret@redis:6379/0",
    "DATABASE_URL": "postgres://fanfare:secret@postgres:5432/fanfare",
    "google.json": "{}",
}


def local(name: str, value: str, objects: list[Object], directory: Path) -> str:
    """A variable's value for this machine: paths of the container are those of files that the test writes."""
    if value.startswith("/run/secrets/"):
        file = directory / Path(value).name
        file.write_text(VALUES[file.name])
        return str(file)
    if value.startswith("/etc/fanfare/"):
        (text,) = [
            one["data"][Path(value).name] for one in of_kind(objects, "ConfigMap") if Path(value).name in one["data"]
        ]
        file = directory / Path(value).name
        file.write_text(text)
        return str(file)
    return value


def check(name: str, given: dict[str, str]) -> None:
    done = subprocess.run(
        [str(PROGRAMS / name), "--check"], capture_output=True, text=True, env=KEPT | given, timeout=60
    )
    assert done.returncode == 0, f"{name} --check: {done.stderr}"


def test_probes_ask_the_right_paths(objects: list[Object]) -> None:
    for workload in ours(objects):
        probed = container(workload)
        alive = "/healthz" if program(workload) == "websocket-server" else "/metrics"
        paths = {kind: probed[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
        # /health is 503 while it drains: not ready, but never killed for it.
        assert paths == {"startup": alive, "readiness": "/health", "liveness": alive}
        ports = {port["name"]: port["containerPort"] for port in probed["ports"]}
        own = environment(workload, objects)
        assert ports["http"] == int(own["PORT"])
        if program(workload) == "websocket-server":
            assert ports["dashboard"] == int(own["DASHBOARD_PORT"])
            assert ports["receipts"] == int(own["RECEIPTS_PORT"])


def test_nobody_is_killed_while_draining(objects: list[Object]) -> None:
    for workload in ours(objects):
        grace = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        sleep = container(workload)["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = environment(workload, objects).get("DRAIN_TIMEOUT")
        end = seconds(drain) if drain else drain_timeout_default()
        # Services: 30 s for calls, 30 s for what nobody waits for, 10 s each for background work and database.
        longest = end if program(workload) == "websocket-server" else 80
        assert sleep > 0, "proxies hear of the end before the drain begins"
        assert grace > sleep + longest


def test_pods_have_no_privilege_and_write_nothing(objects: list[Object]) -> None:
    for workload in workloads(objects):
        pod, only = workload["spec"]["template"]["spec"], container(workload)
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in only["resources"]["limits"]
        for volume in pod.get("volumes", []):
            for kind in ("projected", "secret"):
                assert volume.get(kind, {}).get("defaultMode", 0o440) == 0o440
        for entry in only.get("env", []):
            assert "secretKeyRef" not in entry.get("valueFrom", {}), "secrets come as files"


def test_no_value_of_a_secret_is_in_the_repository() -> None:
    for path in KUBERNETES.rglob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text()):
            assert document is None or document.get("kind") != "Secret"
            assert "secretGenerator" not in (document or {})


def test_nothing_of_the_inside_is_reachable_from_outside(objects: list[Object]) -> None:
    inside = ("/broadcast", "/broadcast/batch", "/stats", "/metrics", "/health", "/channels", "/feeds/a", "/hooks/chat")
    inside += ("/users/7/connections", "/users/7/disconnect", "/docs", "/openapi.json", "/svc/job-service/metrics")
    outside = ("/ws", "/ws/notifications/", "/socket.io/", "/events", "/events/ticket", "/auth/login", "/jobs/7")
    paths: list[tuple[str, Any, str]] = []
    for ingress in of_kind(objects, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            paths += [(path["path"], path["pathType"], rule["host"]) for path in rule["http"]["paths"]]
    assert len({(path, host) for path, _, host in paths}) == len(paths), "a path has one answer"

    def reachable(asked: str) -> bool:
        return any(
            asked == path or (kind == "Prefix" and (asked + "/").startswith(path.rstrip("/") + "/"))
            for path, kind, _ in paths
        )

    assert [path for path in inside if reachable(path)] == []
    assert [path for path in outside if not reachable(path)] == []


def test_long_lived_connections_outlive_the_ingress_timeouts(objects: list[Object]) -> None:
    for ingress in of_kind(objects, "Ingress"):
        services = {p["backend"]["service"]["name"] for r in ingress["spec"]["rules"] for p in r["http"]["paths"]}
        notes = ingress["metadata"].get("annotations", {})
        paths = {p["path"] for r in ingress["spec"]["rules"] for p in r["http"]["paths"]}
        prefix = "nginx.ingress.kubernetes.io/"
        if "websocket-server" in services:
            # Well above PING_INTERVAL (25 s).
            assert int(notes[prefix + "proxy-read-timeout"]) >= 120
            assert int(notes[prefix + "proxy-send-timeout"]) >= 120
            assert notes[prefix + "proxy-buffering"] == "off"
        if paths & {"/socket.io", "/events", "/events/ticket"}:
            assert notes[prefix + "upstream-hash-by"] == "$remote_addr", "a session that polls stays on its node"
            assert {"/socket.io", "/events", "/events/ticket"} <= paths


def test_the_autoscaler_counts_connections_and_the_adapter_knows_them() -> None:
    objects = kustomize.build(KUBERNETES / "overlays" / "production")
    (scaler,) = of_kind(objects, "HorizontalPodAutoscaler")
    (hub,) = [one for one in ours(objects) if program(one) == "websocket-server"]
    pods = next(metric["pods"] for metric in scaler["spec"]["metrics"] if metric["type"] == "Pods")
    (rule,) = yaml.safe_load(next(iter(NO_OBJECTS)).read_text())["rules"]
    assert rule["name"]["as"] == pods["metric"]["name"] == "fanfare_connections"
    limit = int(environment(hub, objects)["MAX_CONNECTIONS"])
    least = scaler["spec"]["minReplicas"]
    target = int(pods["target"]["averageValue"])
    # With one node gone the others have room for its clients.
    assert target * least / (least - 1) <= limit
