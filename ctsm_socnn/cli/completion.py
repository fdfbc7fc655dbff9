"""Print a script with which the shell completes commands, options and file names.

Example:
  ctsm-socnn completion bash > ~/.local/share/bash-completion/completions/ctsm-socnn
  ctsm-socnn completion zsh >> ~/.zshrc
"""

from __future__ import annotations

import argparse
import re
from typing import Final

__all__ = ["add_arguments", "run"]

_SCRIPT: Final = """\
_ctsm_socnn() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" options=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands}" -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _ctsm_socnn ctsm-socnn
"""
_ZSH_HEAD: Final = "autoload -U +X bashcompinit && bashcompinit\n"
_OPTION: Final = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("shell", choices=("bash", "zsh"), help="shell that will read the script")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from ctsm_socnn.cli.main import COMMANDS, command_parser

    cases = []
    for name in COMMANDS:
        usage = command_parser(name).format_usage()
        options = sorted({*_OPTION.findall(usage.split(name, maxsplit=1)[1]), "--help"})
        cases.append(f'    {name}) options="{" ".join(options)}" ;;')
    script = _SCRIPT.format(commands=" ".join(COMMANDS), cases="\n".join(cases))
    print((_ZSH_HEAD if arguments.shell == "zsh" else "") + script, end="")
    return 0
