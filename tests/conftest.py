"""What many tests share: the catalogue of the installed TRL, made once, and waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.adapters.catalog import CatalogCache
from studio.domain.arguments import Catalog

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def catalog_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that holds the catalogue, to be shared by the tests' homes."""
    folder = tmp_path_factory.mktemp("cache")
    CatalogCache(folder).get()
    return folder


@pytest.fixture(scope="session")
def catalog(catalog_folder: Path) -> Catalog:
    return CatalogCache(catalog_folder).get()


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    """Calls a function until it returns something true, and returns that; fails with a message after `timeout` s."""

    def wait(condition: Callable[[], Any], what: str = "the condition", timeout: float = 60.0) -> Any:
        deadline = time.monotonic() + timeout
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come within {timeout:.0f} s")
            time.sleep(0.05)

    return wait


@pytest.fixture
def root() -> Path:
    """The repository's root."""
    return ROOT
