"""The Hugging Face Hub: a dataset's first rows and a model's facts, within seconds and never with an exception."""

from __future__ import annotations

import contextvars
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from studio.domain.columns import column_of_feature
from studio.domain.dataset_answers import DatasetHead, DatasetRepository, row_of
from studio.domain.features import declared
from studio.domain.model_facts import ModelFacts, processor_in, template_in, tokens_in, told_by_config

__all__ = ["DatasetHead", "DatasetRepository", "HubClient", "ModelFacts", "Unknown", "bound_requests"]

DEFAULT_VIEWER = "https://datasets-server.huggingface.co"
PATIENCE = 6.5  # seconds for all requests of one question, so that a command that starts is done in 8
_TELLING = ("config.json", "tokenizer_config.json", "adapter_config.json", "chat_template.jinja", "chat_template.json")

Reason = Literal["offline", "timeout", "not found", "gated", "refused", "not ready", "unsupported", "trouble"]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Unknown:
    """No answer from the Hub: why, in a word and in a calm sentence.

    `status` is HTTP's, if any; `detail` the library's own word, for a log. `file` and `line` are what is wrong, if so.
    """

    reason: Reason
    message: str
    status: int | None = None
    detail: str = ""
    file: str = ""
    line: int | None = None


def bound_requests(seconds: float = PATIENCE) -> None:
    """Make every request of huggingface_hub in this process end: call it once, in the web process and nowhere else.

    Its stock client waits for ever for a server that does not answer, and 23 s for one that is not there. A timeout or
    a broken connection becomes `OfflineModeIsEnabled`, which the library understands as "use the cache".
    """
    import httpx2
    import huggingface_hub
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.utils._http import hf_raise_for_status, hf_request_event_hook

    class Unreachable(OfflineModeIsEnabled):
        """The Hub did not answer in time, or at all."""

    class BoundedClient(httpx2.Client):
        def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            asked = request.extensions.get("timeout") or {}
            request.extensions["timeout"] = {
                part: min(asked.get(part) or seconds, seconds) for part in ("connect", "read", "write", "pool")
            }
            try:
                return unwanted(super().send(request, **options))
            except (httpx2.TimeoutException, httpx2.NetworkError) as error:
                raise Unreachable(f"{request.url.host} did not answer.") from error

    def unwanted(response: httpx2.Response) -> httpx2.Response:
        # Of a list the library would ask again and again for up to half a minute, and the longer the busier the Hub.
        if response.status_code in (429, 500, 502, 503, 504) and response.request.url.path.startswith("/api/"):
            response.read()
            hf_raise_for_status(response)
        return response

    def client() -> httpx2.Client:
        return BoundedClient(event_hooks={"request": [hf_request_event_hook]}, follow_redirects=True, timeout=seconds)

    huggingface_hub.set_client_factory(client)


