"""Every error that a caller can get, one class each. The class's docstring is its text in the reference.

Codes and messages are the vendor's own, without the full stop (docs/wire/errors.md). `data` says what the caller
should change. The message never does, because clients compare messages literally.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Self, TypedDict

Json = None | bool | int | float | str | Sequence[Any] | Mapping[str, Any]
"""Any value of JSON. The type is not recursive, because signatures are read at run time."""


class Problem(TypedDict):
    """One wrong parameter or field: its name, the mistake, and the valid format."""

    param: str
    message: str
    validFormat: NotRequired[Mapping[str, Json]]


class ErrorBody(TypedDict):
    """The error object of the wire, with its keys in the wire's order (docs/wire/errors.md#error-object)."""

    code: int
    message: str
    data: Json


class ApiError(Exception):
    """The base of all errors that reach a caller. `data` is `[]` if there is nothing to add."""

    code: int
    message: str

    def __init__(self, data: Json = ()) -> None:
        super().__init__(self.message)
        self.data: Json = data

    def body(self) -> ErrorBody:
        """Returns the error object of the wire."""
        return {"code": self.code, "message": self.message, "data": self.data}


class SingleObjectRefused(ApiError):
    """Refuses a whole call with the error of its only object. Raised for calls that send one object without a list."""

    def __init__(self, error: ErrorBody) -> None:
        self.code, self.message = error["code"], error["message"]
        super().__init__(error["data"])
        self._error = error

    def body(self) -> ErrorBody:
        """Returns the object's own error."""
        return self._error


class WrongParameters(ApiError):
    """The base of the errors whose `data.params` names each wrong parameter or field."""

    def __init__(self, *problems: Problem, **more: Json) -> None:
        super().__init__({"params": [dict(problem) for problem in problems], **more} if problems else ())
        self._problems, self._more = problems, more

    @property
    def entry_count(self) -> int:
        """The number of entries in `data`: problems, the options that they list, and valid names."""
        listed = [problem.get("validFormat", {}).get("options") for problem in self._problems]
        return len(self._problems) + sum(
            len(part) for part in (*listed, *self._more.values()) if isinstance(part, list)
        )

    def shortened(self) -> Self:
        """Returns the same error with only the first problem, without its valid format."""
        first = self._problems[:1]
        return type(self)(*(Problem(param=problem["param"], message=problem["message"]) for problem in first))


class InvalidFormat(ApiError):
    """The body is not a JSON object, is too large, has too many members, is nested too deeply, or has one twice."""

    code = 101
    message = "Invalid request data format"


class MissingRequestId(ApiError):
    """The envelope has no `id`, or its `id` is null, a list or an object."""

    code = 102
    message = "Header missing request ID"


class NotAllowed(ApiError):
    """The user who makes the call lacks the right `data.right`, which the method needs (docs/roles.md)."""

    code = 105
    message = "User authentication failed"


class DailyLimit(ApiError):
    """The company has used up its calls of this day. The count starts again at 00:00 UTC."""

    code = 106
    message = "Exceeded daily method call limit"


class SecondLimit(ApiError):
    """The company sends too many calls per second, or more work than its share of the server.

    Wait `data.retryAfter` seconds before the next call. The call has done nothing.
    """

    code = 107
    message = "Exceeded per second method call limit"


class MissingMethod(ApiError):
    """The envelope has no `method`."""

    code = 201
    message = "Missing method signature"


class MissingParams(ApiError):
    """The envelope has no `params`, or its `params` is neither an object nor a list."""

    code = 202
    message = "Missing params array"


class UnknownMethod(WrongParameters):
    """There is no method with this name. `data.params` says what was probably meant. Names are case-sensitive."""

    code = 204
    message = "Invalid method signature"


class InvalidParameters(WrongParameters):
    """A parameter or field is unknown, or its value has a wrong type, a wrong length or a wrong value."""

    code = 205
    message = "Invalid parameters"


class MissingParameters(WrongParameters):
    """A required parameter is missing."""

    code = 206
    message = "Missing parameters"


class MissingObjects(WrongParameters):
    """The call needs the list `objects`, and it is missing."""

    code = 207
    message = "Missing objects array"


class MalformedObject(WrongParameters):
    """An object, or the list `objects`, was expected, and a single value was sent."""

    code = 208
    message = "Object is malformed (expected array, got scalar)"


class TooManyObjects(WrongParameters):
    """The call has more objects than the company may send in one call (500 unless the operator has changed it)."""

    code = 209
    message = "Attempting to execute an excess amount of queries"


class UnexpectedArray(WrongParameters):
    """A single value was expected, and a list or an object was sent."""

    code = 210
    message = "Got array, expected variable"


class SystemField(WrongParameters):
    """The field is a system field. Only custom fields can be deleted."""

    code = 211
    message = "Only custom fields can be deleted"


class AlreadyMember(ApiError):
    """The lead is already on the list."""

    code = 213
    message = "The lead you tried to add is already a member"


class NoSuchLead(ApiError):
    """The company has no lead with this id or email address."""

    code = 214
    message = "The lead you tried to add does not exist for this account"


class WrongValue(WrongParameters):
    """The parameter takes one of a few words, and another value was sent."""

    code = 217
    message = "Incorrect parameter value supplied"


class TooManyLeads(WrongParameters):
    """The call names more leads than getLeadListMemberships takes in one call."""

    code = 222
    message = "You have exceeded the amount of leads to process. A max of 100 leads is allowed"


class WrongEventSource(WrongParameters):
    """There is no such `eventSource`."""

    code = 219
    message = "Incorrect `eventSource` value supplied"


class WrongWho(WrongParameters):
    """`whoID` is missing or is not an id."""

    code = 220
    message = "Please supply a valid `whoID`"


class EntryExists(WrongParameters):
    """Another object of the company already has this unique value, such as a lead's email address."""

    code = 301
    message = "Entry already exists"


class NothingChanged(ApiError):
    """The write changes nothing: the object already has these values, or does not exist."""

    code = 302
    message = "No table rows affected"


class UnknownReference(WrongParameters):
    """The object refers to another object, such as an owner, that the company does not have."""

    code = 303
    message = "Cannot add or update a child row: a foreign key constraint fails"


class NoSuchRecord(ApiError):
    """No object of the company has this id (in updateLeadsV2: this id or email address)."""

    code = 404
    message = "A record with that ID does not exist"


class ValueChanged(WrongParameters):
    """A value is not the one in `expected` any more: it was changed since it was read. Nothing is written.

    `data.params` names each such field. `data.conflict` has, for each, the current `value`, and if a write set it, the
    event of the last such write (`eventID`, `eventSource`) and its time (`createTimestamp`).
    """

    code = 409
    message = "A value was changed since it was read"


class Unexpected(ApiError):
    """A fault of the server; no input causes it. The server's log has the details under `data.requestId`."""

    code = 999
    message = "Unknown error. Please contact your Springhead operator"


class Unavailable(ApiError):
    """The database cannot be reached or is busy, or a row stayed locked. Call again in a moment.

    If `data` has `retryAfter`, the server is busy: wait so many seconds.

    A write that got this error, or no answer, may still have been stored: completely or not at all, never in part.
    """

    code = 999
    message = "Service temporarily unavailable, try again in a few minutes"
