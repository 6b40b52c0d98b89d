"""Accelerate's profiles as a table to choose from, what stands in one, and the user's own default config."""

from __future__ import annotations

from studio.adapters.machine import has_package
from studio.domain.arguments import Catalog
from studio.domain.launch_plan import changes_of
from studio.domain.recipe import Recipe
from studio.service.launch import LaunchConfig
from studio.ui import pieces

_SHARES = ("batch", "optimizer", "gradients", "weights")
# Name, when, what the GPUs share beside the batch. A profile that TRL has and this does not is shown without words.
PROFILES = {
    "": ("One GPU, or several that each hold the model.", 1),
    "single_gpu": ("One GPU, whatever else is there.", 0),
    "multi_gpu": ("Several GPUs, and the model fits each.", 1),
    "zero1": ("The model fits each GPU, its optimizer does not.", 2),
    "zero2": ("The model fits each GPU, its gradients do not.", 3),
    "zero3": ("The model fits no single GPU; DeepSpeed.", 4),
    "fsdp2": ("The model fits no single GPU; PyTorch's own way.", 4),
    "fsdp1": ("As fsdp2, the older form of it.", 4),
}
PROFILE_SCRIPT = """
element.addEventListener('click', (event) => {
  const row = event.target.closest('[data-profile]');
  if (row) trigger('click', {profile: row.dataset.profile});
});
"""
CONTENT_SCRIPT = """
let open = false;
element.addEventListener('toggle', (event) => { open = event.target.open; }, true);
new MutationObserver(() => {
  const details = element.querySelector('details');
  if (details && details.open !== open) details.open = open;
}).observe(element, {childList: true, subtree: true});
"""


def own_config(config: LaunchConfig, gpus: int) -> str:
    """The card about the user's own default config; empty where it is not in effect."""
    if config.source != "default":
        return ""
    said = changes_of(config.options) if config.options else []
    if isinstance(config.config, str):
        what = f"It {pieces.code(config.config)}: accelerate would stop on it."
    else:
        what = f"It {pieces.text(', '.join(said))}." if said else "It changes nothing that matters here."
    profile = "multi_gpu" if gpus > 1 else "single_gpu"
    own = pieces.spoken("Your own accelerate config shapes this run")
    return (
        f'<div class="ts-card"><div class="ts-head"><h3>{own}</h3>'
        f'<button type="button" class="ts-btn" data-profile="{profile}">Use {profile} instead</button></div>'
        f"<p>{what} accelerate reads {pieces.place(config.name)} wherever no profile is chosen; "
        "any profile below keeps it out.</p>"
        f'<details class="ts-more"><summary>Show its lines</summary><pre class="ts-code" tabindex="0">'
        f"{pieces.yaml_code(config.text)}</pre></details></div>"
    )


def profile_table(catalog: Catalog, recipe: Recipe, own: bool, elsewhere: bool) -> str:
    """The profiles: when each is for, and what the GPUs share.

    `own` says that without a profile the user's own default config holds, `elsewhere` that the machine is not known.
    """
    chosen = recipe.launch.get("accelerate_config") or ""
    names = ["", *(name for name in PROFILES if name in catalog.profiles)]
    names += [name for name in catalog.profiles if name not in PROFILES]
    heads = "".join(f'<th scope="col" class="ts-share">{pieces.explained(name.capitalize())}</th>' for name in _SHARES)
    lacking = not elsewhere and not has_package("deepspeed")
    rows = "".join(_profile_row(name, name == chosen, own, lacking) for name in names)
    return (
        f'<div class="ts-head"><h3>{pieces.spoken("How several GPUs work together")}</h3>'
        '<span class="ts-hint">TRL\'s profiles for accelerate</span></div><div class="ts-scroll">'
        '<table class="ts-table" role="radiogroup" aria-label="Profile"><thead><tr><th scope="col">Profile</th>'
        f'<th scope="col">When</th><th scope="colgroup" colspan="4" class="ts-shared">Shared by the GPUs</th></tr>'
        f"<tr><th></th><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _profile_row(name: str, chosen: bool, own: bool, lacking: bool) -> str:
    when, shares = PROFILES.get(name, ("", 0))
    if not name and own:
        when, shares = "As your own accelerate config says, see above.", 0
    missing = ""
    if name.startswith("zero") and lacking:
        missing = '<small class="ts-missing">needs deepspeed, which is not installed</small>'
    marks = ['<i></i><span class="ts-sr">shared</span>'] * shares + ['<span class="ts-sr">not shared</span>'] * 4
    cells = "".join(f'<td class="ts-share">{mark}</td>' for mark in marks[:4])
    return (
        f'<tr class="pick{" on" if chosen else ""}" data-profile="{pieces.text(name)}"><td>'
        f'<button type="button" role="radio" aria-checked="{str(chosen).lower()}" class="ts-radio" '
        f'data-keep="profile-{pieces.text(name)}">{pieces.text(name) or "none"}</button></td>'
        f"<td>{pieces.text(when)}{missing}</td>{cells}</tr>"
    )


def config_text(config: LaunchConfig) -> str:
    """The text of the chosen profile or file, folded."""
    if config.source not in ("profile", "file") or not config.text:
        return ""
    name = config.name if config.source == "profile" else pieces.short_path(config.name)
    return (
        f'<details class="ts-more"><summary>Show what is in {pieces.text(name)}</summary>'
        f'<pre class="ts-code" tabindex="0">{pieces.yaml_code(config.text)}</pre></details>'
    )
