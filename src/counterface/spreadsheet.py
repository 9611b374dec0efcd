"""Cells of CSV files that no spreadsheet runs, and the way back.

File names are hostile input: a spreadsheet that opens a table with the name `=HYPERLINK(...)` in it
would run it as a formula. Such a cell gets an apostrophe in front, which spreadsheets take for
"this is text".
"""

from __future__ import annotations

import re

# How a cell begins that some spreadsheet runs; the full-width signs are those of Japanese ones.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def guard_cell(text: str) -> str:
    """The text as a cell that is never a formula: `=1+1` becomes `'=1+1`."""
    return f"'{text}" if _FORMULA.match(text) else text


def bare_cell(text: str) -> str:
    """The text that `guard_cell` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
