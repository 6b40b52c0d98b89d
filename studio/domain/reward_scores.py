"""Scores of single texts: what the studio's library of rewards is made of, copied as it stands here into rewards.py."""

from __future__ import annotations

import json
import math
import re
from typing import Any

# The sign counts where no word or number stands before it: the 3 of "5-3" is no -3. A currency may follow it.
NUMBER = re.compile(r"(?:(?<![\w.)])[-+][$€£¥]?)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+|(?<=\d))(?:[eE][-+]?\d+)?")
LATEX_FRACTION = re.compile(r"(\d[ ]?)?\\[dt]?frac\s?(?:\{\s?([-+.,\d]+)\s?\}\s?\{\s?([-+.,\d]+)\s?\}|(\d)(\d))")
# What one number of a formula does not stand for; degrees are no power.
FORMULA = re.compile(r"\\[dt]?frac|\\sqrt|\\pi\b|\^(?!\s?\{?\s?\\circ)")
SPACED = re.compile(r"[-+]?\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:\.\d+)?")
# Thousands that spaces set apart within other words. One group after an ordinary space may be a number of its own, as
# in "step 2 100 apples", and so may groups among more numbers: these stay apart.
GROUPED = re.compile(
    r"(?<![\d.,])(?<!\d[ \u00a0\u202f])\d{1,3}(?:(?:[\u00a0\u202f]\d{3})+|(?: \d{3}){2,})(?![ \u00a0\u202f,]?\d)"
)
FRACTION = re.compile(r"(?:([-+]?\d[\d,]*)\s+(?=\d))?([^\s/]+)\s*/\s*([^\s/]+)")
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+")
# Languages in a script of their own: the characters that tell them.
SCRIPTS = {
    "Arabic": r"[\u0600-\u06ff]",
    "Chinese": r"[\u3400-\u9fff]",
    "Greek": r"[\u0370-\u03ff]",
    "Hebrew": r"[\u0590-\u05ff]",
    "Hindi": r"[\u0900-\u097f]",
    "Japanese": r"[\u3040-\u30ff\u3400-\u9fff]",
    "Korean": r"[\uac00-\ud7af\u1100-\u11ff]",
    "Russian": r"[\u0400-\u04ff]",
    "Thai": r"[\u0e00-\u0e7f]",
}
# Languages in Latin letters: words that nearly every sentence has.
COMMON_WORDS = {
    "Dutch": "de het een en van is dat op te zijn met voor niet aan er ook maar als wordt bij naar die dit heeft wij",
    "English": "the a an and of to is in that it for with as on are was this be by not or have from at you they",
    "French": "le la les un une des et est du en que qui dans pour pas sur au avec ce il elle sont plus nous vous",
    "German": "der die das ein eine und ist nicht mit von zu den dem auf für im sich auch es wird sind ich wir",
    "Italian": "il lo la gli un una e è di che non per con del della sono si da nel come più al anche ma questo",
    "Portuguese": "o a os as um uma e é de que não em para com do da no na se mais por são como mas ao foi",
    "Spanish": "el la los las un una y es de que en no por con para del se su al lo como más son pero está",
}


def text_of(completion: Any) -> str:
    """The text of a completion, or of a cell: TRL gives messages where the prompts are messages."""
    last = completion
    if isinstance(completion, list):
        last = completion[-1] if completion else None
    content = last.get("content") if isinstance(last, dict) else last
    if isinstance(content, list):  # parts of a message, images among them
        content = " ".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


def found_in(text: str, find: str, marker: str) -> str | None:
    """The part of a text that is its answer, or None where there is none."""
    if find == "last number":
        return last_number(text)
    if find == "after the marker":
        _, mark, rest = text.rpartition(marker)
        lines = rest.strip().splitlines()
        return lines[0].strip() if mark and lines else None
    if find == "last line":
        lines = text.strip().splitlines()
        return lines[-1].strip() if lines else None
    if find == "boxed":
        return boxed_in(text)
    return text.strip() or None


