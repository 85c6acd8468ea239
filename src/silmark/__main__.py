"""`python -m silmark` is the `silmark` command."""

from silmark.cli import main

main()
