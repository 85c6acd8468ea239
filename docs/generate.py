"""Writes what the documentation takes from the data: catalogue pages, tables of fits, quoted outputs, pictures.

    python docs/generate.py

Pages of the catalogue and the tables that other pages include are not kept in version control; quoted outputs and
pictures are, since README.md is read without building anything.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from quoted import has_models, has_traces, refreshed, run

import silmark
from silmark import chips, models, systems
from silmark.chips.mechanisms import FAMILIES
from silmark.chips.ways import of_family
from silmark.figures import load_sources
from silmark.figures.tables import packaged, schema
from silmark.models.catalogue import architectures
from silmark.planning.sweep.columns import COLUMNS
from silmark.report import analog, catalogue, numerics, physical, support_matrix
from silmark.report.schema import DOCUMENTS, json_schema
from silmark.validation.kv_blocks import logged

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
FOLDERS = ("chips", "systems", "models", "sources", "included")
"""Folders under docs/ that this script owns; `included` holds pieces of other pages."""
KINDS = (
    "a100,h100,b200,l4,mi300x,mi355x,intel-max-1550-128gb,tpu-v4,tpu-v6e,tpu-7x,gaudi-3,aws-inferentia-2,trainium-2,"
    "maia-100,maia-200,sn40l,matx-one,sohu,groq,lp30,wse-3,corsair,rain-npu,lightmatter-envise-2021,"
    "lightmatter-processor-2025,z1"
)
"""Chips that differ in what they run; a picture of all would repeat itself."""
PICTURES = (
    "silmark compare llama-3.1-70b --chips=-host --plot docs/img/llama-3.1-70b.png",
    "silmark search llama-3.1-70b --on 32x:nvidia-h100-sxm5-80gb --plot docs/img/search.png",
    "silmark claims check groq-10x-inference --plot docs/img/claim.png",
    "silmark machine run tsp --plot docs/img/machine-tsp.png",
    "silmark machine run dimc --plot docs/img/machine-dimc.png",
    "silmark machine run systolic --plot docs/img/machine-systolic.png",
    "silmark machine run wafer --plot docs/img/machine-wafer.png",
    "silmark machine run photonic --set reload=rows --set buffers=2 --plot docs/img/machine-photonic.png",
    "silmark serve-sim llama-3.1-70b --on 8x:h100 --trace poisson:prompt=2048,output=256 --rate 1,2,4,8,16,24"
    " --limit 500 --slo ttft:1s,tpot:50ms --plot docs/img/serving.png",
    "silmark machine run tsu --program digits --plot docs/img/machine-tsu.png",
    *(f"silmark support --{table} --on {KINDS} --plot docs/img/support-{table}.png" for table in ("matrix", "formats")),
)
TRAFFIC = (
    "silmark capacity llama-3.1-70b --on 8x:h100,8x:mi300x,8x:gaudi-3,768x:groq,4x:cs-3,corsair-server,8x:sohu "
    "--trace azure-conv --slo ttft:1s,tpot:50ms@p99 --plot docs/img/traffic.png"
)
"""A picture for which a public trace must be there."""
QUALITY = "silmark quality charlm --on all --precision fastest --generate 0 --plot docs/img/quality.png"
"""A picture for which PyTorch must be there."""
_POINTS = {"both": "all", "steady": "steady states", "served": "simulated servers"}
_HEAD = {"family", "date", "command", "data", "rows", "chip", "parameters"}


def main() -> None:
    """Writes everything."""
    write(DOCS)
    for page in quoting():
        before = page.read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory() as folder:
            after = refreshed(before, Path(folder))
        if after != before:
            page.write_text(after, encoding="utf-8")
    for command in (*PICTURES, *([TRAFFIC] if has_traces() else []), *([QUALITY] if has_models() else [])):
        code, printed = run(command, ROOT)
        if code:
            raise RuntimeError(f"`{command}` exits with {code}: {printed[-1:]}")
    analog.draw(DOCS / "img" / "analog.png")


def quoting() -> list[Path]:
    """Pages whose blocks are run: README.md and the hand-written ones of docs/."""
    folders = (DOCS, DOCS / "how-to", DOCS / "machines")
    return [ROOT / "README.md", *(page for folder in folders for page in sorted(folder.glob("*.md")))]


def write(folder: Path) -> None:
    """Writes all generated pages below a folder."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for old in (folder / name).glob("*.md"):
            old.unlink()
    for chip in map(chips.load, chips.names()):
        aliases = ", ".join(f"`{alias}`" for alias in chip.aliases) or "none"
        links = f"Short names: {aliases}. Usual system: [{chip.system}](../systems/{chip.system}.md)."
        _put(folder / "chips" / f"{chip.id}.md", chip.name, links, *_page("chip", chip.id))
    for system in map(systems.load, systems.names()):
        sold = [chip.id for chip in map(chips.load, chips.names()) if chip.system == system.id]
        users = ", ".join(f"[{name}](../chips/{name}.md)" for name in sold) or "none"
        links = f"Usual system of: {users}."
        _put(folder / "systems" / f"{system.id}.md", system.name, links, *_page("system", system.id))
    for kind, title, text in (
        ("chips", "Chips", "Every chip of the catalogue; `silmark chips` prints the same list, with `host` besides."),
        ("systems", "Systems", "What chips are built into; `silmark systems` prints the same list."),
        ("models", "Models", "Every model of the catalogue; `silmark models` prints the same list."),
    ):
        _put(folder / kind / "index.md", title, text, _listing(kind))
    _put(folder / "sources" / "index.md", "Sources", "Every source that a figure of the catalogue names.", _sources())
    for name, text in _included():
        (folder / "included" / f"{name}.md").write_text(text + "\n", encoding="utf-8")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headers, ["---"] * len(headers), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _plain(text: str) -> str:
    """Text of a data file in a page: nothing in it is markup."""
    return text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def _put(path: Path, title: str, *parts: str) -> None:
    path.write_text("\n\n".join((f"# {title}", *parts)) + "\n", encoding="utf-8")


