"""Help and mistakes on the command line: whole sentences, suggestions, and what Ctrl-C means."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from cli.command import clean_environment, springhead
from doc_pages import TOP
from springhead.cli import springhead as program
from support import Server


def commands(command: click.Command, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner
            yield from commands(inner, *words, name)


ALL = dict(commands(program))
GROUPS = {words: command for words, command in ALL.items() if isinstance(command, click.Group)}


@pytest.mark.parametrize("words", ALL, ids=" ".join)
@pytest.mark.parametrize("width", ["60", "120"])
def test_no_help_is_cut(words: tuple[str, ...], width: str) -> None:
    shown = springhead(*words, "--help", env={"COLUMNS": width})
    assert shown.returncode == 0
    assert "..." not in shown.stdout.replace("[OPTIONS] COMMAND [ARGS]...", "")


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_a_group_lists_the_first_sentence_of_each_visible_command(words: tuple[str, ...]) -> None:
    listed = " ".join(springhead(*words, "--help").stdout.partition("\nCommands:\n")[2].split())
    for path, command in ALL.items():
        if path[:-1] == words and path:
            (sentence,) = re.findall(r"^[^.]+", " ".join((command.help or "").split()))[:1]
            assert (f"{path[-1]} {sentence}." in listed) == (not command.hidden), path


def test_the_command_for_developers_is_hidden_and_works() -> None:
    assert "generate" not in springhead("--help").stdout
    assert springhead("generate", "--help").returncode == 0
    assert "Did you mean" not in springhead("generat").stderr


@pytest.mark.parametrize("path", [path for path in ALL if path and not ALL[path].hidden], ids=" ".join)
def test_a_mistyped_command_gets_a_suggestion(path: tuple[str, ...]) -> None:
    *words, name = path
    done = springhead(*words, name[:-1])
    assert done.returncode == 2
    assert f"No such command '{name[:-1]}'. Did you mean '{name}'?" in done.stderr


def test_a_command_like_no_other_leads_to_the_help() -> None:
    assert "No such command 'xyz'. To see all, run: springhead --help" in springhead("xyz").stderr
    assert "No such command 'xyz'. To see all, run: springhead key --help" in springhead("key", "xyz").stderr


def test_completion_knows_the_commands_and_their_flags() -> None:
    def completed(line: str) -> list[str]:
        words = {"COMP_WORDS": f"springhead {line}", "COMP_CWORD": str(len(line.split(" ")))}
        shown = springhead(env={"_SPRINGHEAD_COMPLETE": "bash_complete", **words}).stdout
        return re.findall(r"plain,(.*)", shown)

    assert completed("") == [path[0] for path in ALL if len(path) == 1 and not ALL[path].hidden]
    assert completed("key cr") == ["create"]
    assert completed("seed --le") == ["--leads"]


def test_ctrl_c_in_any_command_is_a_sentence() -> None:
    deaf = socket.create_server(("127.0.0.1", 0))  # a database that takes the connection and never answers
    url = f"postgresql://springhead@127.0.0.1:{deaf.getsockname()[1]}/springhead?sslmode=disable"
    environment = clean_environment() | {"SPRINGHEAD_DATABASE_URL": url}
    words = [sys.executable, "-m", "springhead", "company", "list"]
    with deaf, subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as listing:
        connected, _ = deaf.accept()
        listing.send_signal(signal.SIGINT)
        _, said = listing.communicate(timeout=20)
        connected.close()
    assert listing.returncode == 1
    assert said.splitlines()[-1] == (
        "Error: Ctrl-C stopped the command before it finished. What it had done until then stays done."
    )
    assert "Traceback" not in said


def test_ctrl_c_in_seed_says_what_is_stored_and_how_to_go_on(server: Server) -> None:
    made = springhead("company", "create", "Stopped", "--data", server.data, "--json")
    account = re.findall(r'"accountID": "(\w+)"', made.stdout)[0]
    words = ["seed", "--account", account, "--leads", "1000000", "--data", str(server.data)]
    with subprocess.Popen(
        [sys.executable, "-m", "springhead", *words], env=clean_environment(), stderr=subprocess.PIPE, text=True
    ) as seeding:
        assert seeding.stderr
        assert " of 1,000,000 leads" in seeding.stderr.readline()
        seeding.send_signal(signal.SIGINT)
        *_, last = seeding.stderr.read().splitlines()
        assert seeding.wait(20) == 1
    match = re.fullmatch(
        r"Error: Ctrl-C stopped the command\. ([\d,]+) of 1,000,000 leads are stored in Stopped\. To create the "
        r"others, run the same command again: it skips the leads that exist\.",
        last,
    )
    assert match, last
    stored = int(match[1].replace(",", ""))
    again = springhead(*words[:4], str(stored), *words[5:])
    assert again.returncode == 0
    assert again.stdout.startswith("Created 0 leads in Stopped in ")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_operating_names_every_command_that_prints_json(path: tuple[str, ...]) -> None:
    page = " ".join((TOP / "docs" / "operating.md").read_text().partition("## The command line")[2].split())
    prints_json = "--json" in {flag for parameter in ALL[path].params for flag in parameter.opts}
    section = page.partition("**Exit codes.**")[0]
    assert (re.search(rf"`(springhead )?{' '.join(path)}( --json)?`", section) is not None) == prints_json


def test_the_lines_for_completion_are_those_of_the_shells() -> None:
    page = (TOP / "docs" / "operating.md").read_text()
    shells = re.findall(r"_SPRINGHEAD_COMPLETE=(\w+)_source springhead", page)
    assert shells == ["bash", "zsh", "fish"]
    for shell in shells:
        script = springhead(env={"_SPRINGHEAD_COMPLETE": f"{shell}_source"})
        assert script.returncode == 0
        assert f"_SPRINGHEAD_COMPLETE={shell}_complete" in script.stdout
