"""The starter estate's module for programs' settings: only what is named changes, and everything comes back."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

FILE = Path(__file__).parents[2] / "playbooks/ansible/library/endpoint_settings.py"
URL, KEY, MODEL = "https://api.mistral.ai/v1", "k-1'2\"$x", "mistral-small-latest"


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("endpoint_settings", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SETTINGS = loaded()
VALUES = {"base_url": URL, "api_key": KEY, "model": MODEL}


class Ansible:
    """As much of AnsibleModule as the module needs of it to move files and restart services."""

    check_mode = False

    def __init__(self, restore: bool = False, code: int = 0) -> None:
        self.params = {"restore": restore}
        self.commands: list[list[str]] = []
        self.code = code

    def atomic_move(self, source: str, target: str) -> None:
        Path(source).chmod(Path(target).stat().st_mode & 0o7777)
        Path(source).rename(target)

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        self.commands.append(command)
        return self.code, "", "no"


def settle(path: Path, restore: bool = False, code: int = 0, **consumer: Any) -> tuple[bool, list[list[str]]]:
    ansible = Ansible(restore, code)
    changed = SETTINGS.settle(ansible, {"path": str(path), "format": "env", **consumer}, VALUES)
    return changed, ansible.commands


def beside(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir() if one != path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A=1\nOPENAI_MODEL=gpt-5\nB=2\n", "A=1\nOPENAI_MODEL=m\nB=2\n"),
        ("export OPENAI_MODEL = 'gpt' # ours\r\n", "export OPENAI_MODEL = 'm' # ours\r\n"),
        ('OPENAI_MODEL="gpt"\n#OPENAI_MODEL=x\n', 'OPENAI_MODEL="m"\n#OPENAI_MODEL=x\n'),
        ("X='\nOPENAI_MODEL=inside\n'\nOPENAI_MODEL=o\n", "X='\nOPENAI_MODEL=inside\n'\nOPENAI_MODEL=m\n"),
        ("OPENAI_MODEL=a\nOPENAI_MODEL=b\n", "OPENAI_MODEL=m\nOPENAI_MODEL=m\n"),
        ("OTHER=é", "OTHER=é\nOPENAI_MODEL=m\n"),
        ("", "OPENAI_MODEL=m\n"),
        ("OPENAI_MODEL=\n", "OPENAI_MODEL=m\n"),
    ],
)
def test_a_dotenv_file_keeps_every_other_byte(old: str, new: str) -> None:
    assert SETTINGS.changed_env(old, {"OPENAI_MODEL": "m"}) == new
    assert SETTINGS.changed_env(new, {"OPENAI_MODEL": "m"}) == new


@pytest.mark.parametrize(
    ("value", "line"),
    [("a b", "K='a b'"), ("it's $5", 'K="it\'s \\$5"'), ("plain/1:2", "K=plain/1:2"), ("#x", "K='#x'")],
)
def test_a_value_is_quoted_where_a_shell_needs_it(value: str, line: str) -> None:
    assert SETTINGS.changed_env("", {"K": value}) == f"{line}\n"


def test_names_that_are_not_said_are_those_of_openai() -> None:
    text = "OPENAI_API_BASE=https://api.openai.com/v1\n"
    assert SETTINGS.wanted(text, {"format": "env"}, VALUES) == {
        "OPENAI_API_BASE": URL,
        "OPENAI_API_KEY": KEY,
        "OPENAI_MODEL": MODEL,
    }
    assert SETTINGS.wanted("", {"format": "env", "model": ["A", "B"]}, {"model": MODEL}) == {"A": MODEL}


YAML = """\
# The assistant's settings
assistant:
  llm:   # which model
    api_base: "https://api.openai.com/v1"  # with version
    api_key: 'sk-old'
    model: gpt-5-mini
  notes: |
    llm:
      model: not this one
others:
  - llm: {model: neither}
  - model: nor this