def _page(kind: str, name: str) -> Iterator[str]:
    page = catalogue.page(kind, name)
    meanings = schema(kind)
    yield table(["", ""], [[key, _plain(value)] for key, value in page.facts.items() if value])
    yield "## Figures"
    yield "Values as the source wrote them. A note gives date, claim, remarks and values that disagree."
    rows = []
    for key, value, interval, grade, source, note in page.cells:
        entry = meanings.get(key) or meanings.get(f"{key.split('.')[0]}.*") or {"description": ""}
        meaning = f'<span title="{entry["description"]}">`{key}`</span>'
        rows.append([meaning, value, interval, grade, f"[{source}](#{source})", _plain(note)])
    yield table(["figure", "value", "interval", "grade", "source", "note"], rows)
    yield "## Sources"
    known = load_sources()
    yield "\n".join(
        f'- <a id="{key}"></a>`{key}`: {_source(known[key]) if key in known else text}' for key, text in page.sources
    )


def _source(source: Any) -> str:  # noqa: ANN401 - a Source; the package exports it for typing only
    where = f"<{source.address}>" if source.address.startswith("http") else source.address
    return f"{_plain(source.title)}. {_plain(source.publisher)}, {source.date}. {where}"


def _listing(kind: str) -> str:
    headers, rows = catalogue.listing(kind)
    known = {"chips": chips.names(), "systems": systems.names(), "models": models.names()}[kind]
    cells = []
    for name, *rest in rows:
        if name in known:  # `host` is another chip on every machine
            link = f"`{name}`" if kind == "models" else f"[{name}]({name}.md)"
            cells.append([link, *map(_plain, rest)])
    return table(headers, cells)


def _sources() -> str:
    return table(["key", "source"], [[f"`{key}`", _source(source)] for key, source in sorted(load_sources().items())])


