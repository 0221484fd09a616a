"""The command line: what a user asks for, and the exit code and the one line with which work ends."""

import io
import itertools
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from harness import __version__
from harness.commands.attack import attack
from harness.commands.attacks import attacks
from harness.commands.check import check
from harness.commands.claims import claims
from harness.commands.cluster import cluster
from harness.commands.confirm import confirm
from harness.commands.ctl import ctl
from harness.commands.defenses import defenses
from harness.commands.doctor import doctor
from harness.commands.ending import end_with, interruptible
from harness.commands.export import export
from harness.commands.new import new
from harness.commands.options import error_document, say
from harness.commands.plan import plan
from harness.commands.report import report
from harness.commands.resume import resume
from harness.commands.retry import retry
from harness.commands.run import run
from harness.commands.show import show
from harness.commands.status import status
from harness.credentials import hidden
from harness.errors import INTERRUPTED, MEND, OF_THE_MACHINE, Interrupted, UserError

DONE, DEFECT = 0, 1

AS_JSON = "--json"

NO_COMPLETION = "there is completion for bash, zsh, fish and PowerShell; call it from one of these"
"""Said when typer, which knows no other shells, leaves with 1; no command of ours does."""

BEFORE = "interrupted; the same command starts again"
"""Said when a command was cut off outside a study's work; typer has made its exit code of it."""

AGAIN = "mend it, then give this command again"
"""What to do where a folder cannot be written or a disk is full."""

app = typer.Typer(
    name="invfront",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
STUDIES = (new, check, plan, run, resume, retry, ctl, status, show, report, attack, confirm, cluster, export, claims)
for command in (*STUDIES, defenses, attacks, doctor):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"invfront {__version__}")
        raise typer.Exit


@app.callback()
def invfront(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Find the privacy-utility front of defenses against model inversion in split inference.

    \b
    Examples:
      invfront run quickstart
      invfront new my-study --data photographs
      invfront run my-study.yaml --set search/seed=1 --trials 40 --out runs
      invfront status runs/quickstart

    \b
    Exit codes: 0 done; 2 something for you to mend (one line says where, what and the way out);
    3 the study finished and no trial succeeded; 130 interrupted, can be resumed; 1 a defect of invfront.
    With --json a command that ends with 1, 2 or 130 prints {error: {message, exit_code}}.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a defect of ours is raised.

    Args:
        arguments: The command line without the program's name; null for this process's own.
    """
    _spell_out()
    asked = list(sys.argv[1:] if arguments is None else arguments)
    as_json = AS_JSON in itertools.takewhile(lambda word: word != "--", asked)
    with interruptible(last=arguments is None):
        try:
            code = _run(asked, as_json)
        except KeyboardInterrupt:
            code = _end(BEFORE, INTERRUPTED, as_json)
    if arguments is None:
        end_with(code)
    return code


def _run(asked: list[str], as_json: bool) -> int:
    try:
        code = app(args=asked or ["--help"], prog_name="invfront", standalone_mode=False)
        sys.stdout.flush()
        if code == DEFECT:
            return _end(NO_COMPLETION, MEND, as_json)
        return _end(BEFORE, INTERRUPTED, as_json) if code == INTERRUPTED else int(code or DONE)
    except TyperException as error:
        return _end(f"{error.format_message()} See `{_asked(error)} --help`.", MEND, as_json)
    except UserError as error:
        return _end(str(error), MEND, as_json)
    except Interrupted as error:
        return _end(str(error), INTERRUPTED, as_json)
    except (BrokenPipeError, SystemExit) as error:  # typer turns the former into the latter
        if not isinstance(error.__context__ or error, BrokenPipeError):
            raise
        _mute()
        return DONE
    except Exception as error:
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            return _end(f"{error.filename or 'the disk'}: {error.strerror}; {AGAIN}", MEND, as_json)
        if as_json:
            say(error_document(_line(f"{type(error).__name__}: {error}"), DEFECT))
        raise


def _asked(error: TyperException) -> str:
    """Return the command that was asked for what it has not, as far as it was understood."""
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "invfront"


def _end(message: str, code: int, as_json: bool) -> int:
    """Print one line that holds no password, as a document too if a program reads it, and return the exit code."""
    line = _line(message)
    try:
        print(f"invfront: {line}", file=sys.stderr, flush=True)
        if as_json:
            say(error_document(line, code))
        sys.stdout.flush()
    except OSError:  # the terminal was closed
        _mute()
    return code


def _spell_out() -> None:
    """Let characters that the terminal cannot show, and bytes in names that are none, be written as escapes."""
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")


def _mute() -> None:
    """Let what is still to be printed go nowhere, since nobody reads it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        os.dup2(nowhere, output)


def _line(message: str) -> str:
    if "/stores/" in message:  # this machine's copy of a study in a store goes by that one's address
        from harness.ledger import in_words

        message = in_words(message)
    return hidden(" ".join(message.split()))


if __name__ == "__main__":
    sys.exit(main())
