"""Derives what sparse attention and delta rules reach on GPUs: `data/calibration/gpu_sparse.toml`.

Attention over chosen tokens: the peaks that FlashMLA's authors print for H800; those for B200 are left out and told.
Indexers: no public row; their shares are assumed. Gated delta nets: InferSim's rows of H20 with 32 value heads. Those
it gives for 64 heads repeat the same times to the microsecond, which its memory could not carry (4.5 of 4.0 TB/s),
and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from silmark.calibration import points, robust, rows
from silmark.chips import catalog
from silmark.chips.mechanisms import Placement, build
from silmark.chips.mechanisms.gpu_sparse import CHUNK_KERNELS, chunk_bytes, update_bytes
from silmark.figures.tables import data_folder
from silmark.formats import Precision
from silmark.graph import Array, Elementwise, Scan
from silmark.models.gated_delta import CHUNK

FILE = "gpu_sparse"
SOURCE = "infersim-tables"
CHIP = rows.CHIPS["H20"]
CONFIG = "4-16-128-32-128"
"""Taps, key heads, width of a key, value heads, width of a value."""
START = {"delta.update_share": 0.5, "delta.host": 7e-5}
CONV_START = {"conv.traffic": 4.0, "conv.host": 5e-6}
_BOUNDS = {"delta.update_share": (0.05, 1.0), "delta.host": (1e-6, 1e-3), "conv.traffic": (1.0, 16.0)}
_ASSUMED = {
    "select.memory_share": (0.8, 0.6, 0.95, "1", "of the peak bandwidth: rows of 656 bytes or more, gathered"),
    "index.flop_share": (0.6, 0.35, 0.85, "1", "of the 8-bit peak: short products, relu and sum on vector units"),
    "index.draw": (32.0, 16.0, 64.0, "1", "bytes per clock at which one unit reads scores to pick the highest"),
}  # fmt: skip


def published() -> dict[str, dict[str, str]]:
    """FlashMLA's points by name."""
    return {row["point"]: row for row in points.read("flashmla")}


def share(name: str) -> float:
    """A printed rate over the chip's 16-bit peak."""
    point = published()[name]
    return float(point["value"]) * 1e12 / catalog.load(point["chip"]).si("peak.bf16")


def updates(part: slice = slice(None)) -> list[robust.Group]:
    """Decode steps of the delta rule."""
    some = [r for r in _delta("decode") if r["op"] == "gdn_gdn_update"][part]
    op = scan(rows.numbers(some, "batch"), rows.numbers(some, "batch"), 1)
    peak = catalog.load(CHIP).si("memory.main.bandwidth")

    def predict(parameters: Mapping[str, float]) -> Array:
        return np.maximum(update_bytes(op) / (peak * parameters["delta.update_share"]), parameters["delta.host"])

    return [robust.Group(CHIP, f"{CHIP} update", rows.numbers(some, "time_us") * 1e-6, predict)]


def convolutions(part: slice = slice(None)) -> list[robust.Group]:
    """Decode steps of the short convolution: every sequence loads and stores the window of all channels."""
    some = [r for r in _delta("decode") if r["op"] == "gdn_conv"][part]
    taps, key_heads, state, heads, width = map(int, CONFIG.split("-"))
    moved = rows.numbers(some, "batch") * (2.0 * taps * (2 * key_heads * state + heads * width) * 2.0)
    streams = build(catalog.load(CHIP), Precision.of("bf16"), Placement())

    def predict(parameters: Mapping[str, float]) -> Array:
        # Elements of 2 bytes; the test's host adds to the kernel what a graph would not.
        op = Elementwise(name="row", m=moved * (parameters["conv.traffic"] / 2.0), read=1, write=0, flops=0)
        return np.asarray(streams.cost(op).time_s + parameters["conv.host"])

    return [robust.Group(CHIP, f"{CHIP} convolution", rows.numbers(some, "time_us") * 1e-6, predict)]


def chunked() -> dict[str, float]:
    """Share of the peak bandwidth that every kernel of a prompt reaches, by its name."""
    peak = catalog.load(CHIP).si("memory.main.bandwidth")
    found = {}
    for row in _delta("prefill"):
        name, tokens = row["op"].removeprefix("gdn_"), np.asarray(float(row["q_len"]))
        if name in CHUNK_KERNELS:
            moved = float(chunk_bytes(scan(tokens, np.ones(()), CHUNK), 2.0)[name])
            found[name] = moved / (float(row["time_us"]) * 1e-6 * peak)
    return found


def scan(tokens: Array, seqs: Array, chunk: int) -> Scan:
    """The operator of CONFIG."""
    _, _, state, heads, width = map(int, CONFIG.split("-"))
    return Scan(name="row", m=tokens, seqs=seqs, heads=heads, head_dim=width, state=state, chunk=chunk, delta=True)


