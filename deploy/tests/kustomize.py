"""Kustomizations put together as kustomize does, as far as ours use it; anything else is an error.

What is not here: name hashes of generated ConfigMaps (their names stay plain, so that references can be followed),
generators of Secrets, components, replacements. Compared with the real kustomize by `scripts/deploy kustomize PROGRAM`.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from conftest import environment_file

Object = dict[str, Any]

KNOWN = {"apiVersion", "kind", "namespace", "labels", "resources", "configMapGenerator", "images", "patches"}

# Kinds that belong to no namespace.
CLUSTER_WIDE = {"Namespace"}


class KustomizationError(AssertionError):
    """A kustomization that kustomize would refuse, or that uses what is not known here."""


def read(directory: Path) -> Object:
    """A kustomization.yaml."""
    kustomization: Object = yaml.safe_load((directory / "kustomization.yaml").read_text())
    unknown = set(kustomization) - KNOWN
    if unknown:
        raise KustomizationError(f"{directory}: {sorted(unknown)} is not known here")
    return kustomization


def documents(path: Path) -> list[Object]:
    """The objects of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


def files(directory: Path) -> set[Path]:
    """All files that a kustomization names, itself included; not those of the directories that it builds on."""
    kustomization = read(directory)
    named = [directory / "kustomization.yaml"]
    named += [directory / entry for entry in kustomization.get("resources", []) if entry.endswith(".yaml")]
    named += [directory / patch["path"] for patch in kustomization.get("patches", []) if "path" in patch]
    for generator in kustomization.get("configMapGenerator", []):
        named += [directory / path for path in generator.get("envs", []) + generator.get("files", [])]
    return set(named)


def build(directory: Path) -> list[Object]:
    """The objects of a kustomization, after everything that it does to them."""
    kustomization = read(directory)
    objects: list[Object] = []
    for entry in kustomization.get("resources", []):
        path = (directory / entry).resolve()
        objects += build(path) if path.is_dir() else documents(path)
    objects += [config_map(directory, generator) for generator in kustomization.get("configMapGenerator", [])]
    for patch in kustomization.get("patches", []):
        apply(directory, patch, objects)
    for image in kustomization.get("images", []):
        set_image(image, objects)
    for labels in kustomization.get("labels", []):
        for one in objects:
            one["metadata"].setdefault("labels", {}).update(labels["pairs"])
    if namespace := kustomization.get("namespace"):
        for one in objects:
            if one["kind"] not in CLUSTER_WIDE:
                one["metadata"]["namespace"] = namespace
    names = [name_of(one) for one in objects]
    if twice := {str(name) for name in names if names.count(name) > 1}:
        raise KustomizationError(f"{directory}: twice: {sorted(twice)}")
    return objects


def name_of(one: Object) -> tuple[str, str]:
    """Kind and name."""
    return one["kind"], one["metadata"]["name"]


def config_map(directory: Path, generator: Object) -> Object:
    """The ConfigMap of a generator."""
    data: dict[str, str] = {}
    for path in generator.get("envs", []):
        data |= environment_file(directory / path)
    for path in generator.get("files", []):
        data[Path(path).name] = (directory / path).read_text()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}


def set_image(image: Object, objects: list[Object]) -> None:
    """Gives containers with that image another name or tag."""
    found = False
    for one in objects:
        for container in one.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            if container["image"].partition(":")[0] == image["name"]:
                found = True
                container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
    if not found:
        raise KustomizationError(f"no container has the image {image['name']}")


def apply(directory: Path, patch: Object, objects: list[Object]) -> None:
    """One patch: by path with the object's own kind and name, or inline operations on a target."""
    if "path" in patch:
        (change,) = documents(directory / patch["path"])
        kind, name = name_of(change)
        content: Any = change
    else:
        kind, name = patch["target"]["kind"], patch["target"]["name"]
        content = yaml.safe_load(patch["patch"])
    targets = [one for one in objects if name_of(one) == (kind, name)]
    if not targets:
        raise KustomizationError(f"{directory}: a patch is for {kind} {name}, which is not there")
    for target in targets:
        if isinstance(content, list):
            for operation in content:
                operate(operation, target)
        else:
            merge(target, content)


def operate(operation: Object, target: Object) -> None:
    """An operation of RFC 6902 on objects; no places in lists."""
    *path, last = operation["path"].strip("/").split("/")
    place = target
    for step in path:
        place = place[step]
    match operation["op"]:
        case "remove":
            del place[last]
        case "add" | "replace":
            if operation["op"] == "replace" and last not in place:
                raise KustomizationError(f"{operation['path']} is not there")
            place[last] = operation["value"]
        case other:
            raise KustomizationError(f"{other} is not known here")


def merge(target: Object, change: Object) -> None:
    """A strategic merge: objects member by member, lists of things with a name by it, other lists as a whole."""
    for key, value in change.items():
        old = target.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            merge(old, value)
        elif named(value) and named(old):
            for item in value:
                same = [candidate for candidate in old if candidate["name"] == item["name"]]
                if same:
                    merge(same[0], item)
                else:
                    old.append(copy.deepcopy(item))
        else:
            target[key] = copy.deepcopy(value)


def named(value: Any) -> bool:
    """Whether it is a list of objects with names."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "name" in item for item in value)