"""


def test_yaml_keeps_comments_quotes_and_blocks() -> None:
    asked = {"assistant.llm.api_base": URL, "assistant.llm.api_key": KEY, "assistant.llm.model": MODEL}
    made = SETTINGS.changed_yaml(YAML, asked)
    assert yaml.safe_load(made)["assistant"]["llm"] == {"api_base": URL, "api_key": KEY, "model": MODEL}
    kept = [line for line in made.splitlines() if line in YAML.splitlines()]
    assert len(kept) == len(YAML.splitlines()) - 3
    assert '"https://api.mistral.ai/v1"  # with version' in made
    assert SETTINGS.changed_yaml(made, asked) == made


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a:\n  b: {c: 1}\n", "not at all"),
        ("a:\n  b:\n    c: 1\na:\n  b:\n    c: 2\n", "more than once"),
        ("a:\n  b:\n    c: &x 1\n", "not a plain text"),
        ("a:\n  b:\n    c: >\n      long\n", "not a plain text"),
        ("a: {b: {c: 1}}\n", "not at all"),
    ],
)
def test_yaml_that_is_not_surely_understood_is_left_alone(text: str, told: str) -> None:
    with pytest.raises(SETTINGS.Unfit, match=told):
        SETTINGS.changed_yaml(text, {"a.b.c": "m"})


def test_json_keeps_order_and_indentation() -> None:
    text = '{\n    "b": {"model": "gpt", "é": 1},\n    "a": []\n}\n'
    made = SETTINGS.changed_json(json.dumps(json.loads(text), indent=4, ensure_ascii=False) + "\n", {"b.model": "m"})
    assert made == '{\n    "b": {\n        "model": "m",\n        "é": 1\n    },\n    "a": []\n}\n'
    assert SETTINGS.changed_json('{"a":1,"m":"x"}', {"m": "y"}) == '{"a":1,"m":"y"}'
    for wrong in ("{", '{"m": 1, "m": 2}', "[]", '{"m": {}}'):
        with pytest.raises(SETTINGS.Unfit):
            SETTINGS.changed_json(wrong, {"m": "y"})


def test_what_was_there_comes_back_exactly(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    old = b"# ours\r\nOPENAI_API_KEY=sk-old\nX='1'"
    file.write_bytes(old)
    file.chmod(0o640)
    assert settle(file)[0]
    assert not settle(file)[0]
    assert b"sk-old" not in file.read_bytes()
    assert (tmp_path / ".env.bascule-before").read_bytes() == old
    assert (tmp_path / ".env.bascule-before").stat().st_mode & 0o777 == 0o600
    assert settle(file, model="OTHER_MODEL")[0]
    assert settle(file, restore=True)[0]
    assert not settle(file, restore=True)[0]
    assert (file.read_bytes(), file.stat().st_mode & 0o777, beside(file)) == (old, 0o640, [])


@pytest.mark.parametrize("between", [False, True])
def test_what_others_changed_since_is_not_overwritten(tmp_path: Path, between: bool) -> None:
    file = tmp_path / ".env"
    file.write_text("OPENAI_MODEL=gpt\n")
    settle(file)
    file.write_text(file.read_text() + "NEW=1\n")
    if between:
        assert settle(file, model="OTHER_MODEL")[0]
    seen = file.read_text()
    with pytest.raises(SETTINGS.Unfit, match="others changed it since"):
        settle(file, restore=True)
    assert file.read_text() == seen


def test_a_restart_that_failed_or_was_cut_off_is_made_up_for(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("OPENAI_MODEL=gpt\n")
    with pytest.raises(SETTINGS.Unfit, match="did not restart"):
        settle(file, code=1, restart="assistant")
    assert settle(file, restart="assistant") == (False, [["service", "assistant", "restart"]])
    assert settle(file, restart="assistant") == (False, [])


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.env", tmp_path / ".env"
    real.write_text("OPENAI_MODEL=gpt\n")
    link.symlink_to(real)
    settle(link)
    assert link.is_symlink()
    assert MODEL in real.read_text()
