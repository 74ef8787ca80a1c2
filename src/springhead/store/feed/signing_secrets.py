"""The secrets that sign the pushes of subscriptions, as they are stored: encrypted."""

from collections.abc import Mapping
from typing import Any

from springhead.store.database.box import Box, CannotDecrypt


def bound_to(subscription_id: int) -> str:
    """Returns what the secrets of a subscription are bound to when they are encrypted, besides the company."""
    return f"subscription {subscription_id}"


def encrypted(box: Box, company_id: int, secrets: Mapping[int, str]) -> list[bytes]:
    """Returns the encrypted secrets of subscriptions, in the order of the mapping."""
    return [box.encrypt(secret.encode(), company_id, bound_to(row_id)) for row_id, secret in secrets.items()]


def secrets_of(row: Mapping[str, Any], box: Box, company_id: int, subscription_id: int) -> tuple[str, ...]:
    """Returns the secrets that sign the pushes of a subscription, the newest first.

    Leaves out secrets that cannot be decrypted. The row can be of an earlier version, with secrets in clear.
    """
    secrets: list[str] = []
    for clear, column in (("secret", "encrypted_secret"), ("previous_secret", "encrypted_previous")):
        if row[column] is not None:
            try:
                secrets.append(box.decrypt(row[column], company_id, bound_to(subscription_id)).decode())
            except CannotDecrypt:
                continue
        elif row[clear]:
            secrets.append(row[clear])
    return tuple(secrets)
