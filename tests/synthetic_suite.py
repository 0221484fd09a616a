"""A synthetic study under the whole suite of attacks: reconstructions with further metrics, probes, repeats, oracle."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from reports.columns import CONFIRMED, IMPORTANCES
from reports.front import on_front
from tests.synthetic_study import write_study

ATTACKS = {
    "decoder": ("queries", 1.0, 200),
    "decoder_xl": ("queries", 0.93, 200),
    "rmle": ("gradients", 1.1, 32),
    "dip": ("gradients", 1.4, 32),
    "query_free": ("none", 2.2, 200),
    "gan_decoder": ("queries", 1.2, 200),
    "gan_prior": ("gradients", 1.8, 32),
    "diffusion": ("gradients", 1.05, 32),
    "repeated": ("queries", 1.02, 200),
}
"""Knowledge, mse relative to the decoder's, and images, by attack."""

OUTDONE = "worse than decoder_xl-quick-0, which knows no more of the client"

PROBES = {
    "confidence": {"mse": 0.052, "ssim": 0.15},
    "representative": {"accuracy": 0.8, "mse_class_mean": 0.041, "ssim_class_mean": 0.3},
    "gradient": {"mse": 0.0004, "ssim": 0.97, "label_accuracy": 1.0},
    "membership": {"auc_release": 0.52, "auc_output": 0.58, "auc_gradient": 0.61, "tpr_at_1_fpr": 0.021},
}

EXTRAS = ("identification_1", "identification_5", "mse_colour_removed", "ssim_above_0.3", "mse_worst_class",
          "mse_5th_percentile", "extracted_0.10", "extracted_0.15", "extracted_adaptive", "lpips")  # fmt: skip


def write_suite(folder: Path, count: int = 12, seed: int = 0, hostile: str = "", **study: object) -> Path:
    """Write ``folder/data`` as `write_study` does, but under nine attacks and four probes, and return it."""
    data = write_study(folder, count, seed, hostile)
    rng = np.random.default_rng(seed + 1)
    trials = pd.read_parquet(data / "trials.parquet")
    attacks = _attacks(trials, rng, hostile)
    trials = _told_of(_decided(trials, attacks), rng)
    trials.to_parquet(data / "trials.parquet", index=False)
    attacks.to_parquet(data / "attacks.parquet", index=False)
    _probes(trials, rng, hostile).to_parquet(data / "probes.parquet", index=False)
    _variants(attacks, hostile).to_parquet(data / "variants.parquet", index=False)
    _curves(attacks).to_parquet(data / "curves.parquet", index=False)
    _confirmed(trials, rng).to_parquet(data / "confirmed.parquet", index=False)
    _importances(trials).to_parquet(data / "importances.parquet", index=False)
    described = json.loads((data / "study.json").read_text())
    (data / "study.json").write_text(json.dumps({**described, **_told(hostile), **study}))
    return data


NATS = {"class_gaussian_nats": 1.5, "covariance_nats": 1.1, "mixture_nats": 1.0}

SPECTRUM = [float(f"{72 / rank**1.5:.6g}") for rank in range(1, 201)]
"""Of 3 x 32 x 32 pixels in [0, 1]."""


