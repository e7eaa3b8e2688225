"""The oddities of the made-up hospital: as many in the files as the manifest says, counted by a route of its own."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from chartune.made_up.dice import Dice
from chartune.made_up.hospital import LAYOUTS
from chartune.made_up.outcome import MODEL
from chartune.made_up.patients import draw_patient
from chartune.testing.made_up_tables import BROKEN, content, hospital_of, rows

three, four = hospital_of("mimic3", 500, seed=11), hospital_of("mimic4", 500, seed=11)
Row = dict[str, str]
RARE = {
    "deaths_after_discharge_time", "diagnosis_codes_empty", "icu_stays_without_outtime", "summaries_without_sections",
    "procedure_rows_rewritten", "texts_equal_to_NA", "texts_equal_to_null", "addenda_before_report",
    "summaries_marked_as_error", "procedure_codes_missing_from_dictionary", "summaries_filed_twice",
}  # fmt: skip
"""So rare that a hospital of some hundred patients may have none."""


ACUTE = ("SHORT TERM HOSPITAL", "ACUTE HOSPITAL")


def _told(folder: Path) -> dict[str, int]:
    return json.loads((folder / "made-up" / "manifest.json").read_text())["oddities"]  # type: ignore[no-any-return]


def _cut(charted: list[Row], stay: str) -> int:
    """ICU stays with a machine's mode and a cannula at one moment."""
    at = {(r[stay], r["charttime"]) for r in charted if r["itemid"] in ("223849", "229314")}
    return len({r[stay] for r in charted if r["value"] == "Tracheostomy tube" and (r[stay], r["charttime"]) in at})


def _number(some: list[Row], law: Callable[[Row], Any]) -> int:
    return sum(bool(law(row)) for row in some)


def _text_counts(texts: list[str]) -> dict[str, int]:
    return {
        "texts_with_doubled_quotes": sum('"' in text for text in texts),
        "texts_with_a_backslash": sum("\\" in text for text in texts),
        "texts_with_commas": sum("," in text for text in texts),
        "texts_of_several_lines": sum("\n" in text for text in texts),
        "texts_with_a_latin1_byte": sum(BROKEN in text for text in texts),
        "texts_equal_to_NA": texts.count("NA"),
        "texts_equal_to_null": texts.count("null"),
    }


def _stay_counts(stays: list[Row], bills: list[Row], done: list[Row], summarised: set[str]) -> dict[str, int]:
    several = Counter(row["subject_id"] for row in stays)
    ids = {row["hadm_id"] for row in stays}
    return {
        "admissions_ending_before_they_begin": _number(stays, lambda r: r["dischtime"] < r["admittime"]),
        "deaths_not_at_discharge_time": _number(stays, lambda r: r["deathtime"] not in ("", r["dischtime"])),
        "deaths_after_discharge_time": _number(stays, lambda r: r["deathtime"] > r["dischtime"]),
        "admissions_discharged_to_a_hospice": _number(stays, lambda r: "HOSPICE" in r["discharge_location"]),
        "admissions_discharged_to_an_acute_hospital": _number(stays, lambda r: r["discharge_location"] in ACUTE),
        "admissions_discharged_to_psychiatry": _number(stays, lambda r: "PSYCH" in r["discharge_location"]),
        "admissions_without_diagnoses": len(ids - {row["hadm_id"] for row in bills}),
        "admissions_without_procedures": len(ids - {row["hadm_id"] for row in done}),
        "admissions_without_summary": len(ids - summarised),
        "subjects_with_several_admissions": sum(number > 1 for number in several.values()),
    }


def _left_out(texts: list[str]) -> int:
    """Summaries without a social or a family history, of those that have sections."""
    whole = [text for text in texts if "Pertinent Results:" in text]
    return sum("Social History:" not in text or "Family History:" not in text for text in whole)


def _check(counted: dict[str, int], expected: dict[str, int]) -> None:
    assert {name: expected[name] for name in counted} == counted
    assert {name for name, number in counted.items() if number == 0} <= RARE


