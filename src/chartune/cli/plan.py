"""`chartune plan`: what pretrain or finetune would train, need and take, before anything runs."""

from chartune.cli.figures import ExactOption, emit_figures
from chartune.cli.options import JsonOption
from chartune.cli.stage_flags import EitherFlags, VerbArgument, with_flags
from chartune.disclosure import is_made_up
from chartune.errors import ConfigError
from chartune.store import Store


@with_flags
def command(
    verb: VerbArgument, flags: EitherFlags, exact_counts: ExactOption = False, as_json: JsonOption = False
) -> None:
    """Estimate what a stage would train and need: parameters exactly; memory, time and disk approximately.

    Nothing is prepared, pretrained or written. Tokens, steps and time need data that are prepared already. What does
    not fit into the memory and disk that are free now is refused, with exit code 5.
    """
    from chartune.planning.plan import plan
    from chartune.planning.prompts import seconds_of_prompts
    from chartune.planning.terms import seconds_of_terms
    from chartune.quantities import human_seconds
    from chartune.stages.ensemble import Ensemble
    from chartune.stages.prior import Prior
    from chartune.stages.prompted import Prompted
    from chartune.stages.structured import Structured
    from chartune.stages.tfidf import Tfidf
    from chartune.tasks.dataset import gone, read_dataset

    stage, opened = flags.stage_of(verb), Store(flags.store)
    if isinstance(stage, Structured | Prior | Ensemble):
        raise ConfigError(
            f"{stage.kind} needs no plan: it has no base model, and takes seconds, of a thousand labels minutes; plan "
            f"another method."
        )
    if isinstance(stage, Tfidf):
        seconds = seconds_of_terms(stage, opened)
        time = "seconds, of a thousand labels minutes" if seconds is None else f"about {human_seconds(seconds)}"
        raise ConfigError(f"TF-IDF needs no plan: it has no base model, and takes {time}; plan another method.")
    if isinstance(stage, Prompted):
        seconds = seconds_of_prompts(stage, opened)
        time = "known once the data are prepared" if seconds is None else f"about {human_seconds(seconds)}"
        raise ConfigError(f"prompted trains nothing, and its time is {time}; plan another method.")
    made = plan(stage, opened, exact_counts)
    prepared = opened.find("data", made.workload.data) if made.workload.data else None
    whose = read_dataset(prepared).source if prepared else gone(None).source
    exact = exact_counts or is_made_up(whose)
    emit_figures(made.to_json(exact), as_json, made.as_text(exact), whose, exact_counts)
    made.must_fit()
