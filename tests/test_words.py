"""The page in other languages: every word is there in each, and a browser of that language shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from app_process import app
from browser import loops_closed, open_page
from page_words import page_words
from playwright.sync_api import expect

from studio.adapters.home import Home
from studio.service.studio import Studio
from studio.ui.words import LANGUAGES, dictionary


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory, catalog_folder: Path) -> set[str]:
    home = tmp_path_factory.mktemp("words")
    (home / "cache").symlink_to(catalog_folder)
    with loops_closed():
        return page_words(Studio(Home(home)))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_of_the_page_is_there_and_no_other(words: set[str], language: str) -> None:
    assert len(words) > 250
    known = dictionary(language)
    assert sorted(words - set(known)) == []
    assert sorted(set(known) - words) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_in_a_sentence_stay(language: str) -> None:
    for english, said in dictionary(language).items():
        assert said.strip(), english
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", said)), english


def test_languages_differ_from_english() -> None:
    for language in LANGUAGES:
        known = dictionary(language)
        same = [english for english, said in known.items() if said == english and len(english.split()) > 3]
        assert same == [], language


@pytest.mark.browser
@pytest.mark.parametrize(
    "locale", ["zh-CN", *(pytest.param(one, marks=pytest.mark.slow) for one in ("de-DE", "ja", "fr-CA"))]
)
def test_the_browsers_language_is_spoken(tmp_path: Path, catalog_folder: Path, locale: str) -> None:
    language = next(code for code in LANGUAGES if code.split("-")[0] == locale.split("-")[0])
    known = dictionary(language)
    with app(tmp_path, catalog_folder) as running, open_page(running.url, locale=locale) as opened:
        page = opened.page
        expect(page.locator("#recipe-card pre.ts-code")).to_be_visible()
        expect(page.locator('button[role=tab][data-tab-id="data"]')).to_have_text(known["Data"])
        expect(page.locator("#start")).to_have_text(known["Start training"])
        expect(page.locator('#recipe-card [data-do="new"]')).to_have_text(known["New recipe"])
        page.locator('button[role=tab][data-tab-id="training"]').click()
        lead = known["The essentials of {method}. What is left alone keeps TRL's default."].replace("{method}", "SFT")
        expect(page.locator("p.ts-lead", has_text=lead)).to_be_visible()
        expect(page.locator("#arg-learning_rate")).to_contain_text(known["Learning rate"])
        page.locator('#recipe-card [data-do="new"]').click()
        expect(page.locator("#start")).to_have_text(known["Choose a model"])
