"""Tokens before training, drawn: lengths against the recipe's, the steps they make, and an example as TRL reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.domain.epoch_steps import OF_A_STEP, steps_either_way
from studio.domain.findings import row_name
from studio.domain.token_count import TokenCount, bins, summary
from studio.service.token_rows import countable
from studio.service.tokens import DECIDING, NAMING, Counted
from studio.ui import late_answers, pieces
from studio.ui.events import BUSY, QUIET
from studio.ui.form import Form

if TYPE_CHECKING:
    from studio.ui.page import Page

_WIDTH, _HEIGHT = 560, 92
_SHOWN = 400  # tokens of an example that are drawn
# Has what is asked for counted once the card says so; a press shows at once that it was heard.
_SCRIPT = """
let asked = '';
const ask = () => requestAnimationFrame(() => {
  const wanted = element.querySelector('[data-tokens-key]');
  if (wanted && wanted.dataset.tokensKey !== asked) { asked = wanted.dataset.tokensKey; trigger('input', {}); }
  if (!wanted) asked = '';
});
watch('value', ask);
ask();
element.addEventListener('click', (event) => {
  const pressed = event.target.closest('[data-tokens-do]');
  if (pressed) trigger('click', {do: pressed.dataset.tokensDo});
});
"""
_COLOURS = {"chosen": "first", "rejected": "second"}


def build(page: Page) -> None:
    """The card under the data; it follows every edit that changes how the data are read."""
    draw = partial(_card, page)
    card = page.html(draw, (*DECIDING, *NAMING, *OF_A_STEP, "test_split_size"), js_on_load=_SCRIPT, elem_id="tokens")
    page.wiring.append(partial(_wire, page, card))


def _wire(page: Page, card: Any) -> None:
    def press(form: Form, event: gr.EventData) -> str:
        what = str(event._data.get("do", ""))
        if what.startswith("example:"):
            form.example = int(what.removeprefix("example:"))
        else:
            page.studio.tokens.start(form.recipe, form.looked, every=what == "all")
        return _card(page, form)

    def count(form: Form) -> list[Any]:
        tokens, recipe, looked = page.studio.tokens, form.recipe, form.looked
        tokens.count(recipe, looked, first=form.example, every=tokens.wants_all(recipe, looked))
        late_answers.note(form)
        # What was edited meanwhile is counted next: the card drawn now asks for it.
        return [_card(page, form), *(draw(form) for _, draw in lengths), page.signal()]

    # Whatever tells how long training is follows `packing`, as this card does.
    lengths = [pair for pair in page.following["packing"] if pair[0] is not card]
    card.click(press, [page.form], [card], trigger_mode="multiple", **QUIET)
    counting = {**BUSY, "concurrency_limit": 2, "concurrency_id": "tokens", "show_progress": "hidden"}
    told = [card, *(piece for piece, _ in lengths), page.late]
    card.input(count, [page.form], told, trigger_mode="always_last", **counting)


def _card(page: Page, form: Form) -> str:
    """The card for the form as it is now: a count that has been made, one that is on its way, or how to have one."""
    tokens = page.studio.tokens
    if not form.typed and not form.looked:
        return ""
    reason = tokens.reason(form.recipe, form.looked)
    if reason:
        return _framed(f'<div class="ts-hint">{pieces.code(reason)}</div>')
    counted = tokens.best(form.recipe, form.looked)
    key = tokens.open_question(form.recipe, form.looked, form.example)
    if key:
        words = pieces.spoken("Counting. The first count loads TRL, which takes some seconds.")
        waiting = f'<div class="ts-hint" role="status" data-tokens-key="{pieces.text(key)}">{words}</div>'
        return _framed(waiting, "" if counted is None else _drawn(page, form, counted))
    if counted is None:
        lead = "See what the model will read, what of it is learnt, and what its lengths cut off."
        return _framed(f'<div class="ts-hint">{pieces.spoken(lead)}</div>', button=_button("count", "Count tokens"))
    return _framed("", _drawn(page, form, counted), _more(form, counted))


def _framed(hint: str, body: str = "", button: str = "") -> str:
    actions = f'<div class="ts-actions">{button}</div>' if button else ""
    head = f'<div class="ts-head"><h3>{pieces.spoken("Tokens")}</h3>{actions}</div>'
    return f'<div class="ts-card ts-tokens">{head}{hint}{body}</div>'


def _button(what: str, words: str, off: bool = False) -> str:
    disabled = " disabled" if off else ""
    return f'<button type="button" class="ts-btn" data-tokens-do="{what}"{disabled}>{pieces.spoken(words)}</button>'


def _more(form: Form, counted: Counted) -> str:
    count = counted.count
    if count is None:
        return _button("count", "Count tokens")
    most = countable(form.looked)
    return _button("all", "Count all rows") if not count.whole and count.total and count.total <= most else ""


def _drawn(page: Page, form: Form, counted: Counted) -> str:
    count = counted.count
    if count is None:
        return f'<div class="ts-hint">{pieces.code(counted.trouble)}</div>'
    if count.tokenizer or not count.examples:
        said = count.tokenizer or count.refusal
        return f'<div class="ts-hint">{pieces.spoken("This cannot be counted:")} {pieces.text(said)}</div>'
    remarks = "".join(f'<div class="ts-hint">TRL: {pieces.text(one[:400])}</div>' for one in count.remarks)
    found = pieces.findings_of_form(page.studio.tokens.findings(form.recipe, form.looked, page.catalog))
    return f"{_facts(page, form, count)}{found}{_histogram(count)}{_example(form, counted, count)}{remarks}"


# Numbers -------------------------------------------------------------------------------------------------------------


def _facts(page: Page, form: Form, count: TokenCount) -> str:
    about = "" if count.exact else "about "
    total = count.total_tokens
    learnt = ""
    if count.tokens and count.room is None and count.method != "reward":
        learnt = f"{100 * count.trained / count.tokens:.0f} % of the tokens"
    cut = f"{pieces.count(count.cut)} of {pieces.count(count.examples)} examples" if count.cut else ""
    rows = [
        ("Counted", _sampled(count)),
        ("Tokens in an epoch", f"{about}{pieces.count(total)}" if total is not None else ""),
        ("Learnt", learnt),
        ("Steps in an epoch", _steps(page, form, count)),
        ("Cut", cut),
        (
            "Dropped",
            f"{pieces.count(count.dropped)} of {pieces.count(count.examples)} examples" if count.dropped else "",
        ),
        ("Prompts", _prompts(count)),
    ]
    return pieces.facts(rows)


def _sampled(count: TokenCount) -> str:
    if count.whole:
        rest = f"; totals leave out the {pieces.count(count.held)} that are held out" if count.held else ""
        return f"all {pieces.count(count.rows)} rows{rest}"
    of = f" of {pieces.count(count.total)}" if count.total else ""
    return f"a sample of {pieces.count(count.rows)}{of} rows; totals are estimated from it"


def _prompts(count: TokenCount) -> str:
    if count.room is None:
        return ""
    if count.limit is None:
        return f"an answer may take {pieces.count(count.room)} tokens more"
    return (
        f"{pieces.count(max(count.limit, 0))} tokens are left for them beside an answer of {pieces.count(count.room)}"
    )


def _steps(page: Page, form: Form, count: TokenCount) -> str:
    """Steps as batches are made now, and the other way."""
    packs, about = form.recipe.get("packing") is True, "" if count.exact else "about "
    either = steps_either_way(count, form.launched(), page.catalog)
    made = {way: about + pieces.count(steps) for way, steps in either.items()}
    if packs not in made:
        return ""
    other = made.get(not packs)
    return made[packs] + (f" ({other} {'without' if packs else 'with'} packing)" if other else "")


# Lengths -------------------------------------------------------------------------------------------------------------


def _histogram(count: TokenCount) -> str:
    """How long the examples are, with a line at the length that is held against them."""
    limit, top = count.limit, count.reach
    counted = {name: bins(each, top) for name, each in count.lengths.items()}
    highest = max(max(each) for each in counted.values())
    bars = "".join(_bars(each, highest, _COLOURS.get(name, "first")) for name, each in counted.items())
    line = ""
    if limit and 0 < limit <= top:
        x = limit / top * _WIDTH
        line = f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{_HEIGHT}"/>'
    named = "max_length" if count.room is None else "left for prompts"
    said = f"{named} {pieces.count(limit)}" if limit and limit > 0 else ""
    if said and not line:
        said += ", beyond the right edge"
    over, under = (_over(limit / top, said), "") if line and limit else ("", pieces.text(said))
    words = "; ".join(f"{_part_words(name, count)}: {_spread(each)}" for name, each in count.lengths.items())
    label = f"Lengths in tokens: {words}." + (f" {said}." if said else "")
    keys = "".join(
        f'<span class="ts-key {_COLOURS.get(name, "first")}"><i></i>{pieces.text(_part_words(name, count))}: '
        f"{pieces.text(_spread(each))}</span>"
        for name, each in count.lengths.items()
    )
    return (
        f'<figure class="ts-lengths" role="img" aria-label="{pieces.text(label)}">{over}'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{bars}{line}</svg>'
        f"<figcaption><span>1</span><span>{under}</span>"
        f"<span>{pieces.count(top)} tokens</span></figcaption><div>{keys}</div></figure>"
    )


def _over(place: float, said: str) -> str:
    """What a line at a `place`, 0 to 1, stands for: above it, beside that side of it where there is room."""
    side = f"padding-left: {100 * place:.1f}%" if place < 0.6 else f"padding-right: {100 * (1 - place):.1f}%"
    return f'<div class="ts-limit{"" if place < 0.6 else " left"}" style="{side}">{pieces.text(said)}</div>'


def _bars(counts: Sequence[int], highest: int, kind: str) -> str:
    wide = _WIDTH / len(counts)
    return "".join(
        f'<rect class="{kind}" x="{place * wide + 1:.1f}" y="{_HEIGHT - max(2.0, number / highest * _HEIGHT):.1f}" '
        f'width="{wide - 2:.1f}" height="{max(2.0, number / highest * _HEIGHT):.1f}"/>'
        for place, number in enumerate(counts)
        if number
    )


def _part_words(name: str, count: TokenCount) -> str:
    if name in ("chosen", "rejected"):
        return "with the better answer" if name == "chosen" else "with the worse answer"
    return "prompts" if name == "prompt" else "examples"


def _spread(lengths: tuple[int, ...]) -> str:
    known = summary(lengths)
    if not known:
        return ""
    if known["min"] == known["max"]:
        return f"{pieces.count(known['min'])} tokens"
    middle = pieces.count(known["median"])
    return f"{pieces.count(known['min'])} to {pieces.count(known['max'])} tokens, half of them up to {middle}"


# An example ----------------------------------------------------------------------------------------------------------


def _example(form: Form, counted: Counted, count: TokenCount) -> str:
    """One example as it reaches the model, with a way to the one before and the one after."""
    number = min(form.example, count.shown_of - 1)
    sample = counted.samples.get(number)
    if sample is None:
        return ""
    packed = any("starts" in part for part in sample["parts"])
    name = "Sequence" if packed else "Example"
    where = f"{pieces.spoken(name)} {pieces.count(number + 1)}"
    if sample["row"] is not None and sample["row"] != number:
        where += f", {row_name(sample['row'])}"
    back = _button(f"example:{number - 1}", "Back", off=number <= 0)
    ahead = _button(f"example:{number + 1}", "Next", off=number + 1 >= count.shown_of)
    parts = "".join(_part(part, count, sample["dropped"]) for part in sample["parts"])
    return (
        f'<div class="ts-head ts-example"><h3 role="status">{where}</h3>'
        f'<div class="ts-actions">{back}{ahead}</div></div>{parts}{_legend(count)}'
    )


def _legend(count: TokenCount) -> str:
    if count.refusal:
        learnt = pieces.spoken("TRL refuses this recipe, so nothing is learnt from it.")
    elif count.method == "reward":
        learnt = pieces.spoken("A reward model gives the whole a score: no token is learnt by itself.")
    elif count.room is not None:
        learnt = pieces.spoken("The model continues from here; what it writes is what it learns from.")
    else:
        learnt = f'<mark class="ts-learnt">{pieces.spoken("underlined")}</mark> {pieces.spoken("is learnt")}'
    special = f'<span class="ts-token">{pieces.spoken("framed")}</span> {pieces.spoken("is a special token")}'
    return f'<div class="ts-hint ts-legend"><span>{learnt}</span><span>{special}</span></div>'


def _part(part: Mapping[str, Any], count: TokenCount, dropped: bool) -> str:
    said = [f"{pieces.count(part['length'])} tokens"]
    if dropped:
        said.append("dropped: nothing of it reaches the model")
    elif part["trained"]:
        said.append(f"{pieces.count(part['trained'])} learnt")
    elif count.room is None and count.method != "reward":
        said.append("none learnt")
    if part["cut"]:
        said.append(f"{pieces.count(part['cut'])} cut off")
    if part.get("starts"):
        said.append(f"{len(part['starts'])} examples packed into one" if len(part["starts"]) != 1 else "one example")
    elif "starts" in part:
        said.append("cut from all examples in a row")  # the strategy wrapped knows no seams
    title = {"chosen": "Better answer", "rejected": "Worse answer"}.get(part["name"], "")
    head = f"<b>{pieces.spoken(title)}</b> " if title else ""
    more = part["length"] - min(len(part["ids"]), _SHOWN)
    rest = f'<span class="ts-hint"> and {pieces.count(more)} tokens more</span>' if more > 0 else ""
    return (
        f'<div class="ts-hint ts-fed">{head}{pieces.text(" · ".join(said))}</div>'
        f'<pre class="ts-code ts-tokentext" tabindex="0" role="region" aria-label="{pieces.text(title or "Example")}">'
        f"{_text(part)}{rest}</pre>"
    )


def _text(part: Mapping[str, Any]) -> str:
    """The tokens of an example; those that are learnt lie together in one mark."""
    drawn: list[str] = []
    learning = False
    starts = set(part.get("starts", ())[1:])
    tokens = zip(part["ids"], part["texts"], part["masks"], part["specials"], strict=True)
    for place, (number, text, learnt, special) in enumerate(tokens):
        if place == _SHOWN:
            break
        if place in starts:
            drawn.append("</mark>" if learning else "")
            drawn.append(f'<span class="ts-seam">{pieces.spoken("next example")}</span>')
            learning = False
        if bool(learnt) != learning:
            drawn.append('<mark class="ts-learnt">' if learnt else "</mark>")
            learning = bool(learnt)
        shown = pieces.text(text).replace("\n", "↵\n")
        kind = "ts-token" if special else "ts-tk"
        drawn.append(f'<span class="{kind}" title="{number}">{shown}</span>' if text else "")
    return "".join(drawn) + ("</mark>" if learning else "")
