"""Opt-outs: the decision not to get emails, which belongs to an address and outlives its lead. Our own addition."""

import hashlib

OPTED_OUT, OPTED_IN = "emailUnsubscribe", "emailResubscribe"
"""The sources of events about the decisions of addresses; the second is our own."""

LINK, FORM, CONFIRM_LINK, SEED = "unsubscribeLink", "form", "confirmLink", "seed"
"""The sources of decisions that no method of the API records. All others have the name of the method."""


def address_hash(company_id: int, email_key: str) -> bytes:
    """Returns the hash of a normalised address, by which its opt-out is stored. Each company has its own hashes."""
    return hashlib.sha256(f"{company_id}:{email_key}".encode()).digest()
