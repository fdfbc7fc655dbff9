import shutil
import subprocess

import pytest

from ctsm_socnn.cli.main import COMMANDS, main


@pytest.fixture(params=["bash", "zsh"])
def script(request, capsys) -> str:
    assert main(["completion", request.param]) == 0
    return capsys.readouterr().out


def _completed(script: str, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash")
    array = " ".join(f"'{word}'" for word in words)
    code = f"{script}\nCOMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _ctsm_socnn\n"
    code += 'printf "%s\\n" "${COMPREPLY[@]}"\n'
    done = subprocess.run([bash, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_commands_are_completed(capsys):
    main(["completion", "bash"])
    script = capsys.readouterr().out
    assert _completed(script, "ctsm-socnn", "") == list(COMMANDS)
    assert _completed(script, "ctsm-socnn", "doc") == ["doctor"]


def test_options_of_the_command_are_completed(capsys):
    main(["completion", "bash"])
    script = capsys.readouterr().out
    assert "--workers" in _completed(script, "ctsm-socnn", "build-params", "-")
    assert _completed(script, "ctsm-socnn", "doctor", "--j") == ["--json"]
    assert "--workers" not in _completed(script, "ctsm-socnn", "doctor", "-")


def test_parts_of_a_command_are_completed_with_their_options(capsys):
    main(["completion", "bash"])
    script = capsys.readouterr().out
    assert _completed(script, "ctsm-socnn", "export", "p") == ["paramfile"]
    assert _completed(script, "ctsm-socnn", "profiles", "i") == ["inspect"]
    assert "--ctsm-root" in _completed(script, "ctsm-socnn", "export", "usermods", "--c")


def test_names_with_spaces_are_completed_whole(capsys, tmp_path):
    (tmp_path / "two words.nc").touch()
    main(["completion", "bash"])
    script = capsys.readouterr().out
    found = _completed(script, "ctsm-socnn", "show", f"{tmp_path}/t")
    assert found == [f"{tmp_path}/two words.nc"]


def test_both_shells_get_the_same_function(script):
    assert script.count("complete -o filenames -F _ctsm_socnn ctsm-socnn") == 1
    for name in COMMANDS:
        assert f"    {name}) options=" in script