def _delta(phase: str) -> list[rows.Row]:
    wanted = ("gdn", phase, CONFIG)
    return [r for r in rows.table("ops_infersim_h20_h800") if (r["kind"], r["phase"], r["config"]) == wanted]


def held_out() -> dict[str, dict[str, float]]:
    """ln(predicted / measured) of rows that a fit did not see.

    Of the updates every second batch; of a prompt's kernels each one by the mean of the others.
    """
    table: dict[str, dict[str, float]] = {}
    for groups, start in ((updates, START), (convolutions, CONV_START)):
        half = robust.fit(groups(slice(0, None, 2)), start, _BOUNDS)
        table |= _told(robust.statistics(groups(slice(1, None, 2)), half.values))
    logs = {name: float(np.log(value)) for name, value in chunked().items()}
    left = [own - np.mean([other for key, other in logs.items() if key != name]) for name, own in logs.items()]
    return {**table, f"{CHIP} chunk kernels": robust.summary(np.array(left))}


def _told(table: Mapping[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Statistics without the line of the whole chip: there is one group each."""
    return {label: row for label, row in table.items() if not label.endswith(" all")}


def _parameters(fitted: Mapping[str, float]) -> dict[str, points.Leaf]:
    """All leaves of the file."""
    theirs = {"source": "flashmla-readme", "grade": "claimed"}
    low = share("sparse-decode-b200")
    found: dict[str, points.Leaf] = {
        "select.flop_share": points.leaf(
            share("sparse-prefill-h800"), 0.5, 0.66, "1",
            note="of the 16-bit peak, H800, the best of its authors' tests; B200: "
            f"{share('sparse-prefill-b200'):.3f}; low: assumed for other shapes", **theirs,
        ),
        "select.narrow_share": points.leaf(
            share("sparse-decode-h800"), low, 0.45, "1",
            note="the same from an 8-bit cache, widened on the way; low: B200, not optimised by its authors' word",
            **theirs,
        ),
    }  # fmt: skip
    for key, (value, least, most, unit, note) in _ASSUMED.items():
        found[key] = points.leaf(value, least, most, unit, source="silmark-assumption", grade="assumed", note=note)
    ours = {"source": SOURCE, "grade": "derived"}
    shares = chunked()
    whole = len(shares) / sum(1.0 / value for value in shares.values())
    update, traffic = fitted["delta.update_share"], fitted["conv.traffic"]
    found["delta.update_share"] = points.leaf(
        update, 0.7 * update, 1.0, "1",
        note="of the peak bandwidth, one chip: 32-bit states read and written; interval assumed from chip to chip",
        **ours,
    )  # fmt: skip
    found["delta.chunk_share"] = points.leaf(
        whole, min(shares.values()), max(shares.values()), "1",
        note="the same over the five kernels of a prompt of 4,096 tokens, one chip; low and high: single kernels",
        **ours,
    )  # fmt: skip
    found["conv.traffic"] = points.leaf(
        traffic, 0.6 * traffic, 1.5 * traffic, "1",
        note="bytes moved per byte of a short convolution's window in decode, one chip; interval assumed", **ours,
    )  # fmt: skip
    host = fitted["delta.host"] * 1e6
    found["delta.host"] = points.leaf(
        host, 0.8 * host, 1.2 * host, "us",
        note="least time of a step in the test, the same from 1 to 32 sequences: its host starts kernels one by one; "
        "no model uses it", **ours,
    )  # fmt: skip
    late = fitted["conv.host"] * 1e6
    found["conv.host"] = points.leaf(
        late, 0.8 * late, 1.2 * late, "us", note="what the test's host adds to a convolution; no model uses it", **ours
    )  # fmt: skip
    return found


def run() -> None:
    """Derives the shares and writes the file."""
    fitted: dict[str, float] = {}
    tables: dict[str, dict[str, float]] = {}
    for groups, start in ((updates(), START), (convolutions(), CONV_START)):
        kept = robust.fit(groups, start, _BOUNDS)
        fitted |= kept.values
        tables |= {f'residuals."{label}"': row for label, row in _told(robust.statistics(groups, kept.values)).items()}
    for label, row in held_out().items():
        tables[f'held_out."{label}"'] = row
    tables["residuals.share_of_peak"] = {name: share(name) for name in published() if name.startswith("sparse")}
    tables["residuals.chunk_share"] = chunked()
    head = points.head(
        FILE,
        f"silmark calibrate {FILE}",
        "published/flashmla.csv; measurements/public/ops_infersim_h20_h800 (gdn, 32 value heads); held_out: "
        "every second batch, and each kernel of a prompt by the others; errors are ln(predicted / measured)",
        sum(len(group.seconds) for group in (*updates(), *convolutions())) + len(CHUNK_KERNELS),
    )
    points.write(data_folder() / "calibration" / f"{FILE}.toml", head, _parameters(fitted), tables)
