"""Text files in blocks of whole lines: bounded memory, whatever the size; plain or gzip."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from silmark.errors import BadFile

BLOCK = 1 << 21
"""Bytes that are read at a time."""
MAX_LINE = 1 << 24
_MARK = b"\xef\xbb\xbf"
"""Byte order mark, with which some programs begin a text."""
_GZIP = b"\x1f\x8b"
_ARCHIVES = {b"PK": "a zip archive", b"7z": "a 7z archive", b"BZ": "packed with bzip2", b"\x28\xb5": "packed with zstd"}
_BOMB, _LARGE = 500, 1 << 28
"""A gzip file that unpacks to so many times its size, and to more than so many bytes, is no trace: text that gzip packs
better than 1:500 is the same few bytes over and over."""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a regular file, unpacked; raises BadFile for whatever goes wrong while they are read."""
    try:
        if not path.is_file():
            raise BadFile(path, "no such file" if not path.exists() else "not a regular file")
        with path.open("rb") as raw:
            head = raw.read(2)
            raw.seek(0)
            if head in _ARCHIVES:
                raise BadFile(path, f"{_ARCHIVES[head]}; unpack it first (gzip files are read as they are)")
            if head == _GZIP:
                with gzip.open(raw) as unpacked:
                    yield cast("IO[bytes]", unpacked)
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BadFile(path, "a damaged gzip file") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadFile(path, reason or "cannot be read") from None


def head(path: Path) -> bytes:
    """The first bytes of a file, to recognise its format by."""
    with opened(path) as stream:
        return stream.read(1 << 16).removeprefix(_MARK)


def parts(path: Path) -> Iterator[bytes]:
    """All of a text file in parts of BLOCK bytes; raises BadFile for what is no text, or unpacks without end."""
    unpacked = 0
    with opened(path) as stream:
        packed = path.stat().st_size
        while read := stream.read(BLOCK):
            if not unpacked:
                read = read.removeprefix(_MARK)
            unpacked += len(read)
            if unpacked > max(_LARGE, _BOMB * packed):
                raise BadFile(path, f"unpacks to more than {_BOMB} times its size; unpack it first if it is meant so")
            if b"\0" in read:
                raise BadFile(path, "a binary file, not text")
            yield read


def blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, each ending with a newline, with the number of their first line."""
    line, rest = 1, b""
    for part in parts(path):
        cut = part.rfind(b"\n") + 1
        if cut:
            block = rest + part[:cut]
            yield line, block
            line += block.count(b"\n")
            rest = part[cut:]
        else:
            rest += part
        if len(rest) > MAX_LINE:
            raise BadFile(path, f"a line of more than {MAX_LINE >> 20} MiB", f"line {line:,}")
    if rest:
        yield line, rest + b"\n"
