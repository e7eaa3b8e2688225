"""Repeating: a run must predict what it predicted when it was scored, where the store still has the texts.

    predictions.parquet ─▶ a few of its rows ─texts of the prepared data─▶ predicted again ─▶ equal but for rounding

So a head or an adapter that somebody has exchanged for another of the same shape, and signed, is found out.
"""

from typing import Final

import numpy as np

from chartune.errors import AdapterError
from chartune.stages.loading import Loaded
from chartune.stages.table import read_table
from chartune.store import Store
from chartune.tasks.prepared import SHELF

ROWS: Final = 4
"""Rows that are predicted again, evenly spaced."""
MOST: Final = {"fp32": 1e-3}
"""By how much a logit may differ, absolutely and of its size, where the run was trained in this precision."""
OTHERWISE: Final = 0.1
"""The same of a run that was trained in two bytes, and is now computed in fp32.

Measured on MiniLM with ten LoRA runs in bf16 (rank 8, query and value or all matrices, 2 to 40 steps, two outcomes):
the largest gap of any test row was between 0.001 and 0.012 in nine runs and 0.051 in one. Another run's head, its
adapter, or both in their place, of the same shapes and data but another seed, on four rows: of thirty 0.28 at the
least, then 0.37. Decoders and larger bases were not measured.
"""


def must_repeat(loaded: Loaded, store: Store) -> bool:
    """Refuse a run that no longer predicts what it predicted.

    Args:
        loaded: the run.
        store: may hold the data that it was scored on.

    Returns:
        Whether it was tried: whole texts alone, whose data the store has.

    Raises:
        AdapterError: a logit differs.
    """
    run, form = loaded.run, loaded.form
    data = store.find(SHELF, run.data or "")
    if data is None or not form.whole_text or not run.has_predictions():
        return False
    table, kept = read_table(data, run.task or "", for_model=True), run.predictions()
    split = kept["split"][0] if kept.height else ""
    kept, frame = kept.filter(kept["split"] == split), table.frame[table.rows(split)]
    if frame["hadm_id"].to_list() != kept["hadm_id"].to_list() or not frame.height:
        raise AdapterError(f"predictions of {run.name!r} must be of its own data, but name other rows; copy it again.")
    rows = np.unique(np.linspace(0, frame.height - 1, ROWS).astype(np.int64))
    before = np.asarray(form.read(kept[rows])[1], dtype=np.float64)
    texts = [table.texts[row] for row in table.rows(split)[rows].tolist()]
    most = MOST.get(str(run.environment.get("precision")), OTHERWISE)
    gap = float((np.abs(loaded.decided(texts) - before) / (1 + np.abs(before))).max())
    if not gap <= most:
        raise AdapterError(
            f"a run must predict what it predicted when it was scored, but on {len(rows)} texts of its {split} split "
            f"{run.name!r} differs by {gap:.1e}: its adapter, its head or its base is not that which was scored; it is "
            f"not loaded; copy it again, or fine-tune again."
        )
    return True
