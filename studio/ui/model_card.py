"""What is known of a model, drawn: its card and its chat template on an example."""

from __future__ import annotations

import re
from collections.abc import Sequence

from studio.adapters.templates import Rendered
from studio.domain.model_facts import ModelFacts, parameters_text, size_text
from studio.service.models import ModelLook
from studio.ui import pieces

# Special tokens look like these where a tokenizer's own list is not to be had.
_TOKEN_SHAPES = r"<\|[^|<>\s]{1,40}\|>|</?s>|<(?:bos|eos|pad|unk|start_of_turn|end_of_turn)>|\[/?INST\]|<</?SYS>>"


def empty() -> str:
    """No model has been named."""
    return pieces.empty("No model yet", "Choose one above, or type its name on the Hub or a folder on this machine.")


def waiting(name: str, asked: bool) -> str:
    """Nothing is known of a model on the Hub: it is being asked, or will be."""
    words = "Asking the Hub about it" if asked else "On the Hub, as it seems: it is looked up when you leave the box"
    return (
        f'<div class="ts-card ts-model" role="status"><div class="ts-head"><h3>{pieces.place(name)}</h3></div>'
        f'<div class="ts-hint">{words}.</div></div>'
    )


def model(look: ModelLook) -> str:
    """The card of a model: what it is and what it would cost, or why nothing is known and what to do."""
    head = f'<div class="ts-head"><h3>{pieces.place(look.name)}</h3>{_buttons(look)}</div>'
    if look.facts is None:
        return (
            f'<div class="ts-card ts-model">{head}<p class="ts-kind">{pieces.text(look.why)}</p>'
            f'<div class="ts-hint">{pieces.code(look.cure)}</div></div>'
        )
    note = f'<div class="ts-hint">{pieces.text(look.note)}</div>' if look.note else ""
    told = f'<p class="ts-kind">{pieces.text(look.told)}</p>'
    return f'<div class="ts-card ts-model">{head}{told}{pieces.facts(_rows(look, look.facts))}{note}</div>'


def compact(title: str, look: ModelLook | None, name: str) -> str:
    """The same in two lines, for a teacher or a reward model."""
    if look is None:
        told = "Asking the Hub about it."
    elif look.facts is None:
        told = f"{look.why} {look.cure}"
    else:
        facts = look.facts
        context = f"{pieces.count(facts.context)} tokens" if facts.context else ""
        parts = (parameters_text(facts), facts.architecture or "", context, _access(look, facts), _size(look))
        told = " · ".join(part for part in parts if part)
    return (
        f'<div class="ts-model ts-compact"><span class="ts-label">{pieces.text(title)}</span> {pieces.place(name)}'
        f'<div class="ts-hint">{pieces.code(told)}</div></div>'
    )


def _buttons(look: ModelLook) -> str:
    page = again = ""
    if look.page:
        where = f'href="{pieces.text(look.page)}" target="_blank" rel="noopener noreferrer"'
        page = f'<a class="ts-btn" {where}>{pieces.spoken("Page on the Hub")}</a>'
    if look.again or (look.facts is not None and look.facts.barred):
        words = pieces.spoken("Ask again")
        again = f'<button type="button" class="ts-btn" data-model-do="again">{words}</button>'
    return f'<div class="ts-actions">{again}{page}</div>' if page or again else ""


def _rows(look: ModelLook, facts: ModelFacts) -> list[tuple[str, str]]:
    return [
        ("Parameters", parameters_text(facts)),
        ("Size", _size(look)),
        ("Context", f"{pieces.count(facts.context)} tokens" if facts.context else ""),
        ("Vocabulary", f"{pieces.count(facts.vocabulary)} tokens" if facts.vocabulary else ""),
        ("Architecture", facts.architecture or facts.model_type or ""),
        ("Licence", facts.licence or ("not named" if look.place == "hub" else "")),
        ("Chat template", "yes" if facts.template else "" if facts.barred else "none"),
        ("Access", _access(look, facts)),
        ("Quantized", f"yes, with {facts.quantized}" if facts.quantized else ""),
        ("Revision", f"{look.revision} ({facts.commit[:7]})" if facts.commit and look.revision != "main" else ""),
        ("Own code", "it brings some, and that stays off unless you switch it on below" if facts.own_code else ""),
    ]


def _access(look: ModelLook, facts: ModelFacts) -> str:
    if facts.barred:
        return "gated: accept its conditions on its page, then log in"
    if facts.gated:
        return "gated, and you have access" if look.place == "hub" else "gated"
    return "private" if facts.private else ""


def _size(look: ModelLook) -> str:
    here = size_text(look.on_disk) if look.on_disk else ""
    if look.place == "folder" or look.to_download == 0:
        return f"{here}, here already" if here else ""
    if look.to_download is None:
        return f"{here} here, the rest is not told" if here else ""
    return f"{size_text(look.to_download)} to download" + (f", {here} here" if here else "")


# The chat template ---------------------------------------------------------------------------------------------------


def template(facts: ModelFacts, tried: Rendered | None, source: str, method: str) -> str:
    """The chat template on a short conversation, special tokens marked; `` where there is none."""
    if facts.template is None:
        return ""
    origin = f'<span class="ts-hint">from {pieces.place(source)}</span>' if source else ""
    head = f'<div class="ts-head"><h3>{pieces.spoken("Chat template, on an example")}</h3>{origin}</div>'
    if tried is None:
        return f'<div class="ts-card ts-template" role="status">{head}<div class="ts-hint">Trying it out.</div></div>'
    marks = _marks(tried) if method == "sft" else ""
    if tried.trouble:
        trouble = f"{pieces.text(tried.trouble)}{marks}"
        return f'<div class="ts-card ts-template">{head}<div class="ts-hint">{trouble}</div></div>'
    system = "" if tried.system else " It shows no system message."
    prompt = (
        f"A question is followed by {_inline(tried.prompt, facts.marks)} to have it answered."
        if tried.prompt.strip()
        else "Nothing is put behind a question to have it answered."
    )
    return (
        f'<div class="ts-card ts-template">{head}'
        f'<pre class="ts-code" tabindex="0" aria-label="Example conversation">{_marked(tried.text, facts.marks)}</pre>'
        f'<div class="ts-hint">{prompt}{system}{marks}</div></div>'
    )


def _marks(tried: Rendered) -> str:
    words = {
        "yes": "It marks the assistant's turns, so SFT can learn from them alone.",
        "patched": "It does not mark the assistant's turns; to learn from them alone, TRL takes a marked twin of it.",
        "no": "It does not mark the assistant's turns, and TRL has no marked twin: SFT cannot learn from them alone.",
        "": "",
    }
    return f" {words[tried.marks]}" if words[tried.marks] else ""


def _marked(text: str, marks: Sequence[str]) -> str:
    """The text as HTML, with every special token in it as a mark."""
    known = sorted((mark for mark in marks if mark.strip()), key=len, reverse=True)
    shapes = re.compile("|".join([*map(re.escape, known), _TOKEN_SHAPES]))
    shown, end = [], 0
    for match in shapes.finditer(text):
        shown += [pieces.text(text[end : match.start()]), f'<span class="ts-token">{pieces.text(match[0])}</span>']
        end = match.end()
    return "".join([*shown, pieces.text(text[end:])])


def _inline(text: str, marks: Sequence[str]) -> str:
    return f'<code class="ts-turn">{_marked(text, marks)}</code>'.replace("\n", "↵")
