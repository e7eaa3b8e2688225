"""What `plan` foretells of memory and time, beside what the same run then takes: each in a process of its own.

    base (random, activations dominate) ─ a stage of few steps ─ plan ─▶ peak and seconds, foretold
                                                              └─ run ──▶ peak of the process, and seconds

python benchmarks/memory.py                 every case, some minutes each on a busy machine
python benchmarks/memory.py --only lora     those with this word in their name
python benchmarks/memory.py --held-out      those on which no constant of the plan was fitted
python benchmarks/memory.py --smollm2       also on SmolLM2-135M, held out too, up to 8 GiB

The peak of a process is the operating system's (`chartune.testing.peak`), libraries included. It does not depend on
what else the machine does. Seconds are those of the processor, and so are the rates that they are foretold by: on
one thread (`OMP_NUM_THREADS=1`) they do not either.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Final
from unittest.mock import patch

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from chartune.adapters.adapter import write_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Stack, attach
from chartune.batches.tokenize import train_tokenizer
from chartune.made_up import make_hospital
from chartune.models.backbone import inspect
from chartune.models.load import load_body
from chartune.models.numerics import Numerics, resolve
from chartune.planning.plan import plan, planned_facts
from chartune.quantities import human_bytes
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.pretrain import Pretrain, pretrain
from chartune.store import Store
from chartune.tasks.charts import Preparation
from chartune.tasks.prepare import prepare
from chartune.testing.peak import peak_bytes

SHAPES: Final[dict[str, dict[str, Any]]] = {
    "llama": {
        "hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 8, "intermediate_size": 1376,
        "vocab_size": 8000, "pad_token_id": 2, "bos_token_id": 0, "eos_token_id": 1,
    },
    "bert": {
        "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
        "vocab_size": 8000, "pad_token_id": 2,
    },
}  # fmt: skip
"""LLaMA of 29 million parameters, BERT of MiniLM's width."""
LEARNING: Final[dict[str, dict[str, Any]]] = {
    "lora": {"kind": "lora", "rank": 16, "targets": "all-linear"},
    "ia3": {"kind": "ia3"},
    "adalora": {"kind": "adalora"},
    "adaptation-prompt": {"kind": "adaptation-prompt"},
    "prefix": {"kind": "prefix"},
    "prompt": {"kind": "prompt"},
    "p-tuning": {"kind": "p-tuning"},
    "full": {"kind": "full"},
}
"""Every method of the papers."""
WIDE: Final[dict[str, Any]] = {"kind": "lora", "rank": 32, "targets": "all-linear"}
STACKS: Final[dict[str, list[dict[str, Any]]]] = {
    "head only": [],
    "frozen + lora": [{"kind": "frozen"}, {"kind": "fresh", "method": LEARNING["lora"]}],
    "trainable": [{"kind": "trainable"}],
    "lora r=4": [{"kind": "fresh", "method": {"kind": "lora", "rank": 4, "targets": "attention"}}],
    "lora r=32": [{"kind": "fresh", "method": WIDE}],
}
"""Stacks of fine-tuning by name; what is frozen or goes on learning is a LoRA of all matrices."""
CLINICAL: Final = "clinical"
"""Folder of that adapter, as a suffix of its base's."""
SUBJECTS: Final = 220
STEPS: Final = 12


@dataclass(frozen=True)
class Case:
    """A run that is planned, and done."""

    kind: str
    """`pretrain` or `finetune`."""
    base: str
    """A family of `SHAPES`, or `smollm2`."""
    method: str
    length: int
    """`max_seq_len`."""
    batch: int
    """Examples of a step."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Further fields of the stage."""
    held_out: bool = False
    """Whether no constant of the plan was fitted on it."""

    @property
    def name(self) -> str:
        """Such as `pretrain llama lora 8 × 128`."""
        further = "".join(f" {key}={value}" for key, value in self.fields.get("numerics", {}).items())
        return f"{self.kind} {self.base} {self.method} {self.batch} × {self.length}{further}"


