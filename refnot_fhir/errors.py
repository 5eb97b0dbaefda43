"""Every error that a caller can meet.

RefnotError
├── BadInput           what was sent cannot be taken: say where and how to mend it
│   └── Unprocessable  its syntax is right, and its content is not
├── NotFound           nothing of that name
├── Gone               it was deleted
├── NotTheVersion      the version that was named is not the newest one
├── Conflict           it contradicts what is kept
├── NotSupported       a type of resource that this service does not offer
├── NotAcceptable      an answer that it does not give in the form asked for
├── UnknownMedia       a body of a kind that it does not read
├── TooLarge           over a limit of size
├── Forbidden          not for this caller
├── Busy               try again after `retry_after` seconds
├── StoreFull          no room left: an operator has to act
└── BadMapping         a mapping file is wrong: the service does not start

What HTTP and an OperationOutcome call each of them is in `web.errors`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from refnot_fhir.core.record import record


@record
class Problem:
    """One thing that is wrong with what was sent: an issue of an OperationOutcome in the making.

    It names places, and repeats nothing received that may be a patient's.
    """

    code: str
    """A code of FHIR's issue-type value set (http://hl7.org/fhir/ValueSet/issue-type).

    Empty: that of the error that it is a problem of.
    """
    message: str
    """One sentence."""
    expression: str = ""
    """FHIRPath of the culprit; empty when no place is known."""

    def inside(self, place: str, type: str) -> Problem:
        """The same of a resource of a type that stands at a place: `Bundle.entry[3].resource`."""
        inner = self.expression.removeprefix(type)
        inner = f".{inner}" if inner == "resourceType" else inner
        words = self.message
        if words.startswith(self.expression):
            words = place + inner + words.removeprefix(self.expression)
        return Problem(self.code, words, place + inner)

    @property
    def told(self) -> str:
        """The place and what is wrong there, the place once."""
        if not self.expression or self.message.startswith(self.expression):
            return self.message
        return f"{self.expression}: {self.message}"


def trace(error: BaseException) -> str:
    """Where an exception and its causes came from, without their messages.

    For logs: a message repeats what the code was working on, which may be a patient's.
    """
    return "".join(_traced(error)).rstrip()


def _traced(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _traced(cause)
        yield "then\n"
    yield from traceback.format_list(traceback.extract_tb(error.__traceback__))
    yield f"{type(error).__module__}.{type(error).__qualname__}\n"


class RefnotError(Exception):
    """Base of all errors that this package raises on purpose."""

    def __init__(self, message: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems or (Problem("", message),)


class BadInput(RefnotError):
    """What was sent cannot be taken, now or ever, unless it is changed."""


class Unprocessable(BadInput):
    """What was sent can be read, and contradicts itself or what is kept."""


class NotFound(RefnotError):
    """There is nothing of that name."""


class Gone(RefnotError):
    """It was there and was deleted."""


class Conflict(RefnotError):
    """The request contradicts what is kept."""


class NotTheVersion(RefnotError):
    """The version that the request supposes to be the newest is not."""


class NotSupported(RefnotError):
    """A type of resource, or an address, that this service does not offer."""


class NotAcceptable(RefnotError):
    """An answer in a form or a version in which this service does not give it."""


class UnknownMedia(RefnotError):
    """A body in a form, a coding or a version that this service does not read."""


class TooLarge(RefnotError):
    """The request is over a limit of size."""


class Forbidden(RefnotError):
    """The caller may not do this."""


class Busy(RefnotError):
    """Transient: the same request can succeed later."""

    def __init__(self, message: str, *, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreFull(RefnotError):
    """The disk or a quota is exhausted."""


class BadMapping(RefnotError):
    """A mapping file is wrong: `message` names the file, the key and the reason."""
