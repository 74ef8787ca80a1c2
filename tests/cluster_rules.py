"""The rules for statements that a Citus cluster takes too (docs/decisions/0034-nine-rules-for-a-cluster.md).

Each rule reads the tree of a statement, as PostgreSQL's own parser makes it, and yields what to write instead.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from pglast import ast, enums, parse_sql
from pglast.parser import ParseError

Node: TypeAlias = Any
"""A node of a tree; pglast does not say of which class its parts are."""

Tree: TypeAlias = Sequence[Node]
Rule = Callable[[Tree], Iterator[str]]

CLOCKS = frozenset({"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp"})


def parsed(statement: str) -> Tree:
    """The trees of the statements in a text."""
    return [raw.stmt for raw in parse_sql(statement)]


def is_statement(text: str) -> bool:
    """Whether a text is a whole statement, and not a part of one."""
    try:
        return bool(parsed(text))
    except ParseError:
        return False


def faults(statement: str) -> list[str]:
    """What a cluster refuses in a statement."""
    tree = parsed(statement)
    return [f"({number}) {fault}" for number, rule in enumerate(RULES, 1) for fault in dict.fromkeys(rule(tree))]


# The tree


def nodes(*roots: Node) -> Iterator[Node]:
    """The nodes of trees, each before the nodes inside it."""
    found = [*reversed(roots)]
    while found:
        node = found.pop()
        if isinstance(node, ast.Node):
            yield node
            found += [getattr(node, name) for name in node][::-1]
        elif isinstance(node, (list, tuple)):
            found += node[::-1]


def _is(node: Node, *kinds: type[ast.Node]) -> bool:
    return isinstance(node, kinds)


def _name(column: Node) -> list[str]:
    """The parts of the name of a column: the alias, if there is one, and the column."""
    return [part.sval for part in column.fields if _is(part, ast.String)]


def _function(node: Node) -> str:
    """The name of the function that a node calls, or ""."""
    return node.funcname[-1].sval if _is(node, ast.FuncCall) else ""


def _is_clock(node: Node) -> bool:
    return _function(node) in CLOCKS or _is(node, ast.SQLValueFunction)


def _selects_rows(node: Node) -> bool:
    """Whether a node is an `insert … select`. `insert … values` has a select as well, with rows of values only."""
    return _is(node, ast.InsertStmt) and node.selectStmt is not None and not node.selectStmt.valuesLists


def _sources(source: Node) -> Iterator[Node]:
    """The tables, subqueries and functions of a `from`, also inside joins."""
    if _is(source, ast.JoinExpr):
        yield from _sources(source.larg)
        yield from _sources(source.rarg)
    elif isinstance(source, Sequence):
        for part in source:
            yield from _sources(part)
    elif _is(source, ast.Node):
        yield source


def _alias(source: Node) -> str:
    alias = getattr(source, "alias", None)
    return alias.aliasname if alias else getattr(source, "relname", "")


def _from(node: Node) -> Node:
    """The `from` of a select or an update, or the `using` of a delete."""
    return getattr(node, "fromClause", None) or getattr(node, "usingClause", None)


def _assignments(tree: Tree) -> Iterator[tuple[Node, ...]]:
    """The assignments after each `set` and `do update set`."""
    for node in nodes(tree):
        if _is(node, ast.UpdateStmt, ast.OnConflictClause):
            yield node.targetList or ()


def _conditions(tree: Tree) -> Iterator[Node]:
    """The conditions of each update, delete and `do update`."""
    for node in nodes(tree):
        if _is(node, ast.UpdateStmt, ast.DeleteStmt, ast.OnConflictClause) and node.whereClause:
            yield node.whereClause


# The rules


def inserted_rows_return(tree: Tree) -> Iterator[str]:
    """Citus copies the rows (COPY) otherwise, which PostgreSQL refuses under row-level security."""
    for node in nodes(tree):
        if _selects_rows(node) and not node.returningClause and not node.onConflictClause:
            yield f"insert into {node.relation.relname} … select: add `returning id`"


def no_parameters_in_do_update(tree: Tree) -> Iterator[str]:
    """Citus cannot tell the type of the parameter."""
    for node in nodes(tree):
        if _selects_rows(node) and any(_is(part, ast.ParamRef) for part in nodes(node.onConflictClause)):
            yield f"insert into {node.relation.relname} … select … do update … $n: use `excluded`, or insert `values`"


def no_clock_in_case(tree: Tree) -> Iterator[str]:
    """Citus takes only immutable functions inside `case` and `coalesce` of a write."""
    for node in nodes(*_assignments(tree), *_conditions(tree)):
        if _is(node, ast.CaseExpr, ast.CoalesceExpr) and any(map(_is_clock, nodes(node))):
            yield "set … case … now(): take the time from a column, `from (select now() as moment) n`"


def no_intervals_beside_columns(tree: Tree) -> Iterator[str]:
    """A time plus or minus an interval is stable and not immutable: Citus computes it before it reads a row.

    Only a timestamp without a time zone gives the same result everywhere.
    """
    for node in nodes(*_assignments(tree), *_conditions(tree)):
        if not _is(node, ast.A_Expr) or node.name[-1].sval not in {"+", "-"}:
            continue
        sides = [node.lexpr, node.rexpr]
        if any(_has_type(side, "timestamp", "date") for side in sides):
            continue
        if any(map(_is_interval, nodes(sides))) and any(_is(part, ast.ColumnRef) for part in nodes(sides)):
            yield "column ± interval in a write: `a - b > interval`, a select in `from`, or `column::timestamp`"


def _is_interval(node: Node) -> bool:
    return _has_type(node, "interval") or _function(node) == "make_interval"


def _has_type(node: Node, *types: str) -> bool:
    """Whether a node is a cast to one of the types, or a literal of it."""
    return _is(node, ast.TypeCast) and node.typeName.names[-1].sval in types


def locks_stand_on_one_table(tree: Tree) -> Iterator[str]:
    """Citus reads the result of a lock on a join wrongly."""
    for node in nodes(tree):
        if _is(node, ast.SelectStmt) and node.lockingClause:
            sources = node.fromClause or ()
            if len(sources) != 1 or not _is(sources[0], ast.RangeVar):
                yield "a lock on a join: join first, then lock `where id = any(array(select id from …)) order by id`"


def subqueries_name_the_company(tree: Tree) -> Iterator[str]:
    """Citus does not see the company of a table that is joined to the company of another query.

    Statements over all companies name no parameter; their tables are joined by the company.
    """
    if not any(_is_company(node) and _is(node.rexpr, ast.ParamRef) for node in nodes(tree)):
        return
    for node in nodes(tree):
        if _is(node, ast.SelectStmt):
            own = {_alias(source) for source in _sources(node.fromClause)}
            for part in nodes(node.whereClause, node.fromClause):
                if _is_company(part) and _is(part.rexpr, ast.ColumnRef):
                    aliases = [_name(side)[0] for side in (part.lexpr, part.rexpr)]
                    if len(own.intersection(aliases)) == 1:
                        yield f"{'.company_id = '.join(aliases)}.company_id in a subquery: write `company_id = $1`"


def _is_company(node: Node) -> bool:
    """Whether a node is `company_id = …`."""
    if not _is(node, ast.A_Expr) or node.name[-1].sval != "=":
        return False
    return _is(node.lexpr, ast.ColumnRef) and _name(node.lexpr)[-1:] == ["company_id"]


def no_union_in_lateral(tree: Tree) -> Iterator[str]:
    """Citus cannot send such a join to its workers."""
    for node in nodes(tree):
        if _is(node, ast.RangeSubselect) and node.lateral and any(map(_is_union, nodes(node.subquery))):
            yield "lateral (select … union select …): write `lateral (values …)`, or a union of two joins"


def _is_union(node: Node) -> bool:
    return _is(node, ast.SelectStmt) and node.op != enums.SetOperation.SETOP_NONE


def subqueries_select_a_column(tree: Tree) -> Iterator[str]:
    """Citus makes a function of a subquery, and PostgreSQL wants to know the function's columns."""
    for node in nodes(tree):
        if _is(node, ast.RangeSubselect, ast.CommonTableExpr):
            query = node.subquery if _is(node, ast.RangeSubselect) else node.ctequery
            if any(not select.targetList and not select.valuesLists for select in _selects(query)):
                yield "(select from …): write `select 1 from`"


