"""Predictions of the fixed grid: asked, kept, read back, and set against another version's."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import silmark
from silmark.api.snapshot import ask, revision, store
from silmark.api.snapshot.questions import digest, questions
from silmark.errors import BadFile, BadValue
from silmark.figures.tables import data_folder
from silmark.report.changes import Changes, compare
from silmark.report.snapshot import Bounds, Key, Snapshot, parse
from silmark.validation.operators import kinds

Run = Callable[..., Any]
SMALL: dict[str, Any] = {
    "chips": ["nvidia-h100-sxm5-80gb", "extropic-z1"],
    "compare": [{"model": "llama-3.2-1b", "workload": "chat"}, {"model": "no such model", "workload": "chat"}],
    "estimate": [{"model": "llama-3.2-1b", "chips": 1, "batch": [1, 8]}],
    "operators": [],
}
H100, GROQ = "nvidia-h100-sxm5-80gb", "groq-groqchip-1"


@pytest.fixture(scope="module")
def answered() -> dict[str, ask.Answers]:
    return ask.answers(SMALL)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, answered: dict[str, ask.Answers]) -> Snapshot:
    """The commands ask the small grid."""
    monkeypatch.setattr(store, "questions", lambda: SMALL)
    return Snapshot.of("now", digest(SMALL), answered)


def test_the_grid_is_whole() -> None:
    """Every chip but this machine, models of the catalogue, and operator tables that a kind recognises."""
    asked = json.loads(json.dumps(questions()))
    assert asked == questions()
    assert digest(asked) == digest(questions()) != digest(SMALL)
    assert "host" not in asked["chips"]
    assert {H100, GROQ, "google-tpu-v6e"} <= set(asked["chips"])
    assert len({(q["model"], q["workload"]) for q in asked["compare"]}) == len(asked["compare"])
    for table in asked["operators"]:
        found = kinds.recognise(frozenset(table["rows"][0]["cells"]))
        assert found is not None
        assert found.name == table["kind"]
        assert len({(row["chip"], row["shape"]) for row in table["rows"]}) == len(table["rows"])


def test_every_operator_of_the_grid_has_a_number() -> None:
    """A shape that is refused for its spelling would never be noticed to move."""
    said = ask.answers({"chips": [], "compare": [], "estimate": [], "operators": questions()["operators"]})["operators"]
    refused = {(kind, chip, one["why"]) for kind, chips in said.items() for chip, one in chips.items() if one["why"]}
    assert not refused
    gemm = said["gemm"][H100]["numbers"]
    low, mid, high = gemm["vllm bfloat16 torch.nn.functional.linear m=8192 n=4096 k=8192"]
    assert 275e9 * 2 / 989e12 < mid < 3e-3  # seconds; 550 GFLOP at the peak
    assert low < mid < high


def test_answers_are_those_of_the_public_functions(answered: dict[str, ask.Answers]) -> None:
    row = next(r for r in silmark.compare("llama-3.2-1b", workload="chat", chips="h100").as_dict()["rows"])
    said = answered["compare"]["llama-3.2-1b, chat"][H100]
    assert said["numbers"]["tpot_s"] == [row["tpot_s"][end] for end in ("low", "mid", "high")]
    assert f"batch {row['batch']}" in said["plan"]
    assert "host" not in answered["compare"]["llama-3.2-1b, chat"]
    deep = silmark.estimate("llama-3.2-1b", f"1x:{H100}", batch=[1, 8])
    decode = answered["estimate"]["llama-3.2-1b on 1 chips, operators at batch 8"][H100]["numbers"]["decode gemm"][1]
    products = [op for op in deep.operators() if (op["phase"], op["kind"]) == ("decode", "gemm")]
    assert decode == pytest.approx(sum(op["time_s"] for op in products))


def test_refusals_keep_their_reason(answered: dict[str, ask.Answers]) -> None:
    whole = answered["compare"]["no such model, chat"]
    assert "unknown model" in whole["all chips"]["why"]
    z1 = answered["estimate"]["llama-3.2-1b on 1 chips, batch 8"]["extropic-z1"]
    assert not z1["numbers"]
    assert "attention" in z1["why"]


def test_own_mistakes_are_no_refusals() -> None:
    """Only what a user can mend counts as an answer of this version; of another one, whatever happens there."""
    wrong = {**SMALL, "compare": [{"model": "llama-3.2-1b"}], "estimate": []}
    with pytest.raises(KeyError, match="workload"):
        ask.answers(wrong)
    unknown = {**SMALL, "compare": [{"model": 1, "workload": "chat"}], "estimate": []}
    assert ask.answers(unknown, (Exception,))["compare"]["1, chat"]["all chips"]["why"]


def test_a_file_is_read_back_as_it_was_written(small: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    store.write(small, path)
    assert store.read(path) == small
    assert len(small.numbers) > 20
    with pytest.raises(BadFile, match=r"none\.json"):
        store.read(tmp_path / "none.json")
    with pytest.raises(BadFile):
        store.write(small, tmp_path / "no folder" / "a.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "silmark.compare/1", "version": "1", "grid": "g", "answers": {}}',
        '{"schema": "silmark.snapshot/1", "version": "1", "grid": "g", "answers": {"a": 1}}',
        '{"schema": "silmark.snapshot/1", "version": "1", "grid": "g", '
        '"answers": {"a": {"b": {"c": {"numbers": {"d": [1, -2, 3]}, "plan": "", "why": ""}}}}}',
        '{"schema": "silmark.snapshot/1", "version": "1", "grid": "g", '
        '"answers": {"a": {"b": {"c": {"numbers": {"d": [1, NaN, 3]}, "plan": "", "why": ""}}}}}',
        "\xff",
    ],
)
def test_what_is_no_snapshot_is_refused(text: str, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadFile, match=r"bad\.json"):
        parse(path.read_bytes(), path)
    ran = run("validate", "--against", str(path))
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1


def snapshot(numbers: dict[tuple[str, str], tuple[float, float, float]], grid: str = "g", why: str = "") -> Snapshot:
    """A snapshot of one question; numbers by chip and name."""
    chips: dict[str, dict[str, Any]] = {"none": {"numbers": {}, "plan": "", "why": why}}
    for (chip, name), values in numbers.items():
        chips.setdefault(chip, {"numbers": {}, "plan": "", "why": why})["numbers"][name] = list(values)
    return Snapshot.of("v", grid, {"compare": {"q": chips}})


def changed(before: dict[tuple[str, str], Any], after: dict[tuple[str, str], Any]) -> Changes:
    return compare(snapshot(before), snapshot(after), "old")


def test_a_move_is_more_than_one_percent() -> None:
    said = changed(
        {("a", "x"): (1, 2, 3), ("b", "x"): (1, 2, 3), ("c", "x"): (1, 2, 3)},
        {("a", "x"): (1, 2.019, 3), ("b", "x"): (1, 2.021, 3), ("c", "x"): (1, 1.0, 3)},
    )
    assert [(one.key.chip, round(one.ratio, 4)) for one in said.moved] == [("c", 0.5), ("b", 1.0105)]
    assert not said.widened


def test_an_error_bar_may_move_alone() -> None:
    said = changed({("a", "x"): (1, 2, 3), ("b", "x"): (0, 0, 0)}, {("a", "x"): (1, 2, 3.1), ("b", "x"): (0, 0, 0)})
    assert [one.key.chip for one in said.widened] == ["a"]
    assert not said.moved


def test_a_number_that_becomes_nothing_moves_farthest_and_stays_json() -> None:
    said = changed({("a", "x"): (1, 2, 3), ("b", "x"): (1, 2, 3)}, {("a", "x"): (1, 9, 9), ("b", "x"): (0, 0, 0)})
    assert [one.key.chip for one in said.moved] == ["b", "a"]
    assert json.loads(json.dumps(said.as_dict(), allow_nan=False))["moved"][0]["ratio"] is None
    assert all(said.grids())


def test_what_appears_says_why_it_was_missing() -> None:
    before = snapshot({("a", "x"): (1, 1, 1), ("a", "old"): (1, 1, 1)}, why="did not fit")
    after = snapshot({("a", "x"): (1, 1, 1), ("a", "new"): (1, 1, 1), ("b", "x"): (1, 1, 1)})
    said = compare(before, after, "old")
    assert [(one.key.chip, one.key.number, one.why) for one in said.appeared] == [
        ("a", "new", "did not fit"),
        ("b", "x", "not asked, or no such chip"),
    ]
    assert [(one.key.number, one.why) for one in said.disappeared] == [("old", "")]
    titles = [grid.title for grid in said.grids()]
    assert titles == ["Appeared", "Disappeared"]
    refused = Snapshot.of(
        "v", "g", {"compare": {"q": {"all chips": {"numbers": {}, "plan": "", "why": "unknown model"}}}}
    )
    assert {one.why for one in compare(refused, after, "old").appeared} == {"unknown model"}


def test_groups_are_sorted_by_how_far_they_moved() -> None:
    names = ("near", "far", "still")
    before = {(chip, name): (1, 1, 1) for chip in ("a", "b") for name in names}
    after = {**before, ("a", "near"): (1, 1.1, 2), ("b", "far"): (1, 3, 4), ("a", "far"): (1, 2, 4)}
    by_number, by_chip, largest = changed(before, after).grids()
    assert [row[:3] for row in by_number.rows] == [("far", "2", "2"), ("near", "1", "2")]
    assert by_number.rows[0][3:] == ("2.5", "3", "0")
    assert [row[0] for row in by_chip.rows] == ["b", "a"]
    assert largest.rows[0] == ("q", "far", "b and 1 more", "1", "3", "3")


def test_long_tables_are_cut_and_say_so() -> None:
    before = {("a", f"n{i}"): (1, 1, 1) for i in range(100)}
    said = changed(before, {key: (1, 2 + i, 200) for i, key in enumerate(before)})
    grid = said.grids()[0]
    assert len(grid.rows) == 30
    assert "first 30 of 100" in grid.title
    assert len(said.as_dict()["moved"]) == 100


def test_another_plan_and_another_grid_are_told() -> None:
    def one(plan: str, grid: str) -> Snapshot:
        answer = {"numbers": {"x": [1, 1, 1]}, "plan": plan, "why": ""}
        return Snapshot.of("v", grid, {"compare": {"q": {"a": answer}}})

    said = compare(one("tp 1", "g"), one("tp 2", "h"), "old")
    assert said.plans == (("q", "a", "tp 1", "tp 2"),)
    assert "1 chips take another plan" in said.headline()
    assert "different grids" in said.headline()


def test_the_command_writes_and_compares(small: Snapshot, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "then.json"
    ran = run("validate", "--snapshot", str(path))
    assert (ran.code, ran.err) == (0, "")
    assert f"wrote {path}: {len(small.numbers):,} predictions" in ran.out
    ran = run("validate", "--against", str(path))
    assert ran.code == 0
    assert "0 moved by more than 1%" in ran.out
    document = json.loads(path.read_text())
    document["answers"]["compare"]["llama-3.2-1b, chat"][H100]["numbers"]["tpot_s"] = [1, 2, 3]
    path.write_text(json.dumps(document))
    ran = run("validate", "--against", str(path))
    assert ran.code == 0
    assert "1 moved by more than 1%" in ran.out
    assert "tpot_s" in ran.out
    said = json.loads(run("validate", "--against", str(path), "--json").out)
    assert said["schema"] == "silmark.changes/1"
    assert [(one["chip"], one["number"], one["before"]) for one in said["moved"]] == [(H100, "tpot_s", [1, 2, 3])]


@pytest.mark.parametrize(
    "words",
    [
        ("--against", "HEAD", "--write"),
        ("--against", "HEAD", "--only", "operators"),
        ("--against", "HEAD", "--data", "."),
        ("--snapshot", "a.json", "--html", "folder"),
        ("--snapshot", "no folder/a.json"),
        ("--against", "no-such-file.json"),
        ("--against", "."),
        ("--against", ""),
    ],
    ids=" ".join,
)
def test_words_that_do_not_go_together_are_refused(words: tuple[str, ...], run: Run) -> None:
    ran = run("validate", *words)
    assert ran.code == 2, ran.out
    assert ran.out == ""
    assert ran.err.startswith("silmark: ")
    assert ran.err.count("\n") == 1


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
OLD = '''
class SilmarkError(Exception):
    """Any."""

class Answer:
    def __init__(self, rows):
        self.rows = rows

    def as_dict(self):
        return {"rows": self.rows, "operators": []}

def compare(model, *, workload, chips):
    if model != "llama-3.2-1b":
        raise SilmarkError("unknown model here")
    bounds = {"low": 1.0, "mid": 2.0, "high": 3.0}
    return Answer([{"chip": "nvidia-h100-sxm5-80gb", "tpot_s": bounds, "plan": None, "reason": ""}])
'''


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A checkout whose only revision holds a package of one file; this package seems to run from it."""

    def make(code: str) -> Path:
        package = tmp_path / "checkout" / "src" / "silmark"
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").write_text(code)
        root = tmp_path / "checkout"
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "--no-gpg-sign", "-m", "first")):
            subprocess.run(["git", *words], cwd=root, check=True)
        monkeypatch.setattr(revision, "data_folder", lambda: package / "data")
        return root

    return make


