"""What starts quickly: importing the package, and comparing, load only what they need."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("matplotlib", "numpy", "pandas", "pydantic", "rich", "scipy", "torch", "transformers", "typer")
SCHEMA = "silmark.report.schema"
"""The module of ours that needs pydantic; typer may load pydantic for reasons of its own."""


def loaded(code: str) -> set[str]:
    """Which of the heavy modules are there after the code ran in a fresh interpreter."""
    report = f"\nimport sys\nprint('loaded', *(n for n in {(*HEAVY, SCHEMA)!r} if n in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    last = done.stderr.strip().splitlines()[-1].split()
    assert last[0] == "loaded"
    return set(last[1:])


def test_importing_the_package_loads_nothing() -> None:
    assert loaded("import silmark; silmark.__version__, silmark.SilmarkError") == set()


def test_comparing_loads_no_schema_and_no_plots() -> None:
    assert loaded("import silmark; silmark.compare('llama-3.1-8b', chips='h100,groq').as_dict()") == {"numpy"}


def command(*words: str) -> set[str]:
    return loaded(
        f"import sys; sys.argv = ['silmark', *{words!r}]\nfrom silmark.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    )


@pytest.mark.parametrize(
    "words",
    [("compare", "llama-3.1-8b", "--chips", "h100,groq"), ("estimate", "llama-3.1-8b", "--on", "8x:h100"), ("chips",)],
    ids=lambda words: words[0],
)
def test_the_commands_load_no_schema_and_no_plots(words: tuple[str, ...]) -> None:
    assert command(*words) & {"matplotlib", "pandas", "scipy", "torch", "transformers", SCHEMA} == set()


def test_json_and_help_load_no_plots() -> None:
    assert not command("compare", "llama-3.1-8b", "--chips", "h100", "--json") & {"matplotlib", "scipy", SCHEMA}
    assert not command("--help") & {"matplotlib", "numpy", "scipy", SCHEMA}


def test_an_unknown_attribute_is_one() -> None:
    code = "import silmark\ntry:\n    silmark.nothing\nexcept AttributeError as e:\n    assert 'nothing' in str(e)"
    assert loaded(code) == set()


def test_the_public_names_are_there() -> None:
    assert "numpy" in loaded("import silmark\nfor name in silmark.__all__:\n    assert getattr(silmark, name)")
