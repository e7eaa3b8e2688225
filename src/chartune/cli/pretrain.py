"""`chartune pretrain`: domain-adaptive pretraining."""

from chartune.cli.figures import ExactOption, emit_run
from chartune.cli.options import JsonOption, open_store
from chartune.cli.stage_flags import PretrainFlags, with_flags
from chartune.cli.warned import say_warnings
from chartune.launched import rank


@with_flags
def command(flags: PretrainFlags, exact_counts: ExactOption = False, as_json: JsonOption = False) -> None:
    """Adapt a language model to the notes of the training patients, by default with a LoRA adapter.

    Reports perplexity (per token) and bits per byte on held-out patients before and after, with intervals; of an
    encoder, which guesses masked tokens, masked-LM perplexity. A killed run resumes where it stopped when the same
    command is given again; a finished one is found.
    """
    stage, opened = flags.stage(), open_store(flags.store)
    from chartune.runner import run  # after the flags were found right: it brings all libraries

    if rank():  # one of several processes takes part in the training; all else is done by the first
        run(stage, opened)
        return
    warned = say_warnings(stage.data, opened, None)
    done = run(stage, opened)
    emit_run(done, as_json, exact_counts, {"warnings": warned})
