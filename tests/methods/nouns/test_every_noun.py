"""The rules of every noun with generic writes: create, update, delete (docs/wire/envelope.md)."""

from collections.abc import Callable

from nouns import (
    NOTHING,
    Case,
    cases,
    create_object,
    full_object,
    minimal_object,
    of_type,
    read,
    refusal_of_change,
    refused_columns,
    shown_columns,
    with_its_kin,
    without,
)
from springhead.rpc.method import REGISTRY
from springhead.rpc.params import FlatOrObjects
from support import Company

# Create and read back


@cases()
def test_an_object_is_read_back_as_it_was_written_in_the_declared_order(company: Company, case: Case) -> None:
    written = full_object(company, case)

    (object_id,) = company.make(case.create, written)

    row = read(company, case, object_id)
    assert row is not None
    assert list(row) == [column.name for column in case.noun.columns if not column.on_request]
    assert {name: row[name] for name in written} == written
    assert row["id"] == str(object_id)
    assert {type(value) for value in row.values()} <= {str, type(None)}


@cases()
def test_a_missing_value_is_the_default_or_null(company: Company, case: Case) -> None:
    given = minimal_object(company, case)

    row = read(company, case, create_object(company, case))

    assert row is not None
    for column in shown_columns(case):
        if column.name not in given and not column.default:
            assert row[column.name] is None
        elif column.name not in given:
            assert row[column.name] is not None


@cases()
def test_ids_are_integers_that_rise_by_1024_in_the_order_sent(company: Company, case: Case) -> None:
    objects = [minimal_object(company, case) for _ in range(4)]

    answer = company.envelope(case.create, {"objects": objects})

    ids = [outcome["id"] for outcome in answer["result"]["creates"]]
    assert [object_id - ids[0] for object_id in ids] == [0, 1024, 2048, 3072]
    assert ids[-1] < 2**53
    assert [list(outcome) for outcome in answer["result"]["creates"]] == [["success", "error", "id"]] * 4
    assert answer["error"] == []


@cases()
def test_read_only_values_are_ignored_in_a_create(company: Company, case: Case) -> None:
    ignored = {column.name: "17" for column in case.noun.columns if not column.writable}

    row = read(company, case, create_object(company, case, **ignored))

    assert row is not None
    assert all(row[name] != "17" for name in ignored if name in row)


@cases()
def test_a_refused_object_does_not_stop_the_others_and_outcomes_keep_their_order(company: Company, case: Case) -> None:
    right = minimal_object(company, case)

    answer = company.envelope(case.create, {"objects": [right, {**right, "nothing": 1}, right, 5, right]})

    outcomes = answer["result"]["creates"]
    assert [outcome["success"] for outcome in outcomes] == [True, False, True, False, True]
    assert answer["error"] == [outcomes[1]["error"], outcomes[3]["error"]]
    assert [error["code"] for error in answer["error"]] == [205, 208]
    assert all(read(company, case, outcomes[position]["id"]) for position in (0, 2, 4))


# Wrong calls


@cases()
def test_required_values_must_be_present_and_not_empty(company: Company, case: Case) -> None:
    right = minimal_object(company, case)
    required = [column for column in case.noun.writable_columns if column.required]

    assert set(refused_columns(company.refusal(case.create, dict(case.always)))) == {column.name for column in required}
    for column in required:
        without_it = {name: given for name, given in right.items() if name != column.name}
        assert refused_columns(company.refusal(case.create, without_it)) == [column.name]
        assert refused_columns(company.refusal(case.create, {**right, column.name: None})) == [column.name]
        for blank in ("", " \n\t "):
            assert refused_columns(company.refusal(case.create, {**right, column.name: blank})) == [column.name]


@cases()
def test_an_unknown_name_is_205_and_the_valid_ones_are_listed(company: Company, case: Case) -> None:
    columns = [column.name for column in case.noun.writable_columns]
    wrong = columns[-1].upper()

    on_create = company.refusal(case.create, {**minimal_object(company, case), wrong: 1})
    on_update = refusal_of_change(company, case, id=create_object(company, case), **{wrong: 1})

    for refusal, valid in ((on_create, columns), (on_update, ["id", *columns])):
        assert refused_columns(refusal) == [wrong]
        assert refusal is not None
        assert refusal["data"]["validParams"] == valid


@cases()
def test_calls_that_are_no_lists_of_objects_are_refused_whole(company: Company, case: Case) -> None:
    for method in (case.create, case.update, case.delete):
        flat = any(isinstance(given.accepts, FlatOrObjects) for given in REGISTRY[method].params)
        if not flat:
            assert [company.error(method)["code"], company.error(method, objects=None)["code"]] == [207, 207]
        assert [company.error(method, objects=wrong)["code"] for wrong in (5, "x", True)] == [208, 208, 208]
        assert company.error(method, objects=[{}] * 501)["code"] == 209
        assert company.call(method, objects=[]) == []
        assert company.code(method, 5.5) in {205, 208}
        assert company.code(method, []) == (210 if method == case.delete else company.code(method, {}))


