"""What README.md and docs/ show is run: commands, Python blocks, quoted outputs, names, links."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from generate import FOLDERS, quoting, write
from quoted import blocks, lay_out, refreshed, run

import silmark
from silmark import chips, systems
from silmark.report.schema import DOCUMENTS
from silmark.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parents[2]
PAGES = quoting()
PROSE = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    write(folder)
    return folder


@every_page
def test_commands_run_and_print_what_is_quoted(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lay_out(text, tmp_path)
    for block in blocks(text):
        if block.language != "console" or block.mark == "output":
            continue
        for command, quoted in block.commands():
            code, printed = run(command, tmp_path)
            assert code == block.exit, f"{command}: {printed[-1:]}"
            assert not quoted or block.mark == "exact", f"{page.name}: unmarked output of {command}"
            for line in quoted:
                assert any(line in got for got in printed), f"{command} does not print {line!r}"


@every_page
def test_quoted_outputs_are_fresh(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert refreshed(text, tmp_path) == text, "stale output: run `make docs`"


@every_page
def test_python_blocks_run(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    lay_out(text, tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for block in blocks(text):
        if block.language == "python":
            code = compile("\n" * block.start + "\n".join(block.lines), str(page), "exec")
            with chdir(tmp_path), redirect_stdout(StringIO()):
                exec(code, names)


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.stem)
def test_no_counts_that_age(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.findall(r"\b\d[\d,.]*k? (?:files|modules|lines|tests|chips in the catalogue)\b", text)


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.stem)
def test_names_of_the_package_exist(page: Path) -> None:
    for name in set(re.findall(r"`(silmark(?:\.\w+)+)`", page.read_text(encoding="utf-8"))):
        parts = name.split(".")
        for size in range(len(parts), 0, -1):
            try:
                found = importlib.import_module(".".join(parts[:size]))
            except ModuleNotFoundError:
                continue
            for part in parts[size:]:
                found = getattr(found, part)
            break


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve()
        generated = path.parent.name in FOLDERS and path.suffix == ".md"
        assert path.exists() or generated, target


def test_every_page_of_the_menu_exists(built: Path) -> None:
    menu = re.findall(r": ([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert menu
    missing = [name for name in menu if not (ROOT / "docs" / name).exists() and not (built / name).exists()]
    assert not missing
    written = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert {name for name in written if name.split("/")[0] not in FOLDERS} <= set(menu)


def test_every_included_piece_exists(built: Path) -> None:
    for page in PAGES:
        for name in re.findall(r'--8<-- "included/([^"]+)"', page.read_text(encoding="utf-8")):
            assert (built / "included" / name).exists(), f"{page.name}: {name}"


def test_every_chip_and_system_has_a_page(built: Path) -> None:
    assert {page.stem for page in (built / "chips").glob("*.md")} == {*chips.names(), "index"}
    assert {page.stem for page in (built / "systems").glob("*.md")} == {*systems.names(), "index"}


def test_every_family_and_layer_is_described() -> None:
    described = (ROOT / "docs" / "mechanisms.md").read_text(encoding="utf-8")
    assert all(
        f"\n## {family}\n" in described for family in importlib.import_module("silmark.chips.mechanisms").FAMILIES
    )
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    layers = [name for line in contract for name in re.findall(r"\w+", line)]
    picture = next(
        b for b in blocks((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")) if b.language == "text"
    )
    drawn = " ".join(picture.lines)
    assert [name for name in layers if not re.search(rf"\b{name}\b", drawn)] == []


def test_workloads_are_described_as_they_are() -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    for work in WORKLOADS.values():
        row = re.search(rf"^\| `{work.name}`[^|]*\| (\d+) \| (\d+) \|", page, flags=re.MULTILINE)
        assert row, work.name
        assert (int(row[1]), int(row[2])) == (work.prompt, work.output)


def test_answers_have_the_documented_shape() -> None:
    answers = {
        "compare": silmark.compare("llama-3.1-8b", chips="tpu-v6e,groq,extropic-z1").as_dict(),
        "estimate": silmark.estimate("llama-3.1-8b", on="1x:tpu-v6e", batch=[1, 2]).as_dict(),
    }
    for name, answer in answers.items():
        DOCUMENTS[name].model_validate_json(json.dumps(answer, allow_nan=False))
