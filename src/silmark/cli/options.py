"""Options that several commands have, with the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(help="catalogue name, path of a config.json, or hf:owner/name")]
WorkloadName = Annotated[str, typer.Option("--workload", help="chat, code, summarize, reasoning, offline or edge")]
Prompt = Annotated[str | None, typer.Option(help="tokens of a prompt (chat: 1024)", show_default=False)]
Output = Annotated[str | None, typer.Option(help="tokens of an answer (chat: 256)", show_default=False)]
Ttft = Annotated[str | None, typer.Option(help="promise, such as 2s, or none (chat: 2s)", show_default=False)]
Tpot = Annotated[str | None, typer.Option(help="promise, such as 50ms, or none (chat: 50ms)", show_default=False)]
PrecisionName = Annotated[
    str, typer.Option("--precision", help="format, weights:compute, weights:compute:kv, or default")
]
Maturity = Annotated[str, typer.Option(help="own software as it is, or equal (a mature stack for everybody)")]
Json = Annotated[bool, typer.Option("--json", help="print JSON (schema: silmark schema)")]
Explain = Annotated[bool, typer.Option("--explain", help="print every input figure with source and grade")]
Plot = Annotated[Path | None, typer.Option(help="write a picture (.png, .svg, .pdf)", show_default=False)]
