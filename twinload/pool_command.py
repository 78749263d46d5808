"""`twinload pool`: make the users, or import real ids under pseudonyms."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import msgspec

from twinload.context import Context
from twinload.errors import BadEnvironment
from userpool import import_pool, make_pool


def pool(context: Context, options: argparse.Namespace) -> int:
    """Make or import a pool; without a plan beside it, `--users --seed --out` are enough."""
    if (options.import_file is None) != (options.key_file is None):
        raise BadEnvironment("--import and --key-file go together: the key makes the pseudonyms")
    if options.import_file is not None and (options.users is not None or options.seed is not None):
        raise BadEnvironment("--users and --seed are for generated users: an import has those of its file")
    plan = None if options.out is not None and not context.plan_path.is_file() else context.plan()
    folder = Path(options.out) if options.out else context.root / (plan.pool.folder if plan else "")
    say = context.talk.say
    if options.import_file is not None:
        made = import_pool(Path(options.import_file), Path(options.key_file), folder, progress=say)
    elif plan is not None and plan.pool.import_file and plan.pool.key_file and options.users is None:
        made = import_pool(
            context.root / plan.pool.import_file, context.root / plan.pool.key_file, folder, progress=say
        )
    else:
        users = options.users if options.users is not None else plan.pool.users if plan else 16_000
        seed = options.seed if options.seed is not None else plan.pool.seed if plan else 20_260_101
        ledgers = not options.no_ledgers and (plan is None or plan.pool.ledgers)
        made = make_pool(users, seed, folder, ledgers=ledgers, progress=say)
    if context.as_json:
        context.talk.out.print_json(json.dumps(msgspec.to_builtins(made, enc_hook=str)))
    else:
        entries = "no ledgers" if made.entries is None else f"{made.entries:,} ledger entries"
        context.talk.out.print(f"{folder}: {made.users:,} users, {entries}, digest {made.digest[:12]}")
    return 0
