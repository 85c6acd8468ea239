"""All claims as one page for a browser: no script, no outside address, pictures inside."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template

from silmark.claims import Finding, Outcome, Region, Verdict
from silmark.errors import BadValue
from silmark.report.claims import maps
from silmark.report.claims.table import WORDS, counted, number, software

_TEMPLATE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Claims put to the test</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0 1rem; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
blockquote { margin: .5rem 0; padding-left: .8rem; border-left: 3px solid #bbb; }
section { border-top: 2px solid #222; margin-top: 2.5rem; }
img { max-width: 100%; }
.v { display: inline-block; padding: 0 .5rem; border-radius: .3rem; color: #fff; white-space: nowrap; font-size: 13px; }
.holds { background: #1a7f37; } .fails { background: #b42318; } .only { background: #9a6700; }
.untestable { background: #57606a; } .notyet { background: #8c959f; }
@media print { body { max-width: none; font-size: 11px; } section { break-inside: avoid-page; } a { color: inherit; } }
</style>
</head>
<body>
<h1>Claims put to the test</h1>
<p>$about</p>
<table>
<thead><tr><th>claim</th><th>said by</th><th>when</th><th>verdict</th><th>because</th></tr></thead>
<tbody>
$rows
</tbody>
</table>
$body
</body>
</html>
""")
_CLASSES = {
    Verdict.HOLDS: "holds",
    Verdict.FAILS: "fails",
    Verdict.ONLY_IF: "only",
    Verdict.UNTESTABLE: "untestable",
    Verdict.NOT_YET: "notyet",
}


def write(findings: Sequence[Finding], maturity: str, path: Path) -> None:
    """Writes the page.

    Args:
        findings: claims with their verdicts, in the order of the page.
        maturity: of the software stacks, for the heading.
        path: the file; its folder must exist.

    Raises:
        BadValue: the file cannot be written.
    """
    text = _TEMPLATE.substitute(
        about=escape(_about(findings, maturity)),
        rows="\n".join(map(_row, findings)),
        body="\n".join(map(_section, findings)),
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadValue("out", str(path), f"a file that can be written ({error.strerror})") from None


def _about(findings: Sequence[Finding], maturity: str) -> str:
    counts = Counter(found.verdict for found in findings)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    stacks = "each chip's software as it is" if maturity == "own" else "a mature software stack granted to every chip"
    return (
        f"{len(findings)} claims: {said}. Computed by Silmark, {stacks}; intervals hold 80 % of what would be "
        "measured. A claim holds if the whole interval lies on its side, fails if none of it does. A number that was "
        f"computed back from a claim cannot decide it. {datetime.now(UTC).date().isoformat()}."
    )


def _badge(verdict: Verdict) -> str:
    return f'<span class="v {_CLASSES[verdict]}">{verdict}</span>'


def _row(found: Finding) -> str:
    claim = found.claim
    link = f'<a href="#{escape(claim.name)}">{escape(claim.title)}</a>'
    cells = [link, escape(claim.who), escape(claim.when), _badge(found.verdict), escape(found.why)]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _section(found: Finding) -> str:
    claim = found.claim
    conditions = "".join(f"<li>{escape(one)}</li>" for one in claim.conditions)
    sources = "".join(
        f"<li>{escape(s.key)}: {escape(s.title)}, {escape(s.publisher)}, {escape(s.date)}, {_address(s.address)}</li>"
        for s in claim.sources
    )
    why = f" {escape(found.why)}" if found.why else ""
    computed = any(outcome.sides for outcome in found.outcomes)
    stacks = f"<p><b>Software:</b> {escape(software(found))}</p>" if computed else ""
    note = f"<p><b>Note:</b> {escape(claim.note)}</p>" if claim.note else ""
    return (
        f'<section id="{escape(claim.name)}">\n<h2>{escape(claim.title)}</h2>\n'
        f"<blockquote>{escape(claim.statement)}<br>\n"
        f"<small>{escape(claim.who)}, {escape(claim.when)}</small></blockquote>\n"
        f"<p><b>Tested:</b> {escape(claim.restated)}</p>\n<ul>{conditions}</ul>\n"
        f"<p>{_badge(found.verdict)}{why}</p>\n{stacks}\n{note}\n"
        + "\n".join(_test(outcome, outcome.label in claim.asides) for outcome in found.outcomes)
        + _picture(found)
        + f"\n<p><b>Sources</b></p><ul>{sources}</ul>\n</section>"
    )


def _address(text: str) -> str:
    """A link where the address is one that a browser may safely follow."""
    shown_ = escape(text)
    return f'<a href="{shown_}" rel="noreferrer">{shown_}</a>' if text.startswith("https://") else shown_


def _test(outcome: Outcome, aside: bool) -> str:
    mark = "(besides)" if aside else _badge(outcome.verdict)
    lines = [f"<h3>{escape(outcome.label)} {mark}</h3>", f"<p>{escape(outcome.said)}.</p>"]
    lines += [f"<p><b>Holds if</b> {escape(outcome.condition)}.</p>"] if outcome.condition else []
    lines += [f"<p><b>Missing:</b> {escape(outcome.needs)}.</p>"] if outcome.needs else []
    rests = ", ".join(outcome.sources)
    lines += [f"<p><small>Rests on figures of {escape(rests)}.</small></p>"] if rests else []
    sides = [
        [side.label, side.system, side.plan, number(side), side.grade, ", ".join(side.origins)]
        for side in outcome.sides
    ]
    if sides:
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in sides)
        head = "".join(
            f"<th>{escape(c)}</th>" for c in ("", "system", "plan", counted(outcome), "grade", "from claims")
        )
        lines.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    return "\n".join(lines)


def _picture(found: Finding) -> str:
    panels = maps.panels(found)
    if not panels:
        return ""
    said = "; ".join(f"{outcome.label}: {_shares(region)}" for outcome, region in panels)
    data = b64encode(maps.png(panels)).decode("ascii")
    return f'\n<p><img src="data:image/png;base64,{data}" alt="{escape(said)}"><br><small>{escape(said)}</small></p>'


def _shares(region: Region) -> str:
    return ", ".join(f"{100 * region.share(v):.0f} % {word}" for v, word in WORDS.items() if region.share(v))
