"""Deal stages, rule by rule (docs/wire/sales.md#deal-stages)."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from support import Company, sql, until_blocked

NOTHING = {"code": 302, "message": "No table rows affected", "data": []}
EVER = {"startDate": "2000-01-01", "endDate": "2999-12-31"}


def opportunity(stage: int, **more: Any) -> dict[str, Any]:
    return {"opportunityName": "A roof", "dealStageID": stage, "closeDate": "2030-01-31", **more}


def test_a_stage_has_the_vendors_columns_as_strings_in_its_order(company: Company) -> None:
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer", "defaultProbability": "12.50"})

    answer = company.envelope("getDealStage", {"id": stage})

    assert answer["error"] is None
    assert list(answer["result"]["dealStage"][0].items()) == [
        ("id", str(stage)),
        ("dealStageName", "Offer"),
        ("description", None),
        ("defaultProbability", "12.5"),
        ("weight", "0"),
        ("isEditable", "1"),
    ]


def test_stages_are_read_by_id_in_pages_and_by_time(company: Company) -> None:
    ids = company.make("createDealStages", *({"dealStageName": f"s{number}"} for number in range(5)))
    names = ["s0", "s1", "s2", "s3", "s4"]

    assert [stage["dealStageName"] for stage in company.call("getDealStages")] == names
    assert [stage["dealStageName"] for stage in company.call("getDealStages", where=[], limit=2, offset=3)] == [
        "s3",
        "s4",
    ]
    assert [stage["id"] for stage in company.call("getDealStages", where={"id": [ids[3], str(ids[1])]})] == [
        str(ids[1]),
        str(ids[3]),
    ]
    for stamp in ("create", "update"):
        assert [stage["id"] for stage in company.call("getDealStagesDateRange", timestamp=stamp, **EVER)] == list(
            map(str, ids)
        )
    assert company.call("getDealStage", id=1) == []
    assert company.error("getDealStages", where={"weight": 1})["code"] == 205


def test_two_stages_can_have_one_name_and_a_name_is_required(company: Company) -> None:
    company.make("createDealStages", {"dealStageName": "Twice"}, {"dealStageName": "Twice"})

    assert company.code("createDealStages", {"weight": 1}) == 205
    assert company.code("createDealStages", {"dealStageName": " "}) == 205
    assert company.code("createDealStages", {"dealStageName": "x" * 256}) == 205


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("defaultProbability", ""),
        ("defaultProbability", None),
        ("defaultProbability", "NaN"),
        ("defaultProbability", "1e99"),
        ("weight", "heavy"),
        ("weight", -1),
        ("isEditable", 2),
        ("dealStageName", "a\0b"),
        ("colour", "red"),
    ],
)
def test_a_wrong_value_is_205_and_names_its_column(company: Company, column: str, value: Any) -> None:
    refused = company.refusal("createDealStages", {"dealStageName": "x", column: value})

    assert refused is not None
    assert refused["code"] == 205
    assert refused["data"]["params"][0]["param"] == column


def test_an_update_changes_given_values_and_is_302_without_a_change(company: Company) -> None:
    (stage,) = company.make("createDealStages", {"dealStageName": "Offer", "description": "By mail"})

    assert company.code("updateDealStages", {"id": stage, "weight": "7"}) is None
    assert company.refusal("updateDealStages", {"id": stage, "weight": 7}) == NOTHING
    assert company.refusal("updateDealStages", {"id": 1, "weight": 7}) == NOTHING

    (row,) = company.call("getDealStage", id=stage)
    assert (row["dealStageName"], row["description"], row["weight"]) == ("Offer", "By mail", "7")


def test_a_stage_with_opportunities_is_not_deleted_but_the_others_of_the_call_are(company: Company) -> None:
    free, used, other = company.make("createDealStages", *({"dealStageName": f"s{number}"} for number in range(3)))
    (kept,) = company.make("createOpportunities", opportunity(used))

    outcomes = company.call("deleteDealStages", objects=[{"id": free}, {"id": used}, other, {"id": used}, {"id": 1}])

    assert [outcome["error"] and outcome["error"]["code"] for outcome in outcomes] == [None, 303, None, 303, 302]
    assert outcomes[1]["error"]["message"] == "Cannot add or update a child row: a foreign key constraint fails"
    assert outcomes[1]["error"]["data"]["params"][0]["param"] == "id"
    assert [stage["id"] for stage in company.call("getDealStages")] == [str(used)]
    assert company.call("getOpportunity", id=kept)[0]["dealStageID"] == str(used)

    company.call("deleteOpportunities", objects=[kept])
    assert company.code("deleteDealStages", {"id": used}) is None


def test_another_companys_stage_is_unknown(company: Company, given_company: Callable[..., Company]) -> None:
    other = given_company()
    (stage,) = other.make("createDealStages", {"dealStageName": "Theirs"})

    assert company.call("getDealStage", id=stage) == []
    assert company.refusal("updateDealStages", {"id": stage, "weight": 1}) == NOTHING
    assert company.refusal("deleteDealStages", {"id": stage}) == NOTHING
    assert company.code("createOpportunities", opportunity(stage)) == 303
    assert len(other.call("getDealStages")) == 1


@pytest.mark.parametrize("first", ["opportunity", "deletion"])
def test_a_stage_is_never_deleted_while_an_opportunity_is_created_in_it(company: Company, first: str) -> None:
    """Both at once, one of them stopped in the middle of its transaction: one succeeds, the other is refused."""
    (stage,) = company.make("createDealStages", {"dealStageName": "Contested"})
    answers: dict[str, Any] = {}
    own = company.at("v1.2")
    work = (
        ("deleteDealStages", {"id": stage}) if first == "opportunity" else ("createOpportunities", opportunity(stage))
    )
    statement = (
        """
        insert into opportunity (company_id, create_timestamp, update_timestamp, deal_stage_id, opportunity_name,
            probability, amount, is_closed, is_won, is_active, close_date)
        values ($1, now(), now(), $2, 'x', 0, 0, false, false, true, now())
        """
        if first == "opportunity"
        else "delete from deal_stage where company_id = $1 and id = $2"
    )

    def call(method: str, values: dict[str, Any]) -> None:
        answers[method] = own.code(method, values)

    async def hold_transaction() -> None:
        connection = await asyncpg.connect(company.dsn)
        try:
            await connection.execute("select set_config('app.company_id', $1, false)", str(company.id))
            async with connection.transaction():
                await connection.execute(statement, company.id, stage)
                thread = threading.Thread(target=call, args=work)
                thread.start()
                await until_blocked(connection)
            await asyncio.to_thread(thread.join)
        finally:
            await connection.close()

    asyncio.run(hold_transaction())

    assert answers == ({"deleteDealStages": 303} if first == "opportunity" else {"createOpportunities": 303})
    stages = len(company.call("getDealStages"))
    assert (stages, len(company.call("getOpportunities"))) == ((1, 1) if first == "opportunity" else (0, 0))


def test_500_stages_are_written_in_one_call(company: Company) -> None:
    ids = company.make("createDealStages", *({"dealStageName": f"s{number}"} for number in range(500)))

    assert len(company.call("getDealStages")) == 500
    outcomes = company.call("updateDealStages", objects=[{"id": stage_id, "weight": 1} for stage_id in ids])
    assert all(outcome["success"] for outcome in outcomes)
    assert all(outcome["success"] for outcome in company.call("deleteDealStages", objects=ids))
    assert sql(company.dsn, "select from deal_stage where company_id = $1", company.id, company_id=company.id) == []
