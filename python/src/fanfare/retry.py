"""When a call is tried again, and when it is given up. No I/O: the clients wait.

`stamina` was looked at: it bounds when a new try may begin, not when a call ends, and whoever switches it off does so
for a whole process. A publication has one deadline over all its tries and waits, whoever else is in the process.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final

from fanfare.errors import OverloadedError, PublishError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FIRST_WAIT", "LONGEST_WAIT", "MOST_PATIENCE", "Tries"]

#: The wait before the second try, in seconds; it doubles from try to try.
FIRST_WAIT: Final = 0.1

#: The longest wait that doubling leads to, in seconds.
LONGEST_WAIT: Final = 2.0

#: The longest wait that a `Retry-After` brings about, in seconds; as in the hub's own clients.
MOST_PATIENCE: Final = 5.0

#: What is left of a deadline has to be more than this for another try, in seconds.
_WORTH_IT: Final = 0.01


class Tries:
    """The tries of one call: at most `attempts` (`None`: any number) within `deadline` seconds."""

    def __init__(
        self,
        deadline: float,
        attempts: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._end = clock() + deadline
        self._left = attempts
        self._wait = FIRST_WAIT
        self._may_have_arrived = False

    def remaining(self) -> float:
        """How many seconds are left."""
        return self._end - self._clock()

    def wait_after(self, error: PublishError) -> float | None:
        """How many seconds to wait before the next try; `None`: that was the last one.

        The error of a later try tells of an earlier one that may have arrived.
        """
        self._may_have_arrived = error.may_have_arrived = self._may_have_arrived or error.may_have_arrived
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                return None
        if not error.temporary:
            return None
        # Half of it is by chance, so that many who were refused at once do not come back at once.
        wait = self._wait * (0.5 + self._chance() / 2)
        self._wait = min(self._wait * 2, LONGEST_WAIT)
        asked = error.retry_after if isinstance(error, OverloadedError) else None
        if asked is not None:
            wait += min(asked, MOST_PATIENCE)
        return wait if self.remaining() - wait > _WORTH_IT else None
