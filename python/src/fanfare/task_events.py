"""What a task that reports itself publishes (contract: tasks): started, progress, completed, failed; and its step.

Pure: no I/O, no clock. The hub makes the timestamps. Not here: when these are sent, and what happens when they cannot
be (`progress`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fanfare.publication import Publication, Retain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fanfare.publication import UserId

__all__ = ["MAX_TEXT", "TTL_S", "TaskEvents", "text_of"]

#: For how many seconds the hub keeps a task's last event, unless another one follows (contract: tasks).
TTL_S: Final = 3600

#: The longest message or error text that is sent, in characters; what is longer is cut. Far below the hub's `MAX_BODY`.
MAX_TEXT: Final = 2_000


class TaskEvents:
    """The publications of one run of one task, and the step it is at.

    `name`: what the types begin with: `oracle_upload` makes `oracle_upload_started`. `transaction_id`: tells this run
    from others; the state is kept under `name:transaction_id`. `steps`: their names in order. `title`: what messages
    call it.
    """

    def __init__(
        self,
        user_id: UserId,
        name: str,
        transaction_id: int | str,
        steps: Sequence[str] = (),
        *,
        title: str | None = None,
        ttl_s: int = TTL_S,
    ) -> None:
        # A text would be taken for a list of its characters.
        if isinstance(steps, str):
            raise TypeError("steps: a list of names, not a text")
        # An event for nobody in particular would go to everyone.
        if user_id is None:
            raise TypeError("user_id: a number or a text")
        self.user_id = user_id
        self.name = name
        self.transaction_id = transaction_id
        self.steps = tuple(steps)
        self.title = title or name.replace("_", " ").capitalize()
        self._ttl_s = ttl_s
        #: The step that was last reported, and its number from 1; 0 before the first.
        self.step = ""
        self.step_number = 0

    def started(self, message: str | None = None) -> Publication:
        """The task begins."""
        return self._event("started", message or f"{self.title} started")

    def advance(self, step: str | int | None = None, message: str | None = None) -> Publication:
        """The task goes to a step: the next one, one by its number from 1, or one by its name.

        Without a list of steps each name is a step of its own. Raises `ValueError` for a step that there is not.
        """
        if isinstance(step, int):
            number, name = step, self._named(step)
        elif step is None:
            number = self.step_number + 1
            name = self._named(number)
        elif not self.steps:
            number, name = self.step_number + (step != self.step or not self.step_number), step
        elif step in self.steps:
            # A name that is there twice: the next one of them, where there is one behind.
            behind = self.steps[self.step_number :] if step != self.step else ()
            number = self.step_number + behind.index(step) + 1 if step in behind else self.steps.index(step) + 1
            if step == self.step:
                number = self.step_number
            name = step
        else:
            raise ValueError(f"{step!r} is none of the steps: {', '.join(self.steps)}")
        self.step_number, self.step = number, name
        return self.at(message)

    def at(self, message: str | None = None) -> Publication:
        """The task is at its step, said again or with another message."""
        total = len(self.steps) or self.step_number
        place = {"step": text_of(self.step), "step_number": self.step_number, "total_steps": total}
        message = message or f"{self.step} ({self.step_number} of {total})"
        return self._event("progress", message, before=place, status="processing")

    def completed(self, result_path: str | None = None, message: str | None = None) -> Publication:
        """The task has succeeded. `result_path`: where its result is; `null` where there is none."""
        path = None if result_path is None else text_of(result_path)
        message = message or f"{self.title} completed"
        return self._event("completed", message, final=True, success=True, result_path=path)

    def failed(self, error: str, message: str | None = None) -> Publication:
        """The task has failed."""
        return self._event("failed", message or f"{self.title} failed", final=True, error=text_of(error))

    def _named(self, number: int) -> str:
        if not 1 <= number <= len(self.steps):
            raise ValueError(f"there is no step {number}: there are {len(self.steps)}")
        return self.steps[number - 1]

    def _event(
        self, what: str, message: str, *, final: bool = False, before: dict[str, object] | None = None, **after: object
    ) -> Publication:
        key = f"{self.name}:{self.transaction_id}"
        return Publication(
            f"{self.name}_{what}",
            {"transaction_id": self.transaction_id, **(before or {}), "message": text_of(message), **after},
            user_id=self.user_id,
            retain=Retain(key, final=True) if final else Retain(key, self._ttl_s),
        )


def text_of(value: object) -> str:
    """A text that can be sent, whatever it was: an exception too, by its text or else its kind."""
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - a task's report must not fail because its exception has no text
        text = ""
    if not text and isinstance(value, BaseException):
        text = type(value).__name__
    # File names may hold halves of surrogate pairs, which are no Unicode.
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
