"""Files that people have in place of data files: sheets, documents, tables whose cells are not separated by commas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from studio.domain.errors import StudioError

_SHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_DOCUMENTS = (".docx", ".doc", ".odt", ".pdf", ".rtf", ".pptx", ".ppt", ".odp", ".epub", ".pages")
_SEPARATORS = {";": "semicolons", "\t": "tabs"}
AS_CSV = "Save the sheet as CSV, in UTF-8 and with commas, and choose that file."
AS_ROWS = "A dataset has rows: write each example as a line of a jsonl file, or as a row of a CSV."


def refuse(name: str) -> None:
    """Raises StudioError where a file is a sheet or a document by its name: most of these are archives of XML."""
    ending = PurePath(name).suffix.casefold()
    if ending in _SHEETS:
        raise StudioError(f"{name} is a spreadsheet, which the datasets library does not read.", AS_CSV)
    if ending in _DOCUMENTS:
        raise StudioError(f"{name} is a document and no dataset.", AS_ROWS)


def instead_of(files: Iterable[str]) -> str:
    """What to do with a folder that holds such files in place of data; `` where it holds none."""
    endings = {PurePath(file).suffix.casefold() for file in files}
    if endings & {*_SHEETS}:
        return AS_CSV
    return AS_ROWS if endings & {*_DOCUMENTS} else ""


def other_separator(header: Sequence[str], cells: Iterable[Any]) -> str:
    """What stands between the cells of a table that has one column by its commas; `` where that is a column alone."""
    if len(header) != 1:
        return ""
    texts = [cell for cell in cells if cell is not None]
    return next(
        (sign for sign in _SEPARATORS if sign in header[0] and texts and all(sign in str(cell) for cell in texts)), ""
    )


def wrong_separator(name: str, sign: str) -> tuple[str, str]:
    """What is wrong with a table whose cells are separated by `sign`, and what to do."""
    what = f"The cells of {name} are separated by {_SEPARATORS[sign]}, and the datasets library reads commas."
    if sign == "\t":
        return what, "Let its name end in .tsv, which is read by its tabs, or save it with commas."
    file = PurePath(name).name
    by_pandas = f'`pandas.read_csv("{file}", sep=";").to_csv("{file}", index=False)`'
    return what, f"Save it with commas between the cells; in Python {by_pandas} does that."
