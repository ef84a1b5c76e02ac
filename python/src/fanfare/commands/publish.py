"""`fanfare-publish`: one event from the shell.

Exit codes: 0 published, 2 wrong usage, 3 the hub refused it, 4 it takes no more, 5 it does not answer, 1 else.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from fanfare.client import Fanfare
from fanfare.commands.data import HELP, data_of
from fanfare.errors import (
    FanfareError,
    InvalidPublicationError,
    OverloadedError,
    RefusedError,
    SettingsError,
    UnreachableError,
)
from fanfare.publication import Options, Retain
from fanfare.settings import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_CODES = (
    (InvalidPublicationError, 2),
    (SettingsError, 2),
    (RefusedError, 3),
    (OverloadedError, 4),
    (UnreachableError, 5),
)

_EPILOG = """\
exit codes:
  0  published; prints {"id": …, "recipients": …}
  2  wrong usage, or an event that can't be sent
  3  the hub refused it: nothing changes by trying again
  4  the hub takes no more at the moment
  5  the hub does not answer
  1  anything else

The API key comes from FANFARE_API_KEY, never from the command line, which others can see.

  fanfare-publish job_created job_id=7 title="Fix the roof" --channel jobs
  fanfare-publish oracle_upload_progress '{"step_number": 2}' --user 7 --retain oracle_upload:602
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fanfare-publish",
        description="Publish an event. Without a target everyone gets it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("type", metavar="TYPE", help="the event's type, such as job_created")
    add("data", metavar="DATA", nargs="*", help=HELP)
    add("--url", help="the hub (WS_SERVICE_URL, else http://127.0.0.1:8080)")
    add("-c", "--channel", action="append", metavar="NAME", help="a channel; may be given several times")
    add("-u", "--user", action="append", metavar="ID", help="a user; may be given several times")
    add("-q", "--queue", metavar="ID", help="a queue of the dashboard")
    add("--connection", metavar="ID", help="one connection")
    add("--namespace", metavar="NAME", help="a namespace of Socket.IO")
    add("--except-connection", metavar="ID", help="a connection that does not get it")
    add("--retain", metavar="KEY", help="keep it as the state under this key for who joins later")
    add("--ttl", metavar="SECONDS", type=int, help="with --retain: for how long (3600)")
    add("--final", action="store_true", help="with --retain: the last one under this key")
    add("--timestamp", metavar="TIME", help="when it happened, in ISO 8601 (the hub's time)")
    add("--sanitize", action="store_true", help="strip markup from every text in the data")
    add("--idempotency-key", metavar="KEY", help="the hub sends it once, however often it is published")
    add("--deadline", metavar="SECONDS", type=float, default=DEADLINE, help="how long to try (%(default)g)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Publishes what the arguments say, and returns the exit code."""
    parser = _parser()
    flags = parser.parse_intermixed_args(arguments)
    if not flags.retain and (flags.ttl is not None or flags.final):
        parser.error("--ttl and --final need --retain")
    try:
        data = data_of(flags.data)
    except ValueError as error:
        parser.error(str(error))
    try:
        with Fanfare(flags.url, deadline=flags.deadline) as hub:
            published = hub.publish(flags.type, data, **_options(flags))
    except FanfareError as error:
        print(f"fanfare-publish: {error}", file=sys.stderr)
        return next((code for kind, code in _CODES if isinstance(error, kind)), 1)
    print(json.dumps({"id": published.id, "recipients": published.recipients}))
    return 0


def _options(flags: argparse.Namespace) -> Options:
    options: Options = {
        "channels": flags.channel,
        "namespace": flags.namespace,
        "except_connection_id": flags.except_connection,
        "timestamp": flags.timestamp,
        "sanitize": flags.sanitize,
        "idempotency_key": flags.idempotency_key,
    }
    # To name nobody is not the same as not to name somebody.
    if flags.user is not None:
        options["user_ids"] = flags.user
    if flags.queue is not None:
        options["queue_id"] = flags.queue
    if flags.connection is not None:
        options["connection_id"] = flags.connection
    if flags.retain:
        options["retain"] = Retain(flags.retain, flags.ttl, flags.final)
    return options


if __name__ == "__main__":
    sys.exit(main())
