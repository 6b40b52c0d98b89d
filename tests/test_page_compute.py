"""The Compute tab in a real browser: GPUs with live readings and a choice of them, profiles, offload, what it means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_process import AppProcess, app
from browser import Opened, open_page
from fake_smi import FakeSmi, gpu
from playwright.sync_api import Locator, expect
from studio_page import StudioPage, until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def smi(tmp_path_factory: pytest.TempPathFactory) -> FakeSmi:
    return FakeSmi(tmp_path_factory.mktemp("driver"), 4)


@pytest.fixture(scope="module")
def gpu_app(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory, smi: FakeSmi) -> Iterator[AppProcess]:
    """A studio on a machine that seems to have four GPUs."""
    path = f"{smi.folder}{os.pathsep}{os.environ['PATH']}"
    home = tmp_path_factory.mktemp("gpus") / "home"
    with app(home, catalog_folder, PATH=path, CUDA_VISIBLE_DEVICES="0,1,2,3") as started:
        yield started


@pytest.fixture(scope="module")
def browser_page(gpu_app: AppProcess) -> Iterator[Opened]:
    with open_page(gpu_app.url) as opened:
        yield opened


@pytest.fixture
def studio(browser_page: Opened, gpu_app: AppProcess, smi: FakeSmi) -> Iterator[StudioPage]:
    smi.set([gpu(number) for number in range(4)])
    page = StudioPage(browser_page, gpu_app.url).fresh()
    page.tab("compute")
    yield page
    assert browser_page.errors == []
    assert browser_page.external == []


def box(studio: StudioPage, number: int) -> Locator:
    return studio.page.locator(f'[data-gpu="{number}"]')


def meaning(studio: StudioPage) -> str:
    """The figures of what a step is made of, in a row."""
    return " ".join(studio.page.locator("#launch-plan .ts-sum").inner_text().split())


def test_every_gpu_is_shown_and_all_are_used(studio: StudioPage) -> None:
    rows = studio.page.locator("#machine tbody tr")
    expect(rows).to_have_count(4)
    expect(rows.first).to_contain_text("NVIDIA A100-SXM4-80GB")
    expect(rows.first).to_contain_text("1.0 of 80 GB")
    expect(rows.first).to_contain_text("34 °C")
    for number in range(4):
        expect(box(studio, number)).to_be_checked()
    recipe = studio.recipe()
    assert "gpu_ids" not in recipe
    assert recipe["num_processes"] == 4
    assert "use_cpu" not in recipe
    expect(studio.page.locator("#machine")).to_contain_text("4 of 4 used")


def test_gpus_are_chosen_one_by_one_and_one_stays(studio: StudioPage) -> None:
    box(studio, 1).uncheck()
    studio.wait_for("gpu_ids", "0,2,3")
    studio.wait_for("num_processes", 3)
    expect(studio.box("gpu_ids")).to_have_value("0,2,3")
    assert meaning(studio) == "3 processes × 16 on each device × 1 accumulation = 48 examples an update"
    box(studio, 0).uncheck()
    studio.wait_for("gpu_ids", "2,3")
    box(studio, 3).uncheck()
    studio.wait_for("gpu_ids", "2")
    studio.wait_for("num_processes", 1)
    box(studio, 2).click()
    expect(box(studio, 2)).to_be_checked()
    for number in (0, 1, 3):
        box(studio, number).check()
    studio.wait_for("gpu_ids", None)
    studio.wait_for("num_processes", 4)


def test_the_keyboard_keeps_its_place(studio: StudioPage) -> None:
    box(studio, 2).focus()
    studio.page.keyboard.press("Space")
    studio.wait_for("gpu_ids", "0,1,3")
    expect(box(studio, 2)).to_be_focused()
    studio.page.keyboard.press("Space")
    studio.wait_for("gpu_ids", None)
    profile = studio.page.locator('[data-profile="multi_gpu"] button')
    profile.focus()
    studio.page.keyboard.press("Enter")
    studio.wait_for("accelerate_config", "multi_gpu")
    expect(profile).to_have_attribute("aria-checked", "true")
    expect(profile).to_be_focused()


def test_readings_follow_the_driver(studio: StudioPage, smi: FakeSmi) -> None:
    smi.set([gpu(number, memory_used=60 * 1024, utilization_gpu=97, temperature_gpu=71) for number in range(4)])
    row = studio.page.locator('[data-gpu-row="3"]')
    expect(row).to_contain_text("60 of 80 GB")
    expect(row).to_contain_text("97 %")
    expect(row).to_contain_text("71 °C")
    until(studio.page, lambda: "75" in (row.locator(".ts-bar i").get_attribute("style") or ""))
    box(studio, 0).uncheck()
    studio.wait_for("gpu_ids", "1,2,3")
    expect(row).to_contain_text("60 of 80 GB")


def test_a_number_that_is_no_gpu_is_found_and_cured(studio: StudioPage) -> None:
    studio.box("gpu_ids").fill("0,9")
    studio.box("gpu_ids").press("Enter")
    found = studio.finding("There is no GPU 9 here.")
    expect(found).to_contain_text("The GPUs are 0, 1, 2, 3.")
    expect(studio.start).to_have_text("Settle 1 question in Compute")
    found.get_by_role("button", name="Use all").click()
    studio.wait_for("gpu_ids", None)
    expect(studio.start).to_have_text("Start training")


@pytest.mark.parametrize("number", ["0", "-1", "1000000000"])
def test_a_number_of_processes_that_cannot_be(studio: StudioPage, number: str) -> None:
    studio.box("num_processes").fill(number)
    expect(studio.card.locator(".ts-finding.error").first).to_be_visible()
    expect(studio.start).to_have_text("Settle 1 question in Compute")
    studio.box("num_processes").fill("")
    expect(studio.start).to_have_text("Start training")


def test_profiles_say_when_and_what_they_hold(studio: StudioPage) -> None:
    rows = studio.page.locator("#profiles tbody tr")
    expect(rows).to_have_count(8)
    expect(studio.page.locator('[data-profile="zero3"]')).to_contain_text("needs deepspeed")
    expect(studio.page.locator('[data-profile="fsdp2"] .ts-share i')).to_have_count(4)
    studio.page.locator('[data-profile="fsdp2"]').click()
    studio.wait_for("accelerate_config", "fsdp2")
    expect(studio.page.locator('[data-profile="fsdp2"] button')).to_have_attribute("aria-checked", "true")
    expect(studio.box("accelerate_config")).to_have_value("fsdp2")
    studio.page.locator("#profile-text summary").click()
    expect(studio.page.locator("#profile-text pre")).to_contain_text("fsdp_version: 2")
    studio.page.locator('[data-profile="multi_gpu"]').click()
    expect(studio.page.locator("#profile-text pre")).to_contain_text("distributed_type: MULTI_GPU")
    studio.page.locator('[data-profile=""]').click()
    studio.wait_for("accelerate_config", None)
    expect(studio.page.locator("#profile-text details")).to_have_count(0)


def test_a_profile_for_one_gpu_starts_one_process(studio: StudioPage) -> None:
    studio.page.locator('[data-profile="single_gpu"]').click()
    studio.wait_for("num_processes", 1)
    assert meaning(studio).startswith("1 process ×")
    found = studio.finding("One process would find 4 GPUs.")
    found.get_by_role("button", name="Use GPU 0 alone").click()
    studio.wait_for("gpu_ids", "0")
    expect(found).to_have_count(0)
    expect(box(studio, 0)).to_be_checked()
    expect(box(studio, 1)).not_to_be_checked()


def test_offloading_is_offered_where_it_works_and_said_in_the_profiles_words(studio: StudioPage) -> None:
    offload = studio.page.locator("#offload")
    expect(offload).to_be_hidden()
    studio.page.locator('[data-profile="fsdp2"]').click()
    offload.locator("input").check()
    studio.wait_for("fsdp_offload_params", "true")
    studio.page.locator('[data-profile="zero3"]').click()
    studio.wait_for("fsdp_offload_params", None)
    studio.wait_for("offload_optimizer_device", "cpu")
    studio.wait_for("offload_param_device", "cpu")
    expect(offload.locator("input")).to_be_checked()
    offload.locator("input").uncheck()
    studio.wait_for("offload_param_device", None)
    offload.locator("input").check()
    studio.wait_for("offload_param_device", "cpu")
    studio.page.locator('[data-profile="multi_gpu"]').click()
    studio.wait_for("offload_param_device", None)
    studio.wait_for("offload_optimizer_device", None)
    expect(offload).to_be_hidden()


def test_a_file_of_ones_own_and_one_that_is_none(studio: StudioPage, tmp_path: Path) -> None:
    good, bad = tmp_path / "mine.yaml", tmp_path / "bad.yaml"
    good.write_text("distributed_type: FSDP\nfsdp_config:\n  fsdp_version: 2\nnum_processes: 8\n")
    bad.write_text("distributed_type: [FSDP\n")
    field = studio.box("accelerate_config")
    field.fill(str(good))
    field.press("Enter")
    studio.wait_for("accelerate_config", str(good))
    expect(studio.page.locator("#profile-text")).to_contain_text("mine.yaml")
    expect(studio.page.locator("#offload")).to_be_visible()
    expect(studio.page.locator("#launch-plan")).to_contain_text("they share optimizer, gradients and weights")
    field.fill(str(bad))
    field.press("Enter")
    expect(studio.finding("bad.yaml is no YAML")).to_be_visible()
    field.fill(str(tmp_path / "nowhere.yaml"))
    field.press("Enter")
    expect(studio.finding("there is no")).to_be_visible()
    studio.page.locator('[data-profile=""]').click()
    expect(studio.start).to_have_text("Start training")


def test_what_it_means_follows_every_part(studio: StudioPage) -> None:
    assert meaning(studio) == "4 processes × 16 on each device × 1 accumulation = 64 examples an update"
    studio.tab("training")
    studio.box("per_device_train_batch_size").fill("8")
    studio.box("gradient_accumulation_steps").fill("2")
    studio.wait_for("gradient_accumulation_steps", 2)
    studio.tab("compute")
    until(studio.page, lambda: meaning(studio).startswith("4 processes × 8 on each device × 2 accumulation = 64"))
    expect(studio.page.locator("#launch-plan")).to_contain_text("432 rows: 7 updates an epoch")
    studio.switch("elsewhere")
    until(studio.page, lambda: "16 examples an update and GPU" in meaning(studio))


def test_on_the_cpu_the_gpus_are_left_alone(studio: StudioPage) -> None:
    expect(studio.page.locator("#arg-tf32")).to_be_visible()
    studio.box("use_cpu").check()
    studio.wait_for("num_processes", 1)
    expect(box(studio, 0)).to_be_disabled()
    expect(studio.page.locator("#machine")).to_contain_text("unused: this run trains on the CPU")
    expect(studio.page.locator("#launch-plan")).to_contain_text("One process on the processor.")
    studio.box("use_cpu").uncheck()
    studio.wait_for("num_processes", 4)
    expect(box(studio, 0)).to_be_enabled()


@pytest.mark.parametrize("width", [1280, 800])
def test_nothing_scrolls_sideways(studio: StudioPage, width: int) -> None:
    try:
        studio.page.set_viewport_size({"width": width, "height": 900})
        studio.page.locator('[data-profile="fsdp2"]').click()
        studio.wait_for("accelerate_config", "fsdp2")
        page = "document.scrollingElement"
        sizes = studio.page.evaluate(f"[{page}.scrollWidth, {page}.clientWidth]")
        assert sizes[0] <= sizes[1]
        inside = "all => all.filter(e => e.scrollWidth > e.clientWidth + 1).length"
        assert studio.page.eval_on_selector_all("#machine .ts-scroll, #profiles .ts-scroll", inside) == 0
    finally:
        studio.page.set_viewport_size({"width": 1280, "height": 1000})


# Without a GPU, and with a default config of the user's own -----------------------------------------------------


@pytest.fixture(scope="module")
def cpu_app(catalog_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppProcess]:
    with app(tmp_path_factory.mktemp("cpu") / "home", catalog_folder) as started:
        yield started


@pytest.fixture
def on_cpu(browser_page: Opened, cpu_app: AppProcess) -> Iterator[StudioPage]:
    yield StudioPage(browser_page, cpu_app.url).fresh()
    assert browser_page.errors == []


def test_without_a_gpu_it_says_what_works(on_cpu: StudioPage) -> None:
    on_cpu.tab("compute")
    machine = on_cpu.page.locator("#machine")
    expect(machine).to_contain_text("No GPU found")
    expect(machine).to_contain_text("For bigger models")
    expect(on_cpu.page.locator("#arg-tf32")).to_be_hidden()
    expect(on_cpu.page.locator("#arg-fp16")).to_be_hidden()
    on_cpu.switch("elsewhere")
    expect(on_cpu.page.locator("#arg-tf32")).to_be_visible()
    on_cpu.switch("here")
    on_cpu.switch("command")
    command = on_cpu.text()
    assert command.startswith("trl sft \\\n  --")
    assert "--config" not in command


def test_the_users_own_config_is_shown_and_kept_out(on_cpu: StudioPage, cpu_app: AppProcess) -> None:
    own = cpu_app.home / "huggingface" / "accelerate" / "default_config.yaml"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("distributed_type: 'NO'\nmixed_precision: fp16\nnum_machines: 2\n# <b>mine</b>\n")
    try:
        on_cpu.open()
        expect(on_cpu.finding("Your own default accelerate config shapes this run.")).to_be_visible()
        on_cpu.tab("compute")
        shown = on_cpu.page.locator("#default-config")
        expect(shown).to_contain_text("waits for 2 machines")
        shown.locator("summary").click()
        expect(shown.locator("pre")).to_contain_text("# <b>mine</b>")
        shown.get_by_role("button", name="Use single_gpu instead").click()
        on_cpu.wait_for("accelerate_config", "single_gpu")
        expect(shown.locator(".ts-card")).to_have_count(0)
        expect(on_cpu.finding("Your own default")).to_have_count(0)
    finally:
        own.unlink()


def test_the_queue_is_set_and_what_starts_follows(studio: StudioPage) -> None:
    card = studio.page.locator("#queue-rules")
    at_once, sets, save = card.locator("[name=at_once]"), card.locator("[name=sets]"), card.locator("[data-save]")
    expect(at_once).to_have_value("1")
    sets.fill("0,1 7")
    save.click()
    expect(studio.page.get_by_text("There is no GPU 7 here.")).to_be_visible()
    assert meaning(studio).startswith("4 processes")
    sets.fill("0,1 2,3")
    at_once.fill("2")
    at_once.press("Enter")
    studio.wait_for("num_processes", 2)
    until(studio.page, lambda: meaning(studio).startswith("2 processes"), "two processes")
    expect(studio.page.locator("#machine .ts-head")).to_contain_text("2 of 4 used: the first free set")
    studio.page.reload()
    studio.tab("compute")
    expect(sets).to_have_value("0,1 2,3")
    expect(at_once).to_have_value("2")
    sets.fill("")
    at_once.fill("1")
    save.click()
    studio.wait_for("num_processes", 4)
