"""The API through a real app: the verbs and nothing else, the same JSON as the command line, errors in sentences."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from app_process import ROOT, AppProcess, answer, app, environment
from gradio_client import Client
from gradio_client.exceptions import AppError

from studio.domain.methods import METHOD_NAMES
from studio.domain.states import STATES
from studio.ui.api import VERBS

README = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO = (ROOT / "presets" / "demo-sft.yaml").read_text(encoding="utf-8")
WRONG = (
    "# trl sft --config x.yaml\nmodel_name_or_path: assets/demo/model\ndataset_name: assets/demo/sft\nlearning_rat: 1\n"
)
PUBLIC = {"methods", "arguments", "convert", "check", "inspect", "search"}
PUBLIC |= {"start", "runs", "show", "stop", "logs", "metrics", "queue", "resume", "compare", "diagnose"}


@pytest.fixture(scope="module")
def silent_hub() -> Iterator[str]:
    """The address of a server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path, silent_hub: str) -> Iterator[AppProcess]:
    home = tmp_path_factory.mktemp("api")
    more = {"HF_ENDPOINT": silent_hub, "TRL_STUDIO_VIEWER": silent_hub, "HF_HUB_OFFLINE": "0"}
    with app(home, catalog_folder, **more) as started:
        yield started


@pytest.fixture(scope="module")
def client(studio: AppProcess) -> Iterator[Client]:
    opened = Client(studio.url, verbose=False, analytics_enabled=False)
    yield opened
    opened.close()


@pytest.fixture
def ask(client: Client) -> Callable[..., Any]:
    def verb(name: str, /, **values: Any) -> Any:
        return client.predict(api_name=f"/{name}", **values)

    return verb


Ask = Callable[..., Any]


