"""``invfront attacks``: the attacks, what each must know, what it costs, its budgets."""

import typer

from harness.commands.listing import Json, show, words


def attacks(as_json: Json = False) -> None:
    """List the attacks: who attacks with what knowledge, what it costs, and the budgets there are.

    \b
    Examples:
      invfront attacks
      invfront attacks --json
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
    if as_json:
        show(rows, as_json)
        return
    for name, attack in ATTACKS.items():
        typer.echo(name)
        knows = f"{attack.knowledge}, server" if attack.needs_server else attack.knowledge
        kind = f"{attack.kind}, version {attack.version}"
        told = {
            "kind": kind,
            "threat": attack.threat,
            "knowledge": knows,
            "cost": attack.cost,
            "reference": attack.reference,
        }
        for field, text in told.items():
            typer.echo(f"  {field}: {text}")
        for budget, settings in attack.budgets.items():
            typer.echo(f"  {budget}: {words(settings)}")
