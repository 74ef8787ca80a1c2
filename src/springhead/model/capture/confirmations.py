"""The signed links by which people confirm the address that they have typed into a form with double opt-in."""

import time

import msgspec

from springhead.model.capture import signing
from springhead.model.capture.sites import Site

DAYS = 7
"""For how many days a link works. Afterwards the person fills in the form again."""

LINKS_A_DAY = 5
"""How many links a form makes for one lead in a day: a stranger must not fill somebody's mailbox by a form."""

_PURPOSE = "confirm"


class ConfirmLink(msgspec.Struct, frozen=True):
    """The content of a link: the form, the event of the submission, and the Unix time in seconds when it expires."""

    form_id: int
    event_id: int
    expires: int

    @property
    def is_expired(self) -> bool:
        """Whether the link no longer works."""
        return self.expires < time.time()


def token(site: Site, link: ConfirmLink) -> str:
    """Returns the token of a link, signed by the site."""
    return signing.sign(site.signing_key, _PURPOSE, link.form_id, link.event_id, link.expires)


def read(site: Site, form_id: int, text: str) -> ConfirmLink | None:
    """Returns the content of a link, or None unless this site has signed it for this form."""
    match signing.verify(site.signing_key, _PURPOSE, text):
        case (int(signed_form_id), int(event_id), int(expires)) if signed_form_id == form_id:
            return ConfirmLink(form_id, event_id, expires)
        case _:
            return None