def _included() -> Iterator[tuple[str, str]]:
    fits = packaged("calibration")
    for name, fit in fits.items():
        yield f"fit-{name}", "\n\n".join(_classes(fit) if name == "residuals" else _fit(fit))
    for kind in physical.LISTS:
        yield f"list-{kind}", table(*physical.listing(kind))
    yield "analog-silicon", table(*analog.listing())
    yield "number-formats", table(*numerics.listed_formats())
    yield "arithmetics", table(*numerics.listed_arithmetics())
    for kind in ("chip", "system", "link", "medium", "part"):
        rows = [
            [f"`{key}`", entry["unit"], ", ".join(entry.get("families", ["all"])), _plain(entry["description"])]
            for key, entry in schema(kind).items()
        ]
        yield f"keys-{kind}", table(["key", "SI unit", "read by", "meaning"], rows)
    yield (
        "columns-sweep",
        table(
            ["column", "points", "meaning"],
            [[f"`{name}`", _POINTS[c.kind], _plain(c.meaning)] for name, c in COLUMNS.items()],
        ),
    )
    for name in DOCUMENTS:
        yield f"schema-{name}", "\n\n".join(_fields(json_schema(name)))
    rows = []
    for kind in ("engine", "economics"):
        for group, leaves in packaged("assumptions")[kind].items():
            rows += [[f"`{group}.{key}`", *_leaf(leaf)] for key, leaf in leaves.items()]
    yield "assumptions", table(["key", "value", "interval", "grade", "source", "note"], rows)
    for name, file in packaged("engines").items():
        yield f"engine-{name}", "\n\n".join(_engine(file))
    yield "engine-blocks", _blocks()
    yield from _support()
    for name, groups in packaged("economics").items():
        rows = [[f"`{key}`", *_leaf(leaf)] for key, leaf in _figures(groups)]
        yield f"economics-{name}", table(["key", "value", "interval", "grade", "source", "note"], rows)


def _engine(file: Mapping[str, Any]) -> Iterator[str]:
    """Settings of one engine: those that hold everywhere, then each rule with its conditions."""
    headers = ["setting", "value", "interval", "grade", "source", "note"]
    where = ", ".join(f"`{pattern}`" for pattern in file["runs_on"])
    yield f"Defaults of {file['name']} {file['version']}, on chips {where}. {file.get('notes', '')}".rstrip()
    yield table(headers, [[f"`{key}`", *_leaf(leaf)] for key, leaf in _figures(file["usual"])])
    for rule in file.get("rule", []):
        settings = {key: value for key, value in rule.items() if key != "least_memory"}
        yield f"Where {'; '.join(_conditions(rule))}:"
        yield table(headers, [[f"`{key}`", *_leaf(leaf)] for key, leaf in _figures(settings)])


def _support() -> Iterator[tuple[str, str]]:
    """How families run what models ask for, the classes of architectures, and chips by class and by format."""
    headers = ["feature", "runs", "on", "how", "shown on", "source", "grade"]
    for family in FAMILIES:
        known = of_family(family)
        rows = [
            [
                f"`{key}`",
                way.by,
                way.on,
                _plain(way.how),
                ", ".join(way.shown) or "all",
                f"`{way.source}`",
                str(way.grade),
            ]
            for key, way in {**known.runs, **known.stores}.items()
        ]
        yield f"support-{family}", table(headers, rows)
    classes = [[f"`{name}`", row["title"], f"`{row['model']}`", row["asks"]] for name, row in architectures().items()]
    yield "support-classes", table(["class", "", "model", "what it asks beyond matrix products"], classes)
    yield "support-matrix", table(*support_matrix.table(silmark.support_matrix("-host")))
    yield "support-formats", table(*support_matrix.table(silmark.support_formats("-host")))


def _blocks() -> str:
    """KV blocks that servers logged, and those that are counted."""
    headers = ["server", "tokens in KV blocks, logged", "counted", "off by", "within the interval", "source"]
    rows = [
        [
            f"{one.said}{'; constants were derived from it' if one.fitted else ''}",
            f"{one.tokens:,.0f}",
            f"{one.ratio * one.tokens:,.0f}",
            f"{100 * (one.ratio - 1):+.1f} %",
            "yes" if one.inside else "no",
            f"`{one.source}`",
        ]
        for one in logged()
    ]
    return table(headers, rows)


def _conditions(rule: Mapping[str, Any]) -> Iterator[str]:
    if "chips" in rule:
        yield "the chip is one of " + ", ".join(f"`{pattern}`" for pattern in rule["chips"])
    if "without" in rule:
        yield "it is none of " + ", ".join(f"`{pattern}`" for pattern in rule["without"])
    if "least_memory" in rule:
        yield f"its memory has at least {rule['least_memory']['value']} {rule['least_memory']['unit']}"
    if "least_chips" in rule:
        yield f"a replica has at least {rule['least_chips']} chips"
    if "before" in rule:
        yield f"the version is before {rule['before']}"


