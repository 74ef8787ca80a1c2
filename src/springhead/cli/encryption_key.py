"""The encryption key of a command or a server: of the setting, or of the file in the data folder."""

from collections.abc import Sequence

from springhead.settings import Settings
from springhead.store.companies.encryption import lost_companies
from springhead.store.database.box import Box
from springhead.store.database.key_file import NAME, KeyFile, KeyFileError
from springhead.store.database.pool import Tx

LOST = (
    "pushes of these companies are not sent until rotateLeadSubscriptionSecrets; links in emails that were sent before "
    "do not work; stored answers of calls with an Idempotency-Key are not repeated; everything else works"
)
"""What it means that secrets cannot be decrypted."""


def lost_advice(settings: Settings) -> str:
    """Returns what to do if secrets cannot be decrypted."""
    place = "the end of SPRINGHEAD_ENCRYPTION_KEY" if settings.encryption_key else str(key_file(settings).path)
    return f"add the key that encrypted them to {place}, on every server; if it is lost: springhead db replace-secrets"


def key_file(settings: Settings) -> KeyFile:
    """Returns the file that has the keys if the setting has none."""
    return KeyFile(settings.data / NAME)


def box_of(settings: Settings) -> Box:
    """Returns the box of a server. If there is no key anywhere, the first secret creates the file."""
    return Box((lambda: settings.encryption_key) if settings.encryption_key else key_file(settings).keys)


def existing_keys(settings: Settings) -> Sequence[bytes]:
    """Returns the keys without creating one. Raises KeyFileError."""
    return settings.encryption_key or key_file(settings).existing()


async def box_for_command(settings: Settings, tx: Tx) -> Box:
    """Returns the box of a command. It creates no second key for a database whose secrets have one already."""
    try:
        if not existing_keys(settings) and await lost_companies(tx, []):
            return Box()
    except KeyFileError:
        pass  # the first secret raises it again: most commands need none
    return box_of(settings)
