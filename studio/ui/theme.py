"""The look of the page: colours for light and dark, Gradio's theme variables, stylesheets and fonts served as files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import gradio as gr

from studio.ui.tour import steps_json
from studio.ui.words import translations

STATIC = Path(__file__).parent / "static"

# Each token becomes the CSS variable --ts-<name>; the dark value holds below `.dark`.
TOKENS: dict[str, tuple[str, str]] = {
    "bg": ("#f7f7f5", "#121314"),
    "panel": ("#ffffff", "#1a1b1d"),
    "line": ("#e4e4df", "#2c2e31"),
    "edge": ("#8b8e92", "#6b6f75"),
    "ink": ("#1c1d1f", "#ececea"),
    "sub": ("#62656b", "#a6a9ae"),
    "faint": ("#686b71", "#94979d"),
    "acc": ("#0f766e", "#4fd1b8"),
    "acc-strong": ("#0b5f58", "#6fdcc7"),
    "on-acc": ("#ffffff", "#06211c"),
    "accbg": ("#e6f4f1", "#12312c"),
    "warn": ("#8a5a00", "#e3b341"),
    "warnbg": ("#fff5d6", "#2e2610"),
    "err": ("#b42318", "#ff8b7e"),
    "errbg": ("#fdeceb", "#331816"),
    "ok": ("#187a34", "#56d364"),
    "code": ("#f3f3f0", "#202225"),
    "c3": ("#3b5fa8", "#8ab0ff"),
    "c4": ("#7a4a9e", "#c9a0ee"),
    "c5": ("#6b6f75", "#a6a9ae"),
}

_LATIN = (
    "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+0304,U+0308,U+0329,U+2000-206F,"
    "U+20AC,U+2122,U+2191,U+2193,U+2212,U+2215,U+FEFF,U+FFFD"
)
_LATIN_EXT = (
    "U+0100-02BA,U+02BD-02C5,U+02C7-02CC,U+02CE-02D7,U+02DD-02FF,U+0304,U+0308,U+0329,U+1D00-1DBF,U+1E00-1E9F,"
    "U+1EF2-1EFF,U+2020,U+20A0-20AB,U+20AD-20C0,U+2113,U+2C60-2C7F,U+A720-A7FF"
)
_FONTS = (
    ("Inter", "100 900", "inter-latin-wght-normal.woff2", _LATIN),
    ("Inter", "100 900", "inter-latin-ext-wght-normal.woff2", _LATIN_EXT),
    ("JetBrains Mono", "400", "jetbrains-mono-latin-400-normal.woff2", _LATIN),
    ("JetBrains Mono", "400", "jetbrains-mono-latin-ext-400-normal.woff2", _LATIN_EXT),
    ("JetBrains Mono", "600", "jetbrains-mono-latin-600-normal.woff2", _LATIN),
)

# Gradio's variables in our tokens. Keys are names of `gr.themes.Base.set`; each value holds for light and dark.
_COLOURS = {
    "body_text_color_subdued": "faint",
    "background_fill_primary": "panel",
    "background_fill_secondary": "code",
    "border_color_accent": "acc",
    "border_color_accent_subdued": "line",
    "border_color_primary": "line",
    "color_accent": "acc",
    "color_accent_soft": "accbg",
    "link_text_color": "acc",
    "link_text_color_active": "acc-strong",
    "link_text_color_hover": "acc-strong",
    "link_text_color_visited": "acc",
    "code_background_fill": "code",
    "block_background_fill": "panel",
    "block_border_color": "line",
    "block_info_text_color": "faint",
    "block_label_background_fill": "panel",
    "block_label_border_color": "line",
    "block_label_text_color": "ink",
    "block_title_text_color": "ink",
    "panel_background_fill": "panel",
    "panel_border_color": "line",
    "accordion_text_color": "ink",
    "table_text_color": "ink",
    "checkbox_background_color": "panel",
    "checkbox_background_color_focus": "panel",
    "checkbox_background_color_hover": "panel",
    "checkbox_background_color_selected": "acc",
    "checkbox_border_color": "edge",
    "checkbox_border_color_focus": "acc",
    "checkbox_border_color_hover": "acc",
    "checkbox_border_color_selected": "acc",
    "checkbox_label_background_fill": "panel",
    "checkbox_label_background_fill_hover": "code",
    "checkbox_label_background_fill_selected": "accbg",
    "checkbox_label_border_color": "line",
    "checkbox_label_border_color_hover": "line",
    "checkbox_label_border_color_selected": "acc",
    "checkbox_label_text_color": "ink",
    "checkbox_label_text_color_selected": "ink",
    "error_background_fill": "errbg",
    "error_border_color": "err",
    "error_text_color": "err",
    "error_icon_color": "err",
    "input_background_fill": "panel",
    "input_background_fill_focus": "panel",
    "input_background_fill_hover": "panel",
    "input_border_color": "line",
    "input_border_color_focus": "acc",
    "input_border_color_hover": "edge",
    "input_placeholder_color": "faint",
    "loader_color": "acc",
    "slider_color": "acc",
    "stat_background_fill": "accbg",
    "table_border_color": "line",
    "table_even_background_fill": "panel",
    "table_odd_background_fill": "panel",
    "table_row_focus": "accbg",
    "button_primary_background_fill": "acc",
    "button_primary_background_fill_hover": "acc-strong",
    "button_primary_border_color": "acc",
    "button_primary_border_color_hover": "acc-strong",
    "button_primary_text_color": "on-acc",
    "button_primary_text_color_hover": "on-acc",
    "button_secondary_background_fill": "panel",
    "button_secondary_background_fill_hover": "code",
    "button_secondary_border_color": "line",
    "button_secondary_border_color_hover": "edge",
    "button_secondary_text_color": "ink",
    "button_secondary_text_color_hover": "ink",
    "button_cancel_background_fill": "panel",
    "button_cancel_background_fill_hover": "errbg",
    "button_cancel_border_color": "err",
    "button_cancel_border_color_hover": "err",
    "button_cancel_text_color": "err",
    "button_cancel_text_color_hover": "err",
}
_MEASURES = {
    "body_text_size": "14px",
    "block_border_width": "1px",
    "block_info_text_size": "12px",
    "block_label_text_size": "12.5px",
    "block_label_text_weight": "560",
    "block_padding": "14px 16px",
    "block_radius": "8px",
    "block_title_text_size": "12.5px",
    "block_title_text_weight": "560",
    "container_radius": "8px",
    "form_gap_width": "0px",
    "layout_gap": "16px",
    "prose_text_size": "14px",
    "prose_header_text_weight": "620",
    "section_header_text_size": "13.5px",
    "section_header_text_weight": "400",
    "checkbox_border_radius": "4px",
    "checkbox_label_gap": "8px",
    "checkbox_label_padding": "5px 11px",
    "checkbox_label_text_size": "13px",
    "input_border_width": "1px",
    "input_padding": "7px 10px",
    "input_radius": "6px",
    "input_text_size": "14px",
    "table_radius": "8px",
    "button_border_width": "1px",
    "button_large_padding": "11px 16px",
    "button_large_radius": "7px",
    "button_large_text_size": "14px",
    "button_large_text_weight": "560",
    "button_medium_padding": "7px 14px",
    "button_medium_radius": "6px",
    "button_medium_text_size": "13px",
    "button_medium_text_weight": "500",
    "button_small_padding": "5px 12px",
    "button_small_radius": "6px",
    "button_small_text_size": "12.5px",
    "button_small_text_weight": "500",
    "button_transform_hover": "none",
    "button_transform_active": "none",
}
_SHADOWS = (
    *("shadow_drop", "shadow_drop_lg", "shadow_inset", "shadow_spread", "shadow_spread_dark"),
    *(
        "block_shadow",
        "block_shadow_dark",
        "block_label_shadow",
        "checkbox_shadow",
        "input_shadow",
        "input_shadow_dark",
    ),
    *("checkbox_label_shadow", "checkbox_label_shadow_dark", "checkbox_label_shadow_hover"),
    *("checkbox_label_shadow_hover_dark", "checkbox_label_shadow_active", "checkbox_label_shadow_active_dark"),
    *(
        f"button_{kind}_shadow{state}{mode}"
        for kind in ("primary", "secondary", "cancel")
        for state in ("", "_hover", "_active")
        for mode in ("", "_dark")
    ),
)


@cache
def _serve() -> None:
    """Let Gradio serve the static folder; once, since Gradio appends to a list at each call."""
    gr.set_static_paths([STATIC])


def static_url(name: str) -> str:
    """Return the address of a file below `static/`, relative to the app's root, changing when the content does."""
    _serve()
    path = STATIC / name
    version = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    return f"gradio_api/file={quote(path.resolve().as_posix(), safe='/:')}?v={version}"


