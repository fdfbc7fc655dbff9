import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

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
