"""The API: the service's verbs as named endpoints, the same over HTTP, for `gradio_client` and as MCP tools."""

# Annotations stand here as types, not as text: Gradio reads the API's schema from them.
import inspect
import json
import traceback
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any, Literal

import anyio
import gradio as gr
from anyio.to_thread import run_sync
from gradio.context import LocalContext
from pydantic import TypeAdapter, ValidationError

from studio.domain.errors import StudioError
from studio.domain.findings import Finding, errors
from studio.domain.hub_query import query_from
from studio.domain.methods import METHODS, method_named
from studio.domain.plain_json import plain
from studio.domain.recipe import Recipe
from studio.service.comparing import compare
from studio.service.resuming import pairs_in, read_changes, resume
from studio.service.studio import Studio
from studio.ui.origins import MCP_PATH

Json = dict[str, Any]

VERBS = (
    "methods", "arguments", "convert", "check", "inspect", "search", "start", "runs", "show", "stop", "logs", "metrics",
    "queue", "resume", "compare", "diagnose",
)  # fmt: skip
_SLOW_VERBS = ("check", "inspect", "search", "start", "resume", "compare")

_RECIPE_CHARACTERS = 50_000
_LOG_BYTES = 64 * 1024
_POINTS = 200  # of a metric, at most
# Threads of the API's own, so that whatever is asked here never keeps the page waiting: for what is answered at once,
# and for what may take seconds (the Hub, TRL's own config classes, a start).
_QUICK = anyio.CapacityLimiter(8)
_SLOW = anyio.CapacityLimiter(4)
_TEXTS = "a list of texts"
_NAMES: dict[Any, str] = {str: "a text", bool: "true or false", int: "a whole number"}
_NAMES |= {list[str] | None: _TEXTS, list[str]: _TEXTS}


class Refused(gr.Error):  # type: ignore[misc]  # gradio has no types of its own
    """What is wrong, as the sentence that every client shows."""

    def __init__(self, message: str) -> None:
        super().__init__(message, print_exception=False)

    def __str__(self) -> str:
        return str(self.message)


