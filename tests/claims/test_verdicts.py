"""How intervals become verdicts, and verdicts of tests the verdict of a claim."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark.claims import Cell, Outcome, Region, Verdict, judge
from silmark.claims.spec import Bound
from silmark.figures import Interval

HOLDS, FAILS, ONLY_IF, UNTESTABLE, NOT_YET = Verdict
sizes = st.floats(1e-6, 1e6)


def interval(numbers: list[float]) -> Interval:
    return Interval(*sorted(numbers))


@given(st.lists(sizes, min_size=3, max_size=3), sizes)
def test_at_least_holds_exactly_if_the_whole_interval_reaches_it(numbers: list[float], limit: float) -> None:
    found = interval(numbers)
    verdict = Bound(least=limit).judge(found)
    assert (verdict is HOLDS) == (found.low >= limit)
    assert (verdict is FAILS) == (found.high < limit)


@given(st.lists(sizes, min_size=3, max_size=3), sizes)
def test_at_most_is_the_mirror_of_at_least(numbers: list[float], limit: float) -> None:
    found = interval(numbers)
    assert Bound(most=limit).judge(found) is Bound(least=1 / limit).judge(found.inverse())


@given(st.lists(sizes, min_size=3, max_size=3), sizes, st.floats(1.0, 100.0))
def test_a_wider_interval_never_decides_what_a_narrow_one_left_open(
    numbers: list[float], limit: float, wider: float
) -> None:
    found = interval(numbers)
    wide = Interval(found.low / wider, found.mid, found.high * wider)
    if Bound(least=limit).judge(found) is ONLY_IF:
        assert Bound(least=limit).judge(wide) is ONLY_IF


def test_a_range_is_missed_on_both_sides() -> None:
    bound = Bound(least=2.0, most=3.0)
    assert [bound.judge(Interval(x, x, x)) for x in (1.0, 2.5, 4.0)] == [FAILS, HOLDS, FAILS]
    assert bound.judge(Interval(1.0, 2.5, 2.6)) is ONLY_IF


@pytest.mark.parametrize(
    ("parts", "verdicts", "expected"),
    [
        ("readings", [HOLDS, HOLDS], HOLDS),
        ("readings", [FAILS, FAILS], FAILS),
        ("readings", [HOLDS, FAILS], ONLY_IF),
        ("readings", [ONLY_IF, UNTESTABLE], ONLY_IF),
        ("readings", [FAILS, UNTESTABLE], UNTESTABLE),
        ("readings", [FAILS, NOT_YET], NOT_YET),
        ("all", [HOLDS, FAILS, UNTESTABLE], FAILS),
        ("all", [HOLDS, UNTESTABLE], UNTESTABLE),
        ("all", [ONLY_IF, NOT_YET], NOT_YET),
        ("all", [HOLDS, ONLY_IF], ONLY_IF),
    ],
)
def test_tests_of_a_claim_come_together(parts: str, verdicts: list[Verdict], expected: Verdict) -> None:
    assert judge.together(parts, verdicts) is expected


def region(rows: dict[str, str]) -> Region:
    """A grid of users 1, 2, 4 from one sign per cell."""
    signs = {"+": HOLDS, "-": FAILS, "?": ONLY_IF, ".": UNTESTABLE}
    cells = [Cell(u, row, signs[s]) for row, text in rows.items() for u, s in zip("124", text, strict=True)]
    return Region("users", "prompts", tuple(cells))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({"256": "++-", "512": "++-"}, "users 1 to 2"),
        ({"256": "++-", "512": "+--"}, "users 1 to 2 at prompts 256; users 1 at prompts 512"),
        ({"256": "+-+", "512": "---"}, "users 1, 4 at prompts 256"),
        ({"256": "---", "512": "-?-"}, ""),
    ],
)
def test_the_region_in_words(rows: dict[str, str], expected: str) -> None:
    assert judge.where(region(rows)) == expected


def test_cells_that_cannot_be_compared_do_not_decide() -> None:
    assert judge.over(region({"256": "+.+"}).cells) is HOLDS
    assert judge.over(region({"256": "+.-"}).cells) is ONLY_IF
    assert judge.over(region({"256": "..."}).cells) is UNTESTABLE


def test_shares_count_every_condition() -> None:
    found = region({"256": "+-?", "512": ".--"})
    assert judge.shares(found) == "of 6 conditions 1 hold, 1 open, 3 fail, 1 without comparison"
    assert sum(found.share(verdict) for verdict in Verdict) == pytest.approx(1.0)


def test_statements_that_stand_alone_say_which_do_not_hold() -> None:
    found = [Outcome(HOLDS, "small", "", ""), Outcome(FAILS, "fast", "", ""), Outcome(HOLDS, "cool", "", "")]
    assert judge.why(ONLY_IF, found, "each") == "small; cool; not: fast"
    assert judge.why(ONLY_IF, found, "readings") == "small; or cool"


def test_where_nothing_is_sure_the_likeliest_reading_is_named() -> None:
    def outcome(label: str, mid: float) -> Outcome:
        found = Interval(mid / 5, mid, mid * 5)
        return Outcome(ONLY_IF, label, "ratio", "", found, Bound(least=10.0), condition=f"it is 10, not {mid}")

    assert judge.why(ONLY_IF, [outcome("far", 3.0), outcome("near", 9.0)]) == "near: it is 10, not 9.0"
