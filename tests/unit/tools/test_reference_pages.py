import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

import ctsm_socnn
from ctsm_socnn.cli.main import COMMANDS
from ctsm_socnn.config import Config

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "reference_pages.py"


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    specification = importlib.util.spec_from_file_location("reference_pages", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_every_command_has_its_help_with_an_example(pages):
    text = pages.commands_page()
    for name in COMMANDS:
        section = text[text.index(f"\n## {name}\n") :].split("\n## ")[1]
        assert f"usage: ctsm-socnn {name}" in section
        assert f"  ctsm-socnn {name}" in section.split("options:")[0], name


def test_every_key_of_the_configuration_is_described(pages):
    text = pages.configuration_page()
    for section in Config.model_fields:
        assert section in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 30
    assert [row for row in rows if row.endswith("|  |")] == []
    assert "| `paramfile` | required |" in text


def test_every_public_name_has_its_signature_and_docstring(pages):
    text = pages.python_page()
    for name in sorted(set(ctsm_socnn.__all__) - {"SocnnError", "__version__"}):
        section = text.split(f"\n### {name}\n")[1].split("\n### ")[0]
        assert len(section.split()) > 8, name
    assert "cs.open_sites(path: str | Path, *, load: bool = True) -> xr.Dataset" in text
    assert "    *,\n    pools: Sequence[str | Path] = ()," in text
    assert "Names of the 21 parameters" in text


def test_a_notebook_becomes_a_page_with_its_text_and_code(pages, tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Text."]},
        {"cell_type": "code", "source": ["a = 1\n", "b = 2"]},
    ]
    notebook = tmp_path / "page.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    assert pages.notebook_page(notebook) == (
        "# Title\nText.\n\n```python\na = 1\nb = 2\n```\n\n[This page as a notebook](page.ipynb)\n"
    )
