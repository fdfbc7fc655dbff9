"""Commands in the documentation and in help texts: each is understood by its command."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from ctsm_socnn.cli.main import COMMANDS, command_parser
from ctsm_socnn.config import parse_config

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([PROJECT / "README.md", *(PROJECT / "docs").rglob("*.md")])
_FENCE = re.compile(r"^( *)```[a-z]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def _commands(text: str) -> list[str]:
    """Lines that begin with the program's name, continuations joined, comments cut off."""
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line.strip() for line in joined.splitlines()]
    return [line for line in lines if line.startswith("ctsm-socnn ") and "..." not in line]


def _examples() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        blocks = "\n".join(m[2] for m in _FENCE.finditer(page.read_text(encoding="utf-8")))
        found += [(page.name, line) for line in _commands(blocks)]
    for name, (module, _) in COMMANDS.items():
        help_text = importlib.import_module(module).__doc__ or ""
        found += [(f"{name} --help", line) for line in _commands(help_text)]
    return found


EXAMPLES = _examples()


def test_there_are_examples_of_every_command():
    assert {shlex.split(line)[1] for _, line in EXAMPLES} >= set(COMMANDS)


@pytest.mark.parametrize(("where", "line"), EXAMPLES, ids=lambda value: value[:60])
def test_an_example_is_understood(where, line):
    _, name, *words = shlex.split(re.sub(r" [>|] ?.*$", "", line), comments=True)
    assert name in COMMANDS, f"{where}: {line}"
    command_parser(name).parse_args(words)


def _configurations() -> list[tuple[str, str]]:
    """TOML that holds a whole configuration."""
    blocks = re.compile(r"^( *)```toml\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
    found = [(page.name, m[2]) for page in PAGES for m in blocks.finditer(page.read_text())]
    return [(name, text) for name, text in found if "[forcing]" in text and "[[case]]" in text]


@pytest.mark.parametrize(("where", "text"), _configurations(), ids=lambda value: value[:20])
def test_a_whole_configuration_is_accepted(where, text, tmp_path):
    config = parse_config(tomllib.loads(text), where=where, directory=tmp_path)
    assert config.case


def test_the_readme_holds_a_whole_configuration():
    assert "README.md" in {name for name, _ in _configurations()}
