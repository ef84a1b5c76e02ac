"""Compares the overlays as kustomize makes them with our reading of them. Usage: compare.py KUSTOMIZE.

For those who change kustomize.py or the overlays' form; CI does without the program.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

import yaml

import kustomize
from test_kubernetes import BASE, OVERLAYS

# The hash that a generated ConfigMap's name ends with.
HASH = re.compile(r"^(hub-env|hub-config|services-env|user-service-env|pubsub-bridge-env)-[a-z0-9]{10}$")


def plain(value: object) -> object:
    """Without the hashes of names."""
    match value:
        case dict():
            return {key: plain(one) for key, one in value.items()}
        case list():
            return [plain(one) for one in value]
        case str() if found := HASH.match(value):
            return found[1]
    return value


def main(program: str) -> int:
    """The number of overlays that differ."""
    differ = 0
    for directory in (BASE, *OVERLAYS):
        text = subprocess.run([program, "build", str(directory)], capture_output=True, text=True, check=True).stdout
        theirs = sorted(json.dumps(plain(one), sort_keys=True) for one in yaml.safe_load_all(text))
        ours = sorted(json.dumps(one, sort_keys=True) for one in kustomize.build(directory))
        for one in sorted(set(theirs) ^ set(ours)):
            print(f"{directory.name}: only {'kustomize' if one in theirs else 'ours'}: {one}")
        differ += theirs != ours
        print(f"{directory.name}: {len(theirs)} objects, {'they differ' if theirs != ours else 'the same'}")
    return differ


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
