"""The command line: parses words, calls the api, prints; exit code 2 with a sentence for what a user can mend."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Entry point of the `silmark` command."""
    # A command lives for a second and makes few cycles: looking for them costs a tenth of it.
    gc.set_threshold(200_000)
    from silmark.cli.app import app  # noqa: PLC0415 - keeps `import silmark.cli` free of the parser
    from silmark.errors import SilmarkError  # noqa: PLC0415

    try:
        app()
    except SilmarkError as error:
        sys.stderr.write(f"silmark: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
