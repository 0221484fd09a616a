"""A trial's settings, and what decided its worst case, in a line."""

from harness.records import Asked, Objectives


def settings_line(asked: Asked) -> str:
    """Return a trial's defense, term and channel noise with their settings, ``cem_paper lam=0.03, sigma=0.1``.

    Of a training that was held to an accuracy it says which: the strength is then only what it started from.
    """
    settings = asked.settings
    owners = [str(settings[f"{kind}/name"]) for kind in ("defense", "term") if f"{kind}/name" in settings]
    own = [f"{path.rsplit('/', 1)[1]}={_short(value)}" for path, value in settings.items() if path.count("/") == 2]
    noise = [f"sigma={_short(settings['model/sigma'])}"] if "model/sigma" in settings else []
    target = settings.get("train/target_accuracy")
    held = [] if target is None else [f"held to {_short(target)}"]
    return f"{' + '.join(owners)} {', '.join([*own, *noise, *held])}".strip()


def decided_by(worst: Objectives) -> dict[str, str]:
    """Return which attack decided mse and ssim, ``rmle-quick-0 beside decoder-quick-0`` if by a paired difference."""
    named = {"mse": (worst.mse_attack, worst.mse_base), "ssim": (worst.ssim_attack, worst.ssim_base)}
    return {score: f"{attack} beside {base}" if base else attack for score, (attack, base) in named.items()}


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
