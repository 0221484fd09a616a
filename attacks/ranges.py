"""Checks that an attack's constructor makes on its settings, all with one wording; NaN lies in no range."""


def at_least(attack: str, bound: float, **settings: float) -> None:
    """Refuse what is less than a bound.

    Raises:
        ValueError: names the attack, the setting and its value.
    """
    for name, value in settings.items():
        if not value >= bound:
            raise ValueError(f"{attack}: {name} must be >= {bound}, not {value}")


def positive(attack: str, **settings: float) -> None:
    """Refuse what is not above 0; raises as :func:`at_least` does."""
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{attack}: {name} must be > 0, not {value}")


def share(attack: str, **settings: float) -> None:
    """Refuse what is not in [0, 1); raises as :func:`at_least` does."""
    for name, value in settings.items():
        if not 0 <= value < 1:
            raise ValueError(f"{attack}: {name} must be in [0, 1), not {value}")