def _told_of(trials: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the trials with the hours by which they ended, what trained them, and how much a release tells."""
    ended = 0.1 * (trials["trial"] + 1) + rng.uniform(0, 0.05, len(trials))
    nats = (0.6 / trials["mse"].astype(float)).where(trials["defense/name"].ne("laplace"))
    return trials.assign(
        hours=ended.where(trials["accuracy"].notna()),
        device="synthetic CPU",
        nats=nats,
        **{name: nats * times for name, times in NATS.items()},
        codebook_nats=np.log1p(nats).clip(upper=3.4),
        fisher_per_pixel=0.4 / trials["mse"].astype(float),
        spectrum_bound=(0.3 * trials["mse"].astype(float)).where(trials["trial"].ne(1)),
        spectrum_bound_se=1e-5,
        spectrum_missing=np.where(trials["trial"].eq(1), "what is released jumps as the image changes", None),
        client_multiplications=np.where(trials["trial"].eq(1), 1.5e6, 3e6),
        client_parameters=2.5e4,
        nats_missing=np.where(nats.isna(), "some feature is released without noise: every bound is infinite", None),
    )


def _importances(trials: pd.DataFrame) -> pd.DataFrame:
    paths = [path for path in trials.columns if "/" in path and trials[path].nunique() > 1]
    rows = [
        {"objective": name, "setting": path, "importance": 2 * share / len(paths) / (len(paths) + 1), "trials": 12}
        for name in ("accuracy", "mse", "ssim")
        for share, path in enumerate(paths, 1)
    ]
    return pd.DataFrame(rows, columns=[*IMPORTANCES])


def _confirmed(trials: pd.DataFrame, rng: np.random.Generator, seeds: int = 3) -> pd.DataFrame:
    """Return the front and the anchors over fresh seeds: a little worse than the search saw them."""
    chosen = trials[trials["on_front"] | (trials["anchor"] & trials["state"].eq("complete"))]
    rows = [
        {
            "trial": row["trial"],
            "seed": seed,
            "part": "test",
            "accuracy": row["accuracy"] - 0.01 + rng.normal(0, 0.004),
            "mse": row["mse"] - 0.0005 + rng.normal(0, 0.0004),
            "ssim": row["ssim"] + 0.01 + rng.normal(0, 0.008),
            "mse_attack": "decoder-quick-0-test",
            "ssim_attack": "decoder-quick-0-test",
            "control_accuracy": np.nan,
        }
        for row in chosen.to_dict("records")
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows, columns=[*CONFIRMED])


def _attacks(trials: pd.DataFrame, rng: np.random.Generator, hostile: str) -> pd.DataFrame:
    rows = [
        _attack(trial, name, rng, hostile)
        for trial in trials[trials["state"].isin(["complete", "partial"])].to_dict("records")
        for name in ATTACKS
    ]
    return pd.DataFrame(rows)


def _attack(trial: dict[str, object], name: str, rng: np.random.Generator, hostile: str) -> dict[str, object]:
    knowledge, factor, images = ATTACKS[name]
    failed = trial["state"] == "partial" and name == "dip"
    base = 0.012 if trial["state"] == "partial" else float(str(trial["mse"]))
    mse = float("nan") if failed else base * factor * float(rng.uniform(0.97, 1.03))
    outdone = knowledge == "gradients" and factor > 1.2
    limited = outdone or (trial["limited"] and name == "decoder_xl")
    share = float(np.clip(0.03 / mse, 0, 1))
    return {
        "trial": trial["trial"],
        "job": f"{name}-quick-0",
        "attack": name,
        "budget": "quick",
        "seed": 0,
        "part": "validation",
        "verdict": "failed" if failed else "open" if limited else "tight",
        "why": OUTDONE + hostile if outdone and not failed else None,
        "mse": mse,
        "psnr": -10 * np.log10(mse),
        "ssim": 0.66 - 9 * mse,
        "mse_se": 0.0004,
        "ssim_se": 0.01,
        "images": images,
        "seconds": float(rng.uniform(4, 110)),
        "error": f"RuntimeError: a worker was lost{hostile}" if failed else None,
        "knowledge": knowledge,
        "version": 2 if name == "decoder" else 1,
        "tune": 6 if name == "decoder" else 0,
        **_shares({"gain_steps": 0.02, "remainder": 0.06 if limited else 0.02}, failed),
        **_shares({"gain_images": 0.01}, failed or name != "decoder_xl"),
        "worse_than_truth": 0.25 if knowledge == "gradients" else float("nan"),
        "flags": f"seeds disagree{hostile}" if name == "dip" and not failed else None,
        **{extra: mse * 0.8 if extra.startswith("mse") else share for extra in EXTRAS if extra != "lpips"},
        "lpips": float("nan"),
        f"plugin_metric{hostile}": share,
    }


def _shares(values: dict[str, float], missing: bool) -> dict[str, float]:
    """Return shares of the error with the ends of their intervals: half, and twice as much."""
    ends = {"": 1.0, "_low": 0.5, "_high": 2.0}
    return {
        f"{name}{end}": float("nan") if missing else value * times
        for name, value in values.items()
        for end, times in ends.items()
    }


def _decided(trials: pd.DataFrame, attacks: pd.DataFrame) -> pd.DataFrame:
    """Return the trials as decided by the attacks: the least mse, the greatest ssim, and an oracle below them."""
    complete = trials["state"].eq("complete")
    ended = attacks.sort_values("mse").drop_duplicates("trial").set_index("trial")
    worst = ended.reindex(trials["trial"])
    blind = trials["trial"].eq(5)
    for score in ("mse", "ssim"):
        trials[score] = worst[score].where(complete.to_numpy()).to_numpy()
        trials[f"{score}_attack"] = worst["job"].where(complete.to_numpy()).to_numpy()
        trials[f"{score}_verdict"] = worst["verdict"].where(complete.to_numpy()).to_numpy()
        trials[f"{score}_same_images"] = trials[score] * 1.01
        trials[f"{score}_oracle"] = trials[score] * (0.93 if score == "mse" else 1.05)
    trials.loc[blind & complete, ["ssim_attack", "ssim_verdict"]] = ["class_mean", "guess"]
    trials["oracle_images"] = pd.Series(32, index=trials.index, dtype="Int64").where(complete)
    trials["oracle_of"] = pd.Series("9 attacks, 2 guesses", index=trials.index).where(complete)
    trials["limited"] = trials[["mse_verdict", "ssim_verdict"]].isin(["open", "diverged"]).any(axis=1)
    within = trials["mse"] * (1 - worst["remainder_high"].to_numpy())
    trials["mse_within"] = within.where(trials["mse_verdict"].eq("open"))
    return trials.assign(on_front=on_front(trials)) if len(trials) else trials


def _probes(trials: pd.DataFrame, rng: np.random.Generator, hostile: str) -> pd.DataFrame:
    rows = []
    for trial in trials.loc[trials["state"].isin(["complete", "partial"]), "trial"]:
        for attack, scores in PROBES.items():
            failed = attack == "gradient" and trial == 4
            job = {"trial": trial, "job": f"{attack}-quick-0", "attack": attack, "budget": "quick", "seed": 0}
            job |= {"part": "validation", "verdict": "failed" if failed else "converged", "images": 200, "seconds": 3.0}
            job |= {"error": f"RuntimeError: no gradient{hostile}" if failed else None}
            measured = {f"{name}{hostile}": value * rng.uniform(0.95, 1.05) for name, value in scores.items()}
            rows += [
                job | {"name": name, "value": value} for name, value in ({None: None} if failed else measured).items()
            ]
    return pd.DataFrame(rows)


def _variants(attacks: pd.DataFrame, hostile: str) -> pd.DataFrame:
    rows = []
    for job in attacks.to_dict("records"):
        shares = {f"m={m}": 0.4 + 0.6 / m for m in (4, 16, 64)} if job["attack"] == "repeated" else {}
        shares |= {"for_mse": 1.0, f"for_ssim{hostile}": 1.2} if job["attack"] == "decoder_xl" else {}
        for variant, share in shares.items():
            mse = job["mse"] * share
            row = {"trial": job["trial"], "job": job["job"], "variant": variant, "mse": mse}
            rows.append({**row, "psnr": -10 * np.log10(mse), "ssim": 0.66 - 9 * mse})
    return pd.DataFrame(rows)


def _curves(attacks: pd.DataFrame) -> pd.DataFrame:
    steps = {"gradients": range(25, 251, 25), "queries": range(50, 501, 50), "none": range(50, 501, 50)}
    rows = [
        {"trial": job["trial"], "job": job["job"], "step": step, "name": name, "value": value}
        for job in attacks[attacks["mse"].notna()].to_dict("records")
        for step in steps[job["knowledge"]]
        for value in [job["mse"] * (1 + 3 * np.exp(-8 * step / max(steps[job["knowledge"]])))]
        for name in ("train", "validation")
    ]
    return pd.DataFrame(rows)


def _told(hostile: str) -> dict[str, object]:
    kinds = {**dict.fromkeys(ATTACKS, "reconstruction"), **dict.fromkeys(PROBES, "probe")}
    known = {name: knowledge for name, (knowledge, _, _) in ATTACKS.items()}
    return {
        "attacks": {
            name: {
                "kind": kind,
                "knowledge": known.get(name, "gradients"),
                "threat": f"Whoever reads the traffic, and holds what {name} needs.{hostile}",
                "cost": f"one training on the attacker's images{hostile}",
                "reference": f"Somebody, Something about {name}, 2020.{hostile}",
            }
            for name, kind in kinds.items()
        },
        "images": {"spectrum": SPECTRUM, "classes": 10, "pixels": 3072},
        "metric_meanings": {name: f"what {name} means{hostile}" for name in EXTRAS},
        "metric_notes": {"lpips": f"needs the weights of a classifier: pip install invfront[lpips]{hostile}"},
    }
