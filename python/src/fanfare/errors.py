"""Why something was not published or stored, by what the caller does about it.

- `SettingsError`, `InvalidPublicationError`, `RefusedError`: the caller's fault; the same call fails again.
- `OverloadedError`: the hub takes no more at the moment; try later.
- `UnreachableError`: no answer; it may have arrived (`may_have_arrived`). A repeat under the same key is safe.
- `UnexpectedAnswerError`: something answered that is not the hub, or has a fault.

Not here: when the clients try again by themselves (`retry`). No error ever shows an API key or a publication's data.
"""

from __future__ import annotations

__all__ = [
    "FanfareError",
    "InvalidPublicationError",
    "OverloadedError",
    "PublishError",
    "RefusedError",
    "SettingsError",
    "UnexpectedAnswerError",
    "UnreachableError",
]


class FanfareError(Exception):
    """What all errors of this package are."""


class SettingsError(FanfareError, ValueError):
    """The client cannot be made of its settings. The text names the setting."""


class InvalidPublicationError(FanfareError, ValueError):
    """The publication cannot be sent at all, and was not; the text names the member."""


class PublishError(FanfareError):
    """The hub did not take a publication, or a service what it was to store.

    `status` is the HTTP status (`None` without an answer), `code` the problem's stable code (empty where the answer
    was no problem), `detail` its sentence for a developer.
    """

    #: Whether the same call may succeed later.
    temporary = False

    #: Whether the hub may have it all the same: one of the tries had no answer, though it may have been sent.
    may_have_arrived = False

    #: Who was asked.
    who = "the hub"

    def __init__(self, detail: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        said = " ".join(str(part) for part in (self.status, self.code) if part)
        says = self.says.format(who=self.who)
        return f"{says}: {said}: {self.detail}" if said else f"{says}: {self.detail}"

    #: How the text begins.
    says = "not published"

    def __reduce__(self) -> tuple[object, ...]:
        # Celery carries errors from process to process.
        return (_again, (type(self), self.__dict__.copy()))


def _again(kind: type[PublishError], members: dict[str, object]) -> PublishError:
    error = kind(str(members.get("detail", "")))
    error.__dict__.update(members)
    return error


class RefusedError(PublishError):
    """The call is wrong (4xx but 429): repeating it changes nothing."""

    says = "{who} refused it"


class OverloadedError(PublishError):
    """It takes no more at the moment (429, 503; a service's 409 with `Retry-After`).

    `retry_after`: in how many seconds it wants to be asked again.
    """

    temporary = True
    says = "{who} takes no more at the moment"

    def __init__(
        self, detail: str, *, status: int | None = None, code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(detail, status=status, code=code)
        self.retry_after = retry_after


class UnreachableError(PublishError):
    """No answer: it is away, or the connection broke, or a proxy found nobody behind it (502, 504)."""

    temporary = True
    may_have_arrived = True
    says = "{who} does not answer"


class UnexpectedAnswerError(PublishError):
    """An answer that is none of the hub's or the service's, or a fault of its own (other 5xx)."""

    says = "{who} does not answer as it should"