def printed(studio: AppProcess, *words: str) -> Any:
    """What the terminal command prints with --json, for the same home and from the same folder."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), *words, "--json", "--home", str(studio.home)],
        cwd=ROOT, env=environment(studio.home), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return json.loads(done.stdout)


# What there is ---------------------------------------------------------------------------------------------------


def test_the_verbs_and_nothing_else(studio: AppProcess, client: Client) -> None:
    assert set(VERBS) == PUBLIC
    info = client.view_api(print_info=False, return_format="dict", all_endpoints=True)
    assert set(info["named_endpoints"]) == {f"/{name}" for name in PUBLIC}
    assert not info["unnamed_endpoints"]
    paths = json.loads(answer(studio.url + "gradio_api/openapi.json")[1])["paths"]
    # Gradio's own page of its API names the upload of files, which the page needs too.
    assert {path.rsplit("/", 1)[-1] for path in paths if not path.endswith("{event_id}")} == {*PUBLIC, "upload"}
    config = json.loads(answer(studio.url + "config")[1])
    shown = {one["api_name"]: one["api_visibility"] for one in config["dependencies"]}
    assert {name for name, visibility in shown.items() if visibility != "private"} == PUBLIC
    assert len(config["dependencies"]) > 100, "the page's own handlers are not among them"


def test_each_says_what_it_is_for_and_what_it_takes(client: Client) -> None:
    endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    for name, told in endpoints.items():
        assert len(told["description"]) > 20, name
        assert all(one["type"] for one in [*told["parameters"], *told["returns"]]), name
        assert len(told["returns"]) == 1, name
    parameters = {one["parameter_name"]: one for one in endpoints["/check"]["parameters"]}
    assert list(parameters) == ["recipe", "method", "elsewhere", "by_trl"]
    assert parameters["elsewhere"]["type"] == {"type": "boolean"}
    assert [one["parameter_has_default"] for one in parameters.values()] == [False, True, True, True]
    (_, to, _) = endpoints["/convert"]["parameters"]
    assert to["type"] == {"enum": ["yaml", "command", "config-command"]}


# The same as the command line ------------------------------------------------------------------------------------


def test_the_json_is_that_of_the_command_line(studio: AppProcess, ask: Ask, tmp_path: Path) -> None:
    assert ask("methods") == printed(studio, "methods")
    assert ask("arguments", method="grpo") == printed(studio, "arguments", "grpo")
    path = tmp_path / "recipe.yaml"
    path.write_text(WRONG)
    found = ask("check", recipe=WRONG)
    assert found == printed(studio, "check", str(path), "--quick")
    assert [one["where"]["name"] for one in found if one["level"] == "error"] == ["learning_rat"]
    looked = ask("inspect", name="assets/demo/sft", method="sft")
    assert looked == printed(studio, "inspect", "assets/demo/sft", "--method", "sft")
    assert looked["verdict"] == "accept"


def test_methods_and_their_options(ask: Ask) -> None:
    assert [one["name"] for one in ask("methods")] == list(METHOD_NAMES)
    found = ask("arguments", method="sft", search="packing_strat")
    assert "packing_strategy" in [one["name"] for one in found]
    assert len(found) < 10


def test_a_recipe_goes_both_ways(ask: Ask) -> None:
    command = ask("convert", recipe=DEMO, to="command")
    assert command["text"].startswith("trl sft")
    back = ask("convert", recipe=command["text"], to="yaml")
    assert "max_steps: 240" in back["text"]
    odd = ask("convert", recipe="trl sft --model_name_or_path a/b --learnin_rate 1", to="yaml")
    assert "learnin_rate" in odd["findings"][0]["where"]["name"]


def test_trls_own_classes_are_asked_where_wanted(ask: Ask) -> None:
    recipe = DEMO + "\nload_best_model_at_end: true\nsave_strategy: 'no'\n"
    assert [one["message"] for one in ask("check", recipe=recipe, by_trl=True) if one["level"] == "error"]


# The README -------------------------------------------------------------------------------------------------------


def test_the_readme_names_the_verbs(client: Client) -> None:
    told = re.findall(r"^\| `(\w+)\(([\w, ]*)\)` \|", README, re.MULTILINE)
    endpoints = client.view_api(print_info=False, return_format="dict")["named_endpoints"]
    found = {name[1:]: [one["parameter_name"] for one in told["parameters"]] for name, told in endpoints.items()}
    assert {name: parameters.split(", ") if parameters else [] for name, parameters in told} == found


def test_the_readmes_example_works(studio: AppProcess, ask: Ask, wait_until: Callable[..., Any]) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert "http://127.0.0.1:7860/" in program
    program = program.replace("http://127.0.0.1:7860/", studio.url)
    before = {run["id"] for run in ask("runs")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(studio.home), capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (begun,) = [run for run in ask("runs") if run["id"] not in before]
    assert done.stdout.splitlines()[-1] in STATES
    wait_until(lambda: ask("show", run=begun["id"])["state"] == "stopped", "the end of the example's run", timeout=180)


# Runs ------------------------------------------------------------------------------------------------------------


def test_a_run_from_start_to_stop(studio: AppProcess, ask: Ask, wait_until: Callable[..., Any]) -> None:
    begun = ask("start", recipe=DEMO, name="by-api", tags=["first", " first ", "try"])
    assert begun["run"]["id"] == "by-api"
    assert begun["run"]["tags"] == ["first", "try"]
    (added,) = [one for one in begun["added"] if one["name"] == "output_dir"]
    assert added["value"] == "output"
    assert added["why"]
    with pytest.raises(AppError, match="There is a run 'by-api' already"):
        ask("start", recipe=DEMO, name="by-api")
    wait_until(lambda: (ask("show", run="by-api")["last_step"] or 0) >= 10, "step 10", timeout=180)
    assert ask("stop", run="by-api")["stopping"] is True
    wait_until(lambda: ask("show", run="by-api")["state"] == "stopped", "the end", timeout=120)
    shown = ask("show", run="by-api")
    assert shown == printed(studio, "show", "by-api")
    assert ask("runs", limit=1) == [shown] == printed(studio, "runs")[:1]
    assert ask("runs") == printed(studio, "runs")
    assert ask("runs", limit=0) == []
    assert ask("stop", run="by-api")["stopping"] is False
    assert "loss" in ask("logs", run="by-api")
    (name, curve), *rest = ask("metrics", run="by-api", names=["loss"]).items()
    assert (name, rest) == ("loss", [])
    assert curve["steps"][0] == 5
    assert len(curve["steps"]) == len(curve["values"]) >= 2
    with pytest.raises(AppError, match="no metric 'nonsense'"):
        ask("metrics", run="by-api", names=["nonsense"])


# What is wrong is said in a sentence -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "values", "words"),
    [
        ("arguments", {"method": "ppo"}, "no method 'ppo'. Choose one of sft"),
        ("check", {"recipe": "{{{{ nonsense"}, "no YAML"),
        ("check", {"recipe": " \n"}, "The recipe is empty"),
        ("check", {"recipe": "x" * 1_000_000}, "1,000,000 characters"),
        ("check", {"recipe": "- a\n- list\n", "method": "sft"}, ""),
        ("check", {"recipe": "[" * 5000, "method": "sft"}, ""),
        ("check", {"recipe": {"a": 1}}, "has to be a text"),
        ("check", {"recipe": "a: 1", "by_trl": "yes"}, "has to be true or false"),
        ("convert", {"recipe": DEMO, "to": "xml"}, "one of yaml, command, config-command"),
        ("inspect", {"name": "assets/demo/sft", "method": "ppo"}, "no method 'ppo'"),
        ("start", {"recipe": WRONG}, "did you mean `learning_rate`"),
        ("start", {"recipe": DEMO, "name": "../../escaped"}, "no name for a run"),
        ("start", {"recipe": DEMO, "tags": "word"}, "has to be a list of texts"),
        ("show", {"run": "nobody"}, "There is no run 'nobody'"),
        ("show", {"run": "../../etc"}, "no name for a run"),
        ("show", {"run": "/etc/passwd"}, "no name for a run"),
        ("logs", {"run": "..\\secret"}, "no name for a run"),
        ("metrics", {"run": "%2e%2e%2fsecret"}, "no name for a run"),
        ("stop", {"run": "a" * 10_000}, "no name for a run"),
        ("stop", {"run": "nobody", "now": 1}, "has to be true or false"),
        ("runs", {"limit": "all"}, "has to be a whole number"),
    ],
)
def test_bad_input(studio: AppProcess, ask: Ask, verb: str, values: dict[str, Any], words: str) -> None:
    with pytest.raises(AppError) as raised:
        ask(verb, **values)
    said = str(raised.value)
    assert words in said
    assert said[-1] in ".`"
    assert "Traceback" not in said
    assert "should not have happened" not in said
    assert "verbose error reporting" not in said
    assert "Traceback" not in studio.said()
    assert not list(studio.home.parent.glob("escaped*"))


def test_numbers_that_json_cannot_hold(ask: Ask) -> None:
    found = ask("check", recipe=DEMO + "\nseed: 99999999999999999999999\nweight_decay: .nan\n")
    assert isinstance(found, list)


def test_slow_verbs_keep_nobody_waiting(studio: AppProcess, client: Client, ask: Ask) -> None:
    slow = [client.submit(name=f"owner/name-{i}", method="sft", api_name="/inspect") for i in range(8)]
    assert len(ask("methods")) == len(METHOD_NAMES)
    assert answer(studio.url)[0] == 200
    assert not any(job.done() for job in slow), "the Hub was not slow at all"
    assert {job.result(timeout=120)["verdict"] for job in slow} == {"unknown"}
