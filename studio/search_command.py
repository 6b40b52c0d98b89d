"""The command `search`: models and datasets, here and on the Hub, as a table or as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from studio.domain.hub_hits import DatasetHit, ModelHit
from studio.domain.hub_query import DATASET_SIZES, MODEL_SIZES, SORTS, query_from
from studio.domain.methods import METHOD_NAMES
from studio.domain.model_facts import parameter_count, size_text
from studio.terminal import print_json, print_table, say

if TYPE_CHECKING:
    from studio.service.model_offers import Offer
    from studio.service.studio import Studio

_ACCESS = {None: "gated", True: "gated, you have access", False: "gated, no access yet"}
_FILTERS = ("task", "size", "library", "licence", "sort")


def add(command: Callable[..., argparse.ArgumentParser], studio: Callable[[argparse.Namespace], Studio]) -> None:
    """Adds the command to the parser that `command` makes subcommands of."""
    about = "Search for models or datasets, here and on the Hub; exit code 1 where the Hub has no answer."

    def work(options: argparse.Namespace) -> int:
        return _search(options, studio(options))

    search = command("search", work, about)
    search.add_argument("kind", metavar="models|datasets", choices=("models", "datasets"), help="what to search for")
    search.add_argument("text", metavar="TEXT", nargs="?", default="", help="words of their names")
    search.add_argument("--task", help="a task of the Hub, for example text-generation")
    sizes = f"{', '.join(MODEL_SIZES)}; of datasets {', '.join(DATASET_SIZES)}"
    search.add_argument("--size", help=f"of models {sizes}")
    search.add_argument("--library", help="of models: the library that loads them, for example transformers")
    search.add_argument("--licence", help="of models: for example apache-2.0")
    search.add_argument("--method", choices=METHOD_NAMES, default="sft", help="the method that they are for")
    search.add_argument("--sort", choices=[key for key in SORTS if key], help="the order (default: the best match)")
    search.add_argument("--json", action="store_true", help="print JSON")


def _search(options: argparse.Namespace, studio: Studio) -> int:
    from studio.adapters.hub import bound_requests

    bound_requests()
    query = query_from(options.kind, {"text": options.text, **{name: getattr(options, name) for name in _FILTERS}})
    result = studio.search.everywhere(options.kind, query, options.method)
    if options.json:
        print_json(result.to_json())
    else:
        rows = [("NAME", "WHERE", "SIZE", "MORE")]
        rows += [(one.id, "here", size_text(one.size), _told(one, options.method)) for one in result.here]
        rows += [(hit.id, "Hub", _size(hit), _more(hit)) for hit in result.found.hits]
        print_table(rows)
        if result.found.line:
            say(result.found.line)
        if result.late:
            say(f"The Hub did not tell more in time of {', '.join(result.late)}.")
    return 1 if result.found.why else 0


def _told(one: Offer, method: str) -> str:
    title = one.title if one.title != one.id else ""
    return " · ".join(filter(None, (one.unfit_for(method), one.kind, title, one.detail)))


def _size(hit: ModelHit | DatasetHit) -> str:
    if isinstance(hit, ModelHit):
        return parameter_count(hit.parameters) if hit.parameters else ""
    return f"{hit.rows:,} rows" if hit.rows is not None else hit.rows_about or ""


def _more(hit: ModelHit | DatasetHit) -> str:
    own = _of_model(hit) if isinstance(hit, ModelHit) else _of_dataset(hit)
    access = "private" if hit.private else _ACCESS[hit.access] if hit.gated else ""
    parts = (hit.unfit, *own, hit.licence, access, f"{hit.downloads or 0:,} downloads", (hit.changed or "")[:10])
    return " · ".join(part for part in parts if part)


def _of_model(hit: ModelHit) -> tuple[str | None, ...]:
    template = "" if hit.template is None else "chat template" if hit.template else "no chat template"
    return hit.dtype, hit.quantized, template


def _of_dataset(hit: DatasetHit) -> tuple[str | None, ...]:
    kind = "columns to be mapped" if hit.type == "" and not hit.unfit else hit.type
    subsets = f"{len(hit.configs)} subsets" if len(hit.configs) > 1 else ""
    return kind, subsets, ", ".join(hit.splits[:4]), hit.note
