"""Every method is complete: documented, called in tests, with working examples and errors that occur."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from examples import matches, prepare, with_ids
from springhead import methods
from springhead.model.kit import errors
from springhead.model.kit.columns import Column
from springhead.model.kit.errors import ApiError
from springhead.rpc.method import REGISTRY, Example, Method, Reads, Writes
from springhead.rpc.params import DeclaredParam, Integer, Moment, Objects, OneOf, Where
from support import Company

assert methods.leads, "importing the methods registers them"
TESTS = Path(__file__).parent.parent
METHODS = list(REGISTRY.values())

every_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


def all_errors() -> list[type[ApiError]]:
    return [
        error
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, ApiError) and hasattr(error, "code")
    ]


def test_the_methods_of_the_first_step_are_there() -> None:
    assert set(REGISTRY) >= {
        "createLeads", "updateLeads", "updateLeadsV2", "deleteLeads", "getLead", "getLeads", "getLeadsDateRange",
        "getFields", "createFields", "updateFields", "deleteFields", "getUserProfiles",
    }  # fmt: skip


TEXTS = {file.stem: file.read_text() for file in (TESTS / "methods").rglob("test_*.py")}


@every_method
def test_a_method_is_called_in_the_tests_of_methods(method: Method[Any]) -> None:
    """In addition to the rules of every noun (test_every_noun.py)."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", method.name).lower()

    if own := TEXTS.get(f"test_{snake}"):
        assert own.count("\ndef test_") >= 5
    assert any(f'"{method.name}"' in text for text in TEXTS.values()), f"no test calls {method.name}"


@every_method
def test_a_method_is_documented(method: Method[Any]) -> None:
    assert re.fullmatch(r"[A-Z][^\n]*[.:]", method.summary), method.summary
    assert len(method.summary) <= 120
    assert method.section.startswith("docs/wire/") or not method.vendor
    assert method.examples, "no example"
    assert all(example.about for example in method.examples)
    for given in method.params:
        assert given.accepts.about.endswith("."), given.name


@every_method
def test_the_name_of_a_method_says_whether_it_reads_or_writes(method: Method[Any]) -> None:
    reads = method.name.startswith(("get", "search", "find", "export"))
    verb = re.match("[a-z]+", method.name)

    assert verb is not None
    assert isinstance(method.result, Reads if reads else Writes)
    assert reads or method.result.key == {"add": "creates", "remove": "deletes", "log": "creates"}.get(
        verb[0], f"{verb[0]}s"
    )
    assert any(isinstance(given.accepts, Objects) for given in method.params) == (not reads)
    assert {given.name for given in method.params if isinstance(given.accepts, Objects)} <= {"objects"}


# Errors


def test_every_code_but_999_belongs_to_one_error() -> None:
    codes = [error.code for error in all_errors() if error.code != 999]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: error.__name__)
def test_an_error_is_documented_and_has_the_wires_message(error: type[ApiError]) -> None:
    assert (error.__doc__ or "").strip().endswith((".", ";")), "the docstring is the catalogue entry"
    assert not error.message.endswith("."), "the wire's messages have no full stop (docs/wire/errors.md#error-object)"
    body = error().body()
    assert list(body) == ["code", "message", "data"]


NAMED = (
    ("emailAddress", "x"),
    ("emailAddress", "other@example.com"),
    ("memberID", "{lead}"),
    ("memberID", 1),
)
"""Leads by address and by id, some of which are there."""