class Api:
    """The verbs. What whoever asks may do, the studio itself says.

    Their docstrings are what clients and MCP tools are told, in the form that Gradio reads.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def methods(self) -> list[Json]:
        """List TRL's training methods: what each is for, the data it takes and the metrics to watch.

        Returns:
            one object for each method: name, title, purpose, data, dataset_types, headline, generates, link, guide
        """
        return [method.to_json() for method in METHODS]

    def arguments(self, method: str, search: str = "") -> list[Json]:
        """List the options of a training method, as the installed TRL declares them: type, default, choices, help.

        Args:
            method: the method's name, for example sft
            search: only the options with this text in their name or help; without it there are 150 to 220
        Returns:
            one object for each option: name, type, default, effective_default, choices, help, required, ...
        """
        found = self._studio.arguments.get().of(method_named(method).name).values()
        words = search.lower()
        return [one.to_json() for one in found if words in one.name.lower() or words in one.help.lower()]

    def convert(self, recipe: str, to: Literal["yaml", "command", "config-command"], method: str = "") -> Json:
        """Turn a TRL YAML into a command line, or a `trl`, `accelerate` or `python` command line into YAML.

        Args:
            recipe: the text of a TRL YAML, or a command line; files that it reads are those of the server
            to: yaml, command (every option a flag) or config-command (the command that reads the YAML)
            method: the method, where the recipe does not name it
        Returns:
            text: the converted recipe; findings: what could not be understood or said
        """
        text, found = self._studio.convert(_recipe(recipe), to, _method(method))
        return {"text": text, "findings": [finding.to_json() for finding in found]}

    def check(self, recipe: str, method: str = "", elsewhere: bool = False, by_trl: bool = False) -> list[Json]:
        """Say what is wrong with a recipe before it costs time: its values, its data and this machine. Starts nothing.

        Args:
            recipe: the text of a TRL YAML, or a command line; relative paths in it start at the server's folder
            method: the method, where the recipe's first comment (# trl sft --config recipe.yaml) does not name it
            elsewhere: check it as for another machine
            by_trl: also ask TRL's own config classes and count a sample's tokens, which takes some seconds
        Returns:
            Findings: level (error, warning or note), where, message, why, fix; with an error a run does not start
        """
        if by_trl:
            self._studio.access.require()  # it costs this machine a process of some seconds
        _, found = self._checked(recipe, method, elsewhere, by_trl)
        return [finding.to_json() for finding in found]

    def inspect(self, name: str, method: str, config: str = "", split: str = "") -> Json:
        """Show a dataset's columns and splits, and whether a method can learn from it.

        Args:
            name: a name on the Hugging Face Hub, or a path on the server; a relative one starts at the server's folder
            method: the method that is to take it
            config: the dataset's configuration
            split: the split to look at
        Returns:
            verdict (accept, reject or unknown), type, columns, splits, rows, findings, and the options that load it
        """
        known = method_named(method).name
        return self._studio.inspect(name, known, config or None, split or None, all_rows=True).to_json()

    def search(
        self,
        kind: Literal["models", "datasets"],
        text: str = "",
        task: str = "",
        size: str = "",
        sort: str = "",
        method: str = "sft",
    ) -> Json:
        """Search for models or datasets: what is on this machine, and what the Hugging Face Hub finds.

        Args:
            kind: models or datasets
            text: words of their names
            task: a task of the Hub, for example text-generation
            size: of models max:1B, min:1B,max:4B and so on; of datasets n<1K, 1K<n<10K and so on
            sort: downloads, likes or last_modified; without it the best match
            method: the method that they are for: reward takes classifiers, too
        Returns:
            here: what is on this machine; hits: what the Hub finds and tells of each, with `unfit`, why one does not
            suit; late: of which hits it did not tell more in time; trouble: why there are none
        """
        told = {"text": text, "task": task, "size": size, "sort": sort}
        return self._studio.search.everywhere(kind, query_from(kind, told), method_named(method).name).to_json()

    def start(self, recipe: str, name: str = "", tags: list[str] | None = None, method: str = "") -> Json:
        """Start a recipe on the machine where the studio runs. It trains on when the caller has gone: see show, stop.

        Args:
            recipe: the text of a TRL YAML, or a command line; relative paths in it start at the server's folder
            name: the run's name; without it the recipe's run_name, or one made of dataset and method
            tags: words to find the run by
            method: the method, where the recipe does not name it
        Returns:
            run: the run, as show has it; added: what this machine needed besides, and why; findings: what to know
        """
        studio = self._studio
        studio.access.require_start()
        opened, found = self._checked(recipe, method)
        wrong = errors(found)
        if wrong:
            said = [f"{finding.message} {finding.why}".strip() for finding in wrong]
            raise StudioError(" ".join(said), "The method check has the changes that cure it.")
        if name:
            opened = opened.with_changes(studio.arguments.get(), {"run_name": name})
        words = tuple(dict.fromkeys(tag.strip() for tag in tags or [] if tag.strip()))
        run, prepared = studio.start(opened, name=name or None, tags=words)
        added = [{"name": key, "value": prepared.recipe.get(key), "why": why} for key, why in prepared.notes.items()]
        return {
            "run": studio.runs.show(run.id),
            "added": added,
            "findings": [finding.to_json() for finding in found],
        }

    def runs(self, limit: int = 50) -> list[Json]:
        """List the runs, newest first.

        Args:
            limit: how many at most
        Returns:
            one object for each run, as show has it
        """
        return self._studio.runs.list(max(limit, 0))

    def show(self, run: str) -> Json:
        """Show one run: its state, times, steps, last metrics and folder.

        Args:
            run: the run's name
        Returns:
            id, method, state, created, started, ended, last_step, total_steps, last_metrics, exit, folder, tags, ...
        """
        return self._studio.runs.show(run)

    def stop(self, run: str, now: bool = False) -> Json:
        """Ask a run to save a checkpoint and stop. Returns at once: show says when it has stopped.

        Args:
            run: the run's name
            now: stop at once, without saving
        Returns:
            stopping: false where it had ended already; run: the run, as show has it
        """
        runs = self._studio.runs
        return {"stopping": runs.stop(run, now), "run": runs.show(run)}

    def queue(self) -> Json:
        """Say which runs wait for their turn, and how many may go at once.

        Returns:
            at_once: how many runs on the same GPUs, or on the CPU; gpus: the sets of GPUs that are handed out, empty
            for one set of all; waiting: the names of the runs that wait, next first
        """
        queue = self._studio.queue
        rules = queue.rules()
        return {"at_once": rules.at_once, "gpus": [list(one) for one in rules.sets], "waiting": queue.line()}

    def resume(self, run: str, checkpoint: str = "", changes: list[str] | None = None) -> Json:
        """Go on with a run that has ended, from a checkpoint of its own; it waits for its turn like a new one.

        Args:
            run: the run's name
            checkpoint: a checkpoint's name or step; without it the newest whole one
            changes: options with other values than before, as "max_steps=1000"
        Returns:
            checkpoint: the one it goes on from; run: the run, as show has it
        """
        changed = read_changes(self._studio, run, pairs_in(changes or []))
        _, start = resume(self._studio, run, checkpoint or None, changed)
        return {"checkpoint": start.name, "run": self._studio.runs.show(run)}

    def logs(self, run: str) -> str:
        """Read the end of a run's log, 64 KiB at most: what the trainer printed, and why it failed.

        Args:
            run: the run's name
        Returns:
            the log's text
        """
        return self._studio.runs.log(run, _LOG_BYTES)

    def diagnose(self, run: str) -> list[Json]:
        """Say why a run failed, the likeliest cause first, with the changes to its recipe that cure it.

        Args:
            run: the run's name
        Returns:
            Findings: level, where (the line of train.log), message (which quotes that line), why, fix; of a run that
            goes on or ended well, what its metrics warn of
        """
        return [finding.to_json() for finding in self._studio.diagnose(run)]

    def metrics(self, run: str, names: list[str] | None = None) -> Json:
        """Read a run's metrics over its steps, thinned to 200 points each with every peak kept.

        Args:
            run: the run's name
            names: the metrics wanted, for example loss; without it all that the run has logged
        Returns:
            one object for each metric, by its name: steps and values, as lists of the same length
        """
        runs = self._studio.runs
        found = runs.metrics(runs.folders.get(run))
        known = found.names()
        unknown = [name for name in names or [] if name not in known]
        if unknown:
            there = f"It has logged {', '.join(known)}." if known else "It has logged nothing yet."
            raise StudioError(f"The run '{run}' has no metric '{unknown[0]}'.", there)
        series = [found.series(name, _POINTS) for name in names or known]
        return {one.name: {"steps": one.x, "values": one.y} for one in series}

    def compare(self, runs: list[str]) -> Json:
        """Show how runs differ: the options of their recipes, and the last and best value of every metric.

        Args:
            runs: the names of the runs, two or more
        Returns:
            runs: state, steps, seconds taken; options: those that differ, by run; metrics: last, best and its step
        """
        return compare(self._studio, runs).to_json()

    def _checked(
        self, recipe: str, method: str, elsewhere: bool = False, by_trl: bool = False
    ) -> tuple[Recipe, list[Finding]]:
        opened, found = self._studio.open_checked(_recipe(recipe), _method(method), None, "The recipe")
        return opened, self._studio.findings(opened, found, elsewhere, by_trl)


def add(studio: Studio) -> None:
    """Adds the verbs to the Blocks that is being built."""
    api = Api(studio)
    for name in VERBS:
        work = _endpoint(getattr(api, name), _SLOW if name in _SLOW_VERBS else _QUICK)
        # Not through Gradio's queue: MCP would go through a client of its own then, which has no password.
        gr.api(work, api_name=name, queue=False, concurrency_limit=None)


def _endpoint(verb: Callable[..., Any], threads: anyio.CapacityLimiter) -> Callable[..., Awaitable[Any]]:
    """The verb as Gradio calls it: with values of the types that it names, in a thread, and with errors in words."""
    wanted = inspect.signature(verb).parameters

    def work(*values: Any) -> Any:
        for (name, parameter), value in zip(wanted.items(), values, strict=True):
            _must_be(parameter.annotation, name, value)
        return plain(verb(*values))

    @wraps(verb)
    async def endpoint(*values: Any) -> Any:
        try:
            answer = await run_sync(partial(work, *values), limiter=threads)
        except StudioError as error:
            raise Refused(str(error)) from None
        except Exception as error:
            traceback.print_exception(error)
            raise Refused(
                f"This should not have happened: {type(error).__name__}. The server's log has more."
            ) from error
        # MCP has texts only, and Gradio would write Python's own into them.
        by_mcp = LocalContext.request.get().url.path.startswith(MCP_PATH)
        return json.dumps(answer) if by_mcp and not isinstance(answer, str) else answer

    return endpoint


def _must_be(kind: Any, name: str, value: Any) -> None:
    """Raises StudioError where a client gave a value of another type."""
    try:
        TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError:
        words = _NAMES.get(kind) or "one of " + ", ".join(kind.__args__)
        raise StudioError(f"{name} is {str(value)[:60]!r}.", f"It has to be {words}.") from None


def _recipe(text: str) -> str:
    if len(text) > _RECIPE_CHARACTERS:
        raise StudioError(
            f"The recipe has {len(text):,} characters; {_RECIPE_CHARACTERS:,} are read at most.",
            "Give the YAML or the command line itself.",
        )
    return text


def _method(name: str) -> str | None:
    return method_named(name).name if name else None