def _selects(query: Node) -> Iterator[Node]:
    """The selects of a query: itself, or the parts of its unions."""
    if _is(query, ast.SelectStmt):
        if _is_union(query):
            yield from _selects(query.larg)
            yield from _selects(query.rarg)
        else:
            yield query


def functions_are_joined(tree: Tree) -> Iterator[str]:
    """Citus refuses a correlated subquery if a function that returns rows stands in `from`."""
    ctes = {node.ctename for node in nodes(tree) if _is(node, ast.CommonTableExpr)}
    for node in nodes(tree):
        functions = {_alias(source) for source in _sources(_from(node)) if _is(source, ast.RangeFunction)}
        for part in nodes(node) if functions else ():
            if _is(part, ast.SubLink) and _reads(part, functions) and _tables(part) - ctes:
                yield "exists (select … = function.column): make both materialized CTEs, or join laterally"


def _reads(node: Node, aliases: set[str]) -> bool:
    """Whether a node names a column of one of the aliases."""
    return any(_is(part, ast.ColumnRef) and _name(part)[:-1] and _name(part)[0] in aliases for part in nodes(node))


def _tables(node: Node) -> set[str]:
    return {part.relname for part in nodes(node) if _is(part, ast.RangeVar)}


RULES: Sequence[Rule] = (
    inserted_rows_return,
    no_parameters_in_do_update,
    no_clock_in_case,
    no_intervals_beside_columns,
    locks_stand_on_one_table,
    subqueries_name_the_company,
    no_union_in_lateral,
    subqueries_select_a_column,
    functions_are_joined,
)


_CONSTRAINTS = {
    enums.ConstrType.CONSTR_CHECK,
    enums.ConstrType.CONSTR_FOREIGN,
    enums.ConstrType.CONSTR_PRIMARY,
    enums.ConstrType.CONSTR_UNIQUE,
}


def migration_faults(migration: str) -> list[str]:
    """What a cluster refuses in a migration of tables that are distributed already."""
    return [*faults(migration), *_alterations(parsed(migration))]


def _alterations(tree: Tree) -> Iterator[str]:
    for alteration in nodes(tree):
        if not _is(alteration, ast.AlterTableStmt):
            continue
        if len(alteration.cmds) > 1 and any(map(_changes_constraint, alteration.cmds)):
            yield f"alter table {alteration.relation.relname} … constraint …, …: write a statement for each part"
        for column in nodes(alteration):
            if _is(column, ast.ColumnDef) and any(part.contype in _CONSTRAINTS for part in column.constraints or ()):
                yield f"add column {column.colname} … check: add the column first, then the constraint"


def _changes_constraint(command: Node) -> bool:
    return command.subtype in {enums.AlterTableType.AT_AddConstraint, enums.AlterTableType.AT_DropConstraint}
