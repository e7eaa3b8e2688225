# %% [markdown]
# # From a MIMIC folder to a stack of adapters
#
# A language model reads the notes of a hospital with a small adapter (the clinical adapter), then a second one, stacked
# on it, learns an outcome: Gema et al. (2023). The folder here is a made-up hospital in the layout of MIMIC-III; with
# credentials, name yours in `NOTEBOOK_FOLDER`. Cells begin with `# %%`, as in `own_notes.py`.

# %%
import os
from pathlib import Path

import polars as pl

import chartune
from chartune import (
    Backbone,
    Duration,
    Finetune,
    Fresh,
    LoRA,
    Mimic3,
    Optimisation,
    Preparation,
    Pretrain,
    Stack,
    Store,
    Tfidf,
    Trainable,
    make_hospital,
)

BASE = os.environ.get("NOTEBOOK_BASE", "smollm2")  # a causal language model
STORE = os.environ.get("CHARTUNE_STORE", "chartune-store")
FOLDER = Path(os.environ.get("NOTEBOOK_FOLDER", "hospital"))
EPOCHS = float(os.environ.get("NOTEBOOK_EPOCHS", "1"))

# %%
if not FOLDER.exists():
    make_hospital(FOLDER, layout="mimic3", subjects=300, seed=0, events=False)

# %% [markdown]
# ## Prepare
#
# All tasks in one pass: who is in, what is read, what is asked. Every filter is named and counted; training texts that
# hold too much of a held-out text are left out.

# %%
store = Store(STORE).open()
data = chartune.prepare(Preparation(source=Mimic3(folder=FOLDER)), store)
data.fingerprint

# %% [markdown]
# ## Adapt, then fine-tune on the adapter
#
# Perplexity on the notes of held-out patients, before and after.

# %%
base, short = Backbone(name=BASE), Optimisation(duration=Duration.epochs(EPOCHS))
clinical = chartune.run(
    Pretrain(data=data, backbone=base, max_seq_len=128, optimisation=short, name="clinical", held_out_blocks=24), store
)
print(clinical.estimate("perplexity_before"), "→", clinical.estimate("perplexity"))

# %%
baseline = chartune.run(Tfidf(data=data, task="mortality"), store)
shared = {"data": data, "backbone": base, "task": "mortality", "max_seq_len": 128, "optimisation": short}
plain = chartune.run(Finetune(**shared, name="LoRA"), store)
stack = Stack(layers=(Trainable(adapter=clinical.fingerprint), Fresh(method=LoRA())))
stacked = chartune.run(Finetune(**shared, stack=stack, name="clinical + LoRA"), store)

# %%
runs = (baseline, plain, stacked)
scores = pl.concat([each.score_frame().insert_column(0, pl.lit(each.name).alias("run")) for each in runs])
scores.filter((pl.col("split") == "test") & (pl.col("metric") == "auroc"))

# %% [markdown]
# The report sets them beside each other, with paired differences on the same patients.

# %%
stacked.report(baseline, plain)
