"""`publish_event` where code in the field looks for it. The same function as `fanfare.pubsub.publish_event`."""

from fanfare.pubsub import publish_event

__all__ = ["publish_event"]

if __name__ == "__main__":
    import sys

    from fanfare.commands.publish_event import main

    sys.exit(main())
