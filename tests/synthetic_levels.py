"""Synthetic levels of what the attacker holds, added to the synthetic study data of tests of reports."""

from pathlib import Path

import pandas as pd

from reports.curves import shown_trials
from reports.tables import read

HELD = ((40, "n40", 3.0), (160, "n160", 1.5), (320, None, 1.0), (820, "members", 0.8))
"""Number of images, level, and mse over that of the study's own attacker."""


def add_levels(data: Path) -> Path:
    """Let two attacks on the front's trials and anchors have run at three other levels, in vain; return the folder."""
    numbers = [int(number) for number in shown_trials(read(data).trials)["trial"]]
    attacks = pd.read_parquet(data / "attacks.parquet")
    known = attacks[attacks["trial"].isin(numbers) & attacks["mse"].notna()]
    jobs = sorted(set.intersection(*(set(rows["job"]) for _, rows in known.groupby("trial"))))[:2]
    own = known[known["job"].isin(jobs)].assign(attacker="same", attacker_images=320)
    beside = [
        own.assign(
            job=own["job"] + f"-{level}", level=level, mse=own["mse"] * times, attacker_images=images, verdict="failed"
        )
        for images, level, times in HELD
        if level
    ]
    pd.concat([attacks.assign(level=None), *beside]).to_parquet(data / "attacks.parquet", index=False)
    rows = [
        {
            "trial": number, "attacker": "members" if level == "members" else "same", "attacker_images": images,
            "level": level, "mse": times * mse, "ssim": 0.5, "mse_attack": jobs[0], "ssim_attack": jobs[0],
            "mse_se": 0.0004, "ssim_se": 0.01, "over": ", ".join(jobs),
        }
        for number, mse in own[own["job"].eq(jobs[0])][["trial", "mse"]].itertuples(index=False)
        for images, level, times in HELD
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(data / "levels.parquet", index=False)
    return data