def _leaf(leaf: Mapping[str, Any]) -> list[str]:
    unit = "" if leaf["unit"] == "1" else f" {leaf['unit']}"
    bounds = f"{leaf['low']:g} to {leaf['high']:g}" if "low" in leaf and "high" in leaf else ""
    notes = "; ".join(text for text in (leaf.get("derived_from", ""), leaf.get("note", "")) if text)
    return [f"{leaf['value']:g}{unit}", bounds, leaf["grade"], f"`{leaf['source']}`", _plain(notes)]


def _figures(found: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in found.items():
        if isinstance(value, dict) and "value" in value:
            yield prefix + key, value
        elif isinstance(value, dict):
            yield from _figures(value, f"{prefix}{key}.")


def _classes(fit: Mapping[str, Any]) -> Iterator[str]:
    rows = [[f"`{key}`", *_leaf(leaf)] for key, leaf in _figures(fit.get("classes", {}))]
    yield table(["class and metric", "median", "10 % to 90 %", "grade", "source", "note"], rows)


def _fit(fit: Mapping[str, Any]) -> Iterator[str]:
    """Metadata, parameters and residuals of one calibration file, whatever its tables are called."""
    where = f" Chip: `{fit['chip']}`." if "chip" in fit else ""
    yield f"Fitted on {fit.get('date', '-')}: {_plain(str(fit.get('data', '-')))} ({fit.get('rows', 0)} rows).{where}"
    rows = [[f"`{key}`", *_leaf(leaf)] for key, leaf in _figures(fit.get("parameters", {}))]
    yield '??? note "Parameters"\n\n' + _indented(
        table(["parameter", "value", "interval", "grade", "source", "note"], rows)
    )
    tables = list(
        _residuals({key: value for key, value in fit.items() if key not in _HEAD and not key.startswith("covariance")})
    )
    if tables:
        yield '??? note "Residuals"\n\n' + _indented("\n\n".join(tables))


def _residuals(found: Mapping[str, Any], path: str = "") -> Iterator[str]:
    plain = {key: value for key, value in found.items() if not isinstance(value, dict)}
    groups = {key: value for key, value in found.items() if isinstance(value, dict)}
    if plain:
        yield f"`{path}`"
        yield table(["what", "value"], [[f"`{key}`", _value(value)] for key, value in plain.items()])
    flat = {key: group for key, group in groups.items() if not any(isinstance(v, dict) for v in group.values())}
    columns = list(dict.fromkeys(column for group in flat.values() for column in group))
    if len(flat) > 1 and all(set(columns) == set(group) for group in flat.values()):
        yield f"`{path}`"
        yield table(["what", *columns], [[f"`{key}`", *map(_value, group.values())] for key, group in flat.items()])
        groups = {key: group for key, group in groups.items() if key not in flat}
    for key, group in groups.items():
        yield from _residuals(group, f"{path}.{key}" if path else key)


def _value(value: Any) -> str:  # noqa: ANN401 - what a TOML table holds
    if isinstance(value, list) and len(value) > 3:
        sizes = [abs(number) for number in value]
        return f"{len(value)} values, median size {statistics.median(sizes):.3g}, largest {max(sizes):.3g}"
    if isinstance(value, list):
        return ", ".join(f"{number:.3g}" for number in value)
    return f"{value:.4g}" if isinstance(value, float) else _plain(str(value))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


def _fields(document: Mapping[str, Any]) -> Iterator[str]:
    definitions = {document["title"]: document, **document.get("$defs", {})}
    for name, entry in definitions.items():
        rows = [
            [f"`{key}`", _type(field), _plain(field.get("description", ""))]
            for key, field in entry["properties"].items()
        ]
        yield f"**{name}**: {entry.get('description', '')}"
        yield table(["field", "type", "meaning"], rows)
    raw = json.dumps(document, indent=2)
    yield '??? note "The schema itself"\n\n' + _indented(f"```json\n{raw}\n```")


def _type(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "const" in field or "enum" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return str(field.get("type", "any"))


if __name__ == "__main__":
    main()
