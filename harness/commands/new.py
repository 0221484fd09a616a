"""``invfront new``: a first study file for images that nobody has described yet."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.commands.environment import quiet
from harness.commands.options import Json, say
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.data.survey import Survey

ENDING = ".yaml"


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The study's name; the file is NAME.yaml, here.")],
    data: Annotated[
        str,
        typer.Option(
            metavar="PATH", help="A folder of images; or digits, or package.module:function for a data set of your own."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Write a study file for a folder of images, and describe it.

    The file runs as it is: its sizes are chosen for what is there. The images are decoded once, for this and all later
    runs. A file that is there is never overwritten.

    \b
    Examples:
      invfront new mine --data photographs
      invfront new first --data data/cifar10 --json

    \b
    JSON: file, study, data {name, root, size, layout}, classes {class: training images}, held_out, sides (least,
    middle and greatest shorter side), modes {mode: images}, parts {part: images}, notes [text].
    """
    quiet(None)
    study = name.removesuffix(ENDING)
    file = Path(f"{study}{ENDING}")
    _refuse(study, file)
    _refuse_unspelt(data)
    from harness.data.survey import survey
    from harness.display.lines import Lines
    from harness.display.story import Story
    from harness.study.draft import described, draft

    try:
        seen = survey(data, Lines(sys.stderr, Story()).preparing)
    except UserError as error:
        path, colon, text = str(error).partition(": ")
        told = text if colon and path in ("data/root", "data/name") else str(error)
        raise UserError(f"--data {data}: {told}") from error
    _write(file, draft(study, seen))
    if as_json:
        say(_document(file, study, seen))
        return
    for what, words in described(seen):
        typer.echo(f"{what}: {words}")
    shown = shlex.quote(str(file))
    typer.echo(f"wrote {file}: read it, then `invfront check {shown}`, `invfront run {shown} --trials 2`")


def _refuse_unspelt(data: str) -> None:
    """Refuse a folder whose name no study file can hold."""
    try:
        data.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"--data {data}: has bytes that are no letters of UTF-8; name another folder, or a link to it"
        ) from None


def _refuse(study: str, file: Path) -> None:
    """Refuse a name that no study can have, or whose file is there."""
    from harness.study.fields import NAME

    if not NAME.fullmatch(study):
        raise UserError(f"NAME {study}: takes a-z, 0-9, _ . - and begins with a letter or number; take another")
    if file.exists() or file.is_symlink():
        raise UserError(f"{file}: is there already, and stays as it is; take another NAME, or remove the file")


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as writing:
            writing.write(text)
    except FileExistsError as error:
        raise UserError(f"{file}: is there already, and stays as it is; take another NAME") from error
    except OSError as error:
        raise UserError(f"{file}: {error.strerror}; call it in a folder that you may write to") from error


def _document(file: Path, study: str, seen: "Survey") -> dict[str, Any]:
    return {
        "file": str(file),
        "study": study,
        "data": {"name": seen.name, "root": seen.root, "size": seen.size, "layout": seen.layout},
        "classes": seen.classes,
        "held_out": seen.held_out,
        "sides": seen.sides,
        "modes": dict(seen.modes),
        "parts": seen.ready.parts,
        "notes": list(seen.ready.told),
    }
