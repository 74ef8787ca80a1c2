"""Opt-outs by unsubscribe links (docs/unsubscribing.md)."""

from springhead.methods.bulk import writes
from springhead.methods.leads.leads import UPDATE_HOOKS
from springhead.model.kit.errors import NoSuchRecord, NothingChanged, Unavailable
from springhead.model.leads.leads import LEAD
from springhead.model.leads.opt_outs import address_hash
from springhead.rpc.context import Context
from springhead.rpc.perform import attempt
from springhead.store.leads import opt_outs


async def opt_out(context: Context, lead_id: int, linked_hash: bytes) -> bool:
    """Opts out a lead, its address, and the address with the hash `linked_hash` ("" if it is not known).

    The lead may be deleted, merged or erased: its address is unsubscribed when it comes back. Returns False if neither
    the lead nor an address is known. Raises Unavailable.
    """
    is_lead = await attempt(context, lambda context: _unsubscribe(context, lead_id))
    hashes = await attempt(context, lambda context: _record(context, lead_id, linked_hash))
    return is_lead or hashes


async def _unsubscribe(context: Context, lead_id: int) -> bool:
    """Unsubscribes a lead, and so records the opt-out of its address. Returns whether the lead exists."""
    lead = {"id": lead_id, "isUnsubscribed": 1}
    result = await writes.update(context, LEAD, [lead], UPDATE_HOOKS, missing=NoSuchRecord())
    error = result.outcomes[0]["error"]
    if error and error["code"] not in {NothingChanged.code, NoSuchRecord.code}:
        raise Unavailable
    return not error or error["code"] != NoSuchRecord.code


async def _record(context: Context, lead_id: int, linked_hash: bytes) -> bool:
    """Records the opt-outs of the addresses of a lead that may be deleted; returns whether any address is known."""
    company_id = context.company.id
    async with context.tx() as tx, tx.atomic():
        key = await opt_outs.key_of_lead(tx, company_id, lead_id)
        hashes = {linked_hash, b"" if key is None else address_hash(company_id, key)} - {b""}
        is_new = await opt_outs.opt_out(tx, company_id, hashes, context.source)
    if is_new:
        await context.server.jobs.finish(company_id)
    return bool(hashes)
