"""Settings of page tracking, and tracked links for messages (docs/capture.md). Our addition."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET

from springhead.methods.bulk.writes import FLAT_ERRORS
from springhead.methods.examples import DONE, GIVEN_LEAD
from springhead.model.capture.capture_settings import (
    CAPTURE_SETTINGS,
    ONE_CLICK,
    TRACKED_LINK,
    click_url,
    pixel_snippet,
    pixel_url,
    script_snippet,
    unsubscribe_url,
)
from springhead.model.capture.email_links import LINK_LENGTH, SignedLink, is_link
from springhead.model.capture.sites import Site
from springhead.model.kit.columns import unknown_references
from springhead.model.kit.errors import (
    InvalidParameters,
    Json,
    MissingParameters,
    NothingChanged,
    UnexpectedArray,
    UnknownReference,
)
from springhead.model.leads.opt_outs import address_hash
from springhead.rpc.context import Context
from springhead.rpc.key_params import OneOrMoreIds, TooManyIds
from springhead.rpc.method import Example, ReadResult, Reads, WriteResult, Writes, method, refused, succeeded
from springhead.rpc.objects import ObjectSchema
from springhead.rpc.params import PAGE, FlatOrObjects, Integer, Param
from springhead.store.capture import email_events, sites
from springhead.store.capture.email_events import Reader

URLS_MAX = 20
"""The most links of a message."""

_SECTION = "own: capture"
_SHAPE = ObjectSchema(CAPTURE_SETTINGS, creating=True)
_NEW: Mapping[str, Any] = {
    "keepAddresses": "none",
    "respectSignals": "1",
    "importantPages": [],
    "fileLinkDays": "0",
    "siteToken": ...,
    "scriptSnippet": ...,
    "pixelSnippet": ...,
}


@method(
    result=Reads(CAPTURE_SETTINGS),
    vendor=False,
    section=_SECTION,
    examples=[Example({}, [_NEW], "The settings of a new company.")],
)
async def get_capture_settings(context: Context) -> ReadResult:
    """Returns the settings of page tracking, and the snippets for your pages.

    `scriptSnippet` belongs into every page, and `pixelSnippet` next to it for browsers without JavaScript. Their
    addresses begin with the setting `public_url`; if it is not set, they are paths on this server. `siteToken` is not a
    secret.
    """
    async with context.tx() as tx:
        site = await sites.of_company(tx, context.company.id)
    return ReadResult([_settings(site, context.public_url)])


def _settings(site: Site, public_url: str) -> Mapping[str, Json]:
    return {
        "keepAddresses": site.keep_addresses,
        "respectSignals": str(int(site.respects_signals)),
        "importantPages": list(site.important_pages),
        "fileLinkDays": str(site.file_link_days),
        "siteToken": site.token,
        "scriptSnippet": script_snippet(site, public_url),
        "pixelSnippet": pixel_snippet(site, public_url),
    }


@method(
    *FLAT_ERRORS,
    NothingChanged,
    result=Writes("updates"),
    vendor=False,
    section=_SECTION,
    examples=[Example({"importantPages": ["/pricing*", "/contact"]}, [DONE], "Pages whose visits are important.")],
)
async def update_capture_settings(
    context: Context,
    *,
    objects: Annotated[list[Json], FlatOrObjects(CAPTURE_SETTINGS, "The settings.", creating=False)],
) -> WriteResult:
    """Changes the settings of page tracking. Settings that are not sent stay; 302 if nothing changes.

    `importantPages` are up to 100 paths, in which `*` stands for any characters: a visit of such a page is an
    importantPageVisit instead of a pageVisit. `keepAddresses` is `none`, or `truncated` to store the visitor's network
    (/24 or /48) with each page view. With `respectSignals`, visitors that send Do Not Track or Global Privacy Control
    are not tracked; after a change of it, your pages need the new `scriptSnippet`. The address of a file that was sent
    with a form works for `fileLinkDays` after the submission, and without end with 0; the file itself stays with the
    lead. All servers apply new settings within two seconds.
    """
    checked = _SHAPE.check(objects)
    outcomes = checked.refused_outcomes()
    async with context.tx() as tx, tx.atomic():
        for record, position in checked.with_positions():
            changed = await sites.change(
                tx,
                context.company.id,
                important_pages=_sent(record.importantPages),
                keep_addresses=_sent(record.keepAddresses),
                respects_signals=_sent(record.respectSignals),
                file_link_days=_sent(record.fileLinkDays),
            )
            outcomes[position] = succeeded() if changed else refused(NothingChanged())
    return WriteResult.in_order(outcomes)


def _sent(value: Any) -> Any:
    return None if value is UNSET else value


URL_SHOWN = 200
"""How many characters of a wrong address its error shows."""


class _Urls(Param):
    """The URLs of the links of a message."""

    type: ClassVar[str] = "list"
    about = f"The targets of the links of the message: up to {URLS_MAX} http or https addresses."

    def read(self, name: str, value: Json, *, required: bool) -> list[str]:
        """Returns the URLs without duplicates, in the order sent."""
        if not isinstance(value, list) or len(value) > URLS_MAX:
            message = f"Expected a list of at most {URLS_MAX} addresses"
            raise InvalidParameters(self.problem(name, message, required=required))
        urls = {url: None for url in value if isinstance(url, str) and is_link(url)}
        wrong = [(place, url) for place, url in enumerate(value, 1) if not isinstance(url, str) or url not in urls]
        if wrong:
            raise InvalidParameters(
                *(self.problem(name, _wrong_url(place, url), required=required) for place, url in wrong)
            )
        return list(urls)

    def schema(self) -> dict[str, Json]:
        """Returns the JSON schema of a list of URLs."""
        return {"type": "array", "items": {"type": "string", "format": "uri"}, "maxItems": URLS_MAX}

    def empty(self, value: Json) -> bool:
        """Returns whether no URL was sent; a message without links is valid."""
        return value in (None, "", [], {})


def _wrong_url(place: int, url: object) -> str:
    shown = f" ({url[:URL_SHOWN]}{'…' * (len(url) > URL_SHOWN)})" if isinstance(url, str) else ""
    return (
        f"Address {place}{shown}: expected an http or https address without a password, percent-encoded where it is "
        f"not ASCII, of at most {LINK_LENGTH:,} characters"
    )


_ROW: Mapping[str, Any] = {
    "leadID": ...,
    "campaignID": None,
    "isUnsubscribed": None,
    "links": ...,
    "openPixel": ...,
    "unsubscribeURL": ...,
    "listUnsubscribe": ...,
    "listUnsubscribePost": ONE_CLICK,
}


@method(
    MissingParameters,
    UnexpectedArray,
    UnknownReference,
    result=Reads(TRACKED_LINK),
    vendor=False,
    section=_SECTION,
    examples=[
        Example(
            {"leadID": "{lead}", "urls": ["https://www.example.com/spring?utm_source=mail"]},
            [_ROW],
            "A message with one link.",
            given=GIVEN_LEAD,
        )
    ],
)
async def get_tracked_links(
    context: Context,
    *,
    lead_id: Annotated[
        list[int],
        OneOrMoreIds(
            f"The lead that receives the message, or a list of up to {PAGE} leads.", most=PAGE, excess=TooManyIds
        ),
    ],
    campaign_id: Annotated[int | None, Integer("The campaign of the message.", low=0, length=20)] = None,
    urls: Annotated[list[str], _Urls()] = [],  # noqa: B006 - never changed
) -> ReadResult:
    """Returns the tracked links for a message that you send yourself: a row for each lead, in the order sent.

    `links` has, for each of `urls`, an address that redirects to it and adds emailClick and emailVisit to the timeline
    of the lead. `openPixel` is the address of an image that adds emailOpened. `unsubscribeURL` is a page that asks for
    confirmation and then unsubscribes the address, also if its lead is deleted, merged or erased. `listUnsubscribe` and
    `listUnsubscribePost` are the values of the headers List-Unsubscribe and List-Unsubscribe-Post, with which mail
    programs unsubscribe in one step (RFC 8058). All addresses are signed for this lead and campaign, never expire and
    have no other target. An unknown lead has no row. Send nothing to a lead whose `isUnsubscribed` is 1. Nothing is
    stored. Addresses begin with the setting `public_url`; if it is not set, they are paths on this server.
    """
    async with context.tx() as tx:
        if campaign_id is not None and not await email_events.campaign_exists(tx, context.company.id, campaign_id):
            raise unknown_references([TRACKED_LINK.by_name["campaignID"]])
        readers = await email_events.find_readers(tx, context.company.id, lead_id)
        site = await sites.of_company(tx, context.company.id)
    return ReadResult([_links(context, site, reader, campaign_id, urls) for reader in readers])


def _links(
    context: Context, site: Site, reader: Reader, campaign_id: int | None, urls: list[str]
) -> Mapping[str, Json]:
    public_url = context.public_url
    plain = SignedLink(lead_id=reader.lead_id, campaign_id=campaign_id)
    address = address_hash(context.company.id, reader.email_key)
    unsubscribe = unsubscribe_url(site, public_url, msgspec.structs.replace(plain, address_hash=address))
    return {
        "leadID": str(reader.lead_id),
        "campaignID": None if campaign_id is None else str(campaign_id),
        "isUnsubscribed": None if reader.is_unsubscribed is None else str(int(reader.is_unsubscribed)),
        "links": {
            url: click_url(site, public_url, SignedLink(lead_id=reader.lead_id, campaign_id=campaign_id, url=url))
            for url in urls
        },
        "openPixel": pixel_url(site, public_url, plain),
        "unsubscribeURL": unsubscribe,
        "listUnsubscribe": f"<{unsubscribe}>",
        "listUnsubscribePost": ONE_CLICK,
    }
