"""``invfront cluster``: a ready file that starts a study on Slurm, on Kubernetes, or on a cluster of Ray's launcher."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness import __version__
from harness.commands.environment import quiet
from harness.commands.options import Json, Pin, Space, Trials, count, say
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.launching import Sheet
    from harness.study.sections import Resources


class Form(StrEnum):
    """What the file is for."""

    slurm = "slurm"
    kuberay = "kuberay"
    ray = "ray"


def cluster(
    form: Annotated[
        Form, typer.Argument(metavar="slurm|kuberay|ray", help="What the file is for.", show_default=False)
    ],
    space: Space,
    set_: Pin = None,
    trials: Trials = None,
    nodes: Annotated[int | None, typer.Option(parser=count, metavar="N", help="Nodes; one, if not said.")] = None,
    cpus: Annotated[
        int | None,
        typer.Option("--cpus-per-node", parser=count, metavar="N", help="What its trials take, if not said."),
    ] = None,
    gpus: Annotated[
        int | None, typer.Option("--gpus-per-node", min=0, metavar="N", help="What its trials take, if not said.")
    ] = None,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Where studies go: a folder that all nodes see, or a store.")
    ] = "runs",
    image: Annotated[
        str, typer.Option(metavar="NAME", help="kuberay: an image that holds invfront.")
    ] = f"invfront:{__version__}",
    queue: Annotated[str, typer.Option(metavar="NAME", help="kuberay: Kueue's queue.")] = "default",
    hosts: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="ray: machines that are there, the head first.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Write the file there, not to standard output.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a ready file that starts a study on a cluster.

    slurm: an sbatch file with a Ray head and workers, that queues itself again and goes on. kuberay: a RayJob with its
    claim, where studies go if DIR is no store. ray: a cluster for `ray up`. Nothing is started; remarks go to standard
    error.

    \b
    Examples:
      invfront cluster slurm my-study.yaml --nodes 4 --gpus-per-node 8 > my-study.sbatch
      invfront cluster kuberay my-study.yaml --nodes 4 --image registry/invfront:1 --queue gpus --to .
      invfront cluster ray my-study.yaml --hosts node1,node2

    \b
    JSON: form, file, text, written (where; null on standard output), remarks [line].
    """
    quiet(None)
    from harness.launching import FORMS, order_of
    from harness.study.check import load_checked

    if hosts is not None and form is not Form.ray:
        raise UserError(f"--hosts {hosts}: is for ray; {form} finds its machines itself")
    study = load_checked(space, set_ or [], trials)
    more = [word for each in set_ or [] for word in ("--set", each)]
    more += [] if trials is None else ["--trials", str(trials)]
    order = order_of(study, space, more, out, nodes or 1, cpus, gpus, image, queue, _listed(hosts))
    sheet = FORMS[form](order)
    if further := _further(study.resources):
        sheet = sheet._replace(remarks=(*sheet.remarks, further))
    _tell(form, sheet, None if to is None else _written(sheet, to), as_json)


def _listed(hosts: str | None) -> list[str]:
    listed = [host.strip() for host in hosts.split(",")] if hosts else []
    if not all(listed):
        raise UserError(f"--hosts {hosts}: takes names between commas, as node1,node2")
    return listed


def _written(sheet: "Sheet", to: Path) -> Path:
    """Write the file into a folder, which is made; return it."""
    from harness.ledger import write_whole

    try:
        to.mkdir(parents=True, exist_ok=True)
        return write_whole(to / sheet.file, sheet.text.encode())
    except OSError as error:
        raise UserError(f"--to {to}: {error.strerror}; name a folder that can be written to") from error


def _tell(form: Form, sheet: "Sheet", written: Path | None, as_json: bool) -> None:
    if as_json:
        place = None if written is None else str(written)
        told = {"form": str(form), "file": sheet.file, "text": sheet.text, "written": place}
        say(told | {"remarks": list(sheet.remarks)})
        return
    for remark in sheet.remarks:
        typer.echo(f"invfront: {remark}", err=True)
    typer.echo(sheet.text if written is None else str(written), nl=written is not None)


def _further(resources: "Resources") -> str:
    """Return what is to be added to a file by hand; nothing where jobs ask for CPUs and GPUs alone."""
    names = [name for name in sorted(resources.bundle()) if name not in ("CPU", "GPU")]
    if not names:
        return ""
    return (
        f"resources ask for {', '.join(names)} beside CPUs and GPUs: add that to the file (--mem, --constraint, the "
        "pod's memory, ray start --resources), or the study is refused there"
    )
