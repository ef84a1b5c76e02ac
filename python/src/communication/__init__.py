"""For code in the field that imports `communication.pubsub_publisher`. New code imports `fanfare.pubsub`."""