class HubClient:
    """Questions to the Hub, each answered within `patience` seconds or with an `Unknown`.

    `endpoint` and `viewer` are base URLs; without them HF_ENDPOINT and TRL_STUDIO_VIEWER say, and else the public ones
    are asked. `token` stands in for the one that the user is logged in with; as a function it is called at each
    question, and only its answer counts.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        viewer: str | None = None,
        token: str | Callable[[], str | None] | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.endpoint = endpoint
        self.viewer = (viewer or os.environ.get("TRL_STUDIO_VIEWER") or DEFAULT_VIEWER).rstrip("/")
        self.patience = patience
        self._token = token
        self.files: Mapping[str, Any] = {}  # `data_files` and `data_dir` of a dataset that is not taken as it is

    def dataset_head(
        self,
        name: str,
        config: str | None = None,
        split: str | None = None,
        n: int = 20,
        patience: float | None = None,
    ) -> DatasetHead | Unknown:
        """The configurations, splits, columns and first `n` rows (at most 100) of a dataset, from the dataset viewer.

        Without `config` the one named default, else the first; without `split` train, else the first.
        """
        what = f"the dataset {name}"
        return self._ask(lambda left: self._dataset_head(name, config, split, n, left), what, patience)

    def view(
        self, question: str, read: Callable[[Any], Answer], what: str, patience: float | None = None, **asked: str | int
    ) -> Answer | Unknown:
        """What `read` makes of the dataset viewer's answer to a question, as which its address ends: `rows`, ..."""
        return self._ask(lambda left: read(self._get(f"{self.viewer}/{question}", left, **asked)), what, patience)

    def read_dataset(
        self, name: str, work: Callable[[DatasetRepository], Answer], patience: float | None = None
    ) -> Answer | Unknown:
        """What `work` makes of the files of a dataset, of which it may fetch parts until the patience is over."""
        return self._ask(lambda left: work(self._repository(name, left)), f"the dataset {name}", patience)

    def model_facts(self, name: str, revision: str | None = None) -> ModelFacts | Unknown:
        """What can be known of a model's `revision` (default: main) from its metadata, config and tokenizer files."""
        what = f"the model {name}" + (f" at {revision}" if revision else "")
        return self._ask(lambda left: self._model_facts(name, revision, left), what)

    def fetch(self, name: str, revision: str | None, files: Sequence[str], cache: Path) -> bool | Unknown:
        """Brings small `files` of a model's `revision` into the local cache, as a training would."""

        def bring(left: Callable[[], float]) -> bool:
            from huggingface_hub import hf_hub_download

            for file in files:
                asked: dict[str, Any] = {"endpoint": self.endpoint, "token": self._signature(), "cache_dir": cache}
                hf_hub_download(name, file, revision=revision, etag_timeout=left(), **asked)
            return True

        return self._ask(bring, f"the tokenizer of {name}")

    def ask(self, question: Callable[[Any, Callable[[], float]], Answer], what: str) -> Answer | Unknown:
        """Any other question: a function of the library's HfApi and of the seconds that are left."""
        return self._ask(lambda left: question(self._api(), left), what)

    def page(self, name: str) -> str:
        """The address of a model's page on the Hub."""
        from huggingface_hub import constants

        return f"{(self.endpoint or constants.ENDPOINT).rstrip('/')}/{name}"

    # --- time and trouble

    def _ask(
        self, question: Callable[[Callable[[], float]], Answer | Unknown], what: str, patience: float | None = None
    ) -> Answer | Unknown:
        """Run a question on a thread of its own, so that not even a slow name server makes the caller wait longer."""
        patience = self.patience if patience is None else min(patience, self.patience)
        end = time.monotonic() + patience
        answers: list[Answer | Unknown] = []

        def work() -> None:
            try:
                answers.append(question(lambda: max(0.1, end - time.monotonic())))
            except Exception as error:  # noqa: BLE001 (whatever a library raises becomes an answer here)
                answers.append(_explained(error, what))

        # With the caller's context: that says who asks, where the token depends on it.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="hub", daemon=True)
        thread.start()
        thread.join(patience)
        if not answers:
            return Unknown("timeout", f"The Hub took more than {patience:g} s to tell of {what}.")
        return answers[0]

    def _signature(self) -> str | Literal[False] | None:
        """The token to ask with; False is nobody's, None the one that is set up here."""
        return self._token() or False if callable(self._token) else self._token or None

    @property
    def has_token(self) -> bool:
        """Whether questions are asked with a token: that of who asks, or the one that is set up here."""
        return bool(self._headers())

    def _ask_for(self, url: str, left: Callable[[], float], **params: str | int) -> Any:
        from huggingface_hub import get_session

        options: dict[str, Any] = {"headers": self._headers(), "timeout": left(), "follow_redirects": True}
        return get_session().get(url, params=params or None, **options)

    def _headers(self) -> dict[str, str]:
        from huggingface_hub import get_token

        token = self._signature()
        token = get_token() if token is None else token
        return {"authorization": f"Bearer {token}"} if token else {}

    def _get(self, url: str, left: Callable[[], float], **params: str | int) -> Any:
        response = self._ask_for(url, left, **params)
        response.raise_for_status()
        return response.json()

    # --- datasets

    def _dataset_head(
        self, name: str, config: str | None, split: str | None, n: int, left: Callable[[], float]
    ) -> DatasetHead | Unknown:
        try:
            found = self._get(f"{self.viewer}/splits", left, dataset=name)
        except Exception as error:
            # The viewer says the same of what is gated, private and not there: the Hub tells which.
            if _status(error) in (401, 403, 404):
                return self._why_not(name, left)
            raise
        splits: dict[str, tuple[str, ...]] = {}
        for entry in found["splits"]:
            splits[entry["config"]] = (*splits.get(entry["config"], ()), entry["split"])
        if not splits:
            return Unknown("not ready", f"The Hub has no rows of {name} to show.")
        chosen = _chosen(config, splits, "default", f"configuration of {name}")
        if isinstance(chosen, Unknown):
            return _unless_open(chosen, found)
        part = _chosen(split, splits[chosen], "train", f"split of {name}")
        if isinstance(part, Unknown):
            return _unless_open(part, found)
        first = self._get(f"{self.viewer}/first-rows", left, dataset=name, config=chosen, split=part)
        # The types come from the features and never from the cells: a chat that was cut short arrives as text.
        columns = [column_of_feature(feature["name"], feature["type"]) for feature in first["features"]]
        rows = [row_of(entry, columns) for entry in first["rows"][: min(n, 100)]]
        count, partial = self._size(name, chosen, part, left)
        types = {feature["name"]: declared(feature["type"]) for feature in first["features"]}
        return DatasetHead(name, chosen, part, splits, columns, rows, count, partial, features=types, viewed=True)

    def _size(self, name: str, config: str, split: str, left: Callable[[], float]) -> tuple[int | None, bool]:
        try:
            found = self._get(f"{self.viewer}/size", left, dataset=name, config=config)
        except Exception:  # noqa: BLE001 (the rows are worth showing without their number)
            return None, False
        counts = [entry["num_rows"] for entry in found["size"]["splits"] if entry["split"] == split]
        return (counts[0] if counts else None), bool(found.get("partial"))

    def _why_not(self, name: str, left: Callable[[], float]) -> Unknown:
        info = self._api().dataset_info(name, timeout=left(), expand=["gated", "private"])
        if info.gated:
            return Unknown("gated", f"The dataset {name} is gated: accept its conditions on the Hub, and log in.")
        return Unknown("unsupported", f"The Hub shows no rows of the dataset {name}.")

    def _repository(self, name: str, left: Callable[[], float]) -> DatasetRepository:
        from huggingface_hub import hf_hub_url

        info = self._api().dataset_info(name, timeout=left())
        commit, endpoint = str(info.sha), self._api().endpoint

        def url(file: str) -> str:
            return hf_hub_url(name, file, repo_type="dataset", revision=commit, endpoint=endpoint)

        files = tuple(one.rfilename for one in info.siblings or ())
        return DatasetRepository(name, commit, files, url, self._headers(), left)

    # --- models

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint, token=self._signature())

    def _model_facts(self, name: str, revision: str | None, left: Callable[[], float]) -> ModelFacts | Unknown:
        from huggingface_hub import errors

        api = self._api()
        try:
            info = api.model_info(name, revision=revision, timeout=left(), files_metadata=True)
        except errors.GatedRepoError:
            raise
        except errors.RepositoryNotFoundError:
            return self._is_dataset(api, name, left)
        files = tuple(sibling.rfilename for sibling in info.siblings or ())
        told = info.config or {}
        read = {file: self._text_file(api, name, revision, file, left) for file in _TELLING if file in files}
        config, adapter = _object(read.get("config.json")), _object(read.get("adapter_config.json"))
        tokenizer = _object(read.get("tokenizer_config.json")) or told.get("tokenizer_config") or {}
        templates = (
            read.get("chat_template.jinja"),
            told.get("chat_template_jinja"),
            tokenizer.get("chat_template"),
            _object(read.get("chat_template.json")).get("chat_template"),
        )
        counts: dict[str, int] = (info.safetensors.parameters if info.safetensors else None) or {}
        named, marks = tokens_in(tokenizer)
        by_config = told_by_config({**told, **config})
        return ModelFacts(
            id=name,
            **{**by_config, "dtype": max(counts, key=counts.__getitem__, default=None) or by_config["dtype"]},
            parameters=info.safetensors.total if info.safetensors else (info.gguf or {}).get("total"),
            gated=bool(info.gated),
            private=bool(info.private),
            licence=_licence(info.card_data, info.tags or ()),
            task=info.pipeline_tag,
            template=next(filter(None, map(template_in, templates)), None),
            files=files,
            config=config,
            commit=info.sha,
            sizes={one.rfilename: one.size for one in info.siblings or () if one.size is not None},
            blobs={one.rfilename: str(one.lfs.sha256 if one.lfs else one.blob_id) for one in info.siblings or ()},
            tokens=named,
            marks=marks,
            adapts=adapter.get("base_model_name_or_path") or None,
            processor=processor_in(tokenizer) if read.get("tokenizer_config.json", "{}") else None,
        )

    def _is_dataset(self, api: Any, name: str, left: Callable[[], float]) -> Unknown:
        """Why there is no such model: the name of a dataset is the usual mistake."""
        try:
            api.dataset_info(name, timeout=left())
        except Exception:  # noqa: BLE001 (no dataset either, or nobody can tell: the first answer stands)
            return Unknown("not found", f"The Hub does not know the model {name}, or it is private.", 404)
        return Unknown("not found", f"{name} is a dataset on the Hub, no model: choose it on the Data tab.", 404)

    def _text_file(self, api: Any, name: str, revision: str | None, file: str, left: Callable[[], float]) -> str:
        """A small file of a repository; `` where the user may not read it."""
        from huggingface_hub import hf_hub_url

        response = self._ask_for(hf_hub_url(name, file, revision=revision, endpoint=api.endpoint), left)
        if response.status_code in (401, 403, 404):
            return ""
        response.raise_for_status()
        text: str = response.text
        return text


