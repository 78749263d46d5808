"""Who asks: pool users, their ledgers, real ids under pseudonyms, and their split over workers and seats.

The second step of the flow: the plan names a pool, this package makes it (`make_pool`), imports it (`import_pool`) or
reads it (`read_pool`); clusters load its ledger, shadow and swarm draw its users. Imports nothing of ours.

    shape -> people (who) -> quota -> coins, diamonds -> ledger (what they did) -> make (the folder, all or nothing)
    pseudonyms -> imports (real ids)            reading, slices, means (what the later steps take)

Errors:

* PoolError          a pool cannot be made: the message says which value and what to do
  x PoolTaken        the folder holds something that is not a pool
  x PoolMissing      there is no pool in the folder
  x PoolCorrupt      a pool's files do not agree with its record
  x KeyFault         the key file is missing, too short, or others may read it
  x ImportFault      the import file has faults; carries line numbers, never a raw id
"""

from userpool.errors import ImportFault, KeyFault, LineFault, PoolCorrupt, PoolError, PoolMissing, PoolTaken
from userpool.imports import import_pool, raw_ids
from userpool.make import make_pool
from userpool.means import request_weighted_entries, seated_mean_entries
from userpool.reading import Pool, read_pool
from userpool.record import PoolSummary
from userpool.shape import TIERS, PoolShape
from userpool.slices import assign, seat

__all__ = [
    "TIERS",
    "ImportFault",
    "KeyFault",
    "LineFault",
    "Pool",
    "PoolCorrupt",
    "PoolError",
    "PoolMissing",
    "PoolShape",
    "PoolSummary",
    "PoolTaken",
    "assign",
    "import_pool",
    "make_pool",
    "raw_ids",
    "read_pool",
    "request_weighted_entries",
    "seat",
    "seated_mean_entries",
]
