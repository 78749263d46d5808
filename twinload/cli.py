"""The command line: parses, delegates, and turns every end into its exit code.

Exit codes: 0 done (for `gate`, `audit`, `compare`, `--check`: passed), 1 not passed, 2 bad usage or environment,
3 our own fault, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clusters import ClusterError
from records.errors import RecordError
from shadow import ShadowError
from twinload.context import Context
from twinload.errors import Ended, OwnFault
from twinload.signals import end_on_signals
from twinload.talk import Talk
from userpool import PoolError

Command = Callable[[Context, argparse.Namespace], int]
_EXAMPLES = """\
examples:
  twinload run                              the whole job with ./twinload.toml, report in runs/latest/report/
  twinload run --quick                      the same in about a minute, for a first look
  twinload run --set stages.kind=steps --set stages.rates_rps=[200,400,800]
  twinload init mine && twinload check --plan mine/twinload.toml
  twinload shadow run --pairs 3000          live traffic through the gateway, both twins compared
  twinload canary run                       users move to the candidate step by step, under traffic
  twinload compare runs/last runs/latest --anyway commit --out compare
  twinload up && locust                     both twins up, then by hand in the web UI
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(argv)
    talk = Talk(-1 if options.quiet else options.verbose)
    end_on_signals()
    context = Context(
        plan_path=Path(options.plan), runs=Path(options.runs), sets=tuple(options.set), as_json=options.json, talk=talk
    )
    try:
        command: Command = options.command
        return command(context, options)
    except Ended as end:
        talk.fault("\n".join([str(end), *getattr(end, "__notes__", ())]))
        return end.code
    except (RecordError, PoolError, ClusterError, ShadowError) as error:
        talk.fault(str(error))
        return 2
    except KeyboardInterrupt:
        talk.fault("interrupted")
        return 130
    except BrokenPipeError:
        return 0
    except Exception:  # the program's edge: whatever else happens is our own fault, and says where
        talk.err.print_exception(show_locals=False)
        talk.fault("a fault of twinload itself; what was measured until then is in the run folder")
        return OwnFault.code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    common = _common()
    top = argparse.ArgumentParser(
        prog="twinload", description="Prove a rewrite: same answers, more load, less money.",
        epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    top.add_argument("--version", action="version", version=f"twinload {version('twinload')}")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def verb(name: str, text: str, where: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text, parents=[common])
        made.set_defaults(command=_late(where))
        return made

    init = verb("init", "write a commented plan for a pair of your own", "plan_commands:init")
    init.add_argument("dir", nargs="?", default=".", metavar="DIR", help="where to (default: here)")
    verb("check", "check the plan against its rules and this machine", "plan_commands:check")
    pool = verb("pool", "make the users, or import real ids under pseudonyms", "pool_command:pool")
    pool.add_argument("--users", type=int, metavar="N", help="how many (default: the plan's)")
    pool.add_argument("--seed", type=int, metavar="S", help="same seed, same bytes (default: the plan's)")
    pool.add_argument("--out", metavar="DIR", help="where to (default: the plan's pool.folder)")
    pool.add_argument("--no-ledgers", action="store_true", help="users alone, without their ledgers")
    pool.add_argument("--import", dest="import_file", metavar="FILE", help="CSV whose first column is the id")
    pool.add_argument("--key-file", metavar="FILE", help="the key of the pseudonyms (16 bytes or more, mode 600)")
    for name, text in {"up": "start the clusters", "status": "show the clusters", "down": "stop the clusters"}.items():
        verb(name, text, f"cluster_commands:{name}").add_argument(
            "twin", nargs="*", metavar="TWIN", help="default: both"
        )
    compose = verb("compose", "write docker-compose.yml: the plan's twins as containers", "compose_command:compose")
    compose.add_argument("--out", metavar="FILE", help="where to, - for stdout (default: the plan's compose.file)")
    verb("gate", "compare every answer of both twins; 0 when none differs", "gate_command:gate")
    run = verb("run", "the whole job: gate, load, report", "run_command:run")
    run.add_argument("--quick", action="store_true", help="one pair, short stages: a first look, no interval")
    run.add_argument("--no-gate", action="store_true", help="load without comparing first; every report says so")
    run.add_argument("--check", action="store_true", help="exit code 1 unless all that was asked of the run holds")
    run.add_argument("--resume", metavar="RUN", help="go on with a run that was killed or interrupted")
    run.add_argument("--baseline", metavar="RUN", help="hold the run against this earlier one when it is done")
    _shadow(verbs, common)
    _canary(verbs, common)
    report = verb("report", "draw a run's report again, from its folder alone", "report_command:report")
    report.add_argument("run", metavar="RUN", help="a run folder, such as runs/latest")
    audit = verb("audit", "is every byte as sealed, does every figure follow from the lines?", "audit_command:audit")
    audit.add_argument("run", metavar="RUN", help="a run folder, such as runs/latest")
    compare = verb("compare", "hold runs against an earlier one, by the plan", "compare_command:compare_runs")
    compare.add_argument("base", metavar="BASE", help="the run to compare with")
    compare.add_argument("new", nargs="+", metavar="NEW", help="the runs to judge")
    compare.add_argument("--out", metavar="DIR", help="also write compare.json, compare.md and junit.xml there")
    for one in (run, compare):
        one.add_argument(
            "--anyway", action="append", default=[], choices=("commit", "versions", "hostname", "kernel"),
            help="go on although this differs (again for another)",
        )  # fmt: skip
    return top


def _shadow(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add `shadow run | status | report`."""
    text = "live traffic through the gateway: the baseline answers, every answer of the candidate is compared"
    parts = verbs.add_parser("shadow", help=text, description=text).add_subparsers(metavar="WHAT", required=True)

    def verb(name: str, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text, parents=[common])
        made.set_defaults(command=_late(f"shadow_command:{name}"))
        return made

    run = verb("run", "send the plan's mix through the gateway and judge it; 1 when the gate fails")
    run.add_argument("--seconds", type=int, metavar="S", help="for so long (default: until enough was compared)")
    run.add_argument("--pairs", type=int, metavar="N", help="pairs of each endpoint (default: by shadow.bound)")
    verb("status", "what the gateway that runs here counted")
    report = verb("report", "judge a shadow run's pairs anew and draw its page again")
    report.add_argument("run", metavar="RUN", help="a shadow run's folder")


def _canary(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Add `canary run | status | step | hold | resume | back | report | config`."""
    text = "the gray release: users move to the candidate step by step, and all back on any anomaly"
    parts = verbs.add_parser("canary", help=text, description=text).add_subparsers(metavar="WHAT", required=True)

    def verb(name: str, text: str, function: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = parts.add_parser(name, help=text, description=text, parents=[common])
        made.set_defaults(command=_late(f"canary_command:{function}"))
        return made

    run = verb("run", "walk the plan's steps; 0 at the end of the last one, 1 when it went back or was held", "run")
    run.add_argument("--no-traffic", action="store_true", help="live callers are there: only decide")
    run.add_argument("--anew", action="store_true", help="begin although everything was taken back before")
    status = verb("status", "the gateway's figures, and what the roll-out waits for", "status")
    status.add_argument("--watch", action="store_true", help="again and again, until Ctrl-C")
    for name, text in {
        "step": "take the next step now, without waiting for evidence", "hold": "take no step until resumed",
        "resume": "go on", "back": "all users to the baseline at once, and no roll-out any more",
    }.items():  # fmt: skip
        said = verb(name, text, "order")
        said.set_defaults(order=name)
        said.add_argument("--why", default="", metavar="TEXT", help="kept in the events, at most 200 characters")
    report = verb("report", "draw a gray release's page again", "report")
    report.add_argument("run", metavar="RUN", help="a gray release's folder")
    config = verb("config", "write the files of a gateway that stands before a live service", "config")
    config.add_argument("--out", metavar="DIR", help="where to (default: .twinload/canary)")


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--plan", default="twinload.toml", metavar="FILE", help="the plan (default: twinload.toml)")
    common.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one key of the plan")
    common.add_argument("--runs", default="runs", metavar="DIR", help="where run folders go (default: runs)")
    common.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    common.add_argument("-v", "--verbose", action="count", default=0, help="tell more")
    common.add_argument("-q", "--quiet", action="store_true", help="tell faults alone")
    return common


def _late(where: str) -> Command:
    """Return a command that is imported when it is called: `twinload --help` need not load scipy."""

    def call(context: Context, options: argparse.Namespace) -> int:
        import importlib

        module, name = where.split(":")
        command: Command = getattr(importlib.import_module(f"twinload.{module}"), name)
        return command(context, options)

    return call


if __name__ == "__main__":
    sys.exit(main())
