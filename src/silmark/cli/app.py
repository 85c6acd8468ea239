"""The commands, by what they are for. Each imports what it needs when it runs, so that `--help` stays quick."""

from __future__ import annotations

from collections.abc import Callable

import typer

from silmark.cli.bulk import predict
from silmark.cli.calibrate import calibrate
from silmark.cli.capacity import capacity
from silmark.cli.catalogue import chips_app, models, schema
from silmark.cli.claims import claims_app
from silmark.cli.collective import collective
from silmark.cli.compare import compare
from silmark.cli.cost import cost
from silmark.cli.engine import engine
from silmark.cli.estimate import estimate
from silmark.cli.links import cable, channel, groups, memory
from silmark.cli.machine import machine_app
from silmark.cli.measure import measure
from silmark.cli.moves import build_or_buy, port
from silmark.cli.quality import quality
from silmark.cli.search import search, size
from silmark.cli.serve_sim import serve_sim
from silmark.cli.support import support
from silmark.cli.sweep import sweep
from silmark.cli.systems import systems_app
from silmark.cli.trace import trace_app
from silmark.cli.train import train
from silmark.cli.validate import validate

app = typer.Typer(
    name="silmark",
    help="Every AI accelerator on one scale: what a model would really do on it, with sources and error bars.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

_ASK, _MONEY, _WIRES = "What would it do?", "What would it cost?", "Links and memory"
_KNOW, _CHECK = "What is known?", "How wrong is it?"
_COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    _ASK: (compare, support, quality, estimate, engine, search, size, serve_sim, capacity, sweep, train),
    _MONEY: (cost, port, build_or_buy),
    _WIRES: (collective, channel, cable, memory),
    _KNOW: (models, schema),
    _CHECK: (validate, predict, measure, calibrate),
}
for panel, commands in _COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(machine_app, name="machine", rich_help_panel=_ASK)
app.add_typer(chips_app, name="chips", rich_help_panel=_KNOW)
app.add_typer(systems_app, name="system", rich_help_panel=_KNOW)
app.add_typer(systems_app, name="systems", hidden=True)
app.add_typer(trace_app, name="trace", rich_help_panel=_KNOW)
for name, group in groups():
    app.add_typer(group, name=name, rich_help_panel=_KNOW)
app.add_typer(claims_app, name="claims", rich_help_panel=_CHECK)
