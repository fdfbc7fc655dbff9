"""Pages of the documentation that are written by the code itself: commands, configuration, Python.

A hook of MkDocs (see mkdocs.yml). What is generated cannot drift from what is shipped.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import ctsm_socnn
from ctsm_socnn.cli.main import COMMANDS, EXIT_STATUS, command_parser
from ctsm_socnn.config import Config

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

NOTEBOOK: Final = "tutorial_python.ipynb"

_ANNOTATION: Final = re.compile(r"(: |-> )'([^']*)'")
_WIDTH: Final = 80


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those on disk."""
    from mkdocs.structure.files import File

    notebook = Path(config.docs_dir) / NOTEBOOK
    pages = {
        "reference/commands.md": commands_page(),
        "reference/configuration.md": configuration_page(),
        "reference/python.md": python_page(),
        str(Path(NOTEBOOK).with_suffix(".md")): notebook_page(notebook),
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def commands_page() -> str:
    """Help text of every command."""
    lines = [
        "# Commands",
        "",
        f"{EXIT_STATUS.capitalize()}.",
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


def python_page() -> str:
    """Every name that `import ctsm_socnn as cs` gives."""
    lines = ["# Python", "", "```python", "import ctsm_socnn as cs", "```"]
    for module_name, names in ctsm_socnn.API.items():
        module = import_module(f"ctsm_socnn.{module_name}")
        if module_name.partition(".")[2] == "":
            lines += ["", f"## {module_name}", "", *_first_line(module)]
        for name in names:
            lines += ["", f"### {name}", "", "```text", _described(module, name), "```"]
    return "\n".join(lines) + "\n"


def _first_line(documented: object) -> list[str]:
    return (inspect.getdoc(documented) or "").splitlines()[:1]


def _described(module: ModuleType, name: str) -> str:
    """Signature and docstring of a function or class, what the source says of a constant."""
    value = getattr(module, name)
    if not callable(value):
        return _text_after(module, name)
    return f"cs.{name}{_signature(value)}\n\n{inspect.getdoc(value)}"


def _signature(function: Callable[..., object]) -> str:
    """Arguments, one a line where there are many; annotations without their quotes."""
    signature = _ANNOTATION.sub(r"\1\2", str(inspect.signature(function)))
    if len(signature) <= _WIDTH:
        return signature
    words = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in words:
            words.append("*")
        words.append(_ANNOTATION.sub(r"\1\2", str(parameter)))
    result = signature.rpartition(")")[2]
    return "(\n" + "".join(f"    {word},\n" for word in words) + f"){result}"


def _text_after(module: ModuleType, name: str) -> str:
    """Read the string that stands below an assignment, where the name comes from."""
    body = ast.parse(inspect.getsource(module)).body
    for node, following in pairwise(body):
        assigned = isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) == name
        if assigned and isinstance(following, ast.Expr):
            return inspect.cleandoc(str(ast.literal_eval(following.value)))
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return _text_after(import_module(str(node.module)), name)
    raise LookupError(f"{module.__name__}: nothing stands below {name}")


def notebook_page(path: Path) -> str:
    """Show a notebook: text as it is, code in fences."""
    lines = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        lines.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    return "\n\n".join([*lines, f"[This page as a notebook]({path.name})"]) + "\n"


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
