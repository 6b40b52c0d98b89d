"""The machine's card: its GPUs with live readings and a choice of them, or what works without one."""

from __future__ import annotations

import json
from typing import Any

from studio.adapters.machine import Gpu, Machine
from studio.domain.recipe import Recipe
from studio.domain.turns import Rules
from studio.service.studio import Studio
from studio.ui import pieces

_GB = 2**30
# Readings are asked for while the table can be seen, and written into it; a choice goes to the server.
MACHINE_SCRIPT = """
element.addEventListener('change', (event) => {
  const box = event.target.closest('[data-gpu]');
  if (!box) return;
  const chosen = [...element.querySelectorAll('[data-gpu]:checked')].map((one) => one.dataset.gpu);
  if (!chosen.length) { box.checked = true; return; }
  trigger('click', {gpus: chosen});
});
const write = (row, gpu) => {
  for (const [name, words] of Object.entries(gpu.words)) {
    const cell = row.querySelector(`[data-reading="${name}"]`);
    if (cell && cell.textContent !== words) cell.textContent = words;
  }
  const bar = row.querySelector('.ts-bar > i');
  if (bar) bar.style.width = gpu.share + '%';
};
let asking = false;
const timer = setInterval(async () => {
  if (!element.isConnected) { clearInterval(timer); return; }
  if (asking || document.hidden || element.offsetParent === null || !element.querySelector('[data-gpu-row]')) return;
  asking = true;
  try {
    for (const gpu of JSON.parse(await server.gpu_readings('all'))) {
      const row = element.querySelector(`[data-gpu-row="${gpu.index}"]`);
      if (row) write(row, gpu);
    }
  } catch (error) { console.debug('no readings', error); } finally { asking = false; }
}, 3000);
"""


def machine_card(studio: Studio, recipe: Recipe) -> str:
    """The whole card as HTML; `recipe` says which GPUs are chosen."""
    machine = studio.machine
    if not machine.gpus:
        return _no_gpu(machine)
    off = recipe.get("use_cpu") is True
    given = recipe.launch.get("gpu_ids")
    wanted = None if given in (None, "all") else {part.strip() for part in str(given).split(",")}
    gpus = studio.gpus.last() or machine.gpus
    choosable = machine.kind != "apple"
    rows = "".join(
        _gpu_row(gpu, wanted is None or str(gpu.index) in wanted, off, choosable and len(gpus) > 1) for gpu in gpus
    )
    rules = studio.queue.rules() if wanted is None and not studio.access.refusal() else Rules()
    chosen = rules.share(len(gpus)) if wanted is None else sum(str(gpu.index) in wanted for gpu in gpus)
    said = "unused: this run trains on the CPU" if off else f"{chosen} of {len(gpus)} used" if len(gpus) > 1 else ""
    said += ": the first free set" if rules.sets and not off else ""
    return (
        f'<div class="ts-card"><div class="ts-head"><h3>{pieces.spoken("GPUs" if len(gpus) > 1 else "GPU")}</h3>'
        f'<span class="ts-hint">{said}</span></div><div class="ts-scroll"><table class="ts-table ts-gpus"><thead><tr>'
        '<th scope="col">No.</th><th scope="col">Name</th><th scope="col">Memory</th>'
        '<th scope="col" class="num">Busy</th><th scope="col" class="num">Heat</th></tr></thead>'
        f'<tbody>{rows}</tbody></table></div><div class="ts-hint">{_machine_words(machine)}</div></div>'
    )


def _gpu_row(gpu: Gpu, chosen: bool, off: bool, choosable: bool) -> str:
    told = _reading(gpu)
    number = f"<b>{gpu.index}</b>"
    if choosable:
        number = (
            f'<label class="ts-usegpu"><input type="checkbox" data-gpu="{gpu.index}" data-keep="gpu-{gpu.index}"'
            f"{' checked' if chosen else ''}{' disabled' if off else ''}>{number}"
            f'<span class="ts-sr">use GPU {gpu.index}</span></label>'
        )
    words = told["words"]
    bar = f'<div class="ts-bar"><i style="width:{told["share"]}%"></i></div>' if gpu.used is not None else ""
    return (
        f'<tr data-gpu-row="{gpu.index}" class="{"" if chosen and not off else "ts-unused"}"><td>{number}</td>'
        f"<td>{pieces.text(gpu.name)}</td>"
        f'<td class="ts-memory"><span data-reading="memory">{words["memory"]}</span>{bar}</td>'
        f'<td class="num" data-reading="use">{words["use"]}</td>'
        f'<td class="num" data-reading="heat">{words["heat"]}</td></tr>'
    )


def _reading(gpu: Gpu) -> dict[str, Any]:
    """A GPU's readings as the table shows them; `share` is the part of its memory in use, in percent."""
    size = "–" if gpu.memory is None else f"{gpu.memory / _GB:.0f} GB"
    used = "" if gpu.used is None else f"{gpu.used / _GB:.{0 if gpu.used >= 10 * _GB else 1}f} of "
    share = round(100 * gpu.used / gpu.memory, 1) if gpu.used is not None and gpu.memory else 0
    words = {
        "memory": used + size,
        "use": "–" if gpu.use is None else f"{gpu.use} %",
        "heat": "–" if gpu.temperature is None else f"{gpu.temperature} °C",
    }
    return {"index": gpu.index, "share": share, "words": words}


def readings(studio: Studio) -> str:
    """What the page's script asks for: the readings of all GPUs at this moment."""
    return json.dumps([_reading(gpu) for gpu in studio.gpus.gpus()])


def _machine_words(machine: Machine) -> str:
    if machine.unusable:
        return pieces.text(machine.unusable)
    if machine.kind == "apple":
        return (
            "One process trains on it, and shares its memory with the system. 4 and 8 bit, vLLM and DeepSpeed do not "
            "run on it."
        )
    if machine.kind == "amd":
        return "Through ROCm these work as NVIDIA's do. 4 and 8 bit and vLLM need their ROCm builds."
    if machine.mixed:
        return "Numbers are the driver's, as in nvidia-smi; the smallest memory sets the limit where GPUs share a run."
    return "Numbers are the driver's, as in nvidia-smi."


def _no_gpu(machine: Machine) -> str:
    # Float32 weights, gradients and the two averages of Adam: 16 bytes a parameter, and room for the rest.
    billions = 0.7 * machine.memory / 16 / 1e9
    size = f"{billions:.1f} billion" if billions >= 0.95 else f"{billions * 1000:.0f} million"
    return (
        f'<div class="ts-card"><div class="ts-head"><h3>{pieces.spoken("No GPU found")}</h3>'
        f'<span class="ts-hint">{pieces.text(machine.summary)}</span></div><div class="ts-two">'
        "<div><b>Here</b>Every method runs, on the processor. Full training takes about 16 bytes a parameter, so that "
        f"up to {size} fit; from 100 million on it is slow. The studio adds <code>use_cpu: true</code> and "
        "<code>bf16: false</code>, without which TRL stops.</div>"
        "<div><b>For bigger models</b>Make the YAML <i>for elsewhere</i> and run it where there are GPUs: a "
        "workstation, a cluster, Hugging Face Jobs. Or start this studio there.</div></div></div>"
    )
