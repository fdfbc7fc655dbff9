"""Print a script with which the shell completes commands, options and file names.

Example:
  ctsm-socnn completion bash > ~/.local/share/bash-completion/completions/ctsm-socnn
  ctsm-socnn completion zsh >> ~/.zshrc
"""

from __future__ import annotations

import argparse
from typing import Final

__all__ = ["add_arguments", "run"]

_SCRIPT: Final = """\
_ctsm_socnn() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" options="" parts=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands}" -- "$word"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *)
      if [ "$COMP_CWORD" -eq 2 ] && [ -n "$parts" ]; then
        COMPREPLY=($(compgen -W "$parts" -- "$word"))
      else
        local IFS=$'\\n'
        COMPREPLY=($(compgen -f -- "$word"))
      fi ;;
  esac
}}
complete -o filenames -F _ctsm_socnn ctsm-socnn
"""
_ZSH_HEAD: Final = "autoload -U +X bashcompinit && bashcompinit\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("shell", choices=("bash", "zsh"), help="shell that will read the script")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from ctsm_socnn.cli.main import COMMANDS, command_parser, with_parts

    cases = []
    for name in COMMANDS:
        parser = command_parser(name)
        actions = [action for part in with_parts(parser) for action in part._actions]
        options = sorted({option for action in actions for option in action.option_strings})
        words = f'options="{" ".join(options)}" parts="{" ".join(_parts(parser))}"'
        cases.append(f"    {name}) {words} ;;")
    script = _SCRIPT.format(commands=" ".join(COMMANDS), cases="\n".join(cases))
    print((_ZSH_HEAD if arguments.shell == "zsh" else "") + script, end="")
    return 0


def _parts(parser: argparse.ArgumentParser) -> list[str]:
    """Words of which the first after the command must be one."""
    positional = [action for action in parser._actions if not action.option_strings]
    return [str(word) for word in positional[0].choices or ()] if positional else []
