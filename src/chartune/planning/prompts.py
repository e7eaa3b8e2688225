"""What a prompted run would take: it trains nothing, so that its time is that of reading prompts.

texts, prompts ─tokens─▶ 2 operations for each weight and token ─▶ rate of this machine ─▶ seconds

Its one constant lies among what SmolLM2-135M attained on one core of 2026 in bf16: shares from 0.07 (80 tokens, 11
labels of 4 tokens) to 0.20 (300 tokens, 2 labels of one). How far other models and machines are off was not measured.
"""

from typing import Final

import torch

from chartune.batches.prompting import Prompter, Wording
from chartune.batches.tokenize import load_tokenizer
from chartune.disclosure import is_made_up, typical
from chartune.models.backbone import LocalBackbone
from chartune.models.load import parameters_of
from chartune.models.precision import HALF
from chartune.planning.lengths import mean_tokens
from chartune.planning.prepared import prepared
from chartune.planning.rates import matmul_rate
from chartune.planning.requirements import SETUP_SECONDS
from chartune.stages.bases import find_or_convert
from chartune.stages.prompted import Prompted, wordings
from chartune.stages.resolving import resolved_of
from chartune.stages.table import TaskTable, read_table
from chartune.store import Store
from chartune.tasks.dataset import read_dataset

ATTAINED: Final = 0.12
"""Share of the rate of a matrix product that reading one text after the other attains."""


def seconds_of_prompts(stage: Prompted, store: Store) -> float | None:
    """Seconds of the whole stage; None: the data are not prepared, or the base is not there.

    Raises:
        DataError: they are, but without the task.
        ConfigError: a prompt does not fit.
    """
    data, base = prepared(stage.data, store), find_or_convert(stage.backbone, store)
    if data is None or base is None:
        return None
    table, resolved = read_table(data, stage.task, for_model=True), resolved_of(stage, base)
    exact = is_made_up(read_dataset(data).source)
    tokens = sum(_tokens(stage, table, wording, base, exact) for wording in wordings(stage, table))
    rate = ATTAINED * matmul_rate(HALF.get(resolved.precision, torch.float32), resolved.device)
    return SETUP_SECONDS + 2 * parameters_of(base) * tokens / rate


def _tokens(stage: Prompted, table: TaskTable, wording: Wording, base: LocalBackbone, exact: bool) -> float:
    """Tokens that are read with one template: all numbers of examples on validation, the largest on other splits."""
    prompter = Prompter(wording, load_tokenizer(base), stage.max_seq_len)
    further = sum(len(label) - 1 for label in prompter.labels)
    shown = [count * stage.example_tokens for count in stage.examples]
    total = 0.0
    for split in stage.read_splits(table):
        texts = [table.texts[row] for row in table.rows(split).tolist()]
        each = mean_tokens(texts, base, stage.max_seq_len) + prompter.fixed
        lengths = [min(each + more, stage.max_seq_len) + further for more in shown]
        total += typical(len(texts), exact) * (sum(lengths) if split == "validation" else max(lengths))
    return total
