"""index.html and canary.png of a gray release: its story, each step with its figures, every decision and why."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Final

import jinja2

from analysis import plots
from analysis.canary import CanaryRun, read_canary
from analysis.canary_counts import faults_of
from analysis.canary_story import event_rows, outcome_text, route_rows, step_rows, story
from analysis.plots import canary
from records.run_folder import REPORT
from shadow.gray.counts import sum_routes
from shadow.record import write_whole

PAGE: Final = "index.html"
PICTURE: Final = "canary.png"
MOST_EVENTS: Final = 500
_TEMPLATE: Final = Path(__file__).with_name("canary.html.j2")


def write_canary_report(folder: Path) -> Path:
    """Write `report/index.html` and `report/canary.png` of a gray release's folder, and return the page's path.

    The folder may be whole or cut short (`canary.json` missing): the page then says that it is partial.
    Raises: RunFolderError when the folder is none or is damaged, StoreError when a file cannot be written.
    """
    run = read_canary(folder)
    picture = plots.png(lambda: canary.draw(run))
    write_whole(folder / REPORT / PICTURE, picture)
    write_whole(folder / REPORT / PAGE, canary_page(run, picture).encode())
    return folder / REPORT / PAGE


def canary_page(run: CanaryRun, picture: bytes) -> str:
    """Return the page: no script, no link, the picture (PNG) inside. Pure."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    baseline, candidate = run.sides
    events = event_rows(run)
    whole = sum_routes(run.routes.values())
    return template.render(
        run=run.manifest,
        baseline=baseline,
        candidate=candidate,
        outcome="partial" if run.outcome is None else run.outcome.outcome,
        outcome_text=outcome_text(run),
        faults=faults_of(whole),
        requests=whole.baseline.requests + whole.candidate.requests,
        story=story(run),
        steps=step_rows(run),
        events=events[:MOST_EVENTS],
        events_left=max(len(events) - MOST_EVENTS, 0),
        routes=route_rows(run),
        picture=base64.b64encode(picture).decode(),
    )
