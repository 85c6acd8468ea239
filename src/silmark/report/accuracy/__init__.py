"""How wrong Silmark is, for people: what `silmark validate` found as tables, pictures, an HTML folder and pages.

findings    one run of the validation: whole models, operators, or both
series      predictions beside measurements, ready to be drawn
pictures    scatter, histograms, coverage
html        a folder that needs nothing but a browser
pages       the generated parts of docs/accuracy.md and docs/accuracy-detail.md
"""

from silmark.report.accuracy.findings import Findings, Part, find

__all__ = ["Findings", "Part", "find"]