def cases(*, smollm2: bool) -> list[Case]:
    """Every method in pretraining, some in fine-tuning, at two lengths; then those that are held out."""
    made = [Case("pretrain", "llama", method, 128, 8) for method in LEARNING]
    made += [Case("pretrain", "llama", method, 512, 2) for method in ("lora", "prefix", "full")]
    made += [Case("finetune", "llama", method, 256, 4) for method in ("lora", "ia3", "full")]
    made += [Case("finetune", "bert", method, 256, 8) for method in ("lora", "prefix", "p-tuning", "full")]
    made += [Case("finetune", "bert", method, 64, 16) for method in ("lora", "full", "head only")]
    return [*made, *(replace(case, held_out=True) for case in _held_out(smollm2=smollm2))]


def _held_out(*, smollm2: bool) -> list[Case]:
    """Other lengths, ranks and batches, stacks on an adapter, an encoder that guesses tokens, compiled blocks, bf16."""
    made = [Case("finetune", "llama", "frozen + lora", 256, 4), Case("finetune", "llama", "trainable", 192, 8)]
    made += [Case("finetune", "bert", "lora r=32", 512, 4), Case("finetune", "bert", "lora r=4", 128, 32)]
    made += [Case("finetune", "llama", "lora r=4", 384, 6), Case("pretrain", "bert", "lora", 128, 16)]
    made += [Case("pretrain", "llama", "lora", 64, 32), Case("pretrain", "llama", "full", 256, 6)]
    made += [Case("pretrain", "llama", "lora", 128, 8, {"numerics": chosen})
             for chosen in ({"compile": "on"}, {"precision": "bf16"})]  # fmt: skip
    if smollm2:
        made += [Case("pretrain", "smollm2", method, 128, 8) for method in ("lora", "full")]
        made += [Case("finetune", "smollm2", "lora", 256, 4)]
        tokens = {"learning_rate": 1e-4, "micro_batch_tokens": 2048, "duration": {"value": 1, "unit": "steps"}}
        made += [Case("pretrain", "smollm2", "lora", 256, 8, {"optimisation": tokens})]
    return made


