"""The best plans of chips for a workload, and the fleet for a demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from silmark import models, systems
from silmark.api import question
from silmark.api.question import Count, Duration
from silmark.errors import BadValue
from silmark.figures import assumptions
from silmark.figures.own import remark
from silmark.formats import Precision
from silmark.models import Model
from silmark.report.search import Searched
from silmark.report.size import Fleets
from silmark.search.answer import MODES
from silmark.search.answer import search as run
from silmark.search.size import Demand, Sized
from silmark.search.size import size as run_size
from silmark.search.space import Asked
from silmark.systems import Target
from silmark.workloads import Workload

_MOST_PRECISIONS = 8
_MOST_ROOM = 10.0


def search(
    model: str,
    on: str | None = None,
    *,
    prefill_on: str | None = None,
    decode_on: str | None = None,
    workload: str = "chat",
    prompt: Count | None = None,
    output: Count | None = None,
    ttft: Duration | None = None,
    tpot: Duration | None = None,
    precision: str | Sequence[str] = "default",
    mode: str = "both",
    maturity: Literal["own", "equal"] = "own",
) -> Searched:
    """Every plan of some chips for a workload: the best of each objective, and the frontier of speed and rate.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`; a model that makes tokens.
        on: `32x:nvidia-h100-sxm5-80gb`, a system's id, or a `.toml` file.
        prefill_on, decode_on: chips of two pools, in place of `on`.
        workload, prompt, output, ttft, tpot: as in `compare`.
        precision: formats to try, separated by commas; "default" is each chip's own.
        mode: aggregated, disaggregated or both.
        maturity: "own" or "equal".

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    if mode not in MODES:
        raise BadValue("mode", mode, f"one of {', '.join(MODES)}")
    _checked(maturity)
    if (on is None) == (prefill_on is None) or (prefill_on is None) != (decode_on is None):
        raise BadValue("on", on, "chips for everything, or else prefill_on and decode_on together")
    names = precisions(precision)
    loaded, work = decoder(model), question.workload(workload, prompt, output, ttft, tpot)
    main = systems.target(str(decode_on if on is None else on))
    first = None if prefill_on is None else _asked(loaded, systems.target(prefill_on), work, names, maturity)
    answer = run(first, _asked(loaded, main, work, names, maturity), mode)
    said = {
        "model": loaded.name,
        "on": main.name if on is not None else None,
        "prefill_on": first.target.name if first else None,
        "decode_on": main.name if first else None,
        "workload": work.name,
        "prompt": work.prompt,
        "output": work.output,
        "ttft_s": question.finite(work.ttft_s),
        "tpot_s": question.finite(work.tpot_s),
        "precision": ",".join(names),
        "mode": "disaggregated" if first else mode,
        "maturity": maturity,
    }
    return Searched(said, answer, tuple(filter(None, [*loaded.notes, *question.too_long(loaded, work), remark()])))


def size(
    model: str,
    rate: str | float,
    *,
    chips: str | Sequence[str] = "all",
    workload: str = "chat",
    prompt: Count | None = None,
    output: Count | None = None,
    ttft: Duration | None = None,
    tpot: Duration | None = None,
    precision: str | Sequence[str] = "default",
    headroom: float | None = None,
    maturity: Literal["own", "equal"] = "own",
) -> Fleets:
    """The smallest and the cheapest fleet of every chip for a demand.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`; a model that makes tokens.
        rate: requests: "50/s", "3000/min", or a number per second.
        chips: "all", or names and paths.
        workload, prompt, output, ttft, tpot: as in `compare`.
        precision: formats to try, separated by commas; "default" is each chip's own.
        headroom: share of capacity beyond the demand; None takes the assumption of the catalogue.
        maturity: "own" or "equal".

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    _checked(maturity)
    assumed = assumptions("fleet")["demand.headroom"]
    room = assumed.value if headroom is None else headroom
    if not (isinstance(room, int | float) and 0 <= room <= _MOST_ROOM):
        raise BadValue("headroom", room, f"a share of capacity from 0 to {_MOST_ROOM}, such as 0.25")
    demand = Demand(question.frequency("rate", rate), float(room))
    names = precisions(precision)
    loaded, work = decoder(model), question.workload(workload, prompt, output, ttft, tpot)
    rows = [
        run_size(_asked(loaded, Target(chip, systems.usual(chip), 1), work, names, maturity), demand)
        for chip in question.chip_list(chips)
    ]
    rows.sort(key=_order)
    said = {
        "model": loaded.name,
        "requests_per_s": demand.requests,
        "chips": chips if isinstance(chips, str) else ",".join(chips),
        "workload": work.name,
        "prompt": work.prompt,
        "output": work.output,
        "ttft_s": question.finite(work.ttft_s),
        "tpot_s": question.finite(work.tpot_s),
        "precision": ",".join(names),
        "headroom": demand.headroom,
        "maturity": maturity,
    }
    notes = tuple(filter(None, [*loaded.notes, *question.too_long(loaded, work), remark()]))
    return Fleets(said, demand, assumed if headroom is None else None, tuple(rows), notes)


def _order(row: Sized) -> tuple[bool, bool, float, str]:
    """Cheapest first; without a price by size; without a fleet last."""
    if row.smallest is None:
        return True, row.cannot, 0.0, row.chip.id
    return False, row.cheapest is None, row.cheapest.usd_per_h if row.cheapest else row.smallest.chips, row.chip.id


def decoder(name: str) -> Model:
    """A model that makes tokens; raises BadValue for others."""
    loaded = models.load(name)
    if loaded.kind != "decoder":
        raise BadValue("model", name, f"a model that makes tokens; {loaded.name} is a {loaded.kind}")
    return loaded


def precisions(wanted: str | Sequence[str]) -> list[str]:
    """Names of formats, checked, each once."""
    parts = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    names = list(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not 1 <= len(names) <= _MOST_PRECISIONS:
        raise BadValue("precision", wanted, f"1 to {_MOST_PRECISIONS} formats, separated by commas")
    return [question.known_format(name) for name in names]


def _checked(maturity: str) -> None:
    if maturity not in ("own", "equal"):
        raise BadValue("maturity", maturity, "own or equal")


def _asked(
    model: Model, target: Target, work: Workload, names: Sequence[str], maturity: Literal["own", "equal"]
) -> Asked:
    formats = dict.fromkeys(question.precision(name, target.chip) for name in names)
    return Asked(model, target, work, tuple[Precision, ...](formats), maturity)