def boxed_in(text: str) -> str | None:
    r"""What stands in the last \boxed{...}, its own braces included; None where there is none or it does not end."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for place in range(start + 6, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start + 7 : place].strip() or None
    return None


def plain_math(text: str) -> str:
    """A text whose minus signs, fractions and separators are plain characters, where they are those of LaTeX."""
    bare = text.replace("\u2212", "-").replace("{,}", ",").replace("\\$", "$").replace("\\%", "%")
    bare = re.sub(r"(?<=\d),?\\[!,; ](?=\d{3}(?!\d))", "", bare)  # LaTeX's thin spaces between thousands
    bare = re.sub(r"(\d)\s*\\(?:text|mbox|mathrm)\{[^{}]*\}(?:\^\{?\d\}?)?", r"\1", bare)  # a unit
    return LATEX_FRACTION.sub(
        lambda found: f"{found[1].strip() + ' ' if found[1] else ''}{found[2] or found[4]}/{found[3] or found[5]}", bare
    )


def last_number(text: str) -> str | None:
    """The last number of a text, with what belongs to it in 3/4 and in 1 3/4; the date 1/2/2024 is no fraction.

    1 000 000 is one number, and so is 1 000 where its space is one that does not break; "step 2 100 apples" has two.
    """
    bare = GROUPED.sub(lambda found: re.sub(r"\s", "", found[0]), plain_math(text))
    last = [match for match in NUMBER.finditer(bare) if match.group()][-3:]
    if not last:
        return None
    gaps = [bare[last[place].end() : last[place + 1].start()] for place in range(len(last) - 1)]
    start, end = last[-1].span()
    if gaps and gaps[-1].strip() == "/" and "/" not in (gaps[0].strip() if gaps[1:] else "", bare[end : end + 1]):
        start = last[-2].start()
        if gaps[1:] and gaps[0] == " " and number_of(bare[last[0].start() : end]) is not None:
            start = last[0].start()
    return bare[start:end]


def number_of(text: str | None) -> float | None:
    """The number that a text is, its thousands set apart, with a fraction, a currency or a percent sign, or None."""
    if text is None:
        return None
    bare = re.sub(r"^([-+]?)[\s$€£¥%]*", r"\1", plain_math(text).strip()).rstrip("$€£¥% \t\n.")
    if SPACED.fullmatch(bare):
        bare = re.sub(r"\s", "", bare)
    mixed = FRACTION.fullmatch(bare)
    whole, top, bottom = mixed.groups() if mixed else (None, bare, "1")
    if not top or not NUMBER.fullmatch(top) or not NUMBER.fullmatch(bottom):
        return None
    over, under = (float(re.sub("[,$€£¥]", "", part)) for part in (top, bottom))
    if whole is not None and not 0 <= over < under:
        return None  # 10 20/5 is no number with a fraction
    number = over / (under or math.nan)
    if whole is not None:
        number = math.copysign(abs(float(whole.replace(",", ""))) + number, -1 if whole.startswith("-") else 1)
    return number if math.isfinite(number) else None


def numeric_score(
    text: str, expected: Any, find: str, expected_find: str, marker: str, tolerance: float
) -> float | None:
    """1.0 where the number found in the text is the expected one, else 0.0; None where no number is expected."""
    wanted = number_found(text_of(expected), expected_find, marker)
    if wanted is None:
        return None
    number = number_found(text, find, marker)
    return float(number is not None and abs(number - wanted) <= tolerance * max(1.0, abs(wanted)))


def number_found(text: str, find: str, marker: str) -> float | None:
    """The number in the part of a text that is its answer; where words stand around it, the last one."""
    part = found_in(text, find, marker)
    number = number_of(part)
    if number is None and part is not None and find != "whole text":
        formula = find == "boxed" and FORMULA.search(plain_math(part))
        number = None if formula else number_of(last_number(part))
    return number


def exact_score(text: str, expected: Any, find: str, expected_find: str, marker: str, strict: bool) -> float | None:
    """1.0 where the answer found in the text is the expected one, else 0.0; None where none is expected.

    Unless `strict`, capitals, spaces and punctuation at the ends do not count.
    """
    wanted = found_in(text_of(expected), expected_find, marker)
    if wanted is None:
        return None
    found = found_in(text, find, marker)
    if found is None:
        return 0.0
    return float(found == wanted if strict else plain(found) == plain(wanted))


def plain(text: str) -> str:
    """A text in small letters, with single spaces, without punctuation at its ends; one of nothing else keeps it."""
    folded = " ".join(text.casefold().split())
    return folded.strip(".,;:!?\"'`*()[] ") or folded


def contains_score(text: str, wanted: list[str], count: str, ignore_case: bool) -> float:
    """The share of the wanted texts that are there; with `count` all or any 1.0 or 0.0."""
    whole = text.casefold() if ignore_case else text
    found = [(one.casefold() if ignore_case else one) in whole for one in wanted]
    if count == "share":
        return sum(found) / len(found)
    return float(all(found) if count == "all" else any(found))


def pattern_score(text: str, pattern: str, place: str, ignore_case: bool) -> float:
    """1.0 where the pattern matches, else 0.0; a dot stands for line breaks too."""
    compiled = re.compile(pattern, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
    return float(bool(compiled.fullmatch(text.strip()) if place == "whole text" else compiled.search(text)))


def json_score(text: str, schema: dict[str, Any]) -> float:
    """1.0 for JSON that fits the schema, 0.5 for other JSON, 0.0 for none; a block of code around it may be there."""
    for part in (text, block_of_json(text)):
        try:
            return 1.0 if fits(json.loads(part, parse_constant=no_number), schema) else 0.5
        except (ValueError, RecursionError):
            continue
    return 0.0


def no_number(name: str) -> float:
    """Refuses NaN and Infinity, which Python reads and which are no JSON."""
    raise ValueError(f"{name} is no number of JSON")


def block_of_json(text: str) -> str:
    """What stands in the first block of code that says it is JSON, or else in the first that says nothing."""
    silent = ""
    for block in text.split("```")[1:-1:2]:
        if re.match(r"\s*json\b", block, re.IGNORECASE):
            return block.strip()[4:]
        if not silent and not re.match(r"[ \t]*[\w+#.-]+[ \t\r]*\n", block):
            silent = block
    return silent


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value keeps to a JSON schema, as far as its keywords are those that are looked at here."""
    kinds: dict[str, Any] = {
        "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
        "integer": int, "number": (int, float),
    }  # fmt: skip
    named = schema.get("type", list(kinds))
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(value, float) and value.is_integer():
        kinds["integer"] = (int, float)  # 1.0 is one too
    for name in [named] if isinstance(named, str) else named:
        if isinstance(value, kinds[name]) and (numeric or name not in ("integer", "number")):
            break
    else:
        return False
    if "enum" in schema and not any(same(value, one) for one in schema["enum"]):
        return False
    if "const" in schema and not same(value, schema["const"]):
        return False
    if numeric or isinstance(value, (str, list)):
        size = value if numeric else len(value)
        what = "Length" if isinstance(value, str) else "Items" if isinstance(value, list) else "imum"
        least, most = f"min{what}", f"max{what}"
        if not schema.get(least, -math.inf) <= size <= schema.get(most, math.inf):
            return False
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return False
    if isinstance(value, list) and "items" in schema:
        return all(fits(item, schema["items"]) for item in value)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        if any(name not in value for name in schema.get("required", [])):
            return False
        more = schema.get("additionalProperties", True)
        if more is False and any(name not in properties for name in value):
            return False
        inner = {name: properties.get(name, {} if isinstance(more, bool) else more) for name in value}
        return all(fits(one, inner[name]) for name, one in value.items())
    return True


