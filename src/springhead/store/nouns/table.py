"""The statements that insert, update and delete a noun's rows, made from its columns: one statement for each write.

Parameters of inserts and updates: `$1` company, `$2` documents, `$3` custom values, `$4` nulls, `$5` field version,
`$6` time zone, `$7` normalized keys if the noun has a keyed column. A noun with an opt-out flag has `$8` source and, in
updates, `$9` whether objects can opt in. In updates, the accepted values are last if objects can have them. Every
statement locks rows in the order of a key (docs/lock-order.md).
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal, LiteralString

import msgspec

from springhead.model.kit.columns import Column, Noun, snake_case
from springhead.store.database import sql
from springhead.store.database.pool import Tx
from springhead.store.database.sql import Statement, statement
from springhead.store.leads import event_clauses, opt_out_clauses
from springhead.store.lifecycle import recycling
from springhead.store.nouns import expected_clauses, written_values

Lock = Literal["for update", "for update skip locked"]


_HIDDEN_KEY: LiteralString = "current_setting('app.sees', true) = 'some' and is_hidden_address($1, s.normal_key)"
"""Whether a lead that the user of the call may not see has the key of the object `s` (migrations/0029_viewers.sql)."""


class RecordBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The objects of a call as parameters of a statement.

    `documents` is a JSON array of the objects with the API's names, `custom` a JSON array of their custom values.
    `nulls` has a bit for each nullable column that the object sets to null. `keys` are the normalized values of the
    keyed column. `version` is the field version that the objects were checked against, `zone` the time zone of the
    call. `source` is recorded with opt-outs and opt-ins. With `can_opt_in`, an object with an id opts in again if it
    unsets the flag of opt-outs. `accepted` is a JSON array with an object or null for each object: by field, the values
    with which a row is written.
    """

    documents: str
    custom: str = "[]"
    nulls: Sequence[int] = ()
    keys: Sequence[str | None] = ()
    version: int
    zone: str
    source: str = ""
    can_opt_in: bool = False
    accepted: str = "[]"


class Inserted(msgspec.Struct, frozen=True):
    """The outcome of one object of an insert.

    `unknown` has a bit for each of the noun's referring columns whose object the company does not have. `id` is None
    if `unknown` is not 0, or if another row has the object's unique value.
    """

    id: int | None
    unknown: int


class Updated(msgspec.Struct, frozen=True):
    """The outcome of one object of an update; `position` is its place in the call, from 1.

    `id`: the row that the object means, None if there is none. `first`: the object is the first of the call for that
    row. Further objects for the same row change nothing; the caller runs them in another round. `locked`: this
    statement locked the row, and did not skip it. `unknown`: as in `Inserted`. `taken`: another row has the object's
    unique value. `conflict`: the current values that the object does not accept, as JSON, or None. `changed`: the row
    was changed.
    """

    position: int
    id: int | None
    first: bool
    locked: bool
    unknown: int
    taken: bool
    conflict: str | None
    changed: bool

    @property
    def found(self) -> bool:
        """Whether the company has the row."""
        return self.id is not None