def test_mimic3_admissions_and_codes(three: Path) -> None:
    stays, bills, done = (rows(three, table) for table in ("ADMISSIONS", "DIAGNOSES_ICD", "PROCEDURES_ICD"))
    summarised = {n["hadm_id"] for n in rows(three, "NOTEEVENTS") if n["category"] == "Discharge summary"}
    listed = {row["icd9_code"] for row in rows(three, "D_ICD_DIAGNOSES")}
    operations = {row["icd9_code"] for row in rows(three, "D_ICD_PROCEDURES")}
    born = {row["subject_id"]: row["dob"] for row in rows(three, "PATIENTS")}
    known = [row for row in bills if row["icd9_code"]]
    pairs = Counter((row["hadm_id"], row["icd9_code"]) for row in known)
    _check(
        _stay_counts(stays, bills, done, summarised)
        | {
            "newborns": _number(stays, lambda r: r["admission_type"] == "NEWBORN"),
            "subjects_over_89": sum(day < "1950" for day in born.values()),
            "diagnosis_codes_empty": _number(bills, lambda r: not r["icd9_code"]),
            "diagnosis_codes_repeated": sum(number - 1 for number in pairs.values()),
            "diagnosis_codes_missing_from_dictionary": _number(known, lambda r: r["icd9_code"] not in listed),
            "diagnosis_codes_starting_with_0": _number(known, lambda r: r["icd9_code"][0] == "0"),
            "procedure_codes_missing_from_dictionary": _number(done, lambda r: r["icd9_code"] not in operations),
            "procedure_codes_starting_with_0": _number(done, lambda r: r["icd9_code"][0] == "0"),
            "icu_stays_without_outtime": _number(rows(three, "ICUSTAYS"), lambda r: not r["outtime"]),
        },
        _told(three),
    )
    assert {code[0] for row in known for code in [row["icd9_code"]]} >= {"0", "V", "E"}
    assert {"331", "0331"} <= operations, "two procedures that are one number"


def test_mimic3_notes(three: Path) -> None:
    notes = rows(three, "NOTEEVENTS")
    summaries = [note for note in notes if note["category"] == "Discharge summary"]
    sound = [note for note in summaries if not note["iserror"]]
    copies = Counter((note["hadm_id"], note["text"]) for note in summaries)
    first = {note["hadm_id"]: note["description"] for note in reversed(sound)}
    _check(
        _text_counts([note["text"] for note in notes])
        | {
            "addenda": _number(notes, lambda n: n["description"] == "Addendum"),
            "notes_without_hadm_id": _number(notes, lambda n: not n["hadm_id"]),
            "summaries_marked_as_error": _number(summaries, lambda n: n["iserror"] == "1"),
            "ward_notes_marked_as_error": _number(notes, lambda n: n["iserror"] == "1") - len(summaries) + len(sound),
            "summaries_filed_twice": sum(number - 1 for number in copies.values()),
            "categories_with_a_trailing_blank": _number(notes, lambda n: n["category"].endswith(" ")),
            "summaries_without_sections": _number(summaries, lambda n: n["text"].startswith("See the dictated")),
            "summaries_with_sections_left_out": _left_out(list({n["hadm_id"]: n["text"] for n in sound
                                                                if n["description"] == "Report"}.values())),
            "addenda_before_report": sum(description == "Addendum" for description in first.values()),
        },
        _told(three),
    )  # fmt: skip


def test_mimic3_charted_times_follow_the_rules_of_their_category(three: Path) -> None:
    kinds = {"Discharge summary", "ECG", "Echo", "Radiology", "Nursing", "Nursing/other", "Physician ", "Respiratory "}
    notes = rows(three, "NOTEEVENTS")
    assert {note["category"] for note in notes} == kinds
    for note in notes:
        clock = note["category"] not in ("Discharge summary", "ECG", "Echo")
        assert bool(note["charttime"]) is clock
        assert bool(note["storetime"]) is (clock and note["category"] != "Radiology")
        assert len(note["chartdate"]) == 10
        assert not clock or note["charttime"][:10] == note["chartdate"]
        assert not note["storetime"] or note["charttime"] <= note["storetime"]


