"""Claims and their verdicts, drawn: tables of the terminal, maps, one page for a browser, JSON."""