@needs_git
def test_a_revision_answers_through_its_public_functions(old: Any, small: Snapshot, run: Run) -> None:
    root = old(OLD)
    ran = run("validate", "--against", "HEAD", "--json")
    assert ran.code == 0, ran.err
    said = json.loads(ran.out)
    assert {(one["chip"], one["number"], one["before"][1]) for one in said["moved"]} == {(H100, "tpot_s", 2.0)}
    reasons = {one["why"] for one in said["appeared"] if one["part"] == "estimate"}
    assert reasons == {"module 'silmark' has no attribute 'estimate'"}
    assert said["same_grid"]
    assert not (root / ".git" / "worktrees").exists()


@needs_git
def test_a_revision_that_cannot_be_asked_is_refused(old: Any, small: Snapshot, run: Run) -> None:
    root = old("raise RuntimeError('too old')")
    ran = run("validate", "--against", "HEAD")
    assert (ran.code, ran.out) == (2, "")
    assert "too old" in ran.err
    for name in ("HEAD~1", "nothing", "--all", "-x"):
        with pytest.raises(BadValue, match="git revision"):
            revision.resolve(name)
    subprocess.run(["git", "rm", "-rq", "--cached", "src"], cwd=root, check=True)
    words = ("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "gone", "--no-gpg-sign")
    subprocess.run(["git", *words], cwd=root, check=True)
    with pytest.raises(BadValue, match="holds src/silmark"):
        revision.answers(revision.resolve("HEAD"), SMALL)


@needs_git
def test_own_calibrations_do_not_enter_revisions(
    old: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    old(OLD)
    monkeypatch.setenv("SILMARK_CALIBRATION", str(tmp_path))
    ran = run("validate", "--against", "HEAD")
    assert ran.code == 2
    assert "SILMARK_CALIBRATION" in ran.err


def test_without_git_or_checkout_only_files_can_be_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr(revision, "data_folder", lambda: tmp_path / "site-packages" / "silmark" / "data")
    if shutil.which("git"):
        ran = run("validate", "--against", "HEAD")
        assert ran.code == 2
        assert "does not run from a git checkout" in ran.err
    monkeypatch.setenv("PATH", "")
    ran = run("validate", "--against", "HEAD")
    assert ran.code == 2
    assert "git is not installed" in ran.err


@needs_git
@pytest.mark.slow
def test_this_checkout_against_its_own_revision(run: Run) -> None:
    """The whole grid, twice, as a reviewer asks it."""
    if not (data_folder().parents[2] / ".git").exists():
        pytest.skip("not a git checkout")
    ran = run("validate", "--against", "HEAD", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["compared"] > 1000


def test_keys_sort_and_bounds_are_plain() -> None:
    assert Key("a", "b", "c", "d") < Key("a", "b", "c", "e")
    assert list(Bounds(1, 2, 3)) == [1, 2, 3]
