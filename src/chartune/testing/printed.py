"""Every number that the verbs print, by its kind: what is not recognised is met by the test that reads it all.

    line ─blank out the kinds that tell no number of patients─▶ no digit left, or a finding

A kind is listed with the reason for which it is harmless, or is read by `chartune.testing.attacker`. The rule is
closed: a number that somebody prints later fails until it is listed here or read there.
"""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any, Final

from chartune.published import outcome_rows, taylor2024

_CLASS: Final = r"(?:<(?:10|20)\b|\b\d[\d,]*0\+|≈ \d[\d,]*0\b)"
KINDS: Final[tuple[tuple[str, str], ...]] = (
    (r"\b10 cases and 10 controls\b", "what recalibration needs"),
    (r"/\S+|\b[0-9a-f]{16,64}\b|\w+://\S+", "folders, fingerprints and hashes: they name, and count nothing"),
    (r"\d[\d.]* [KMG]?i?B +\d+ days  |needed by  ?and \d+ more$|^\d+ would be removed",
     "sizes to the first digit, ages and numbers of folders of a store"),
    (r"\b\d{4}-\d\d-\d\d(?:T[\d:+]+)?", "when it was made"),
    (r"\b\d+\.\d+\.\d+(?:\+\w+)?\b|, \d+ threads|SHA256SUMS|SHA-256", "versions and machines"),
    (r"none for \d+ of the \d+ answers", "classes of answers that nobody has, which is shown"),
    (r"\([\d,]+ of [\d,]+ are associated with it\)|[\d,]+ more that fewer than ten", "phrases, not patients"),
    (r"tokens about [\d,]+|steps \d+, tokens trained on [\d,]+, tokens read without gradients [\d,]+",
     "read: of a class"),
    (r"[\d,]+ of [\d,]+ learn \([\d.]+%\)|: [\d,]+ of [\d,]+$", "parameters of a model"),
    (r"≈ [1-9][\d,]* (?:words|\|)|^≈ [1-9][\d,]*$", "words: of a class and a whole mean"),
    (_CLASS, "a class of ten, or its difference: read by the attacker"),
    (r"[<>≈]?\s?(?:100|[1-9]0) %", "shares of texts in tens"),
    (r"\bTable \d|\bet al\. \(\d{4}\)|\bet al\., \d{4}|\bTexts?, \d{4}|\(\d{4}\), Clinical|arXiv:[\d.]+", "citations"),
    (r"ICD-(?:9|10)|icd9|MIMIC-III 1\.4|mimic3|mimic4|1\.4 layout|TF-IDF|UTF-8|U\+FFFD", "names of codes and formats"),
    (r"what was noted then \(\d+\): chartune datasets \w{8}", "sentences that were said before, and a fingerprint"),
    (r"data row \d+", "where a damaged cell stands: a place, no count"),
    (r"\d[\d.,]* (?:s|min|h|B|KiB|MiB|GiB)\b", "seconds and bytes of the machine"),
    (r"aged? (?:at admission )?18 or more|flag is 0 or 1|with 10 training cases|for 96 consecutive hours|"
     r"up to 3 days|3 to 7 days|7 to 14 days|more than 14 days", "definitions of tasks"),
    (r"(?:--set )?[\w.]*splits?\.\S*|train [\d.]+, validation [\d.]+, calibration [\d.]+, test [\d.]+",
     "rules of splits"),
    (r"\d+% or more|none in \d+ of \d+ places|texts of more than \d+ held-out", "limits and places of an audit"),
    (r"mean [\d,]+, median [\d,]+, longest [\d,]+", "words of texts, in whole numbers"),
    (r"more than [\d,]+:|\d+ labels|more than [\d,]+ ", "limits and labels"),
    (r"\basked: which of \d+ classes applies.*", "the classes that a task defines"),
    (r"\([\d.]+ %\)", "a share of the middles of two classes, beside them"),
    (r"fewer than 10 are too few|r=\d+|\bfp32|\bbf16|max_seq_len=\d+|logistic regression, \d+ tokens",
     "rules and settings"),
    (r"-?\d+\.\d{1,2}(?: \[-?\d+\.\d{1,2}, -?\d+\.\d{1,2}\])?(?![\d%])|prevalence 0\.\d", "scores in two digits"),
    (r"\b\d[\d.e-]*(?=[^()]*\(mean change of the logits)", "what a layer contributes: of the model"),
    (r"about step [1-9]0*\b", "in proportion to texts: its first digit"),
    (r"(?<![\w.,])0(?:\.0)?(?: ?%)?(?![\w,]|\.\d)", "nobody, which is shown"),
)  # fmt: skip
"""Pattern of a kind of number, and why no count of patients follows from it."""
_MODELS: Final = "|".join(re.escape(row.model) for row in outcome_rows())
_TAYLOR: Final = "|".join(re.escape(name) for name in taylor2024.BASES)
OF_PAGES: Final[tuple[tuple[str, str], ...]] = (
    (rf"^(?:{_TAYLOR}), (?:Full|LoRA|IA3|Prefix tuning) .*|Taylor N\., .*arXiv:[\d.]+|authors' repository \(.*?\)",
     "of a repository, of its own data"),
    (r"\b\d[\d.e+]* (?:ms|Wh|GBP|EUR|USD)\b|\b\d[\d.e+]*/s\b|[\d.]+ epochs and [\d,]+ texts",
     "of the machine, and its price"),
    (r"\b[1-9]e\+\d+\b", "operations, in proportion to texts: their first digit"),
    (r"^(?:PMC-)?LLaMA-7B, .*|^.* \| 0\.\d{4} \| Table [34] \|$|^Beside Table 1 of Gema .*|"
     r"(?:printed as \w+ \| \d+ )?printed \d+(?:,\d{3})*(?:, meant \d)?|Gema A\. P\., .*\(2023\)|"
     r"\d+ models, no intervals printed|0\.\d{3} to 0\.\d{3} lowest to highest|"
     r"Tables 3 and 4 print|2,653,149 notes of MIMIC-IV|A100-80GB|^Tables 3 and 4 of Gema et al\. \(2023\), and ours$|"
     rf"^(?:{_MODELS})\s+(?:Table [34]|van Aken .*, not verified)\s+\|(?: (?:0\.\d{{4}}|–) \|){{5}} "
     r"(?:0\.\d{4}(?: recomputed 0\.\d{4})?|–) \|$",
     "printed in a paper, of its own data"),
    (r"^(?:Age years|Length of stay days|Text words) \|.*", "quartiles in whole numbers, with ten rows on either side"),
    (r"[1-9][\d,]*0\+ [\d.]+ %(?= \|)", "a cell of a cross table, read by the attacker, with the share of its middle"),
    (r"(?:\(Youden\)|s\w+ity of at least \d[05] %|highest F1|one in ten flagged) \| [\d.]+ \|", "a threshold: a risk"),
    (r"\d+ % of the rows answered|conformal sets of 90 %|at most 10 % of sets|Recall@\d+|labels with 10 test cases|"
     r"\([A-Z][\w ]+, (?:19|20)\d\d\)|et al\., 2019; Vovk, 2012|reads it at 0\.2|nobody \(0\)|\bF1\b|"
     r"power of 80 %|two-sided, 5 %|AUROCs of 0\.80 with a correlation of 0\.5|error of \d+ differences|"
     r"\bvariants \d+(?:, \d+)* and \d+|^(?:under 18|\d\d to \d\d|80 and over) age band|\d{4} - \d{4} year group",
     "what a score, a rule or a plan means, and numbers of variants"),
    (r"^(?:Field|Characteristic) \|.*|^(?:seed|tokens read|layer \d\.\w+|(?:balance|head|max_seq_len|numerics|"
     r"optimisation|stopping|method|strength chosen|notes|validation_blocks|held_out_blocks|"
     r"train_blocks|general_blocks|longest_ngram|least_documents|strengths|length)[.\w]*) \|.*",
     "hyperparameters, which are chosen"),
    (r"^TRIPOD\S+ \d+ of \d+ items .*|^(?:Collins|Gallifant) .*, 202\d\.$|^\d\d?[a-g]? \| [A-Z].*\|$|"
     r"by its \d+ main items|divides into \d+ subitems",
     "items of checklists"),
    (r"^(?:- )?Switches(?: \||:) .*|^(?:near copies|stays)\.[\w ]+ \| [\d.]+ \|", "switches, which are chosen"),
    (r"^- (?:Text read|Method in full): .*|^(?:Text read|Method in full) \| .*|first \d+ tokens",
     "settings, which are chosen"),
    (r"^(?:- )?(?:Labels|Layers?|Threads)(?: \||:) \d+$|layer\d\b|with seed \d+|^Device \|.*|^for \d+ runs \| .*|"
     r"Linux-\S+|: \d+ tokens on cpu(?=;|$)|less than 1e\+14 operations",
     "labels and machines"),
    (r"^(?:- )?Parameters(?: \||:) [\d,]+$|[\d,]+ parameters|^(?:Trained|All) parameters \|.*|[\d,]+ → [\d,]+ measured|"
     r"\| [\d,]+ [\d.]+ % \|", "parameters of a model"),
    (r"^Tokens trained on \|(?: (?:not planned|[1-9][0,]*) \|)+",
     "in proportion to texts: its first digit"),
    (r"(?:perplexity|before|ratio|byte) (?:\| )?\d+\.\d{3}(?: \[\d+\.\d{3}, \d+\.\d{3}\]| \| \d+\.\d{3} to "
     r"\d+\.\d{3})?", "a mean over tokens"),
    (r"\bP?\d+ · |\d+ more filters left nobody out, or too few to show", "runs and filters, not patients"),
    (r"\b95 %|30\+ is 30 to 39|<10 is 1 to 9|(?:below|best) 1\b|\b1 (?:is always|would be never)|"
     r"fewer than 10 admissions|\btop-1\b",
     "what a score or a rule means"),
)  # fmt: skip
"""As `KINDS`, of reports and model cards."""
CHOICES: Final = frozenset(
    {
        "settings",
        "stage",
        "environment",
        "device",
        "versions",
        "config",
        "rule",
        "numerics",
        "switches",
        "labels",
        "titles",
        "classes",
    }
)
"""Entries of JSON that say what was chosen and where it ran."""
BY_NAME: Final = (".tasks", ".tables")
"""Entries of JSON whose keys are names, which may be any word."""
FIELDS: Final[Mapping[str, str]] = {
    "bytes": "size of a file", "usual": "a limit of a rule", "share": "of the middles of two classes", "seed": "chosen",
    "mean": "whole words", "median": "whole words", "longest": "words of one text", "tokens": "read: first digit",
    "tested": "phrases", "passed": "phrases", "withheld": "phrases", "level": "of an interval",
    "revision": "of a format",
    "value": "a score in the digits of its class", "low": "as its score", "high": "as its score", "resumed": "attempts",
    "seconds": "of the machine", "train_seconds": "of the machine", "peak_bytes": "of the machine",
    "trainable_parameters": "of a model", "total_parameters": "of a model", "parameters": "of a model",
    "trainable": "of a model", "artefact_bytes": "of a model", "intercept": "as the scores of its split",
    "slope": "as the scores of its split", "rank": "chosen", "alpha": "chosen",
    "dropout": "chosen", "b_rate_ratio": "chosen", "max_seq_len": "chosen", "outputs": "labels",
    "evaluated_tokens": "read: of a class", "shared": "read: first digit", "token_bytes": "read: first digit",
    "vectors": "read: first digit", "nats": "read: one digit", "epoch_tokens": "read: of a class",
    "steps": "read: of a class", "micro_batches": "of a class", "read_tokens": "of a class", "text_bytes": "of a class",
    "evaluations": "of a class", "micro_batch_tokens": "by a rule, or what memory allows",
    "contributions": "of a layer to logits",
    "process": "of the machine", "weights": "of a model", "optimizer": "of a model", "batch": "of a micro-batch",
    "data": "of a class", "free": "of the machine", "peak": "of the machine", "kept": "of a model",
    "while_training": "of a model", "gflops": "of the machine", "attention_gflops": "of the machine",
    "gigabytes": "of the machine", "count": "read: a class",
    "of": "read: a class", "texts": "a class", "days": "age of a folder",
}  # fmt: skip
"""Numeric fields of JSON answers, and why they may stand there."""
FIRST_DIGIT: Final = (".best_step", ".cost.tokens")
"""Places of amounts in proportion to a number of texts: zeros follow the first digit."""


