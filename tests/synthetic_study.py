"""Synthetic study data for the tests of reports: the shape of real data, numbers out of a random generator."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from reports.columns import ATTACKS, CURVES, FLOORS, IMAGE_SCORES, TRIALS
from reports.curves import shown_trials
from reports.front import on_front
from reports.tables import StudyInfo

BRANCHES = {"none": None, "laplace": "scale", "cem_paper": "lam", "cem_code": "lam"}
STATES = ("complete", "failed", "partial", "pruned", "running")


SMALL = 100
"""Trials up to which every attack leaves reconstructions; of more those that a report shows, as a real folder has."""


def write_study(
    folder: Path, count: int = 12, seed: int = 0, hostile: str = "", wide: bool = False, **study: object
) -> Path:
    """Write ``folder/data`` for ``count`` trials and return it; ``hostile`` is put into what users write.

    ``wide`` gives every defense each balance of accuracy and privacy, so that many trials are on the front: about 600
    of 10,000, and 2,000 of 100,000.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    trials = _trials(count, rng, hostile, wide)
    attacks = _attacks(trials, rng)
    _table(trials, [*TRIALS]).to_parquet(data / "trials.parquet", index=False)
    _table(attacks, [*ATTACKS]).to_parquet(data / "attacks.parquet", index=False)
    _table(_floors(trials), [*FLOORS]).to_parquet(data / "floors.parquet", index=False)
    _table(_curves(attacks, rng), [*CURVES]).to_parquet(data / "curves.parquet", index=False)
    shown = trials if count <= SMALL else shown_trials(trials)
    _write_images(data, attacks[attacks["trial"].isin(shown["trial"])] if count else attacks, rng)
    (data / "study.json").write_text(json.dumps({**_study(trials, count, hostile), **study}))
    return data


def _trials(count: int, rng: np.random.Generator, hostile: str, wide: bool) -> pd.DataFrame:
    rows = [_trial(number, rng, hostile) for number in range(count)]
    table = _table(pd.DataFrame(rows), [*TRIALS])
    table = _widened(table) if wide else table
    return table.assign(on_front=on_front(table)) if count else table


