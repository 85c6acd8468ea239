"""Predicts tables of single operators (kernels, layers, collectives) and says how wrong that is.

table, columns  a table of anybody's, by columns
kinds           kinds of tables, each with a file of its own that turns rows into operators
draft           what those files share: chips, formats, seconds
curves          how like rows were measured beside what the mechanisms say
trials          which rows a fit may see and which then judge it
bars            curves and error bars applied
accuracy        public rows against predictions made without them; writes what bars reads
report          that as tables
"""
