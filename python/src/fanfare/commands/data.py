"""The data of an event from the shell: one JSON text, `-` for standard input, or `KEY=VALUE` several times."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HELP", "data_of"]

HELP = (
    "JSON, - for JSON from standard input, or KEY=VALUE several times; a VALUE that is JSON is taken as such "
    "(count=3, ok=true), else as text"
)


def data_of(words: Sequence[str]) -> Any:
    """The data that the words say; `{}` for none. Raises `ValueError`, which says what is wrong."""
    if not words:
        return {}
    if len(words) == 1 and (words[0] == "-" or "=" not in words[0] or words[0].lstrip()[:1] in ("{", "[", '"')):
        return _json(sys.stdin.read() if words[0] == "-" else words[0])
    data: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise ValueError(f"DATA: {word!r} is not KEY=VALUE")
        try:
            data[key] = _json(value)
        except ValueError:
            data[key] = value
    return data


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError("DATA is not JSON") from None


def _no_constant(name: str) -> None:
    # Python reads NaN and infinities, JSON has none.
    raise ValueError(name)