def _widened(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with objectives in all directions, a little behind a ball that none is beyond."""
    rng = np.random.default_rng(len(trials))
    towards = np.abs(rng.normal(size=(len(trials), 3)))
    towards *= (np.maximum(1 - rng.gamma(2, 0.08, len(trials)), 0) / np.linalg.norm(towards, axis=1))[:, None]
    accuracy, mse, ssim = 0.3 + 0.6 * towards[:, 0], 0.004 + 0.05 * towards[:, 1], 0.9 - 0.75 * towards[:, 2]
    whole = trials["mse"].notna()
    return trials.assign(
        accuracy=np.where(trials["accuracy"].notna(), accuracy, np.nan),
        mse=np.where(whole, mse, np.nan),
        ssim=np.where(whole, ssim, np.nan),
        feasible=np.where(trials["accuracy"].notna(), accuracy > 0.45, None),
        hours=0.01 * (trials["trial"] + 1.0),
        nats=np.where(trials["defense/name"].eq("laplace"), np.nan, 0.6 / mse),
        nats_missing=np.where(trials["defense/name"].eq("laplace"), "some feature is released without noise", None),
    )


def _trial(number: int, rng: np.random.Generator, hostile: str) -> dict[str, object]:
    name = list(BRANCHES)[number % len(BRANCHES)]
    strength = 0.0 if name == "none" else float(10 ** rng.uniform(-2.5, 0))
    sigma = 0.025 if number == 0 else float(rng.choice([0.025, 0.1, 0.25]))
    state = {7: "failed", 10: "partial"}.get(number % SMALL, "complete")
    accuracy = 0.68 - 0.3 * strength - 0.2 * sigma + rng.normal(0, 0.01)
    mse = 0.010 + 0.03 * strength + 0.03 * sigma + rng.normal(0, 0.001)
    row: dict[str, object] = {
        "trial": number,
        "state": state,
        "part": "validation",
        "anchor": number == 0,
        "limited": number % 5 == 1,
        "seconds": float(rng.uniform(100, 300)),
        "train_seconds": float(rng.uniform(60, 90)),
        "error": f"RuntimeError: out of memory {hostile}" if state in ("failed", "partial") else None,
        "defense/name": name,
        "model/sigma": sigma,
        "model/cut": 4,
        "train/epochs": 8,
        "train/recipe": hostile if hostile and number % 2 else "fast",
    }
    if BRANCHES[name]:
        row[f"defense/{name}/{BRANCHES[name]}"] = strength
    if state != "failed":
        row |= {"accuracy": accuracy, "feasible": bool(accuracy > 0.45)}
    if state == "complete":
        row |= {"mse": mse, "ssim": float(np.clip(0.66 - 9 * mse, 0.13, 1)) + rng.normal(0, 0.01)}
        row |= {"mse_attack": "decoder-quick-0", "ssim_attack": "decoder-quick-1"}
    return row


def _attacks(trials: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return two jobs of each trial that was attacked; of a partial one the second failed."""
    if trials.empty:
        return pd.DataFrame()
    attacked = trials[trials["state"].isin(["complete", "partial"])]
    jobs = attacked.loc[attacked.index.repeat(2)]
    seed, partial = np.tile([0, 1], len(attacked)), jobs["state"].eq("partial").to_numpy()
    failed = partial & (seed == 1)
    mse = np.where(failed, np.nan, np.where(partial, 0.012, jobs["mse"].to_numpy(dtype=float) + seed * 0.0004))
    limited = jobs["limited"].to_numpy(dtype=bool) & (seed == 0)
    return pd.DataFrame(
        {
            "trial": jobs["trial"].to_numpy(),
            "job": np.where(seed == 0, "decoder-quick-0", "decoder-quick-1"),
            "attack": "decoder",
            "budget": "quick",
            "seed": seed,
            "part": "validation",
            "verdict": np.where(failed, "failed", np.where(limited, "limited", "converged")),
            "mse": mse,
            "psnr": -10 * np.log10(mse),
            "ssim": 0.66 - 9 * mse,
            "mse_se": 0.0004,
            "ssim_se": 0.01,
            "images": 200,
            "seconds": rng.uniform(40, 110, len(jobs)),
            "error": np.where(failed, "RuntimeError: a worker was lost", None),
        }
    )


def _floors(trials: pd.DataFrame) -> pd.DataFrame:
    if trials.empty:
        return pd.DataFrame()
    attacked = trials.loc[trials["state"].isin(["complete", "partial"]), "trial"].to_numpy()
    guesses = ("mean_image", "class_mean", "mean_colour", "nearest")
    mse, ssim = np.tile([0.061, 0.058, 0.04, 0.07], len(attacked)), np.tile([0.13, 0.14, 0.2, 0.1], len(attacked))
    named = {"trial": attacked.repeat(len(guesses)), "guess": np.tile(guesses, len(attacked)).astype(object)}
    return pd.DataFrame({**named, "part": "validation", "mse": mse, "psnr": -10 * np.log10(mse), "ssim": ssim})


def _curves(attacks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return ten steps of each job's two curves, the same noise in both."""
    if attacks.empty:
        return pd.DataFrame()
    steps, end = np.arange(50, 501, 50), attacks["mse"].fillna(0.012).to_numpy()
    level = end[:, None] * (1 + 3 * np.exp(-steps / 90)) + rng.normal(0, 2e-5, (len(end), len(steps)))
    rows = attacks.loc[attacks.index.repeat(2 * len(steps)), ["trial", "job"]].reset_index(drop=True)
    names = np.tile(np.array(["train", "validation"], dtype=object), level.size)
    values = (level.reshape(-1, 1) * [0.98, 1.0]).reshape(-1)
    return rows.assign(step=np.tile(steps.repeat(2), len(end)), name=names, value=values)


def _write_images(data: Path, attacks: pd.DataFrame, rng: np.random.Generator) -> None:
    grid = np.linspace(0, np.pi * 2, 32)
    phases = rng.uniform(0, 6, (24, 3, 1, 1))
    original = 0.5 + 0.4 * np.sin(phases + grid[:, None] * 2) * np.cos(phases * 2 + grid)
    arrays, scores = {"original/validation": _uint8(original)}, []
    for job in attacks.to_dict("records"):
        if np.isnan(job["mse"]):
            continue
        blurred = original + rng.normal(0, np.sqrt(job["mse"]), original.shape)
        arrays[f"{job['trial']:05d}/{job['job']}"] = _uint8(blurred)
        for image, mse in enumerate(((blurred - original) ** 2).mean(axis=(1, 2, 3))):
            row = {"trial": job["trial"], "job": job["job"], "image": image, "mse": mse, "psnr": -10 * np.log10(mse)}
            scores.append({**row, "ssim": 0.66 - 9 * mse})
    np.savez_compressed(data / "images.npz", **arrays)
    _table(pd.DataFrame(scores), [*IMAGE_SCORES]).to_parquet(data / "image_scores.parquet", index=False)


def _uint8(images: np.ndarray) -> np.ndarray:
    return (images.clip(0, 1) * 255).round().astype(np.uint8)


def _study(trials: pd.DataFrame, count: int, hostile: str) -> StudyInfo:
    counts = trials["state"].value_counts() if count else {}
    return {
        "name": f"synthetic{hostile}",
        "digest": "sha256:5a1d",
        "ledger": "00000000-0000-4000-8000-000000000000",
        "budget": max(count, 12),
        "states": {**{state: int(counts.get(state, 0)) for state in STATES}, "waiting": max(0, 12 - count)},
        "protocol": "strict",
        "data": f"synthetic{hostile}",
        "parts": {"validation": {"images": 200, "digest": "sha256:77aa"}},
        "floor": 0.45,
        "created": "2026-01-01T00:00:00+00:00",
        "updated": "2026-01-01T01:00:00+00:00",
        "command": f"invfront run synthetic.yaml {hostile}",
        "objectives": ["accuracy", "mse", "ssim"],
        "hypervolume_reference": {"accuracy": 0.1, "mse": 0.0, "ssim": 1.0},
        "metrics": {"ssim": "Gaussian 11x11, sigma 1.5, no padding, range 1"},
        "packages": {"numpy": np.__version__},
        "commit": "0" * 40,
        "hardware": {"cpu": f"synthetic {hostile}", "gpu": None, "threads": 1, "precision": "float32"},
        "seconds_total": 3600.0,
        "study_yaml": f"name: synthetic{hostile}\n",
        "published": [
            {
                "table": "1",
                "method": f"invented {hostile}",
                "accuracy": 0.8,
                "mse": 0.02,
                "ssim": 0.5,
                "note": "synthetic",
            }
        ],
    }


def _table(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    missing = {column: None for column in columns if column not in table.columns}
    return table.assign(**missing)
