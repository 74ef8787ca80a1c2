"""Recognises bots by the User-Agent header."""

from functools import lru_cache

LONGEST = 300
"""Only so many bytes of a User-Agent are examined and remembered."""

REMEMBERED = 4_000
"""How many User-Agents are remembered."""

_MAIL_PROXIES = (b"GoogleImageProxy", b"YahooMailProxy")


def is_mail_proxy(user_agent: bytes) -> bool:
    """Returns whether a mail provider fetches the picture for its reader, who opens the email at this moment."""
    return any(name in user_agent for name in _MAIL_PROXIES)


def is_bot(user_agent: bytes) -> bool:
    """Returns whether the User-Agent is missing, or belongs to a known crawler, library or link preview.

    Takes 1 ms for a new User-Agent, and 200 ms for the first call of the process.
    """
    return _is_bot(user_agent[:LONGEST])


@lru_cache(maxsize=REMEMBERED)
def _is_bot(user_agent: bytes) -> bool:
    from crawleruseragents import is_crawler  # noqa: PLC0415  # pyright: ignore - slow to import, without types

    text = user_agent.decode("latin-1").strip()
    return not text or is_crawler(text)
