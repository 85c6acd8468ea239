"""`silmark cost`: what a model costs on a system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from silmark.cli.options import Json, Model, Output, Plot, PrecisionName, Prompt, Tpot, Ttft, WorkloadName
from silmark.cli.output import print_json


def cost(
    model: Model,
    on: Annotated[str, typer.Option(help="8x:nvidia-h100-sxm5-80gb, a system's id, or a .toml file")],
    tp: Annotated[str | None, typer.Option(help="chips that share every layer", show_default=False)] = None,
    pp: Annotated[str | None, typer.Option(help="consecutive groups of layers", show_default=False)] = None,
    dp: Annotated[str | None, typer.Option(help="replicas", show_default=False)] = None,
    ep: Annotated[str | None, typer.Option(help="parts that the experts are divided into", show_default=False)] = None,
    batch: Annotated[str, typer.Option(help="sequences in flight, or auto")] = "auto",
    workload: WorkloadName = "chat",
    prompt: Prompt = None,
    output: Output = None,
    ttft: Ttft = None,
    tpot: Tpot = None,
    precision: PrecisionName = "default",
    weights_in: Annotated[str, typer.Option(help="memory tier of the weights: auto, main or sram")] = "auto",
    kv_in: Annotated[str, typer.Option(help="memory tier of the cache: auto, main or sram")] = "auto",
    pay: Annotated[str, typer.Option(help="own, rent, reserved, spot, or auto: what is public first")] = "auto",
    region: Annotated[str, typer.Option(help="where the machines stand, such as texas or france")] = "",
    scenario: Annotated[
        Path | None, typer.Option(help="TOML file with prices and terms of your own", show_default=False)
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, such as electricity.price=0.12USD/kWh@2026-11", show_default=False),
    ] = None,
    tornado: Annotated[bool, typer.Option("--tornado", help="what each input moves")] = False,
    break_even_against: Annotated[
        str | None, typer.Option(help="system to undercut: solves for the price of a chip", show_default=False)
    ] = None,
    saving: Annotated[float, typer.Option(help="share of that system's cost per token to be saved")] = 0.0,
    json_: Json = False,
    plot: Plot = None,
) -> None:
    """What a model costs on a system: machines, power and place, per token and per joule, with intervals."""
    from silmark.api.cost import cost as ask  # noqa: PLC0415
    from silmark.economics.rent import Pay  # noqa: PLC0415

    answer = ask(
        model,
        on,
        pay=cast("Pay", pay),
        scenario=scenario,
        given=set_ or (),
        region=region,
        against=break_even_against,
        saving=saving,
        tp=tp,
        pp=pp,
        dp=dp,
        ep=ep,
        batch=batch,
        workload=workload,
        prompt=prompt,
        output=output,
        ttft=ttft,
        tpot=tpot,
        precision=precision,
        weights_in=cast("Literal['auto', 'main', 'sram']", weights_in),
        kv_in=cast("Literal['auto', 'main', 'sram']", kv_in),
    )
    if plot is not None:
        from silmark.report.plot_cost import draw  # noqa: PLC0415

        draw(answer, plot)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report import cost as page  # noqa: PLC0415
    from silmark.report.table import console  # noqa: PLC0415

    screen = console()
    for part in page.blocks(answer, tornado):
        screen.print(part, markup=False)