def test_mimic3_events(three: Path) -> None:
    charted, done = rows(three, "CHARTEVENTS"), rows(three, "PROCEDUREEVENTS_MV")
    systems = {row["icustay_id"]: row["dbsource"] for row in rows(three, "ICUSTAYS")}
    counted = {
        "chart_rows_marked_as_error": _number(charted, lambda r: r["error"] == "1"),
        "chart_rows_without_icustay_id": _number(charted, lambda r: not r["icustay_id"]),
        "chart_values_empty": _number(charted, lambda r: not r["value"]),
        "chart_values_with_a_trailing_blank": _number(charted, lambda r: r["value"] != r["value"].rstrip()),
        "chart_values_equal_to_None": _number(charted, lambda r: r["value"] == "None"),
        "icu_stays_with_a_machine_through_a_cannula": _cut(charted, "icustay_id"),
        "procedure_rows_rewritten": _number(done, lambda r: r["statusdescription"] == "Rewritten"),
    }
    _check(counted, _told(three))
    assert counted["procedure_rows_rewritten"] == _number(done, lambda r: r["cancelreason"] == "1")
    for row in (row for row in charted if row["icustay_id"]):
        metavision = systems[row["icustay_id"]] == "metavision"
        assert (int(row["itemid"]) >= 220_000, row["error"] != "", row["stopped"] == "") == (metavision,) * 3


def test_mimic4_admissions_and_codes(four: Path) -> None:
    stays, bills, done = (rows(four, f"hosp/{t}") for t in ("admissions", "diagnoses_icd", "procedures_icd"))
    summarised = {note["hadm_id"] for note in rows(four, "note/discharge")}
    listed = {(row["icd_code"], row["icd_version"]) for row in rows(four, "hosp/d_icd_diagnoses")}
    operations = {(row["icd_code"], row["icd_version"]) for row in rows(four, "hosp/d_icd_procedures")}
    both = {code for code, version in listed if version == "9"} & {code for code, version in listed if version == "10"}
    codes = [(row["hadm_id"], row["icd_code"].rstrip(), row["icd_version"]) for row in bills]
    operated = [(row["icd_code"], row["icd_version"]) for row in done]
    _check(
        _stay_counts(stays, bills, done, summarised)
        | {
            "subjects_over_89": _number(rows(four, "hosp/patients"), lambda r: r["anchor_age"] == "91"),
            "diagnosis_codes_padded_with_blanks": _number(bills, lambda r: r["icd_code"] != r["icd_code"].rstrip()),
            "diagnosis_codes_repeated": len(codes) - len(set(codes)),
            "diagnosis_codes_missing_from_dictionary": sum(code[1:] not in listed for code in codes),
            "diagnosis_codes_starting_with_0": sum(code[1][0] == "0" for code in codes),
            "diagnosis_rows_whose_code_is_in_both_versions": sum(code[1] in both for code in codes),
            "code_strings_in_both_versions": len(both),
            "procedure_codes_missing_from_dictionary": sum(pair not in operations for pair in operated),
            "procedure_codes_starting_with_0": sum(code[0] == "0" for code, _ in operated),
            "icu_stays_without_outtime": _number(rows(four, "icu/icustays"), lambda r: not r["outtime"]),
        },
        _told(four),
    )
    assert all(row["icd_code"] for row in bills)
    assert all(row["icd_code"] in both for row in bills if row["icd_code"] in ("E8801", "E8809", "E8881"))


def test_mimic4_notes(four: Path) -> None:
    summaries, reports = rows(four, "note/discharge"), rows(four, "note/radiology")
    whole = [note["text"] for note in summaries if note["note_type"] == "DS"]
    _check(
        _text_counts([note["text"] for note in (*summaries, *reports)])
        | {
            "addenda": _number(summaries, lambda n: n["note_type"] == "AD"),
            "radiology_addenda": _number(reports, lambda n: n["note_type"] == "AR"),
            "notes_without_hadm_id": _number(reports, lambda n: not n["hadm_id"]),
            "summaries_without_sections": sum("See the dictated" in text for text in whole),
            "summaries_with_sections_left_out": _left_out(whole),
        },
        _told(four),
    )
    assert len({note["note_id"] for note in (*summaries, *reports)}) == len(summaries) + len(reports)
    for note in (*summaries, *reports):
        assert note["note_id"] == f"{note['subject_id']}-{note['note_type']}-{note['note_seq']}"
        assert "[**" not in note["text"]
    assert all(note["hadm_id"] and note["charttime"].endswith("00:00:00") for note in summaries)
    assert not any(len(text.split()) > 40 and "___" not in text for text in whole)


