"""A trial's settings in a line."""

from harness.records import Asked


def settings_line(asked: Asked) -> str:
    """Return a trial's defense, term and channel noise with their settings, ``cem_paper lam=0.03, sigma=0.1``."""
    settings = asked.settings
    owners = [str(settings[f"{kind}/name"]) for kind in ("defense", "term") if f"{kind}/name" in settings]
    own = [f"{path.rsplit('/', 1)[1]}={_short(value)}" for path, value in settings.items() if path.count("/") == 2]
    noise = [f"sigma={_short(settings['model/sigma'])}"] if "model/sigma" in settings else []
    return f"{' + '.join(owners)} {', '.join([*own, *noise])}".strip()


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