@cases()
def test_a_reference_to_an_unknown_object_is_303(
    company: Company, given_company: Callable[..., Company], case: Case
) -> None:
    other = given_company()
    right, foreign = full_object(company, case), full_object(other, case)
    object_id = create_object(company, case)
    before = read(company, case, object_id)

    for column in case.noun.reference_columns:
        for unknown in (foreign[column.name], 1, 2**63 - 1):
            assert refused_columns(company.refusal(case.create, {**right, column.name: unknown}), 303) == [column.name]
            about = {column.reference_type: right[column.reference_type]} if column.reference_type else {}
            assert refused_columns(
                refusal_of_change(company, case, id=object_id, **about, **{column.name: unknown}), 303
            ) == [column.name]

    assert read(company, case, object_id) == before


# Update


@cases()
def test_an_update_changes_only_the_given_values(company: Company, case: Case) -> None:
    (object_id,) = company.make(case.create, full_object(company, case))
    other = full_object(company, case, 1)

    while other:
        before = read(company, case, object_id)
        names = with_its_kin(case, case.noun.by_name[next(iter(other))])
        change = {name: other.pop(name) for name in names}

        assert refusal_of_change(company, case, id=object_id, **change) is None

        assert without(read(company, case, object_id)) == without(before) | change


@cases()
def test_null_unsets_nullable_values_only(company: Company, case: Case) -> None:
    (object_id,) = company.make(case.create, full_object(company, case))

    nullable = {column.name for column in shown_columns(case) if column.nullable}
    while nullable:
        before = read(company, case, object_id)
        nulls = dict.fromkeys(with_its_kin(case, case.noun.by_name[nullable.pop()]))
        nullable -= nulls.keys()
        assert refusal_of_change(company, case, id=object_id, **nulls) is None
        assert without(read(company, case, object_id)) == without(before) | nulls
        assert refusal_of_change(company, case, id=object_id, **nulls) == NOTHING

    for column in case.noun.writable_columns:
        if not column.nullable:
            assert refused_columns(refusal_of_change(company, case, id=object_id, **{column.name: None})) == [
                column.name
            ]


@cases()
def test_an_update_that_changes_nothing_or_finds_nothing_is_302(company: Company, case: Case) -> None:
    written = full_object(company, case)
    (object_id,) = company.make(case.create, written)
    before = read(company, case, object_id)

    assert refusal_of_change(company, case, id=object_id, **written) == NOTHING
    assert refusal_of_change(company, case, id=object_id) == NOTHING
    assert refusal_of_change(company, case, **written) == NOTHING  # without an id no row is meant
    for unknown in (1, "1", 2**63 - 1):
        assert refusal_of_change(company, case, id=unknown, **written) == NOTHING
    assert read(company, case, object_id) == before


@cases()
def test_an_invalid_id_is_205_or_210(company: Company, case: Case) -> None:
    right = minimal_object(company, case)

    for wrong in ("", "x", "1.5", True, -1, 2**63):
        assert refused_columns(refusal_of_change(company, case, **right | {"id": wrong})) == ["id"]
        assert refused_columns(company.refusal(case.delete, {"id": wrong})) == ["id"]
    assert refused_columns(refusal_of_change(company, case, **right | {"id": [1]}), 210) == ["id"]
    assert refused_columns(company.refusal(case.delete, {"id": [1]}), 210) == ["id"]


@cases("text")
def test_objects_of_one_row_are_applied_in_the_order_sent(company: Company, case: Case) -> None:
    column = of_type(case.noun, "text")[0]
    first, second = create_object(company, case), create_object(company, case)

    outcomes = company.call(
        case.update,
        objects=[
            {"id": first, column.name: "a"},
            {"id": second, column.name: "b"},
            {"id": str(first), column.name: "c"},
            {"id": first, column.name: "c"},
            {"id": first, column.name: "d"},
            {"id": first, column.name: True},
        ],
    )

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [None, None, None, 302, None, 205]
    assert [(read(company, case, object_id) or {})[column.name] for object_id in (first, second)] == ["d", "b"]


# Delete


@cases()
def test_deleted_objects_are_gone_and_others_stay(company: Company, case: Case) -> None:
    ids = company.make(case.create, *(minimal_object(company, case) for _ in range(5)))

    answer = company.envelope(
        case.delete, {"objects": [{"id": ids[0]}, {"id": str(ids[1])}, ids[2], {"id": ids[0]}, {"id": 1}, {}, "x"]}
    )

    outcomes = answer["result"]["deletes"]
    codes = [outcome["error"] and outcome["error"]["code"] for outcome in outcomes]
    assert codes == [None, None, None, 302, 302, 205, 208]
    assert answer["error"] == [outcome["error"] for outcome in outcomes[3:]]
    assert [read(company, case, object_id) is not None for object_id in ids] == [False, False, False, True, True]
    assert refusal_of_change(company, case, **minimal_object(company, case) | {"id": ids[0]}) == NOTHING
    assert company.code(case.delete, ids[0]) == 302