def css() -> str:
    """Return the stylesheet of the whole page: tokens, fonts, chart library, our own pieces, Gradio's own parts.

    The theme carries it (`/theme.css`), since Gradio rewrites the selectors of `launch(css=)` and loads it unversioned.
    """
    light = "".join(f"--ts-{name}:{value[0]};" for name, value in TOKENS.items())
    dark = "".join(f"--ts-{name}:{value[1]};" for name, value in TOKENS.items())
    fonts = "\n".join(
        f"@font-face{{font-family:'{family}';font-style:normal;font-display:swap;font-weight:{weight};"
        f"src:url('{static_url(f'fonts/{file}')}') format('woff2');unicode-range:{span}}}"
        for family, weight, file, span in _FONTS
    )
    names = ("uplot/uPlot.min.css", "gradio.css", "studio.css", "chart.css")
    tabs = sorted(path.name for path in (STATIC / "tabs").glob("*.css"))  # what only one tab draws
    sheets = [(STATIC / name).read_text("utf-8") for name in (*names, *(f"tabs/{tab}" for tab in tabs))]
    return "\n".join([f":root{{color-scheme:light;{light}}}\n.dark{{color-scheme:dark;{dark}}}", fonts, *sheets])


class StudioTheme(gr.themes.Base):  # type: ignore[misc]
    """Gradio's base theme with our tokens, and our stylesheet behind it."""

    def __init__(self) -> None:
        super().__init__(
            font=[gr.themes.Font("Inter"), "DejaVu Sans", "sans-serif"],
            font_mono=[gr.themes.Font("JetBrains Mono"), "DejaVu Sans Mono", "monospace"],
            radius_size=gr.themes.sizes.radius_md,
            spacing_size=gr.themes.sizes.spacing_md,
            text_size=gr.themes.sizes.text_md,
        )
        self.name = "studio"
        values = dict(_MEASURES) | dict.fromkeys(_SHADOWS, "none")
        settable = signature(gr.themes.Base.set).parameters
        for name, token in _COLOURS.items():
            values[name] = f"var(--ts-{token})"
            # Base gives most colours a dark value of their own, so both are said.
            if f"{name}_dark" in settable:
                values[f"{name}_dark"] = values[name]
        # The page's frame uses these two before any stylesheet has loaded: values, not variables.
        for name, token in (("body_background_fill", "bg"), ("body_text_color", "ink")):
            values[name], values[f"{name}_dark"] = TOKENS[token]
        super().set(**values)
        self.custom_css = css()


