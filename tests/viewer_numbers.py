"""The statistics that the Hub's dataset viewer computes of a split, by its documentation, over rows that a test has."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from typing import Any

BINS = 10


def viewer_statistics(features: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer to `/statistics`, but for `partial`; columns of objects are left out, as there."""
    told = []
    for feature in features:
        kind = _kind(feature["type"], [row["row"].get(feature["name"]) for row in rows])
        if kind is not None:
            cells = [row["row"].get(feature["name"]) for row in rows]
            found = _measured(kind, feature["type"], cells)
            told.append({"column_name": feature["name"], "column_type": kind, "column_statistics": found})
    return {"num_examples": len(rows), "statistics": told}


def _kind(feature: Any, cells: list[Any]) -> str | None:
    if isinstance(feature, list) or feature.get("_type") in ("List", "Sequence"):
        return "list"
    if feature.get("_type") == "ClassLabel":
        return "class_label"
    dtype = str(feature.get("dtype"))
    if dtype == "string":
        texts = [cell for cell in cells if cell is not None]
        unique = len(set(texts))
        label = unique <= BINS or (unique < 1000 and unique <= 0.2 * len(texts))
        return "string_label" if label else "string_text"
    return next((kind for kind in ("bool", "int", "float") if dtype.startswith((kind, f"u{kind}"))), None)


def _measured(kind: str, feature: Any, cells: list[Any]) -> dict[str, Any]:
    known = [cell for cell in cells if cell is not None]
    missing = len(cells) - len(known)
    found: dict[str, Any] = {"nan_count": missing, "nan_proportion": missing / len(cells) if cells else 0}
    if kind == "bool":
        return found | {"frequencies": dict(Counter(map(str, known)))}
    if kind == "class_label":
        counts = Counter(feature["names"][cell] for cell in known if cell >= 0)
        unlabelled = sum(cell < 0 for cell in known)
        return found | {"no_label_count": unlabelled, "n_unique": len(counts), "frequencies": dict(counts)}
    if kind == "string_label":
        return found | {"n_unique": len(set(known)), "frequencies": dict(Counter(known))}
    numbers = [len(cell) for cell in known] if kind in ("string_text", "list") else known
    if not numbers:
        return found | dict.fromkeys(("min", "max", "mean", "median", "std", "histogram"))
    return found | {
        "min": min(numbers),
        "max": max(numbers),
        "mean": round(statistics.fmean(numbers), 5),
        "median": statistics.median(numbers),
        "std": round(statistics.stdev(numbers), 5) if len(numbers) > 1 else 0.0,
        "histogram": _histogram(numbers, whole=kind != "float"),
    }


def _histogram(numbers: list[Any], whole: bool) -> dict[str, Any]:
    least, most = min(numbers), max(numbers)
    width = math.ceil((most - least + 1) / BINS) if whole else (most - least) / BINS or 1
    count = math.ceil((most - least + 1) / width) if whole else BINS
    bars = [0] * count
    for number in numbers:
        bars[min(int((number - least) / width), count - 1)] += 1
    return {"hist": bars, "bin_edges": [*(least + place * width for place in range(count)), most]}
