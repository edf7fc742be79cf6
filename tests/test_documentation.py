"""What the documentation says can be done: links lead somewhere, commands compose, the help is complete."""

from __future__ import annotations

import re
import shlex
import string
from pathlib import Path

import pytest
from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override

from unmask import convert, measure
from unmask.benchmark.__main__ import parse as parse_benchmark
from unmask.building import typed
from unmask.compare.__main__ import parse as parse_compare
from unmask.config_dir import config_dir
from unmask.export.__main__ import parse as parse_export
from unmask.photos.__main__ import parse as parse_photos
from unmask.shell import check_overrides
from unmask.web.__main__ import parse as parse_web

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md"), ROOT / "data/sample/README.md"])
RUN = ("unmask ", "python -m unmask.run ")
TABLED = ("method", "experiment", "data", "occlusion", "generator")
"""The groups that the help lists; nobody chooses among the others."""


pytestmark = pytest.mark.usefixtures("hydra_ready")


def help_text() -> str:
    template = compose("run", return_hydra_config=True).hydra.help.template
    return string.Template(template).substitute()  # as Hydra does; fails on a stray dollar sign


def commands(text: str) -> list[str]:
    """The lines of fenced blocks without a language, or of the help, that start one of the programs."""
    blocks = re.findall(r"^```\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL) or [text]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith((*RUN, "python -m unmask."))]


FOLLOWED = ROOT / "docs/extending.md"
"""Its commands are given, not only parsed, by test_extending.py, in a project that it extends."""
DOCUMENTED = sorted(
    {command for page in PAGES if page != FOLLOWED for command in commands(page.read_text(encoding="utf-8"))}
)


def first_value(override: Override) -> str:
    """The override with the first of its values, if it sweeps."""
    if not override.is_sweep_override():
        return str(override.input_line)
    value = override.value()
    first = value.start if isinstance(value, IntervalSweep) else next(override.sweep_string_iterator())
    return f"{override.key_or_group}={first}"


def compose_line(line: str) -> None:
    """Compose what a command line asks for; of a sweep, the first job."""
    arguments = shlex.split(line.replace("--cfg job", ""), comments=True)
    arguments = arguments[1:] if arguments[0] == "unmask" else arguments[3:]
    check_overrides(arguments)
    given = [one for one in arguments if one not in ("-m", "--help")]
    typed(compose("run", [first_value(one) for one in OverridesParser.create().parse_overrides(given)]))


def test_there_are_commands_to_look_at() -> None:
    assert len(DOCUMENTED) > 30


@pytest.mark.parametrize("command", DOCUMENTED)
def test_a_documented_command_can_be_given(command: str) -> None:
    arguments = shlex.split(command, comments=True)
    if command.startswith(RUN):
        compose_line(command)
    elif arguments[2] == "unmask.compare":
        parse_compare(arguments[3:])
    elif arguments[2] == "unmask.convert":
        convert.parse(arguments[3:])
    elif arguments[2] == "unmask.export":
        parse_export(arguments[3:])
    elif arguments[2] == "unmask.measure":
        measure.parse(arguments[3:])
    elif arguments[2] == "unmask.benchmark":
        parse_benchmark(arguments[3:])
    elif arguments[2] == "unmask.photos":
        parse_photos(arguments[3:])
    elif arguments[2] == "unmask.web":
        parse_web(arguments[3:])
    else:
        assert arguments[2:] in (["unmask.weights"], ["unmask.weights", "--list"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    links += re.findall(r"^\[[^\]]+\]: (\S+)", text, flags=re.MULTILINE)
    for link in links:
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def anchors(text: str) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def test_every_page_is_in_the_table_of_contents() -> None:
    contents = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = {page.name for page in ROOT.glob("docs/*.md")} - {"README.md"}
    assert pages == set(re.findall(r"\]\(([^)#/]+\.md)\)", contents))


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 9000


def test_the_help_fits_a_terminal() -> None:
    lines = help_text().splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 60


def test_the_help_lists_every_choice() -> None:
    groups = help_text().partition("Groups")[2].partition("Examples")[0]
    for group in TABLED:
        (row,) = re.findall(rf"^  {group} (.*?)(?=^  \w|\Z)", groups, flags=re.MULTILINE | re.DOTALL)
        folder = config_dir() / group
        for choice in folder.rglob("*.yaml"):
            name = choice.relative_to(folder).with_suffix("").as_posix()
            assert re.search(rf"(?<![\w/]){name}(?![\w/])", row), f"{group}={name}"


def test_the_examples_of_the_help_can_be_given() -> None:
    examples = commands(help_text().partition("Examples")[2].partition("Options")[0])
    assert len(examples) >= 12
    for example in examples:
        if example.startswith(RUN):
            compose_line(example)
