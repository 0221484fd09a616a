"""Synthetic study data for the tests of reports: the shape of real data, numbers out of a random generator."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from reports.columns import ATTACKS, CURVES, FLOORS, IMAGE_SCORES, TRIALS
from reports.front import on_front
from reports.tables import StudyInfo

BRANCHES = {"none": None, "laplace": "scale", "cem_paper": "lam", "cem_code": "lam"}
STATES = ("complete", "failed", "partial", "pruned", "running")


def write_study(folder: Path, count: int = 12, seed: int = 0, hostile: str = "", **study: object) -> Path:
    """Write ``folder/data`` for ``count`` trials and return it; ``hostile`` is put into what users write."""
    data = folder / "data"
    data.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    trials = _trials(count, rng, hostile)
    attacks = _attacks(trials, rng)
    _table(trials, [*TRIALS]).to_parquet(data / "trials.parquet", index=False)
    _table(attacks, [*ATTACKS]).to_parquet(data / "attacks.parquet", index=False)
    _table(_floors(trials), [*FLOORS]).to_parquet(data / "floors.parquet", index=False)
    _table(_curves(attacks, rng), [*CURVES]).to_parquet(data / "curves.parquet", index=False)
    _write_images(data, attacks, rng)
    (data / "study.json").write_text(json.dumps({**_study(trials, count, hostile), **study}))
    return data


def _trials(count: int, rng: np.random.Generator, hostile: str) -> pd.DataFrame:
    rows = [_trial(number, rng, hostile) for number in range(count)]
    table = _table(pd.DataFrame(rows), [*TRIALS])
    return table.assign(on_front=on_front(table)) if count else table


def _trial(number: int, rng: np.random.Generator, hostile: str) -> dict[str, object]:
    name = list(BRANCHES)[number % len(BRANCHES)]
    strength = 0.0 if name == "none" else float(10 ** rng.uniform(-2.5, 0))
    sigma = 0.025 if number == 0 else float(rng.choice([0.025, 0.1, 0.25]))
    state = {7: "failed", 10: "partial"}.get(number, "complete")
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
    rows = []
    for trial in trials.to_dict("records"):
        for seed in (0, 1) if trial["state"] in ("complete", "partial") else ():
            failed = trial["state"] == "partial" and seed == 1
            mse = float("nan") if failed else 0.012 if trial["state"] == "partial" else trial["mse"] + seed * 0.0004
            verdict = "failed" if failed else "limited" if trial["limited"] and seed == 0 else "converged"
            rows.append(
                {
                    "trial": trial["trial"],
                    "job": f"decoder-quick-{seed}",
                    "attack": "decoder",
                    "budget": "quick",
                    "seed": seed,
                    "part": "validation",
                    "verdict": verdict,
                    "mse": mse,
                    "psnr": -10 * np.log10(mse),
                    "ssim": 0.66 - 9 * mse,
                    "mse_se": 0.0004,
                    "ssim_se": 0.01,
                    "images": 200,
                    "seconds": float(rng.uniform(40, 110)),
                    "error": "RuntimeError: a worker was lost" if failed else None,
                }
            )
    return pd.DataFrame(rows)


def _floors(trials: pd.DataFrame) -> pd.DataFrame:
    guesses = {
        "mean_image": (0.061, 0.13),
        "class_mean": (0.058, 0.14),
        "mean_colour": (0.04, 0.2),
        "nearest": (0.07, 0.1),
    }
    rows = [
        {"trial": trial, "guess": guess, "part": "validation", "mse": mse, "psnr": -10 * np.log10(mse), "ssim": ssim}
        for trial in trials.loc[trials["state"].isin(["complete", "partial"]), "trial"]
        for guess, (mse, ssim) in guesses.items()
    ]
    return pd.DataFrame(rows)


def _curves(attacks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for job in attacks.to_dict("records"):
        for step in range(50, 501, 50):
            value = 0.012 if np.isnan(job["mse"]) else job["mse"]
            level = value * (1 + 3 * np.exp(-step / 90)) + rng.normal(0, 2e-5)
            for name, shift in (("train", 0.98), ("validation", 1.0)):
                rows.append(
                    {"trial": job["trial"], "job": job["job"], "step": step, "name": name, "value": level * shift}
                )
    return pd.DataFrame(rows)


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
