"""Check this machine: kernel, compiler, threads, libraries, GPU, writable directories.

Exits 1 if something is broken. For what is merely absent it says what is lost without it.

Example:
  ctsm-socnn doctor
  ctsm-socnn doctor --directory /scratch/me --json
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ctsm_socnn.cli.json_text import add_json, print_result
from ctsm_socnn.environment import Finding, examine

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument(
        "--directory",
        type=Path,
        action="append",
        default=[],
        help="a directory that must be writable, besides the current one; may be repeated",
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings."""
    findings = examine([Path.cwd(), *arguments.directory])
    print_result(arguments, findings, _table(findings))
    return 1 if any(finding.state == "broken" for finding in findings) else 0


def _table(findings: Sequence[Finding]) -> str:
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        remedy = f"  ->  {finding.remedy}" if finding.remedy else ""
        lines.append(f"{finding.state:<7} {finding.name:<{width}}  {finding.value}{remedy}")
    return "\n".join(lines)
