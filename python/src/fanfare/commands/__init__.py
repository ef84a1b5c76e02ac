"""Commands: `fanfare-publish` and `fanfare-publish-event`. Each is a module with a `main`."""
