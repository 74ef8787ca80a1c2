"""Splits the text of a migration into its statements."""

import re

_TOKEN = re.compile(
    r"""
    (?P<ignored> --[^\n]* | /\*.*?\*/ | \s+ )
    | (?P<end> ; )
    | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$
    | \b[eE]'(?: [^'\\] | \\. | '' )*'
    | '[^']*'
    | "[^"]*"
    | [^\s;'"$/-]+
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


def statements(text: str) -> list[str]:
    """Returns the statements of an SQL text, without the semicolons between them.

    Knows strings, quoted names, dollar quotes and comments. Does not know comments inside comments, and bodies of
    functions between `begin atomic` and `end`.
    """
    found: list[str] = []
    start, is_empty = 0, True
    for token in _TOKEN.finditer(f"{text}\n;"):
        if token["end"]:
            if not is_empty:
                found.append(text[start : token.start()].strip())
            start, is_empty = token.end(), True
        elif not token["ignored"]:
            is_empty = False
    return found
