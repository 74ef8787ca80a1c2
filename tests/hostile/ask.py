"""Sends hostile calls, and checks the rules that every answer must follow."""

import json
import os
from typing import Any

from hypothesis import HealthCheck, settings

from springhead.model.kit.errors import ApiError
from stopwatch import within
from support import Company

SECONDS = 2.0
_EXAMPLES = int(os.environ.get("SPRINGHEAD_TEST_EXAMPLES", "0"))


def subclasses(error: type[ApiError]) -> set[type[ApiError]]:
    """The class and all its subclasses."""
    return {error}.union(*(subclasses(other) for other in error.__subclasses__()))


CODES = {error.code for error in subclasses(ApiError) if hasattr(error, "code")} - {999}


def examples(number: int) -> settings:
    """Settings for `number` examples, the same in every run. SPRINGHEAD_TEST_EXAMPLES=5000: 5,000 random ones."""
    return settings(
        max_examples=_EXAMPLES or number,
        derandomize=not _EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )


def answer(company: Company, body: bytes, *, seconds: float = SECONDS) -> dict[str, Any]:
    """The answer to a body. It must come in time, be a valid envelope, and have no error that is the server's fault."""
    with within(seconds):
        status, content = company.send(body)
    assert status == 200, (status, content[:200])
    envelope: dict[str, Any] = json.loads(content)
    assert list(envelope) in (["result", "error", "id"], ["hasMore", "result", "error", "id"])
    errors = envelope["error"] or []
    for error in [errors] if isinstance(errors, dict) else errors:
        assert list(error) == ["code", "message", "data"]
        assert error["code"] in CODES, error
    assert (envelope["result"] is None) == isinstance(envelope["error"], dict)
    return envelope


def code(company: Company, body: bytes) -> int | None:
    """The error code of the call, or of its only object. None if there is no error."""
    error = answer(company, body)["error"]
    if isinstance(error, list):
        return error[0]["code"] if error else None
    return error and error["code"]


def call(method: str, params: bytes | dict[str, Any], id: bytes = b'"1"') -> bytes:
    """The body of a call, whose parts may be any bytes."""
    text = params if isinstance(params, bytes) else json.dumps(params).encode()
    return b'{"method":"%s","params":%s,"id":%s}' % (method.encode(), text, id)