MORE: Mapping[str, Sequence[dict[str, Any] | tuple[str, dict[str, Any]]]] = {
    "createLeads": [{"objects": [{"emailAddress": "new@example.com"}] * 2}],
    **{
        method: [
            {"objects": [{"id": "{id}", "emailAddress": "other@example.com"}]},
            {"objects": [{"id": "{id}", "city": "x", "expected": {"city": "y"}}]},
        ]
        for method in ("updateLeads", "updateLeadsV2", "upsertLeads")
    },
    "mergeLeads": [
        {"objects": [{"id": "{lead}", "mergeIDs": ids, **more}]}
        for ids, more in (
            ([1], {}),
            (["{other lead}"], {"values": []}),
            (["{other lead}"], {"values": {"ownerID": 1}}),
            (["{other lead}"], {"values": {"emailAddress": "other@example.com"}}),
            (["{other lead}"], {}),
            (["{other lead}"], {}),
        )
    ]
    + [{"objects": [{"id": 1, "mergeIDs": list(range(2, 52))}] * 11}],
    "createActions": [
        ("updateLeads", {"objects": [{"id": "{lead}", "city": "y"}]}),
        *(
            {"objects": [{"kind": "update", "ids": [lead], "values": values, **more}]}
            for lead, values, more in (
                ("{lead}", {"city": "y"}, {}),
                ("{lead}", {"ownerID": 1}, {}),
                ("{lead}", {"emailAddress": "other@example.com"}, {}),
                ("{lead}", {"city": "z"}, {"expected": {"city": "x"}}),
                (1, {"city": "z"}, {}),
            )
        ),
    ],
    "undoActions": [
        ("updateLeads", {"objects": [{"id": "{lead}", "city": "y"}]}),
        {"objects": ["{other newAction}", "{newAction}"]},
    ],
    "restoreLeads": [
        ("deleteLeads", {"objects": ["{lead}"]}),
        ("createLeads", {"objects": [{"emailAddress": "lead.one@example.com"}]}),
        {"objects": ["{lead}"]},
    ],
    "createFields": [{"objects": [{"relationship": "lead", "dataType": "string", "label": []}]}],
    "deleteDealStages": [{"objects": [{"id": "{dealStage}"}]}],
    "convertLeads": [{"objects": [{"id": "{lead}", **more}] * 2} for more in ({"accountID": 1}, {}, {})],
    "getListMemberships": [{"emailAddress": "x" * 300}],
    "getLeadListMemberships": [{"memberIDs": [1] * 101}, {"memberIDs": [[]]}],
    **{
        f"addListMember{several}{by}": [
            {"objects": [{"listID": list_id, name: lead}] * 2}
            for list_id in ("{activeList}", 1)
            for name, lead in NAMED
        ]
        for several in ("", "s")
        for by in ("", "EmailAddress")
    },
    **{
        f"removeListMember{several}{by}": [
            {"objects": [{"listID": list_id, name: lead}]} for list_id in ("{activeList}", 1) for name, lead in NAMED
        ]
        for several in ("", "s")
        for by in ("", "EmailAddress")
    },
    "removeListMembersAll": [{"listID": "{activeList}"}] * 2 + [{"listID": 1}],
    "createOpportunityLeads": [{"objects": [{"opportunityID": "{opportunity}", "leadID": "{lead}"}] * 2}],
    "getLeadTimeline": [
        {"where": {"whoID": 1}, "order": "largest"},
        *({"where": {"whoID": 1, **more}} for more in ({"eventSource": "x"}, {"createTimestamp": []}, {"x": 1})),
    ],
    "getEvents": [{"where": {"leadID": []}}],
    "getEventsByType": [
        {"eventSource": source, "leadID": lead} for source, lead in (("x", 1), ([], 1), ("leadCreation", "x"))
    ],
    "redeliverLeadUpdates": [{"objects": [{"deliveryID": 1}]}],
    "updateScoring": [{"halfLifeDays": 30}],
    "updateCaptureSettings": [{"keepAddresses": "none"}],
    "getTrackedLinks": [{"leadID": 1, "campaignID": 1}, {"leadID": [[1]]}, {"leadID": 1, "urls": ["ftp://x"]}],
    "getLeadsAsOf": [{"id": [[1]], "at": "2020-01-01"}],
    "getLeadTotals": [{"totals": {"city": "count"}, "text": []}],
    "findTime": [{"text": "9:00", "language": "xx"}, {"text": "9:00", "timeZone": []}],
    "getErasures": [{"leadID": [[1]]}],
    "findDuplicateLeads": [{"id": [[1]]}],
    "deleteFields": [{"objects": [{"systemName": name}]} for name in ([], "x", "firstName")],
}
"""Calls that go wrong in a way that only this method knows; a call of another one, by its name, prepares the next."""


def wrong_calls(method: Method[Any]) -> Iterator[dict[str, Any] | tuple[str, dict[str, Any]]]:
    """Calls that must fail: those that follow from the declared parameters, then those of MORE."""
    yield {}
    right: dict[str, Any] = {given.name: value for given in method.params if (value := right_value(given)) is not None}
    for given in method.params:
        for value in wrong_values(given, method):
            yield right | {given.name: value}
    yield from MORE.get(method.name, [])


