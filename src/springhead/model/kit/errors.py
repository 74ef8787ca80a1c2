"""Every error that a caller can get: the class is the catalogue entry, the wire's text its message.

Codes and messages are the vendor's own, without the full stop (docs/wire/errors.md). What the caller
should change stands in `data`, never in the message, because clients compare messages literally.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Self, TypedDict

Json = None | bool | int | float | str | Sequence[Any] | Mapping[str, Any]
"""Any value of JSON; what lists and objects hold is not spelt out, since signatures are read at run time."""


class Problem(TypedDict):
    """One wrong parameter or field: its name, what is wrong, and what would be valid."""

    param: str
    message: str
    validFormat: NotRequired[Mapping[str, Json]]


class ErrorBody(TypedDict):
    """An error as it stands on the wire, in this order of keys (docs/wire/errors.md#error-object)."""

    code: int
    message: str
    data: Json


class ApiError(Exception):
    """The base of all errors that reach a caller; `data` is `[]` when there is nothing to add."""

    code: int
    message: str

    def __init__(self, data: Json = ()) -> None:
        super().__init__(self.message)
        self.data: Json = data

    def body(self) -> ErrorBody:
        """The error object of the wire."""
        return {"code": self.code, "message": self.message, "data": self.data}


class SingleObjectRefused(ApiError):
    """The refusal of the only object of a call that is about one object: it refuses the whole call."""

    def __init__(self, error: ErrorBody) -> None:
        self.code, self.message = error["code"], error["message"]
        super().__init__(error["data"])
        self._error = error

    def body(self) -> ErrorBody:
        """The object's own error."""
        return self._error


class WrongParameters(ApiError):
    """Base of the errors whose `data.params` names each wrong parameter or field."""

    def __init__(self, *problems: Problem, **more: Json) -> None:
        super().__init__({"params": [dict(problem) for problem in problems], **more} if problems else ())
        self._problems, self._more = problems, more

    @property
    def entry_count(self) -> int:
        """How many entries `data` has in all: problems, the options that they list, valid names."""
        listed = [problem.get("validFormat", {}).get("options") for problem in self._problems]
        return len(self._problems) + sum(
            len(part) for part in (*listed, *self._more.values()) if isinstance(part, list)
        )

    def shortened(self) -> Self:
        """The same error with the first problem alone, in a sentence."""
        return type(self)(*(Problem(param=one["param"], message=one["message"]) for one in self._problems[:1]))


class InvalidFormat(ApiError):
    """The body is not a JSON object, is too large, nests too deep, or names a member twice."""

    code = 101
    message = "Invalid request data format"


class MissingRequestId(ApiError):
    """The envelope has no `id`, or one that is null, a list or an object."""

    code = 102
    message = "Header missing request ID"


class DailyLimit(ApiError):
    """The company has used its calls of the day; the count starts anew at 00:00 UTC."""

    code = 106
    message = "Exceeded daily method call limit"


class SecondLimit(ApiError):
    """The company has used its calls of the second; `data.retryAfter` says how many seconds to wait."""

    code = 107
    message = "Exceeded per second method call limit"


class MissingMethod(ApiError):
    """The envelope has no `method`."""

    code = 201
    message = "Missing method signature"


class MissingParams(ApiError):
    """The envelope has no `params`, or they are neither an object nor a list."""

    code = 202
    message = "Missing params array"


class UnknownMethod(ApiError):
    """There is no method of that name; names are case-sensitive."""

    code = 204
    message = "Invalid method signature"


class InvalidParameters(WrongParameters):
    """A parameter or a field has a wrong type, length or value, or is not known at all."""

    code = 205
    message = "Invalid parameters"


class MissingParameters(WrongParameters):
    """A required parameter is absent."""

    code = 206
    message = "Missing parameters"


class MissingObjects(WrongParameters):
    """The call needs a list `objects` and has none."""

    code = 207
    message = "Missing objects array"


class MalformedObject(WrongParameters):
    """A scalar stands where an object, or the list of objects, is due."""

    code = 208
    message = "Object is malformed (expected array, got scalar)"


class TooManyObjects(WrongParameters):
    """More objects than one call may carry (500, unless set otherwise for the company)."""

    code = 209
    message = "Attempting to execute an excess amount of queries"


class UnexpectedArray(WrongParameters):
    """A list or an object stands where a single value is due."""

    code = 210
    message = "Got array, expected variable"


class SystemField(WrongParameters):
    """The field belongs to the system; only custom fields can be deleted."""

    code = 211
    message = "Only custom fields can be deleted"


class AlreadyMember(ApiError):
    """The lead is on the list already."""

    code = 213
    message = "The lead you tried to add is already a member"


class NoSuchLead(ApiError):
    """The company has no lead with that id or email address."""

    code = 214
    message = "The lead you tried to add does not exist for this account"


class WrongValue(WrongParameters):
    """A parameter that takes one of a few words was given another."""

    code = 217
    message = "Incorrect parameter value supplied"


class TooManyLeads(WrongParameters):
    """More leads than getLeadListMemberships answers for in one call."""

    code = 222
    message = "You have exceeded the amount of leads to process. A max of 100 leads is allowed"


class WrongEventSource(WrongParameters):
    """An `eventSource` that there is not."""

    code = 219
    message = "Incorrect `eventSource` value supplied"


class WrongWho(WrongParameters):
    """`whoID` is missing, or no id."""

    code = 220
    message = "Please supply a valid `whoID`"


class EntryExists(WrongParameters):
    """Another object of the company already has this unique value, such as a lead's email address."""

    code = 301
    message = "Entry already exists"


class NothingChanged(ApiError):
    """The object is already as asked for, or there is nothing to delete."""

    code = 302
    message = "No table rows affected"


class UnknownReference(WrongParameters):
    """The object names another object, such as an owner, that the company does not have."""

    code = 303
    message = "Cannot add or update a child row: a foreign key constraint fails"


class NoSuchRecord(ApiError):
    """No record of the company has that id (updateLeadsV2: or that email address)."""

    code = 404
    message = "A record with that ID does not exist"


class Unexpected(ApiError):
    """A fault of the server; the answer's `data.requestId` finds it in the log. No input causes it."""

    code = 999
    message = "Unknown error. Please contact your Springhead operator"


class Unavailable(ApiError):
    """The database cannot be reached, is full, or a row stayed locked: call again in a moment.

    An unanswered or so answered write may still have been stored as a whole, never in part.
    """

    code = 999
    message = "Service temporarily unavailable, try again in a few minutes"
