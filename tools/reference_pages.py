"""Pages of the documentation that are written by the code itself: commands and configuration.

A hook of MkDocs (see mkdocs.yml). What is generated cannot drift from what is shipped.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ctsm_socnn.cli.main import COMMANDS, command_parser
from ctsm_socnn.config import Config

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those on disk."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "reference/commands.md", content=commands_page()))
    files.append(File.generated(config, "reference/configuration.md", content=configuration_page()))
    return files


def commands_page() -> str:
    """Help text of every command."""
    lines = [
        "# Commands",
        "",
        "Exit status: 0 done, 1 a check failed, 2 the user must mend something, 130 interrupted.",
    ]
    for name in COMMANDS:
        lines += [
            "",
            f"## {name}",
            "",
            "```text",
            command_parser(name).format_help().rstrip(),
            "```",
        ]
    return "\n".join(lines) + "\n"


def configuration_page() -> str:
    """Every key of the configuration file."""
    lines = ["# Configuration", "", "A TOML file; unknown keys are refused."]
    return "\n".join([*lines, *_section_lines("", Config)]) + "\n"


def _section_lines(path: str, model: type[BaseModel]) -> Iterator[str]:
    plain = {k: f for k, f in model.model_fields.items() if _section_of(f) is None}
    if plain:
        yield from (
            "",
            f"## {path or 'top level'}",
            "",
            "| key | default | meaning |",
            "|---|---|---|",
        )
        described = _attributes(model)
        for key, field in plain.items():
            meaning = field.description or described.get(key, "")
            yield f"| `{key}` | {_default(field)} | {meaning}{_choices(field, meaning)} |"
    for key, field in model.model_fields.items():
        section = _section_of(field)
        if section is not None:
            yield from _section_lines(f"{path}.{key}".strip("."), section)


def _attributes(model: type[BaseModel]) -> dict[str, str]:
    """Read what the docstrings of the class and its bases say of its attributes."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        _, _, section = inspect.cleandoc(base.__doc__ or "").partition("Attributes\n----------\n")
        names: list[str] = []
        for line in section.splitlines():
            if line.startswith("    "):
                found |= {name: f"{found.get(name, '')} {line.strip()}".strip() for name in names}
            else:
                names = [name.strip() for name in line.partition(" : ")[0].split(",")]
    return found


def _choices(field: FieldInfo, meaning: str) -> str:
    """Possible values, or the type where nothing else is said."""
    if get_origin(field.annotation) is Literal:
        words = ", ".join(f"`{word}`" for word in get_args(field.annotation))
        return f" (one of {words})" if meaning else f"one of {words}"
    return "" if meaning else str(getattr(field.annotation, "__name__", field.annotation))


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    candidates: tuple[Any, ...] = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    return "" if value is None else f"`{value}`"
