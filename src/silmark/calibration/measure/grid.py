"""Which shapes are measured: a TOML file of lists, whose products are the points.

Every table is an array of tables, so that several lists of one kind can stand in a file:

    [[gemm]]
    dtype = ["bf16"]
    m = [1, 16, 256]
    nk = [[4096, 1024], [1000, 777]]

`small` takes about a minute on one core, `full` is for an accelerator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product, zip_longest
from pathlib import Path

from silmark import formats
from silmark.errors import BadFile, UnknownName
from silmark.figures.tables import data_folder, read_toml

Value = int | float | str
PACKAGED = ("small", "full")
TYPES = ("fp32", "bf16", "fp16")
"""Formats in which PyTorch multiplies on every device."""
MAX_POINTS = 100_000
_MOST = 1 << 40

KEYS: dict[str, tuple[str, ...]] = {
    "gemm": ("dtype", "m", "n", "k"),
    "attention_prefill": ("dtype", "batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim"),
    "attention_decode": ("dtype", "batch_size", "kv_len", "num_heads", "num_key_value_heads", "head_dim"),
    "moe": ("dtype", "num_tokens", "hidden_size", "inter_size", "num_experts", "topk"),
    "copy": ("bytes",),
    "elementwise": ("dtype", "op", "num_tokens", "hidden_size"),
    "launch": (),
    "collective": ("op", "bytes"),
    "transformer_prefill": ("dtype", "batch_size", "isl"),
    "transformer_decode": ("dtype", "batch_size", "kv_len"),
}
"""Kind of measurement -> what its shape consists of; `model` comes besides for the transformer."""
MODEL = ("hidden_size", "inter_size", "layers", "num_heads", "num_key_value_heads", "head_dim", "vocab")
OPS = {"elementwise": ("norm", "act", "add"), "collective": ("all_reduce", "all_gather", "all_to_all")}
_SPELLED = {"nk": ("n", "k"), "heads": ("num_heads", "num_key_value_heads"), "expert": ("hidden_size", "inter_size")}
_SPELLED |= {"routing": ("num_experts", "topk")}
"""Keys whose lists hold pairs, because their sizes belong together."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing to measure.

    Attributes:
        kind: a key of KEYS.
        shape: the sizes, by the column that they are written to.
    """

    kind: str
    shape: Mapping[str, Value]

    def size(self, key: str) -> int:
        """One of the sizes as a whole number."""
        return int(self.shape[key])

    @property
    def dtype(self) -> str:
        """Format of the point; fp32 where the kind has none."""
        return str(self.shape.get("dtype", "fp32"))


def load(name: str) -> list[Point]:
    """The points of `small`, `full` or a TOML file, kinds taking turns so that a cut budget cuts all alike."""
    if name in PACKAGED:
        path = data_folder() / "measure" / f"{name}.toml"
    elif name.endswith(".toml"):
        path = Path(name)
    else:
        raise UnknownName("grid", name, PACKAGED, hint=f"known grids: {', '.join(PACKAGED)}, or a .toml file")
    table = read_toml(path)
    table.pop("about", None)
    lanes = []
    for kind, blocks in table.items():
        if kind not in KEYS:
            raise BadFile(path, f"not a kind of measurement; expected one of {', '.join(KEYS)}", kind)
        if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
            raise BadFile(path, f"write it as an array of tables: [[{kind}]]", kind)
        lanes += [list(_points(path, kind, block)) for block in blocks]
    if not lanes:
        raise BadFile(path, f"nothing to measure; give at least one of {', '.join(f'[[{k}]]' for k in KEYS)}")
    points = [point for turn in zip_longest(*lanes) for point in turn if point is not None]
    return list({(p.kind, *p.shape.items()): p for p in points}.values())


def _points(path: Path, kind: str, block: Mapping[str, object]) -> Iterator[Point]:
    needed = KEYS.get(kind, ()) + (MODEL if kind.startswith("transformer") else ())
    lists: dict[tuple[str, ...], list[tuple[Value, ...]]] = {}
    for key, raw in block.items():
        names = _SPELLED.get(key, (key,))
        if not set(names) <= set(needed):
            spelled = [k for k, pair in _SPELLED.items() if set(pair) <= set(needed)]
            raise BadFile(path, f"not a size of it; expected {', '.join([*needed, *spelled])}", f"{kind}.{key}")
        items = raw if isinstance(raw, list) else [raw]
        lists[names] = [_entry(path, f"{kind}.{key}", names, item) for item in items]
    given = {name for names in lists for name in names}
    if missing := [name for name in needed if name not in given]:
        raise BadFile(path, f"missing {', '.join(missing)}", kind)
    total = 1
    for entries in lists.values():
        total *= len(entries)
    if total > MAX_POINTS:
        raise BadFile(path, f"{total} points; expected at most {MAX_POINTS}", kind)
    for combination in product(*lists.values()):
        shape = {n: v for names, values in zip(lists, combination, strict=True)
                 for n, v in zip(names, values, strict=True)}  # fmt: skip
        _consistent(path, kind, shape)
        yield Point(kind, {name: shape[name] for name in needed})


def _entry(path: Path, key: str, names: tuple[str, ...], item: object) -> tuple[Value, ...]:
    values = item if isinstance(item, list) else [item]
    if len(values) != len(names):
        raise BadFile(path, f"expected a list of {len(names)} sizes ({', '.join(names)}) for each entry", key)
    for name, value in zip(names, values, strict=True):
        if name == "dtype":
            if value not in TYPES:
                raise BadFile(path, f"{str(value)[:20]!r}; expected one of {', '.join(TYPES)}", key)
        elif name == "op":
            if value not in OPS[key.partition(".")[0]]:
                raise BadFile(
                    path, f"{str(value)[:20]!r}; expected one of {', '.join(OPS[key.partition('.')[0]])}", key
                )
        elif isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
            raise BadFile(path, f"{str(value)[:20]!r}; expected a whole number from 1 to 2^40", key)
    return tuple(values)


def _consistent(path: Path, kind: str, shape: Mapping[str, Value]) -> None:
    heads, kv = int(shape.get("num_heads", 1)), int(shape.get("num_key_value_heads", 1))
    if heads % kv:
        raise BadFile(path, f"{heads} heads are no multiple of {kv} heads of the cache", f"{kind}.heads")
    if int(shape.get("topk", 1)) > int(shape.get("num_experts", 1)):
        raise BadFile(path, "topk is above num_experts", f"{kind}.topk")


def element_bytes(dtype: str) -> float:
    """Bytes of one element."""
    return formats.get(dtype).bytes
