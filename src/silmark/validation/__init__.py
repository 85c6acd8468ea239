"""Predicts measured end-to-end rows and says how wrong the predictions are; error bars are made from that.

Modules, in the order in which a row passes them:

    rows        measured rows from $SILMARK_DATA/measurements/public
    names       what the tables call hardware, models and formats -> what the catalogue calls them
    setup       a row's compiled plan
    predict     one function per kind of measurement
    score       measured over predicted, in groups
    conditions  the same by what a measurement was like
    classes     residual classes, each chip alike, widened for chips that were left out
    between     the same of ratios of two plans, by pairs of rows that differ in the plan alone
    report      tables and JSON
    write       data/calibration/residuals.toml
    own         a calibration of the user's own on published tables of operators
"""

from silmark.validation.report import Report
from silmark.validation.run import run

__all__ = ["Report", "run"]
