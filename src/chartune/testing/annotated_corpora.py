"""Made-up corpora in the exact raw formats of i2b2 2010, 2012, 2014, n2c2 2018 and MedNLI, with every known trap.

No sentence here is a patient's. Each writer returns the folder into which its downloads were put, as archives.
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from chartune.testing.downloads import write_loose, write_tar, write_zip
from chartune.testing.own_corpora import write_brat, write_conll
from chartune.testing.text_pairs import write_pairs, write_pubmedqa

NOTE_2010: Final = (
    " He  has severe PAIN .\n"
    'The "cold" cuff || tape and chest\n'
    "tightness were treated with Morphine & rest .\n"
    "Aspirin given for headache ; EKG shows arrhythmia .\n"
)
CONCEPTS_2010: Final = """c="severe pain" 1:2 1:3||t="problem"
c="has" 1:3 1:3||t="test"
c=""cold" cuff || tape" 2:1 2:4||t="test"
c="chest tightness" 2:6 3:0||t="problem"
c="morphine & rest" 3:4 3:6||t="treatment"
c="rest" 3:2 3:2||t="treatment"
c="aspirin" 4:0 4:0||t="treatment"
c="headache" 4:3 4:3||t="problem"
c="ekg" 4:5 4:5||t="test"
c="arrhythmia" 4:7 4:7||t="problem"
c="severe pain" 1:2 1:3||t="problem"
c="no such words" 3:0 3:2||t="problem"
c="broken
"""
ASSERTIONS_2010: Final = """c="severe pain" 1:2 1:3||t="problem"||a="present"
c="headache" 4:3 4:3||t="problem"||a="absent"
c="no such words" 3:0 3:2||t="problem"||a="possible"
"""
RELATIONS_2010: Final = """c="aspirin" 4:0 4:0||r="TrAP"||c="headache" 4:3 4:3
c="ekg" 4:5 4:5||r="TeRP"||c="arrhythmia" 4:7 4:7
c="chest tightness" 2:6 3:0||r="PIP"||c="severe pain" 1:2 1:3
c="aspirin" 4:0 4:0||r="TrWP"||c="no such words" 3:0 3:2
"""


def write_2010(folder: Path, plain_notes: int = 8) -> Path:
    """i2b2 2010 in three archives: `record-13` with all traps, short notes `000` to …, test notes 0001 and 0002."""
    train = {f"beth/{kind}/record-13.{ending}": content for kind, ending, content in _PARTS_2010}
    # Copies that a user has merged, a note without annotation, and what a Mac leaves in an archive.
    train |= {"merged/txt/record-13.txt": NOTE_2010, "merged/concept/record-13.con": CONCEPTS_2010}
    train |= {"partners/unannotated/999.txt": "Nothing is marked here .\n", "beth/concept/._record-13.con": "\0\5\26\7"}
    for number in range(plain_notes):
        train[f"partners/txt/{number:03}.txt"] = f"Aspirin for cough number {number} .\n"
        train[f"partners/concept/{number:03}.con"] = (
            'c="cough" 1:2 1:2||t="problem"\nc="aspirin" 1:0 1:0||t="treatment"\n'
        )
        train[f"partners/ast/{number:03}.ast"] = 'c="cough" 1:2 1:2||t="problem"||a="present"\n'
        train[f"partners/rel/{number:03}.rel"] = 'c="aspirin" 1:0 1:0||r="TrAP"||c="cough" 1:2 1:2\n'
    root = "concept_assertion_relation_training_data"
    write_tar(folder / f"{root}.tar.gz", {f"{root}/{name}": content for name, content in train.items()})
    reference = "reference_standard_for_test_data"
    write_tar(folder / f"{reference}.tar.gz", {
        f"{reference}/concepts/0001.con": 'c="fever" 1:1 1:1||t="problem"\n',
        f"{reference}/rel/0001.rel": "",
        f"{reference}/ast/0001.ast": 'c="fever" 1:1 1:1||t="problem"||a="absent"\n',
        f"{reference}/concepts/0002.con": 'c="lost" 1:0 1:0||t="problem"\n',
    })  # fmt: skip
    write_tar(folder / "test_data.tar.gz", {"test_data/0001.txt": "No Fever today .\n"})
    return folder


_PARTS_2010: Final = (
    ("txt", "txt", NOTE_2010),
    ("concept", "con", CONCEPTS_2010),
    ("ast", "ast", ASSERTIONS_2010),
    ("rel", "rel", RELATIONS_2010),
)


def tagged(root: str, text: str, tags: Iterable[str]) -> str:
    """An XML document of i2b2 2012 or 2014."""
    body = "\n".join(tags)
    return (
        f'<?xml version="1.0" encoding="UTF-8" ?>\n<{root}>\n<TEXT><![CDATA[{text}]]></TEXT>\n<TAGS>\n{body}\n</TAGS>\n'
        f"</{root}>\n"
    )


def tag(name: str, id_: str, text: str, words: str, *, quotes: str = "", by: int = 0, **others: str) -> str:
    """A tag whose offsets are those of the words in the text, moved by `by`; it quotes `quotes` instead if given."""
    start = text.index(words) + by
    quoted = quoteattr(quotes or " ".join(words.split()))
    more = "".join(f" {key}={quoteattr(value)}" for key, value in others.items())
    return f'<{name} id="{id_}" start="{start}" end="{start + len(words)}" text={quoted}{more} />'


def link(id_: str, start: str, end: str, type_: str) -> str:
    """A TLINK."""
    return f'<TLINK id="{id_}" fromID="{start}" fromText="" toID="{end}" toText="" type="{type_}" />'


ROOT_2012: Final = "ClinicalNarrativeTemporalAnnotation"
NOTE_2012: Final = (
    "\nAdmission Date :\n09/29/1993\nThe patient&apos;s Fever & chills resolved\nafter 2 days of A < B cream .\n"
)


def _tags_2012(text: str) -> list[str]:
    return [
        tag("EVENT", "E0", text, "Admission", modality="FACTUAL", polarity="POS", type="OCCURRENCE"),
        tag("EVENT", "E1", text, "patient&apos;s Fever", quotes="patient's Fever", modality="FACTUAL", polarity="POS",
            type="PROBLEM"),
        tag("EVENT", "E2", text, "chills resolved\nafter", type="problem", modality="FACTUAL", polarity="NEG"),
        tag("EVENT", "E3", text, "resolved", type="", modality="FACTUAL", polarity="POS"),
        tag("EVENT", "E4", text, "cream", quotes="lotion", type="TREATMENT", modality="FACTUAL", polarity="POS"),
        tag("TIMEX3", "T0", text, "09/29/1993", type="DATE", val="1993-09-29", mod="NA"),
        tag("TIMEX3", "T1", text, "2 days", type="DURATION", val="P2D", mod="NA"),
        tag("SECTIME", "S0", text, "09/29/1993", type="ADMISSION", dvalue="1993-09-29"),
        '<SECTIME id="S1" start="" end="" text="" type="DISCHARGE" dvalue="" />',
        link("TL0", "E0", "T0", "OVERLAP"),
        link("TL1", "E1", "E4", "BEFORE"),
        link("TL2", "E2", "T1", ""),
    ]  # fmt: skip


def write_2012(folder: Path, plain_notes: int = 8) -> Path:
    """i2b2 2012: `1` with all traps, `2` with a bare &, `3` cut off, short notes 101 to …; test notes 12 and 14."""
    short = "\nFever since A&P .\n"
    broken = tagged(ROOT_2012, short, [tag("EVENT", "E0", short, "Fever", type="PROBLEM")]).replace(
        "</TAGS>", '<EVENT id="E1" start="13" end="16" text="A&P" type="TEST" />\n</TAGS>'
    )
    train = {
        "1.xml": tagged(ROOT_2012, NOTE_2012, _tags_2012(NOTE_2012)), "1.xml.txt": NOTE_2012,
        "1.xml.extent": "EVENT||", "1.xml.tlink": "TLINK||", "2.xml": broken, "3.xml": broken[:120],
    }  # fmt: skip
    for number in range(101, 101 + plain_notes):
        plain = f"\nCough number {number} .\n"
        train[f"{number}.xml"] = tagged(ROOT_2012, plain, [tag("EVENT", "E0", plain, "Cough", type="PROBLEM")])
    root = "2012-07-15.original-annotation.release"
    write_tar(folder / f"{root}.tar.gz", {f"{root}/{name}": content for name, content in train.items()})
    test = "\nHe had surgery on Monday .\n"
    marks = [tag("EVENT", "E0", test, "surgery", type="TREATMENT"), tag("TIMEX3", "T0", test, "Monday", type="DATE")]
    whole = tagged(ROOT_2012, test, [*marks, link("TL0", "E0", "T0", "DURING")])
    write_tar(
        folder / "2012-08-08.test-data.event-timex-groundtruth.tar.gz", {"xml/12.xml": tagged(ROOT_2012, test, marks)}
    )
    write_tar(folder / "2012-08-23.test-data.groundtruth.tar.gz", {
        "ground_truth/merged_xml/12.xml": whole,
        "ground_truth/merged_xml/14.xml": tagged(ROOT_2012, "\nNone .\n", []),
    })  # fmt: skip
    return folder


ROOT_2014: Final = "deIdi2b2"


def write_2014(folder: Path, plain_patients: int = 8) -> Path:
    """i2b2 2014: 180-03 off by four after a line, 188-05 with "and" for &, two records each of patients 300 to …."""
    shifted = "\nRecord date: 2067-05-03\n0808 Oak Lane, Effingham\nSeen by Dr. Lee in BOSTON\n"
    marks = [
        tag("DATE", "P0", shifted, "2067-05-03", TYPE="DATE"),
        tag("LOCATION", "P1", shifted, "Effingham", TYPE="CITY", by=4),
        tag("NAME", "P2", shifted, "Lee", TYPE="DOCTOR", by=4),
        tag("LOCATION", "P3", shifted, "BOSTON", TYPE="CITY", by=4),
    ]
    company = "\nWorks at Johnson & Johnson as a\nplumber , aged 41\n"
    others = [
        tag("LOCATION", "P0", company, "Johnson & Johnson", quotes="Johnson and Johnson", TYPE="ORGANIZATION"),
        tag("PROFESSION", "P1", company, "plumber ", TYPE="PROFESSION"),
        tag("AGE", "P2", company, "41", quotes="62", TYPE="AGE"),
        '<MEDICATION id="M0" time="before DCT" />',
    ]
    first = {"180-03.xml": tagged(ROOT_2014, shifted, marks), "188-05.xml": tagged(ROOT_2014, company, others)}
    second: dict[str, str] = {}
    for number in range(300, 300 + plain_patients):
        for record in (1, 2):
            text = f"\nMr. Smith{number} in Salem, record {record}\n"
            names = [tag("NAME", "P0", text, f"Smith{number}", TYPE="PATIENT"),
                     tag("LOCATION", "P1", text, "Salem", TYPE="CITY")]  # fmt: skip
            second[f"{number}-{record:02}.xml"] = tagged(ROOT_2014, text, names)
    for set_, files in (("training-PHI-Gold-Set1", first), ("training-PHI-Gold-Set2", second)):
        write_tar(folder / f"{set_}.tar.gz", {f"{set_}/{name}": content for name, content in files.items()})
    text = "\nCall 555-0100 .\n"
    gold = tagged(ROOT_2014, text, [tag("CONTACT", "P0", text, "555-0100", TYPE="PHONE")])
    write_tar(folder / "testing-PHI-Gold-fixed.tar.gz", {"testing-PHI-Gold-fixed/110-01.xml": gold})
    write_tar(folder / "testing-PHI-noTags.tar.gz", {"testing-PHI-noTags/110-01.xml": tagged(ROOT_2014, text, [])})
    return folder


NOTE_2018: Final = (
    "Given ASPIRIN 81 mg po daily\nfor chest\npain, and Olanzapine .\n"
    "Rash from aspirin; left and right arm swelling .\n"
)


def brat_span(id_: str, type_: str, text: str, *pieces: str, quotes: str = "", after: int = 0) -> str:
    """A T line whose offsets are those of the pieces, each looked for after the one before."""
    places = []
    for piece in pieces:
        start = text.index(piece, after)
        after = start + len(piece)
        places.append(f"{start} {after}")
    return f"{id_}\t{type_} {';'.join(places)}\t{quotes or ' '.join(pieces)}"


def _lines_2018(text: str) -> list[str]:
    return [
        brat_span("T1", "Drug", text, "ASPIRIN"),
        brat_span("T2", "Strength", text, "81 mg"),
        brat_span("T3", "Frequency", text, "daily\nfor", quotes="daily for"),
        brat_span("T4", "Reason", text, "chest", "pain"),
        brat_span("T5", "Drug", text, "Olanzapin", "e", quotes="Olanzapin e", after=text.index("Olanzapin")),
        brat_span("T6", "ADE", text, "Rash"),
        brat_span("T7", "Reason", text, "Rash"),
        brat_span("T8", "Drug", text, "aspirin"),
        brat_span("T9", "ADE", text, "left", "arm swelling"),
        "T10\tDrug 0 5\tcodeine",
        "T11\tDrug nowhere",
        brat_span("T12", "Route", text, "po", quotes="p"), "o",
        "R1\tStrength-Drug Arg1:T2 Arg2:T1",
        "R2\tReason-Drug Arg1:T4 Arg2:T1",
        "R3\tADE-Drug Arg1:T6 Arg2:T8",
        "R4\tADE-Drug Arg1:T9 Arg2:T8",
        "R5\tForm-Drug Arg1:T99 Arg2:T1",
        "#1\tAnnotatorNotes T1\tsee above",
        "\x1a",
    ]  # fmt: skip


def write_2018(folder: Path, plain_notes: int = 8) -> Path:
    """n2c2 2018: `100035` with all traps, short notes 200000 to …; test notes 300001 (well) and 300002 (no text)."""
    train = {"100035.txt": NOTE_2018, "100035.ann": "\n".join(_lines_2018(NOTE_2018)) + "\n"}
    for number in range(200_000, 200_000 + plain_notes):
        plain = f"Took aspirin 5 mg.\r\nCase {number}: 6 mg.\r\n"
        marks = [brat_span("T1", "Drug", plain, "aspirin"), brat_span("T2", "Strength", plain, "5 mg")]
        train[f"{number}.txt"] = plain
        train[f"{number}.ann"] = "\r\n".join([*marks, "R1\tStrength-Drug Arg1:T2 Arg2:T1"])
    root = "training_20180910"
    write_zip(folder / f"{root}.zip", {f"{root}/{name}": content for name, content in train.items()})
    # Here offsets count one character for a line break, and the file has two.
    plain = "Took\nwarfarin\n2 mg.\n"
    marks = [brat_span("T1", "Drug", plain, "warfarin"), brat_span("T2", "Strength", plain, "2 mg")]
    write_zip(folder / "gold-standard-test-data.zip", {
        "test/300001.txt": plain.replace("\n", "\r\n"), "test/300001.ann": "\n".join(marks), "test/300002.ann": "",
    })  # fmt: skip
    return folder


def pair(id_: str, premise: str, hypothesis: str, label: str) -> str:
    """A line of MedNLI."""
    parses = {f"sentence{n}{kind}": "( ROOT )" for n in (1, 2) for kind in ("_parse", "_binary_parse")}
    return json.dumps({"gold_label": label, "sentence1": premise, "sentence2": hypothesis, "pairID": id_, **parses})


def write_mednli(folder: Path) -> Path:
    """MedNLI: three premises for training, one each for validation and test; one pair without a label, one twice."""
    rows = {
        part: [
            pair(f"{part}-{n}-{label}", f"Premise {n} of {part}.", f"Hypothesis {label}.", label)
            for n in range(count)
            for label in ("entailment", "neutral", "contradiction")
        ]
        for part, count in (("train", 3), ("dev", 1), ("test", 1))
    }
    rows["train"] += [pair("odd", "Premise.", "Hypothesis.", "-"), rows["train"][0]]
    return write_loose(folder, {f"mli_{part}_v1.jsonl": "\n".join(lines) + "\n" for part, lines in rows.items()})


WRITERS: Final[dict[str, Callable[[Path], Path]]] = {
    "i2b2_2010": write_2010,
    "i2b2_2012": write_2012,
    "i2b2_2014": write_2014,
    "n2c2_2018": write_2018,
    "mednli": write_mednli,
    "pubmedqa": write_pubmedqa,
    "pairs": write_pairs,
    "conll": write_conll,
    "brat": write_brat,
}
"""Kind of corpus → its writer."""
