"""`fanfare-publish-event`: one message to Google Cloud Pub/Sub from the shell.

Exit codes: 0 published, 2 wrong usage, 1 else.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from fanfare.commands.data import HELP, data_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_EPILOG = """\
exit codes: 0 published, and prints the message's id; 2 wrong usage; 1 anything else

PUBSUB_EMULATOR_HOST is honoured; without it application-default credentials are used.

  fanfare-publish-event receipt-tracking-application receipt-updates \\
      type=receipt_update status=processed receipt_id=abc123
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Publishes what the arguments say, and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="fanfare-publish-event",
        description="Publish a message to a topic of Google Cloud Pub/Sub; it gets a timestamp where it has none.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("project", metavar="PROJECT", help="the project's id")
    parser.add_argument("topic", metavar="TOPIC", help="the topic's id")
    parser.add_argument("data", metavar="DATA", nargs="+", help=HELP)
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=60.0, help="how long to try (%(default)g)")
    flags = parser.parse_intermixed_args(arguments)
    try:
        message = data_of(flags.data)
    except ValueError as error:
        parser.error(str(error))
    if not isinstance(message, dict):
        parser.error("DATA: a message is a JSON object")
    try:
        from fanfare.pubsub import publish_event

        print(publish_event(flags.project, flags.topic, message, timeout=flags.timeout))
    except Exception as error:  # noqa: BLE001 - Google's library has many, and each is one line for the shell
        print(f"fanfare-publish-event: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