def theme() -> StudioTheme:
    """Return the theme for `launch(theme=)` or `mount_gradio_app(theme=)`; it carries the stylesheet too."""
    return StudioTheme()


def head() -> str:
    """Return what goes into `launch(head=)`: the page's small scripts, and the steps of its tour."""
    steps = json.dumps(steps_json()).replace("</", "<\\/")
    files = [(STATIC / name).read_text("utf-8") for name in ("page.js", "tour.js", "search.js")]
    scripts = [f"window.tsTourSteps = {steps};", *files]
    return "".join(f"<script>{script}</script>" for script in scripts)


def launch_options() -> dict[str, Any]:
    """Return look and languages as keywords of `Blocks.launch` and of `mount_gradio_app`."""
    return {"theme": theme(), "head": head(), "i18n": translations()}


@dataclass(frozen=True, slots=True)
class TabState:
    """The short value behind a tab's name, e.g. `r 32`, and how it stands: settled, open question or plain count."""

    text: str
    tone: Literal["ok", "warn", "plain"] = "ok"


def tab_states(states: Mapping[str, TabState]) -> str:
    """Return the content of a `gr.HTML` that writes each state behind the name of the tab with that id.

    Gradio's tab labels hold only text of one colour; the state is generated content, which screen readers read too.
    """
    colours = {"ok": "ok", "warn": "warn", "plain": "faint"}
    rules = "".join(
        f"button[role=tab][data-tab-id={_css_string(tab)}]::before"
        f"{{content:{_css_string(state.text)};color:var(--ts-{colours[state.tone]})}}"
        for tab, state in states.items()
        if state.text
    )
    return f"<style>{rules}</style>"


def _css_string(text: str) -> str:
    """Quote text for CSS inside HTML: every character beyond letters, digits and space becomes a code point."""
    return '"' + "".join(c if c.isalnum() or c == " " else f"\\{ord(c):x} " for c in text) + '"'
