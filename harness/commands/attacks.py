"""``invfront attacks``: the attacks, what each must know, what it costs, its budgets."""

from harness.commands.listing import show
from harness.commands.options import Json


def attacks(as_json: Json = False) -> None:
    """List the attacks: their knowledge, costs and budgets.

    \b
    Examples:
      invfront attacks
      invfront attacks --json

    \b
    JSON: a list of name, reference, kind, knowledge, needs_server, budgets.
    """
    from attacks import ATTACKS

    rows = [
        {
            "name": name,
            "reference": attack.reference,
            "kind": attack.kind,
            "knowledge": attack.knowledge,
            "needs_server": attack.needs_server,
            "budgets": attack.budgets,
        }
        for name, attack in ATTACKS.items()
    ]
    told = [
        {
            "name": name,
            "kind": f"{attack.kind}, version {attack.version}",
            "threat": attack.threat,
            "knowledge": f"{attack.knowledge}, server" if attack.needs_server else attack.knowledge,
            "cost": attack.cost,
            "reference": attack.reference,
            **attack.budgets,
        }
        for name, attack in ATTACKS.items()
    ]
    show(rows, told, as_json)
