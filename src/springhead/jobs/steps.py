"""The registry of background jobs: every kind of job, with the step that does its work."""

from collections.abc import Mapping

from springhead.store.actions import action_jobs
from springhead.store.capture import visitors
from springhead.store.companies import encryption
from springhead.store.database.background_jobs import Step
from springhead.store.fields import unique_values
from springhead.store.leads import duplicates, opt_outs
from springhead.store.lifecycle import erasing, merging, recycling
from springhead.store.lists import filtered_lists, removals
from springhead.store.sales import detach_jobs
from springhead.store.scores import scoring

MODULES = (
    action_jobs,
    detach_jobs,
    duplicates,
    encryption,
    erasing,
    filtered_lists,
    merging,
    opt_outs,
    recycling,
    removals,
    scoring,
    unique_values,
    visitors,
)
"""The modules of the store that define background jobs. `STEPS` of each module maps kinds to steps."""

STEPS: Mapping[str, Step] = {kind: step for module in MODULES for kind, step in module.STEPS.items()}
