"""`silmark port` and `silmark build-or-buy`: leaving a software stack, and making one's own chip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from silmark.cli.options import Json
from silmark.cli.output import print_json

Workload = Annotated[str, typer.Option(help="chat, code, summarize, reasoning, offline or edge")]
Limit = Annotated[str | None, typer.Option(help="promise, such as 50ms, or none", show_default=False)]
Region = Annotated[str, typer.Option(help="where the machines stand, such as texas or france")]
Scenario = Annotated[Path | None, typer.Option(help="TOML file with prices and terms of your own", show_default=False)]
Set = Annotated[list[str] | None, typer.Option("--set", help="key=value, such as work.kernels=5", show_default=False)]


def port(
    from_: Annotated[
        str | None,
        typer.Option("--from", help="stack to leave, such as cuda (that of --instead-of)", show_default=False),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="stack to go to, such as rocm (that of --on)", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="what is served, to say when it pays", show_default=False)] = None,
    on: Annotated[str | None, typer.Option(help="new system, as in estimate", show_default=False)] = None,
    instead_of: Annotated[str | None, typer.Option(help="old system, as in estimate", show_default=False)] = None,
    fleet: Annotated[str | None, typer.Option(help="chips that share the port", show_default=False)] = None,
    workload: Workload = "chat",
    ttft: Limit = None,
    tpot: Limit = None,
    region: Region = "",
    scenario: Scenario = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """What leaving a software stack costs, and after how many tokens cheaper ones have paid for it."""
    from silmark.api.port import port as ask  # noqa: PLC0415

    answer = ask(
        from_,
        to,
        model=model,
        on=on,
        instead_of=instead_of,
        fleet=fleet,
        scenario=scenario,
        given=set_ or (),
        region=region,
        workload=workload,
        ttft=ttft,
        tpot=tpot,
    )
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report.moves_screen import port_blocks  # noqa: PLC0415
    from silmark.report.table import console  # noqa: PLC0415

    screen = console()
    for part in port_blocks(answer):
        screen.print(part, markup=False)


def build_or_buy(
    own: Annotated[str, typer.Argument(help="system of the own chip, such as 8x:google-tpu-v6e")],
    against: Annotated[str, typer.Option(help="system to buy instead, such as 8x:nvidia-h100-sxm5-80gb")],
    model: Annotated[str, typer.Option(help="what both serve")] = "llama-3.1-70b",
    volume: Annotated[str, typer.Option(help="own chips that will be made")] = "100000",
    workload: Workload = "chat",
    ttft: Limit = None,
    tpot: Limit = None,
    precision: Annotated[str, typer.Option(help="format of the own chip, or default")] = "default",
    region: Region = "",
    scenario: Scenario = None,
    set_: Set = None,
    json_: Json = False,
) -> None:
    """From which volume a chip of one's own is cheaper than one that is bought, token for token."""
    from silmark.api.build import build_or_buy as ask  # noqa: PLC0415

    answer = ask(
        own,
        against,
        model=model,
        volume=volume,
        scenario=scenario,
        given=set_ or (),
        region=region,
        workload=workload,
        ttft=ttft,
        tpot=tpot,
        precision=precision,
    )
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report.moves_screen import build_blocks  # noqa: PLC0415
    from silmark.report.table import console  # noqa: PLC0415

    screen = console()
    for part in build_blocks(answer):
        screen.print(part, markup=False)
