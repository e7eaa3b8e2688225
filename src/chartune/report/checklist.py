"""TRIPOD+AI and TRIPOD-LLM: which items of the checklists this page answers, and where; others are for the authors.

Numbers are those of the published checklists: Collins et al. (2024), BMJ 385:e078378, and Gallifant et al. (2025),
Nature Medicine 31:60. The words are ours; hand in the published forms.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

FOR_AUTHORS: Final = "for the authors"


@dataclass(frozen=True)
class Item:
    """An item of a checklist."""

    number: str
    asks: str
    sections: tuple[str, ...] = ()
    """Ids of the sections of the page that may answer it; empty: no run can."""
    remark: str = ""
    """What the page says of it, or what is still missing."""


@dataclass(frozen=True)
class Answered:
    """An item as the page shows it."""

    item: Item
    links: tuple[tuple[str, str], ...]
    """Id and title of each section that answers it."""

    @property
    def whose(self) -> str:
        """`for the authors` where no section answers it."""
        return "" if self.links else FOR_AUTHORS


@dataclass(frozen=True)
class Checklist:
    """A published checklist as far as the page answers it."""

    title: str
    citation: str
    items: tuple[Answered, ...]

    @property
    def answered(self) -> int:
        """Items that a section answers, at least in part."""
        return sum(bool(item.links) for item in self.items)


def checklists(sections: Sequence[tuple[str, str]], language_model: bool) -> tuple[Checklist, ...]:
    """The checklists that apply.

    Args:
        sections: id and title of those that are on the page; one for each outcome begins with `outcome-`.
        language_model: whether a run has a base model; TRIPOD-LLM applies then.
    """
    lists = (_AI, _LLM) if language_model else (_AI,)
    return tuple(Checklist(title, citation, tuple(_answered(item, sections) for item in items))
                 for title, citation, items in lists)  # fmt: skip


def _answered(item: Item, sections: Sequence[tuple[str, str]]) -> Answered:
    return Answered(item, tuple((name, title) for name, title in sections if _matches(name, item.sections)))


def _matches(name: str, wanted: Collection[str]) -> bool:
    return name in wanted or ("outcome" in wanted and name.startswith("outcome-"))


_AI: Final = (
    "TRIPOD+AI", "Collins G. S. et al. TRIPOD+AI statement. BMJ 385, e078378, 2024",
    (
        Item("1", "Title: a prediction model, for whom, of which outcome"),
        Item("2", "Abstract, by its own checklist"),
        Item("3a", "Health care context, and models that exist"),
        Item("3b", "For whom and for which decision, by whom it is to be used"),
        Item("3c", "Known inequalities in health between groups"),
        Item("4", "Objectives: developed, evaluated, or both"),
        Item("5a", "Sources of the data, for development and evaluation", ("data", "provenance", "external"),
             "why they were chosen, and how representative they are: for the authors"),
        Item("5b", "When the data were collected", ("notes",),
             "dates of de-identified charts are shifted; the years of the source are for the authors"),
        Item("6a", "Setting: kind, number and place of centres"),
        Item("6b", "Who is eligible", ("data",)),
        Item("6c", "Treatments, and how they were handled"),
        Item("7", "Preparation and checks of the data", ("data", "notes", "provenance")),
        Item("8a", "The outcome, its horizon, and how it was established", ("outcome",)),
        Item("8b", "Who assessed a subjective outcome"),
        Item("8c", "Blinding of the assessment"),
        Item("9a", "Why these predictors"),
        Item("9b", "Every predictor, how and when measured", ("outcome",), "the text alone; what is read, and when"),
        Item("9c", "Who assessed subjective predictors"),
        Item("10", "How the size of the study was arrived at", (), "sizes stand in the flow"),
        Item("11", "Missing data, and how they were handled", ("data",)),
        Item("12a", "How the data were used and split", ("data", "provenance")),
        Item("12b", "How predictors were handled in the analysis", ("outcome", "hyperparameters"),
             "tokens read, share of texts cut"),
        Item("12c", "Kind of model, all steps of building it, tuning, internal validation",
             ("adaptation", "hyperparameters", "provenance")),
        Item("12d", "Heterogeneity between clusters, such as centres", ("external",)),
        Item("12e", "Measures and plots of performance, and how models are compared", ("outcome", "words")),
        Item("12f", "Updating of the model, such as recalibration", ("outcome",), "recalibrated on held-out rows"),
        Item("12g", "How predictions are computed in an evaluation", ("provenance",), "commands and fingerprints"),
        Item("13", "Class imbalance: whether and how handled", ("outcome", "hyperparameters"),
             "prevalence; `balance` among the hyperparameters"),
        Item("14", "Fairness: what was done for it"),
        Item("15", "Output of the model: probability, classes, thresholds and their reason", ("outcome",),
             "operating points; which one is used is for the authors"),
        Item("16", "Differences between the data of development and of evaluation", ("external", "data")),
        Item("17", "Ethical approval and consent"),
        Item("18a", "Funding, and the role of funders"), Item("18b", "Conflicts of interest"),
        Item("18c", "Where the protocol is"), Item("18d", "Registration"),
        Item("18e", "Whether data are shared", (), "licences stand under provenance"),
        Item("18f", "Whether code is shared", ("provenance",),
             "versions, settings and commands; where it lies: for the authors"),
        Item("19", "Involvement of patients and the public"),
        Item("20a", "Flow of participants, with and without the outcome", ("data",)),
        Item("20b", "Characteristics of the participants, and missing data", ("data",)),
        Item("20c", "Development against evaluation: distribution of predictors and outcome", ("data", "external")),
        Item("21", "Participants and outcome events in each analysis", ("data", "outcome")),
        Item("22", "The full model, so that others can predict", ("provenance",),
             "model cards; weights stay restricted"),
        Item("23a", "Performance with intervals, also in subgroups; plots", ("outcome", "external"),
             "subgroups: not measured"),
        Item("23b", "Heterogeneity of performance between clusters", ("external",)),
        Item("24", "Results of updating", ("outcome",), "recalibrated curves; errors before and after"),
        Item("25", "Interpretation, fairness included", ("summary",),
             "what the intervals allow; the rest is for the authors"),
        Item("26", "Limitations", ("notes",), "those that a program can see"),
        Item("27a", "What to do with poor or missing input"), Item("27b", "What users must do and know"),
        Item("27c", "Next steps, and where else it may apply"),
    ),
)  # fmt: skip
_LLM: Final = (
    "TRIPOD-LLM", "Gallifant J. et al. The TRIPOD-LLM reporting guideline. Nature Medicine 31, 60–69, 2025",
    (
        Item("1", "Title: a large language model, its task and population"),
        Item("2", "Abstract, by its own checklist"),
        Item("3", "Background: context of care, purpose, users, groups"), Item("4", "Objectives"),
        Item("5", "Data: sources, what is in them, dates of the texts, preparation, missing and imbalanced data",
             ("data", "notes", "provenance"), "oldest and newest text (5c): for the authors"),
        Item("6", "Analysis: model, version and hash, how it was trained, what it gives out, thresholds",
             ("provenance", "adaptation", "hyperparameters", "outcome")),
        Item("7", "Output: measures, and why they fit the task", ("outcome", "words")),
        Item("8", "Annotation: who labelled, by which rules", ("outcome",),
             "labels come from the charts; annotators, if any: for the authors"),
        Item("9", "Prompting", ("outcome",), "no prompt is used: a head reads the model's last states"),
        Item("10", "Summarisation of texts before use", ("outcome",),
             "none; sections are cut out by rules, texts are cut at a length"),
        Item("11", "Instruction tuning and alignment", ("provenance",), "none here; of the base model: its provenance"),
        Item("12", "Compute: hardware, time, memory", ("cost", "provenance"), "energy: not measured"),
        Item("13", "Ethical approval"),
        Item("14", "Open science: funding, conflicts, protocol, registration, data, code", ("provenance",),
             "versions, settings and commands; the rest is for the authors"),
        Item("15", "Involvement of patients and the public"),
        Item("16", "Participants: flow, characteristics, comparison of data", ("data", "external")),
        Item("17", "Performance with its uncertainty, also in groups", ("outcome", "external"), "groups: not measured"),
        Item("18", "Updating of the model, and its results", ("adaptation", "outcome")),
        Item("19", "Discussion: interpretation, limitations, use in care", ("notes", "summary"),
             "those limitations that a program can see"),
    ),
)  # fmt: skip
