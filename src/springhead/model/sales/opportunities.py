"""Deal stages, opportunities, and the links between opportunities and leads (docs/wire/sales.md#opportunities)."""

from springhead.model.kit.columns import Column, Noun, day_or_moment, flag, integer, number, text

_ID = integer(18, "bigint")
_STAGE_PROBABILITY = """(
    select d.default_probability from deal_stage d where d.company_id = $1 and d.id = s.deal_stage_id
)"""

DEAL_STAGE = Noun(
    name="dealStage",
    table="deal_stage",
    about="A stage that opportunities go through, such as an offer that was sent.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="dealStageName", kind=text(255), required=True),
        Column(name="description", kind=text(255)),
        Column(name="defaultProbability", kind=number(), default="0"),
        Column(name="weight", kind=_ID, default="0"),
        Column(name="isEditable", kind=flag(), default="true"),
    ),
)

NEW_DEAL_STAGES = (("Qualified", 20), ("Meeting", 40), ("Proposal", 60), ("Negotiation", 80))
"""The deal stages of a new company, with their probabilities in percent.

No stage is for won or lost opportunities, because `isWon` and `isClosed` say so.
"""

OPPORTUNITY = Noun(
    name="opportunity",
    table="opportunity",
    about="A possible sale, with its account, amount, probability and closing date.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="ownerID", kind=_ID, nullable=True, references="user_profile"),
        Column(name="dealStageID", kind=_ID, required=True, references="deal_stage"),
        Column(name="accountID", kind=_ID, nullable=True, references="account"),
        Column(name="campaignID", kind=_ID, nullable=True, references="campaign"),
        Column(name="opportunityName", kind=text(255), required=True),
        Column(
            name="probability",
            kind=number(),
            default=f"coalesce({_STAGE_PROBABILITY}, 0)",
            default_text="the deal stage's",
        ),
        Column(name="amount", kind=number(), default="0"),
        Column(name="isClosed", kind=flag(), default="false"),
        Column(name="isWon", kind=flag(), default="false"),
        Column(name="isActive", kind=flag(), default="true"),
        Column(name="closeDate", kind=day_or_moment(), required=True),
        Column(name="originatingLeadID", kind=_ID, nullable=True, references="lead"),
        Column(name="primaryLeadID", kind=_ID, nullable=True, references="lead"),
    ),
    custom=True,
    where_columns=("ownerID", "dealStageID", "accountID", "campaignID"),
)

OPPORTUNITY_LEAD = Noun(
    name="opportunityLead",
    table="opportunity_lead",
    about="The link between an opportunity and one of its leads.",
    columns=(
        Column(name="id", kind=_ID, writable=False),
        Column(name="opportunityID", kind=_ID, required=True, references="opportunity"),
        Column(name="leadID", kind=_ID, required=True, references="lead"),
    ),
    unique=("opportunityID", "leadID"),
    where_columns=("opportunityID", "leadID"),
)