def test_mimic4_details_name_notes_that_exist(four: Path) -> None:
    for table in ("discharge", "radiology"):
        known = {note["note_id"]: note["note_type"] for note in rows(four, f"note/{table}")}
        details = rows(four, f"note/{table}_detail")
        assert {row["note_id"] for row in details} <= set(known)
        parents = {row["note_id"]: row["field_value"] for row in details if row["field_name"] == "parent_note_id"}
        assert {known[number] for number in parents} <= {"AR"}
        assert {known[number] for number in parents.values()} <= {"RR", "AR"}


def test_mimic4_events(four: Path) -> None:
    charted = rows(four, "icu/chartevents")
    inside = {row["stay_id"]: row["intime"] for row in rows(four, "icu/icustays")}
    counted = {
        "chart_times_a_year_off": _number(charted, lambda r: _days(inside[r["stay_id"]], r["charttime"]) > 300),
        "chart_values_equal_to_None": _number(charted, lambda r: r["value"] == "None"),
        "icu_stays_with_a_machine_through_a_cannula": _cut(charted, "stay_id"),
    }
    _check(counted, _told(four))
    assert all(row["value"] and row["stay_id"] and int(row["itemid"]) >= 220_000 for row in charted)


def _days(first: str, then: str) -> int:
    return abs((datetime.fromisoformat(then) - datetime.fromisoformat(first)).days)


def test_no_admission_mixes_versions_and_both_are_common(four: Path) -> None:
    versions: dict[str, set[str]] = {}
    for table in ("diagnoses_icd", "procedures_icd"):
        for row in rows(four, f"hosp/{table}"):
            versions.setdefault(row["hadm_id"], set()).add(row["icd_version"])
    assert {len(found) for found in versions.values()} == {1}
    number = Counter(version for found in versions.values() for version in found)
    assert min(number.values()) > len(versions) / 4


def test_the_version_follows_the_group_of_years_but_not_the_other_way_round(four: Path) -> None:
    groups = {row["subject_id"]: row["anchor_year_group"] for row in rows(four, "hosp/patients")}
    seen: dict[str, set[str]] = {}
    for row in rows(four, "hosp/diagnoses_icd"):
        seen.setdefault(groups[row["subject_id"]], set()).add(row["icd_version"])
    assert seen["2008 - 2010"] == {"9"}
    assert seen["2014 - 2016"] == {"9", "10"}
    assert seen["2017 - 2019"] == {"10"}


def test_every_oddity_of_the_manifest_is_counted_by_one_of_these_tests(three: Path, four: Path) -> None:
    here = Path(__file__).read_text()
    for folder in (three, four):
        for name in set(_told(folder)) - {"deaths_told_on_admission"}:
            assert f'"{name}":' in here
        assert "zebrafinch" not in str(_told(folder))


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_every_oddity_occurs_in_a_hospital_of_the_demos_size(layout: str, three: Path, four: Path) -> None:
    expected = set(_told(three if layout == "mimic3" else four))
    found: Counter[str] = Counter(LAYOUTS[layout].standing)
    for index in range(2000):
        dice = Dice(0, index)
        # The events of some patients have all oddities of events.
        chart = LAYOUTS[layout].write(dice, MODEL, draw_patient(dice, MODEL, index), index < 300)
        found.update(chart.oddities)
    assert {name for name in expected if not found[name]} == set()


def test_one_byte_is_no_utf8(three: Path, four: Path) -> None:
    assert content(three, "NOTEEVENTS").count(BROKEN) == _told(three)["texts_with_a_latin1_byte"] > 0
    assert content(four, "note/radiology").count(BROKEN) == _told(four)["texts_with_a_latin1_byte"] > 0
