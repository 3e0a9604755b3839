"""``strokesynth database``: a cohort of synthetic cases from a translator."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from . import arguments as shared
from .console import Console

if TYPE_CHECKING:
    from ..pipeline.database import DatabaseRecipe

HELP = "Make a database of synthetic cases: anatomies x lesions x a trained translator."
EXAMPLE = "strokesynth database --model physics-model --cases 200 --out synthetic --seed 1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("--model", required=True, metavar="MODEL", help="folder of a trained translator")
    parser.add_argument(
        "--cases", type=shared.positive_whole, required=True, metavar="N", help="how many in all"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="COHORT", help="folder of the synthetic cohort"
    )
    parser.add_argument(
        "--nnunet", type=Path, metavar="DIR", help="when all are made, also write them as nnU-Net raw here"
    )
    _what(parser)
    parser.add_argument(
        "--sampling-steps", type=shared.positive_whole, metavar="N",
        help="steps of a translator that draws in steps (rflow); more are slower and closer",
    )  # fmt: skip
    parser.add_argument(
        "--resume", action="store_true", help="go on with a database that was begun; finished cases are kept"
    )
    parser.add_argument("--no-contact-sheet", action="store_true", help="leave out the pictures of all cases")
    _auditing(parser)
    shared.workers(parser)
    parser.add_argument(
        "--scheduler", metavar="ADDRESS",
        help="make the cases on the workers of this Dask scheduler (tcp://HOST:8786) instead",
    )  # fmt: skip
    shared.seed(parser)


def _what(parser: argparse.ArgumentParser) -> None:
    """Heads and lesions."""
    shared.sources(parser)
    parser.add_argument(
        "--maps", type=Path, metavar="DIR",
        help="semantic maps whose own grids the images shall have, instead of --anatomies",
    )  # fmt: skip
    parser.add_argument(
        "--territory", nargs="+", default=[], metavar="NAME", help="territories, one drawn for each lesion"
    )
    parser.add_argument(
        "--side", nargs="+", default=[], metavar="SIDE", help="left, right, both; one drawn for each lesion"
    )
    parser.add_argument(
        "--volume-ml", nargs="+", type=shared.positive, metavar="ML",
        help="volume of the lesions, or the smallest and the largest",
    )  # fmt: skip
    parser.add_argument(
        "--keep-unrecoverable", action="store_true",
        help="write a case of which no try shows its lesion, marked, instead of ending there; can be added "
        "with --resume",
    )  # fmt: skip


def _auditing(parser: argparse.ArgumentParser) -> None:
    """Whether the cases are audited when they are made."""
    group = parser.add_argument_group("audit")
    group.add_argument(
        "--audit-against", type=Path, metavar="COHORT",
        help="audit the finished database against the real cases that the translator was trained on (that is "
        "checked); the report is audit.json, its page audit.html, in the database",
    )  # fmt: skip
    group.add_argument(
        "--audit-holdout", type=Path, metavar="COHORT", help="real cases of other people, for the audit"
    )
    group.add_argument(
        "--require-audit", action="store_true",
        help="fail when the audit is not passed (status 1), and then write no copy for nnU-Net",
    )  # fmt: skip


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Make the database and say what came out."""
    shared.one_core_a_process()
    from ..cohort.layouts import open_cohort
    from ..pipeline.database import check_nnunet_copy, make_database, write_nnunet_copy
    from ..study.mosaic import write_contact_sheets

    recipe = recipe_of(arguments)
    _check_audit(arguments)
    if arguments.nnunet is not None:
        check_nnunet_copy(arguments.out, arguments.nnunet)
    made = make_database(
        arguments.out, arguments.cases, recipe, resume=arguments.resume, progress=console.progress,
        workers=arguments.workers, scheduler=arguments.scheduler,
    )  # fmt: skip
    parts = [f"{made.made} synthetic cases written to {arguments.out}"]
    if made.kept:
        parts.append(f"{made.kept} were there already")
    if not arguments.no_contact_sheet:
        write_contact_sheets(open_cohort(arguments.out), arguments.out, progress=console.progress)
    if arguments.audit_against is not None:
        parts.append(_audited(arguments, console))
    if arguments.nnunet is not None:
        write_nnunet_copy(arguments.out, arguments.nnunet, console.progress)
        parts.append(f"copied to {arguments.nnunet} as nnU-Net raw")
    parts += [f"{count} {name}" for name, count in made.counts.items() if count]
    console.result("; ".join(parts) + ".", {"made": made.made, "kept": made.kept, **made.counts})


