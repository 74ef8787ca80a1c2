"""Which programs are no people."""

from functools import lru_cache

LONGEST = 300
"""Characters of a User-Agent that are looked at."""


_MAIL_PROXIES = (b"GoogleImageProxy", b"YahooMailProxy")


def is_mail_proxy(user_agent: bytes) -> bool:
    """Whether this is a mailbox that fetches pictures for the reader, when the reader opens the message."""
    return any(name in user_agent for name in _MAIL_PROXIES)


@lru_cache(maxsize=20_000)
def is_bot(user_agent: bytes) -> bool:
    """Whether the User-Agent is that of a known crawler, library or preview; nobody without one is a browser.

    Takes a millisecond for a name that was not seen before, and the first time a fifth of a second.
    """
    from crawleruseragents import is_crawler  # noqa: PLC0415  # pyright: ignore - slow to import, without types

    text = user_agent[:LONGEST].decode("latin-1").strip()
    return not text or is_crawler(text)
