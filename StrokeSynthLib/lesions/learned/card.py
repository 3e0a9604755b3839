"""The card of a lesion model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TITLES = {
    "shape": "Lesions learned from real masks: statistical shape model",
    "wgan": "Lesions learned from real masks: Wasserstein GAN",
}

_HOW = {
    "shape": """Signed distances of connected pieces, in cubes of 32 voxels that grow with the piece.
Mean and modes (principal components) at half resolution; the modes' weights are cubic functions
of volume, fill and center, the rest of them is Gaussian; what the modes leave is a Gaussian random field
with the measured spectrum, of the size it has at that distance from the surface, scaled until sphericity is
that of real pieces.""",
    "wgan": """Signed distances of connected pieces, in cubes of 32 voxels that grow with the piece.
A generator from noise and conditions, a critic that judges a crop with its conditions; Wasserstein loss,
gradient penalty (Gulrajani et al., 2017), no norm in the critic, the lesion positive in both. The generator's
weights are an exponential moving average.""",
}


def _command(kind: str, options: Mapping[str, Any]) -> str:
    """What makes the model again."""
    words = ["strokesynth train lesions --masks DIR --out MODEL --kind", kind]
    if kind == "wgan":
        words += [
            f"--steps {options['steps']} --critic-steps {options['critic_steps']} --batch {options['batch']}"
        ]
        words += [] if options["minutes"] is None else [f"--minutes {options['minutes']:g}"]
    return " ".join([*words, f"--seed {options['seed']}"])


def lesion_card(kind: str, training: Mapping[str, Any], minutes: float) -> str:
    """What a model is for, what it was made from, and where it fails."""
    options = training["options"]
    out = (
        ", ".join(f"{count} {reason}" for reason, count in sorted(training["screened_out"].items())) or "none"
    )
    facts = [f"- Steps: {training['steps']}, {minutes:.1f} min, seed {options['seed']}."]
    if kind == "wgan":
        counts = training["parameters"]
        facts.append(
            f"- Batch {options['batch']}, {options['critic_steps']} critic steps a step, penalty "
            f"{options['penalty']:g}, Adam {options['learning_rate']:g} (betas 0, 0.9); "
            f"{counts['generator']} parameters, critic {counts['critic']}."
        )
    else:
        facts.append(f"- {training['modes']} modes.")
    return f"""# {_TITLES[kind]}

**What.** Acute ischemic lesions in standard space, for `--lesions` of `strokesynth lesion`, `simulate` and
`database`. Site, volume, number of pieces, their shares, sides and gaps are drawn from smoothed statistics;
this model makes the shape of each piece.

**How.** {_HOW[kind]} Conditions: volume, extent, center, distance from the midline, share in each large
artery. All pieces lie on the left; a lesion of the right is the mirror image. The level set is chosen on
the subject's anatomy so that the volume asked for is met.

**Training**
- `{_command(kind, options)}`
- {training["people"]} people, {training["pieces"]} pieces; {training["held_out_masks"]} masks held out
  by person; screened out: {out}.
{chr(10).join(facts)}

**Privacy.** Kept are averages, modes or weights, smoothed maps (6 mm SD) and quantiles without their ends.
No mask is kept.

**Limits.** Pieces under 10 mm^3 are not made. Border-zone infarcts are not offered, as masks do not
tell them. Research use only.

License: that of the masks it was trained on.
"""