def same(value: Any, other: Any) -> bool:
    """Whether two values of JSON are one: true is no 1, and 1.0 is 1."""
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(same(*pair) for pair in zip(value, other, strict=True))
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(same(one, other[name]) for name, one in value.items())
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def length_score(length: int, least: int, most: int) -> float:
    """1.0 for a length from least to most, falling to 0.0 at nothing and at twice the most."""
    if length < least:
        return length / least
    return 1.0 if length <= most else max(0.0, 2.0 - length / max(most, 1))


def length_of(text: str, unit: str) -> int:
    """The length of a text in words or characters; in Chinese and Japanese a character counts as a word."""
    return len(WORD.findall(text)) if unit == "words" else len(text)


def language_score(text: str, language: str) -> float:
    """1.0 where the text is in the language, else 0.0: told by its script, or by the commonest words.

    A text too short to tell, or of numbers only, gets 0.0.
    """
    letters = [char for char in text if char.isalpha()]
    shares = {name: len(re.findall(script, "".join(letters))) for name, script in SCRIPTS.items()}
    if language in SCRIPTS:
        kana = bool(re.search(r"[\u3040-\u30ff]", text))
        mine = kana == (language == "Japanese") or language not in ("Chinese", "Japanese")
        return float(mine and shares[language] * 2 > len(letters))
    if max(shares.values()) * 2 > len(letters):
        return 0.0
    words = re.findall(r"\w+", text.casefold())
    counts = {name: sum(word in known.split() for word in words) for name, known in COMMON_WORDS.items()}
    others = [number for name, number in counts.items() if name != language]
    return float(counts[language] > max(others))


def repetition_score(text: str, size: int) -> float:
    """0.0 where no run of `size` words comes twice, down to nearly -1.0 where all of them do."""
    words = WORD.findall(text.casefold())
    runs = [tuple(words[place : place + size]) for place in range(len(words) - size + 1)]
    return len(set(runs)) / len(runs) - 1.0 if runs else 0.0