class Table:
    """The statements of one noun."""

    def __init__(self, noun: Noun) -> None:
        self.noun = noun
        self._written = noun.writable_columns
        self._id = noun.by_name["id"]

    async def insert(self, tx: Tx, company_id: int, batch: RecordBatch) -> list[Inserted]:
        """Inserts the objects whose unique value is free and whose references exist; returns an outcome for each.

        The unique index decides whether a value is free: of two concurrent calls with the same value, one inserts a
        row. Of two objects of the batch with the same value, the first is inserted. Returns nothing if the field
        version has changed.
        """
        source = [batch.source] if self.noun.opt_out_flag else []
        rows = await tx.rows(self.insertion, *self._arguments(company_id, batch), *source)
        tx.changed |= self.noun.events is not None
        return [Inserted(*row.values()) for row in rows]

    async def update(self, tx: Tx, company_id: int, batch: RecordBatch, *, skip_locked: bool) -> list[Updated]:
        """Updates the rows that the objects mean, each row once; returns an outcome for each object.

        With `skip_locked` a row that another transaction has locked is skipped (`locked` is False). Otherwise the
        statement waits for it. Returns nothing if the field version has changed.
        """
        query = self.update_unlocked if skip_locked else self.update_waiting
        opt_outs = [batch.source, batch.can_opt_in] if self.noun.opt_out_flag else []
        accepted = [batch.accepted] if self.noun.takes_expected else []
        rows = await tx.rows(query, *self._arguments(company_id, batch), *opt_outs, *accepted)
        tx.changed |= self.noun.events is not None
        return [Updated(*row.values()) for row in rows]

    async def delete(self, tx: Tx, company_id: int, ids: Sequence[int]) -> set[int]:
        """Deletes rows; returns the ids of the rows that existed."""
        rows = await tx.rows(self.deletion, company_id, ids)
        tx.changed |= self.noun.events is not None
        return {row["id"] for row in rows}

    def _arguments(self, company_id: int, batch: RecordBatch) -> tuple[object, ...]:
        arguments = (company_id, batch.documents, batch.custom, batch.nulls, batch.version, batch.zone)
        return (*arguments, batch.keys) if self.noun.key_column else arguments

    # SQL

    def _sent(self, columns: Sequence[Column], *, updating: bool = False) -> str:
        """Returns the objects of a call as rows `s`, or no rows if the field version has changed."""
        keys, key = (", unnest($7::text[])", ", normal_key") if self.noun.key_column else ("", "")
        elements, accepted = expected_clauses.sent(self.noun) if updating else ("", "")
        return f"""rows from (
                {sql.recordset(columns, parameter=2)},
                jsonb_array_elements($3::jsonb),
                unnest($4::int[]){keys}{elements}
            ) with ordinality as s ({sql.names(columns)}, custom, nulls{key}{accepted}, position)
            where $5 = (select field_version from company where id = $1) and $6::text is not null"""

    def _known(self) -> str:
        """Returns CTEs `known_…` that lock the rows that the objects refer to, so that nobody deletes them meanwhile.

        Uses `any(array)` instead of a join: PostgreSQL may plan the join as a scan of the whole company.
        """
        selects: dict[str, list[str]] = {}
        for column in self.noun.reference_columns:
            for table, when in _targets(column).items():
                selects.setdefault(table, []).append(
                    f"select {column.sql} from sent s{f' where {when}' if when else ''}"
                )
        return "".join(
            f"""
            known_{table} as materialized (
                select r.id from {table} r
                where r.company_id = $1 and r.id = any(array({" union all ".join(ids)}))
                order by r.id for key share
            ),"""
            for table, ids in sorted(selects.items())
        )

    def _after_known(self) -> str:
        """Returns a condition that makes PostgreSQL lock the rows that objects refer to before the objects themselves.

        Deletes lock in this order, too. Leads come last: a writer locks opportunities before their leads.
        """
        tables = {name for column in self.noun.reference_columns for name in _targets(column)}
        tables = sorted(tables, key=lambda name: (name == "lead", name))
        return "".join(f" and {sql.after(f'known_{name}')}" for name in tables)

    def _unknown(self) -> str:
        """Returns the value of `unknown` (see `Inserted`) for a row `s`."""
        bits = [
            f"case when s.{column.sql} is null or {_is_known(column)} then 0 else {1 << bit} end"
            for bit, column in enumerate(self.noun.reference_columns)
        ]
        return " + ".join(bits) or "0"

    @cached_property
    def insertion(self) -> Statement:
        """Inserts objects. Returns the columns of `Inserted` for each, in the order sent."""
        noun, written = self.noun, self._written
        keyed = noun.key_column
        names = [*([keyed.key_sql or ""] if keyed else []), *(column.sql for column in written)]
        values = [*(["s.normal_key"] if keyed else []), *(written_values.inserted(noun, column) for column in written)]
        if noun.custom:
            names.append("custom")
            values.append("jsonb_strip_nulls(coalesce(s.custom, '{}'))")
        # Some nouns let the caller set the time of creation.
        stamps = [name for name in ("create_timestamp", "update_timestamp") if name not in names]
        unique = self._unique()
        # Rows are inserted in the order of their unique key, so that two calls never wait for each other.
        order = ", ".join(f"s.{name}" for name in unique).replace("s.normal_key", 's.normal_key collate "C"')
        conflict = ", ".join(name if name != "normal_key" else (keyed and keyed.key_sql) or "" for name in unique)
        return statement(
            f"""
            with sent as materialized (  -- ids in the order sent
                select s.*, nextval('{noun.table}_id_seq') as new_id{opt_out_clauses.hashes(noun)}
                from {self._sent(written)}
            ){opt_out_clauses.found(noun)},{self._known()}
            inserted as (
                insert into {noun.table} (company_id, id, {", ".join([*names, *stamps])})
                select $1, s.new_id, {", ".join([*values, *("now()" for _ in stamps)])}
                from sent s
                where {self._unknown()} = 0{self._after_known()}
                order by {f"{order}, " if order else ""}s.position
                {f"on conflict (company_id, {conflict}) do nothing" if conflict else ""}
                returning id{", is_unsubscribed" if noun.opt_out_flag else ""}
            ){opt_out_clauses.of_insertion(noun)}{event_clauses.of_insertion(noun)}
            select i.id, case when i.id is null then {self._unknown()} else 0 end as unknown
            from sent s
            left join inserted i on i.id = s.new_id
            order by s.position
            """
        )

    def _unique(self) -> list[str]:
        """The names of the unique columns in a row `s`."""
        columns = [self.noun.by_name[name] for name in self.noun.unique]
        return ["normal_key" if column.key_sql else column.sql for column in columns]

    @cached_property
    def update_waiting(self) -> Statement:
        """Updates rows. Waits for rows that other transactions have locked."""
        return self._update("for update")

    @cached_property
    def update_unlocked(self) -> Statement:
        """Updates rows. Skips rows that other transactions have locked."""
        return self._update("for update skip locked")

    def _update(self, lock: Lock) -> Statement:
        noun, written = self.noun, self._written
        keyed = noun.key_column
        nullable = {column.name: 1 << bit for bit, column in enumerate(noun.nullable_columns)}
        sets = [(column.sql, written_values.updated(noun, column, nullable.get(column.name))) for column in written]
        if noun.custom:
            sets.append(("custom", _CUSTOM))
        before, after = ", ".join(f"l.{name}" for name, _ in sets), ", ".join(value for _, value in sets)
        sets += self._stamps(sets)
        if keyed:
            sets.append((keyed.key_sql or "", f"coalesce(s.normal_key, l.{keyed.key_sql})"))
        return statement(
            f"""
            with sent as materialized (
                select s.*{opt_out_clauses.hashes(noun)} from {self._sent([self._id, *written], updating=True)}
            ){opt_out_clauses.found(noun)},{self._known()}
            targets as materialized (  -- the row of each object: by id, or by key if it has no id
                select s.position, l.id from sent s
                join {noun.table} l on l.company_id = $1 and l.id = s.id
                    and l.id = any(array(select id from sent))  -- no plan can read all rows of the company{
                self._targets_by_key()
            }
            ),
            first as materialized (  -- a statement changes a row once; further objects wait for the next round
                select distinct on (id) id, position from targets order by id, position
            ),
            locked as materialized (  -- in the order of ids, so that two calls never wait for each other
                select {"l.*" if noun.events else "l.id"} from {noun.table} l
                where l.company_id = $1 and l.id = any(array(select id from first)){self._after_known()}
                order by l.id {lock}
            ),
            outcomes as materialized (
                select s.position, f.id, f.position is not null as first, k.id is not null as locked,
                    {self._unknown()} as unknown,
                    {self._taken()} as taken, {expected_clauses.conflict(noun)} as conflict,
                    now() as moment{opt_out_clauses.outcome_columns(noun)}
                from sent s
                left join first f on f.position = s.position
                left join locked k on k.id = f.id{opt_out_clauses.outcome_join(noun)}
            ),
            changed as (
                update {noun.table} l set {", ".join(f"{name} = {value}" for name, value in sets)}
                from sent s join outcomes r on r.position = s.position
                where l.company_id = $1 and l.id = r.id and r.locked and r.unknown = 0 and not r.taken
                    and r.conflict is null and ({before}) is distinct from ({after})
                returning s.position, {self._moves()} as moves{", l.*" if noun.events else ""}{
                opt_out_clauses.changed_columns(noun)
            }
            ){opt_out_clauses.of_update(noun)}{expire_page_starts(noun, "changed where moves")}{
                event_clauses.of_update(noun)
            }
            select s.position, t.id, r.first, r.locked, r.unknown, r.taken, r.conflict,
                c.position is not null as changed
            from sent s
            join outcomes r on r.position = s.position
            left join targets t on t.position = s.position
            left join changed c on c.position = s.position
            order by s.position
            """
        )

    def _stamps(self, sets: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        """Returns the version and the time of an update that sets the columns of `sets` from the outcome `r`.

        "" instead of null is stored, but is no change otherwise: a lead gets no event, no new version and no new time.
        """
        stamps = [("version", "l.version + 1"), ("update_timestamp", "greatest(r.moment, l.update_timestamp)")]
        if not self.noun.events:
            return stamps
        texts = {column.sql for column in self._written if column.kind.sql == "text"}
        pairs = [(f"nullif(l.{name}, '')", f"nullif({value}, '')") for name, value in sets if name in texts]
        pairs += [(f"l.{name}", value) for name, value in sets if name not in texts]
        same = f"({', '.join(old for old, _ in pairs)}) is not distinct from ({', '.join(new for _, new in pairs)})"
        emptied = f"'' in ({', '.join(f's.{name}' for name in sorted(texts))})"
        return [(name, f"case when {emptied} and {same} then l.{name} else {value} end") for name, value in stamps]

    def _targets_by_key(self) -> str:
        """Returns a `union all` with the rows of the objects that have no id, by key; "" if the noun has no key."""
        table, keyed = self.noun.table, self.noun.key_column
        return f"""
                union all
                select s.position, l.id from sent s
                join {table} l on l.company_id = $1 and l.{keyed.key_sql} = s.normal_key
                    and l.{keyed.key_sql} = any(array(select normal_key from sent where id is null))
                where s.id is null""" if keyed else ""  # fmt: skip

    def _taken(self) -> str:
        """Returns a condition: the object `s` gives its row the key of another row."""
        table, keyed = self.noun.table, self.noun.key_column
        hidden = _HIDDEN_KEY if table == "lead" else "false"
        return f"""s.id is not null and s.normal_key is not null and (exists (
                    select from {table} o
                    where o.company_id = $1 and o.{keyed.key_sql} = s.normal_key and o.id <> s.id
                ) or {hidden})""" if keyed else "false"  # fmt: skip

    def _moves(self) -> str:
        """Returns a condition: the object may move its row from one page of a read to another."""
        given = [f"s.{self.noun.by_name[name].sql} is not null" for name in self.noun.where_columns]
        bits = sum(
            1 << bit for bit, column in enumerate(self.noun.nullable_columns) if column.name in self.noun.where_columns
        )
        return " or ".join([*given, *([f"s.nulls & {bits} <> 0"] if bits else [])]) or "false"

    @cached_property
    def deletion(self) -> Statement:
        """Deletes the rows with the ids `$2`; returns the ids of the rows that existed."""
        table = self.noun.table
        return statement(
            f"""
            with locked as materialized (
                select id from {table} where company_id = $1 and id = any($2::bigint[]) order by id for update
            ),
            deleted as (
                delete from {table} l using locked where l.company_id = $1 and l.id = locked.id
                returning {"l.*" if self.noun.recycled else "l.id"}
            ){expire_page_starts(self.noun, "deleted")}{event_clauses.of_deletion(self.noun)}{
                recycling.bin_deleted(self.noun)
            }
            select id from deleted
            """
        )


_CUSTOM = "case when s.custom is null then l.custom else jsonb_strip_nulls(l.custom || s.custom) end"
"""The custom values of an updated row `l`."""


def expire_page_starts(noun: Noun, moved: str) -> str:
    """Returns a CTE (with leading comma) that ends the noun's page starts (paging.py) if `moved` has rows."""
    return f""",
            shifted_{noun.table} as (
                insert into shift as s (company_id, noun, generation)
                select $1, '{noun.table}', 1 where exists (select from {moved})
                on conflict (company_id, noun) do update set generation = s.generation + excluded.generation
            )"""


def _targets(column: Column) -> Mapping[str, str]:
    """The tables that a column can refer to, each with the condition on the row `s` under which it does."""
    if isinstance(column.references, str):
        return {column.references: ""}
    by = snake_case(column.reference_type or "")
    return {table: f"s.{by} = {sql.literal(word)}" for word, table in (column.references or {}).items()}


def _is_known(column: Column) -> str:
    targets = _targets(column)
    return " or ".join(
        f"({f'{when} and ' if when else ''}s.{column.sql} in (select id from known_{table}))"
        for table, when in targets.items()
    )


_TABLES: dict[str, Table] = {}


def table(noun: Noun) -> Table:
    """The noun's statements, composed once for each process."""
    known = _TABLES.get(noun.name)
    if known is None:
        known = _TABLES[noun.name] = Table(noun)
    return known
