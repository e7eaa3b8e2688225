"""The straight path for tests, verb by verb as a person gives them: raw tables → data → runs → report."""

from pathlib import Path
from typing import Final

from chartune.testing.command_line import Completed, chartune

PRETRAIN: Final = ("max_seq_len=64", "held_out_blocks=24", "validation_blocks=8", "optimisation.learning_rate=1e-2")
FINETUNE: Final = ("max_seq_len=48", "optimisation.learning_rate=1e-2", "numerics.precision=fp32")
CLINICAL: Final = "clinical"


def steps(count: int, *assignments: str) -> list[str]:
    """Flags that train for so many optimizer steps, with further assignments."""
    every = (f"optimisation.duration.value={count}", "optimisation.duration.unit=steps", *assignments)
    return [word for assignment in every for word in ("--set", assignment)]


def walk(raw: Path, base: Path, store: Path, report: Path) -> dict[str, Completed]:
    """Every verb of the straight path in its order, small.

    Args:
        raw: folder of raw tables.
        base: a twin.
        store: new, or one in which all has been done already.
        report: the HTML file to write.

    Returns:
        What each verb said, by the name of the run where it makes one.
    """
    model, named = ["--base", base, *steps(12, *FINETUNE)], ["--store", store, "--json", "--name"]
    exported = {name: report.with_name(f"{report.stem}-{name}") for name in ("stacked", "lora")}
    verbs: dict[str, list[object]] = {
        "prepare": ["prepare", raw, "--store", store, "--json"],
        "datasets for people": ["datasets", "--store", store],
        "audit-data for people": ["audit-data", "--base", base, "--store", store],
        "audit-data": ["audit-data", "--base", base, "--store", store, "--json"],
        CLINICAL: ["pretrain", raw, "--base", base, *steps(12, *PRETRAIN), *named, CLINICAL],
        "tfidf": ["finetune", raw, "--method", "tfidf", *named, "tfidf"],
        "head-only": ["finetune", raw, "--method", "head-only", *model, *named, "head-only"],
        "lora": ["finetune", raw, "--method", "lora", *model, *named, "lora"],
        "stacked": ["finetune", raw, "--method", "lora", "--clinical", CLINICAL, *model, *named, "stacked"],
        "report": ["report", "--out", report, "--store", store, "--json"],
        "ls": ["ls", "--store", store, "--json"],
        "ls for people": ["ls", "--store", store],
        "predict": ["predict", "tfidf", raw, "--out", report.with_name("tfidf.csv"), "--store", store, "--json"],
        "predict with a model": ["predict", "stacked", raw, "--out", report.with_name("stacked.jsonl"), *named[:3]],
        "predictions": ["predictions", "stacked", "--out", report.with_name("own.csv"), "--split", "all", *named[:3]],
        "export": ["export", "stacked", "--to", exported["stacked"], *named[:3]],
        "export for people": ["export", "lora", "--merged", "--to", exported["lora"], *named[:2]],
        "clean": ["clean", "--store", store, "--json"],
        "clean for people": ["clean", "lora", "--store", store],
        "show": ["show", "stacked", "--verify", "--store", store, "--json"],
        "show for people": ["show", "lora", "--store", store],
    }
    return {name: chartune(*words) for name, words in verbs.items()}