def _check_audit(arguments: argparse.Namespace) -> None:
    """Refuse before hours are spent on the cases what an audit would refuse after them.

    A required audit against other cases than those that the model was trained on is refused as well: it
    cannot be passed.
    """
    from ..cohort.layouts import open_cohort
    from ..errors import BadInputError, require

    if arguments.audit_against is None:
        if arguments.require_audit or arguments.audit_holdout is not None:
            raise BadInputError("--require-audit, --audit-holdout: need --audit-against, the real cases.")
        return
    require("torch", "monai")
    from ..pipeline.audit_cohorts import check_apart, check_people
    from ..pipeline.audit_sources import judge_sources

    folders = {"--out": arguments.out, "--audit-against": arguments.audit_against,
               "--audit-holdout": arguments.audit_holdout}  # fmt: skip
    check_apart({name: folder for name, folder in folders.items() if folder is not None})
    real = open_cohort(arguments.audit_against)
    held_out = None if arguments.audit_holdout is None else open_cohort(arguments.audit_holdout)
    check_people(real, held_out)
    if arguments.require_audit:
        unseen = () if held_out is None else held_out.cases
        sources = judge_sources(arguments.model, (), real.cases, unseen)
        if sources.passed is False:
            raise BadInputError(
                f"--audit-against {arguments.audit_against}: is not what the model was trained on, give that "
                f"cohort. {sources.sentence}"
            )


def _audited(arguments: argparse.Namespace, console: Console) -> str:
    """Audit the database and keep report and page in it; what came out, for the last line.

    Raises
    ------
    StrokeSynthError
        When it was required to pass and did not.
    """
    from ..errors import StrokeSynthError
    from ..files import write_json
    from ..pipeline.audit import AuditRequest, audit
    from ..study.audit_page import write_page
    from .audit import not_answered

    out = arguments.out
    found = audit(
        AuditRequest(
            out, arguments.audit_against, arguments.audit_holdout, arguments.seed, arguments.device,
            arguments.workers, model=arguments.model,
        ),
        console.progress,
    )  # fmt: skip
    write_json(out / "audit.json", found.to_json())
    write_page(out / "audit.html", found)
    if found.passed:
        return f"audit passed{not_answered(found.unanswered)}"
    failed = f"did not pass the audit: {', '.join(found.failed)}; {out / 'audit.html'} says why"
    if arguments.require_audit:
        raise StrokeSynthError(f"{out}: {failed}. The cases are still there.")
    return f"the database {failed}"


def recipe_of(arguments: argparse.Namespace) -> DatabaseRecipe:
    """What is asked for.

    Raises
    ------
    BadInputError
        When it cannot be meant so.
    """
    from ..errors import BadInputError
    from ..pipeline.database import DatabaseRecipe
    from ..pipeline.wishes import LesionWishes

    volume = arguments.volume_ml
    if volume is not None and len(volume) > 2:
        raise BadInputError(f"--volume-ml: takes one volume or two, not {len(volume)}.")
    return DatabaseRecipe(
        arguments.model, arguments.anatomies, arguments.lesions, arguments.lesion_free, arguments.seed,
        arguments.device, arguments.maps,
        LesionWishes(
            tuple(arguments.territory), tuple(arguments.side), (volume[0], volume[-1]) if volume else None
        ),
        arguments.keep_unrecoverable, arguments.sampling_steps,
    )  # fmt: skip