def _object(text: str | None) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _chosen(wanted: str | None, known: Iterable[str], usual: str, what: str) -> str | Unknown:
    names = list(known)
    if wanted is None and names:
        return usual if usual in names else names[0]
    if wanted in names:
        return str(wanted)
    has = f"there is {', '.join(names)}" if names else "there is none"
    return Unknown("not found", f"There is no {what} named {wanted or usual}: {has}.")


def _unless_open(absent: Unknown, found: dict[str, Any]) -> Unknown:
    """What the viewer has not prepared yet, or could not, may be there all the same."""
    unsure = found.get("pending") or found.get("failed")
    return Unknown("not ready", f"{absent.message} The Hub has not prepared all.") if unsure else absent


def _licence(card: Any, tags: Iterable[str]) -> str | None:
    told = getattr(card, "license", None)
    if isinstance(told, list):
        told = ", ".join(str(one) for one in told)
    return told or next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)


def _status(error: BaseException) -> int | None:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _explained(error: Exception, what: str) -> Unknown:
    """What any of the libraries' exceptions means to the user."""
    import httpx2
    from huggingface_hub import errors

    status = _status(error)
    if isinstance(error, errors.GatedRepoError):
        return Unknown("gated", f"To read {what}, accept its conditions on the Hub, and log in.", status)
    if isinstance(error, errors.RevisionNotFoundError):
        return Unknown("not found", f"The Hub does not know {what}: there is no such branch, tag or commit.", status)
    if isinstance(error, (errors.RepositoryNotFoundError, errors.HFValidationError)) or status == 404:
        return Unknown("not found", f"The Hub does not know {what}, or it is private.", status)
    if isinstance(error, httpx2.TimeoutException) or isinstance(error.__cause__, httpx2.TimeoutException):
        return Unknown("timeout", f"The Hub did not answer in time about {what}.")
    if isinstance(error, (ConnectionError, httpx2.TransportError)):
        return Unknown("offline", f"The Hub cannot be reached, so nothing is known of {what}.")
    if status in (401, 403):
        return Unknown("refused", f"The Hub does not let you read {what}: log in, or ask its owner.", status)
    if status == 429:
        return Unknown("not ready", "The Hub asks for fewer requests: try again in a few minutes.", status)
    if status == 501:
        return Unknown("unsupported", f"The Hub shows no rows of {what}.", status)
    if status is not None and status >= 500:
        return Unknown("not ready", f"The Hub has no answer yet about {what} (status {status}).", status)
    return Unknown("trouble", f"The Hub's answer about {what} was not understood.", status, repr(error))