def main() -> None:
    """Measure and print; with a case: do that one and print what it took."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--only", default="")
    asked.add_argument("--smollm2", action="store_true")
    asked.add_argument("--held-out", action="store_true")
    asked.add_argument("--rows", type=Path, help="what was measured, as JSON lines")
    asked.add_argument("--case", nargs=2)
    choice = asked.parse_args()
    if choice.case:
        print(json.dumps(_done(Case(**json.loads(choice.case[0])), Path(choice.case[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        _make(Path(folder))
        rows: dict[bool, list[dict[str, float]]] = {False: [], True: []}
        for case in cases(smollm2=choice.smollm2):
            if choice.only in case.name and case.held_out >= choice.held_out:
                row = _measured(case, folder)
                rows[case.held_out].append(row)
                print(_line(case, row), flush=True)
                if choice.rows:
                    with choice.rows.open("a") as file:
                        file.write(json.dumps({"case": case.name, "held_out": case.held_out, **row}) + "\n")
    for held_out, some in rows.items():
        for what in ("peak", "seconds") if some else ():
            errors = sorted(abs(row[f"planned_{what}"] / row[what] - 1) for row in some)
            print(f"{'held out' if held_out else 'fitted on'}: {what}: error {median(errors):.0%} in the median, "
                  f"{errors[-1]:.0%} at worst, {len(errors)} runs")  # fmt: skip


def _make(folder: Path) -> None:
    """A hospital, its prepared data, the bases, and an adapter for the decoder."""
    make_hospital(folder / "raw", subjects=SUBJECTS, events=False)
    prepare(_preparation(folder), Store(folder / "store").open())
    for family, sizes in SHAPES.items():
        place = folder / family
        tokenizer = train_tokenizer(["the patient was admitted with chest pain and fever"], 384, place)
        if family == "bert":
            tokenizer.add_special_tokens({"mask_token": "<mask>"})
            tokenizer.save_pretrained(place)
        config = AutoConfig.for_model(family, **sizes, max_position_embeddings=1024)
        torch.manual_seed(0)
        make = AutoModelForCausalLM if family == "llama" else AutoModelForMaskedLM
        make.from_config(config).save_pretrained(place)
    base = inspect(folder / "llama", name="llama", licence="none", exposure="none")
    body, method = load_body(base, resolve(Numerics(), 256)).module, LoRA.model_validate(LEARNING["lora"])
    attached = attach(Stack(layers=(Fresh(method=method),)), body, [None], 0)
    write_adapter(folder / f"llama-{CLINICAL}", attached.tensors(0), method, base, {"run": None, "state": "fresh"})


def _preparation(folder: Path) -> Preparation:
    return Preparation.parse({"source": {"kind": "mimic3", "folder": str(folder / "raw")}})


def _measured(case: Case, folder: str) -> dict[str, float]:
    """Of a process that does nothing else."""
    done = subprocess.run(
        [sys.executable, __file__, "--case", json.dumps(asdict(case)), folder], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{case.name} must run, but it ended with {done.stderr[-2000:]}")
    row: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return row


def _done(case: Case, folder: Path) -> dict[str, float]:
    stage, store = _stage(case, folder), Store(folder / "store")
    with patch("time.perf_counter", time.process_time):  # the machine's rates as they are where nothing else runs
        made = plan(stage, store)
    foretold = planned_facts(made)
    started, before = time.monotonic(), time.process_time()
    pretrain(stage, store) if isinstance(stage, Pretrain) else finetune(stage, store)
    return {
        **made.memory.to_json(), "planned_peak": foretold["peak_bytes"], "planned_seconds": foretold["seconds"],
        "peak": peak_bytes(),
        "wall": time.monotonic() - started, "seconds": time.process_time() - before,
    }  # fmt: skip


def _stage(case: Case, folder: Path) -> Pretrain | Finetune:
    """A few steps of it, and little that is read."""
    base = case.base if case.base == "smollm2" else str(folder / case.base)
    moved = {"batch_size": case.batch, "duration": {"value": STEPS, "unit": "steps"}, "learning_rate": 1e-4}
    common = {
        "data": _preparation(folder).model_dump(mode="json"), "backbone": {"name": base}, "max_seq_len": case.length,
        "optimisation": moved, "stopping": {"evaluations_per_epoch": 1},
    } | case.fields  # fmt: skip
    if case.kind == "pretrain":
        return Pretrain.parse(
            {**common, "method": LEARNING[case.method], "validation_blocks": 4, "held_out_blocks": 4, "train_blocks": 4}
        )
    layers = STACKS[case.method] if case.method in STACKS else [{"kind": "fresh", "method": LEARNING[case.method]}]
    clinical = {"adapter": f"{base}-{CLINICAL}"}
    layers = [layer if layer["kind"] == "fresh" else layer | clinical for layer in layers]
    return Finetune.parse({**common, "stack": {"layers": layers}})


def _line(case: Case, row: dict[str, float]) -> str:
    errors = {what: row[f"planned_{what}"] / row[what] - 1 for what in ("peak", "seconds")}
    return (
        f"{case.name:50} {human_bytes(int(row['planned_peak'])):>9} "
        f"foretold, {human_bytes(int(row['peak'])):>9} taken, {errors['peak']:+5.0%}; {row['planned_seconds']:5.0f} s "
        f"foretold, {row['seconds']:5.0f} CPU s and {row['wall']:.0f} s taken, {errors['seconds']:+5.0%}"
    )


if __name__ == "__main__":
    main()
