"""Which names in a passport are those of plug-ins: importing one runs whatever it holds."""

from collections.abc import Collection, Iterator, Mapping

from attacks import ATTACKS
from defenses import DEFENSES
from harness.data import DATASETS
from harness.errors import UserError
from harness.models import MODELS
from harness.passports.passport import Passport
from harness.records import Scalar

BUILT_IN: Mapping[str, Collection[str]] = {
    "data/name": DATASETS,
    "attacker/name": DATASETS,
    "model/name": MODELS,
    "defense/name": DEFENSES,
    "term/name": DEFENSES,
}
"""What needs no plug-in, by the path of the setting that names it."""


def refuse_plugins(passport: Passport, attacks: Collection[str], *, allowed: bool) -> None:
    """Refuse a passport that names what is not built in, before anything of it is looked for.

    Args:
        passport: The passport.
        attacks: Attacks of its own suite that are to run.
        allowed: Whether its plug-ins may be imported.

    Raises:
        UserError: names the plug-in, its place and the way out.
    """
    for place, name in _plugins(passport.claim.settings, attacks):
        if not allowed:
            raise UserError(
                f"{passport.path}: {place} {str(name)[:80]!r} is a plug-in, whose code would run here; look at it, "
                "then give --allow-plugin"
            )


def _plugins(settings: Mapping[str, Scalar], attacks: Collection[str]) -> Iterator[tuple[str, Scalar]]:
    for path, known in BUILT_IN.items():
        name = settings.get(path)
        if name is not None and name not in known:
            yield path, name
    yield from (("attack", name) for name in attacks if name not in ATTACKS)
