"""The parts of an update that compare rows with the values that its objects accept (docs/actions.md#expected-values).

They are part of the statement that updates, and read the rows that it has locked. So no other write comes in between.
The parts are empty for nouns whose objects cannot carry expected values.
"""

from springhead.model.kit.columns import Noun
from springhead.store.database import sql


def sent(noun: Noun) -> tuple[str, str]:
    """Returns a function for the `rows from` of the objects, and the column `accepted` (each with leading comma)."""
    if not noun.takes_expected:
        return "", ""
    parameter = 7 + (noun.key_column is not None) + 2 * (noun.opt_out_flag is not None)
    return f", jsonb_array_elements(${parameter}::jsonb)", ", accepted"


def conflict(noun: Noun) -> str:
    """Returns a JSON text with the current values that the object `s` does not accept of its locked row `k`, or null.

    Texts are compared in NFC. "" and null are both no value, and the two ends of a line are one: a form of a web page
    sends CR LF for the LF that it has got.
    """
    if not noun.takes_expected:
        return "null::text"
    current = " ".join(
        f"when {sql.literal(column.name)} then {sql.expression(column, table='k')}" for column in noun.writable_columns
    )
    # Takes the custom values apart once. `->` for each key would decompress all of them for each key.
    custom, join = ("b.value", "left join jsonb_each_text(k.custom) b using (key)") if noun.custom else ("null", "")
    return f"""case when k.id is not null and jsonb_typeof(s.accepted) = 'object' then (
                        select jsonb_object_agg(v.name, v.value)::text
                        from (
                            select e.key as name, e.value as accepted, case e.key {current} else {custom} end as value
                            from jsonb_each(s.accepted) e {join}
                        ) as v
                        where not exists (
                            select from jsonb_array_elements_text(v.accepted) as a
                            where {_compared("a")} is not distinct from {_compared("v.value")}
                        )
                    ) end"""


def _compared(text: str) -> str:
    return rf"nullif(replace(normalize({text}), E'\r\n', E'\n'), '')"