def unknown_in_text(text: str) -> list[str]:
    """Lines that hold a number of no kind, the numbers of known kinds blanked out."""
    plain = unescape(text).replace("\N{NO-BREAK SPACE}", " ")
    return [left for line in plain.splitlines() if re.search(r"\d", left := _blanked(line))]


def unknown_in_page(text: str) -> list[str]:
    """As `unknown_in_text`, of the HTML of a report, drawings aside, or the Markdown of a card."""
    plain = re.sub(r"<style>.*?</style>|<script.*?</script>|<svg.*?</svg>", "", text, flags=re.DOTALL)
    if "<html" in text:
        plain = re.sub(r"</(?:td|th|dt)>", " | ", re.sub(r"\s*\n\s*", " ", plain))
        plain = re.sub(r"</?(?:span|b|i|em|strong|code|a|small|td|th|dt|dd)\b[^>]*>", " ", plain)
        plain = re.sub(r"<[^>]+>", "\n", plain)
    lines = (re.sub(r"\s+", " ", re.sub(r"\*\*|\\(?=\W)", "", line)) for line in unescape(plain).splitlines())
    return [
        left
        for line in lines
        if re.search(r"\d", left := _blanked(line.strip().removeprefix("| "), (*OF_PAGES, *KINDS)))
    ]