def right_value(given: DeclaredParam) -> Any:
    """A valid value of the parameter."""
    match given.accepts:
        case Moment():
            return "2020-01-01"
        case OneOf():
            return given.accepts.schema()["enum"][0]  # type: ignore[index]
        case Where():
            return {}
        case Integer():
            return 1
        case _:
            return None


def wrong_values(given: DeclaredParam, method: Method[Any]) -> Iterator[Any]:
    """Values that are refused, or that contain an object that is refused."""
    match given.accepts:
        case Objects(noun=noun):
            yield from (5, [{}, 5], [{}] * 501)
            first = (noun.by_name["id"],) if "id" in noun.by_name and method.result.key != "creates" else ()
            like_it = {column.name: likely(column) for column in noun.writable_columns if column.required}
            yield [{**like_it, column.name: []} for column in (*first, *noun.writable_columns[:1])]
            yield [{"id": "x"}, {"id": 1}, {"id": "{id}"}, {"id": 1, **like_it}]
            yield [{**like_it, column.name: 1, **about(column)} for column in noun.reference_columns]
            yield [{"id": "{id}", column.name: 1, **about(column)} for column in noun.reference_columns]
        case Where(keys=keys):
            yield from ({"x": 1}, {keys[0]: {}})
        case _:
            yield from ("x", [])


def likely(column: Column) -> Any:
    """A value of the right type for a column. An id is one that no company has."""
    if column.kind.options:
        return column.kind.options[0]
    if column.kind.sql == "jsonb":
        return [{"systemName": "emailAddress"}]
    return {"bigint": 1, "smallint": 1, "numeric": 1, "boolean": 1, "timestamptz": "2020-01-01"}.get(
        column.kind.sql, "x"
    )


def about(column: Column) -> dict[str, Any]:
    """The type column that belongs to a reference, with a valid value."""
    return (
        {column.reference_type: next(iter(column.references))}
        if column.reference_type and isinstance(column.references, Mapping)
        else {}
    )


@every_method
def test_a_method_declares_exactly_the_errors_that_occur(method: Method[Any], company: Company) -> None:
    company.create({"emailAddress": "other@example.com"})
    before = next((example.given for example in method.examples if example.given), ())
    made = {"{id}": company.create({})[0]} | prepare(company, before)

    seen: set[int] = set()
    for params in wrong_calls(method):
        if isinstance(params, tuple):
            company.call(params[0], **with_ids(params[1], made))
            continue
        seen |= codes(company.envelope(method.name, with_ids(params, made)))

    declared = {error.code for error in method.errors}
    assert declared - seen == set(), "declared, but no call here causes it: add one to MORE"
    assert seen - declared == set(), "it occurs, but the method does not declare it"


def codes(answer: dict[str, Any]) -> set[int]:
    """The error codes of an answer: of the call, or of its objects."""
    error = answer["error"]
    return {error["code"]} if isinstance(error, dict) else {refusal["code"] for refusal in error or []}


# Examples


EXAMPLES = [(method, example) for method in METHODS for example in method.examples]


@pytest.mark.parametrize(
    ("method", "example"), EXAMPLES, ids=[f"{method.name}: {example.about}" for method, example in EXAMPLES]
)
def test_an_example_is_answered_as_it_says(method: Method[Any], example: Example, company: Company) -> None:
    made = prepare(company, example.given)

    answer = company.envelope(method.name, with_ids(example.params, made))

    assert answer["result"] is not None, answer["error"]
    if isinstance(method.result, Writes) and method.result.only_success:
        assert answer["result"] == {"success": example.result}
        return
    result = next(iter(answer["result"].values()))
    assert matches(example.result, result), result
    if isinstance(method.result, Writes) or method.result.generated_key:
        result = result if isinstance(method.result, Writes) else []
        assert answer["error"] == [outcome["error"] for outcome in result if not outcome["success"]]
    else:
        assert answer["error"] is None


def test_only_its_own_row_matches_an_example() -> None:
    assert matches({"id": ..., "a": ["1"]}, {"id": "5", "a": ["1"]})
    assert not matches({"id": ..., "a": "1"}, {"a": "1", "id": "5"})
    assert not matches({"id": ...}, {"id": "5", "a": "1"})
    assert not matches({"success": True}, {"success": 1})
    assert not matches([], {})
    assert not matches([...], [])