def _blanked(line: str, kinds: tuple[tuple[str, str], ...] = KINDS) -> str:
    for pattern, _ in kinds:
        line = re.sub(pattern, "", line)
    return line.strip()


def unknown_in_json(answer: Any, where: str = "") -> Iterator[str]:
    """Places and values of numbers of no kind, those within sentences included."""
    above, _, name = where.rpartition(".")
    name = "" if above.endswith(BY_NAME) else name
    if name in CHOICES or isinstance(answer, bool) or answer is None:
        return
    if isinstance(answer, Mapping):
        for key, value in answer.items():
            yield from unknown_in_json(value, f"{where}.{key}")
    elif isinstance(answer, list):
        for value in answer:
            yield from unknown_in_json(value, where)
    elif isinstance(answer, str):
        yield from (f"{where}: {line}" for line in unknown_in_text(answer))
    elif where.endswith(FIRST_DIGIT):
        yield from [f"{where}: {answer}"] * (len(str(answer).rstrip("0")) > 1)
    elif name not in FIELDS and answer != 0:
        yield f"{where}: {answer}"


def in_proportion(printed: int, each: float, typical_only: bool = False) -> tuple[int, int]:
    """The numbers of texts of which a printed amount can be the multiple.

    Args:
        printed: tokens, to the digits before its trailing zeros.
        each: tokens of one text.
        typical_only: whether the middle of a class stands for all of it; another number then is exact.
    """
    if typical_only and printed % each == 0 and (n := int(printed // each)) % 10 == 5:
        return (max(1, n - n % 10), n - n % 10 + 9)
    half = 0.5 * 10 ** (len(str(printed)) - len(str(printed).rstrip("0")))
    return int(-((half - printed) // each)), int((printed + half) // each)


def of_share(value: int | str, rounded: bool) -> tuple[int, int]:
    """The numbers that a `count` or an `of` of an audit can stand for.

    Args:
        value: as it stands in the JSON.
        rounded: whether the row says that it is the lowest of a class; another number then is exact all the same.
    """
    if isinstance(value, str):
        return (1, 9) if value == "<10" else (int(value), int(value))
    return (value, value + 9) if rounded and value and value % 10 == 0 else (value, value)


def shares(answer: Any, where: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Every `count` of `of` in the JSON of an audit, with its place; rows are named by their words, not by order."""
    if isinstance(answer, Mapping):
        if {"count", "of"} <= set(answer):
            yield where, answer
            return
        own = tuple(
            str(v) for k, v in answer.items() if k in ("law", "learnt", "asked", "split", "task", "unit", "phrase")
        )
        own += (str(answer["tokens"]),) if "tokens" in answer else ()
        for key, value in answer.items():
            yield from shares(value, (*where, *own, key))
    elif isinstance(answer, list):
        for value in answer:
            yield from shares(value, where)
