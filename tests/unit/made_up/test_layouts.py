"""Both layouts of the made-up hospital tell of the same patients, in the shape of the real tables."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from chartune.made_up import make_hospital
from chartune.made_up.admission_text import assembled, trace, write_sections
from chartune.made_up.background import BACKGROUNDS
from chartune.made_up.care import CARE, p_ventilated
from chartune.made_up.conditions import CONDITIONS
from chartune.made_up.diagnosis_codes import DIAGNOSES, NEWBORN, UNLISTED
from chartune.made_up.dice import Dice
from chartune.made_up.hospital import LAYOUTS
from chartune.made_up.items import ITEMS
from chartune.made_up.notes_of_stay import Note
from chartune.made_up.outcome import MODEL
from chartune.made_up.patients import draw_patient
from chartune.made_up.procedure_codes import PROCEDURES, UNLISTED_PROCEDURE
from chartune.made_up.spans import mimic4_sections, mimic4_text
from chartune.made_up.summary import summary
from chartune.notes.sections import admission_sections, admission_text
from chartune.testing.made_up_tables import header, rows
from chartune.testing.open_data import open_data

SUBJECTS = 250


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("layouts")
    make_hospital(out / "mimic3", layout="mimic3", subjects=SUBJECTS, seed=3, events=False)
    make_hospital(out / "mimic4", layout="mimic4", subjects=SUBJECTS, seed=3, events=False)
    return out


def test_both_layouts_know_the_same_patients_and_who_died(place: Path) -> None:
    three = {row["hadm_id"]: row for row in rows(place / "mimic3", "ADMISSIONS")}
    four = {row["hadm_id"]: row for row in rows(place / "mimic4", "hosp/admissions")}
    adults = {number for number, row in three.items() if row["admission_type"] != "NEWBORN"}
    assert {f"20{number}" for number in adults} == set(four)
    assert len(adults) < len(three)
    for number in adults:
        here, there = three[number], four[f"20{number}"]
        assert there["subject_id"] == f"100{here['subject_id']}"
        for column in ("admittime", "dischtime", "deathtime", "hospital_expire_flag", "edregtime", "edouttime"):
            assert here[column] == there[column]
        assert (there["discharge_location"] == "DIED") == (there["hospital_expire_flag"] == "1")


def test_both_layouts_bill_the_same_in_their_versions(place: Path) -> None:
    ten = {code: entry.ten for code, entry in DIAGNOSES.items()} | {UNLISTED[9]: UNLISTED[10]}
    three: dict[str, list[str]] = {}
    for row in rows(place / "mimic3", "DIAGNOSES_ICD"):
        if row["icd9_code"]:
            three.setdefault(row["hadm_id"], []).append(row["icd9_code"])
    four: dict[str, list[str]] = {}
    for row in rows(place / "mimic4", "hosp/diagnoses_icd"):
        four.setdefault(row["hadm_id"][2:], []).append(row["icd_code"].rstrip())
    assert four
    versions = [billed == three[number] for number, billed in four.items()]
    assert any(versions)
    assert not all(versions)
    assert all(billed in (three[n], [ten[code] for code in three[n]]) for n, billed in four.items())


def test_icu_stays_of_both_layouts_are_the_same_where_both_have_them(place: Path) -> None:
    three = {row["icustay_id"]: row for row in rows(place / "mimic3", "ICUSTAYS")}
    four = {str(int(row["stay_id"]) - 30_000_000): row for row in rows(place / "mimic4", "icu/icustays")}
    assert len(four) < len(three)
    shared = set(three) & set(four)
    assert len(shared) > 0.9 * len(four)
    for number in shared:
        assert (three[number]["intime"], three[number]["outtime"]) == (four[number]["intime"], four[number]["outtime"])
        days = three[number]["los"]
        assert not days or float(days) == pytest.approx(float(four[number]["los"]), abs=1e-4)


def test_deaths_and_dates_agree_between_the_tables_of_mimic3(place: Path) -> None:
    patients = {row["subject_id"]: row for row in rows(place / "mimic3", "PATIENTS")}
    stays = rows(place / "mimic3", "ADMISSIONS")
    assert len({stay["hadm_id"] for stay in stays}) == len(stays)
    ended: dict[str, str] = {}
    for stay in stays:
        person = patients[stay["subject_id"]]
        assert ended.get(stay["subject_id"], "") < stay["admittime"]
        assert person["dob"] <= stay["admittime"]
        # Nobody comes back from death.
        ended[stay["subject_id"]] = "9" if stay["deathtime"] else max(stay["admittime"], stay["dischtime"])
        assert (stay["hospital_expire_flag"] == "1") == (stay["discharge_location"] == "DEAD/EXPIRED")
        assert (stay["hospital_expire_flag"] == "1") == bool(stay["deathtime"])
        if stay["deathtime"]:
            assert person["dod_hosp"][:10] == person["dod"][:10] == stay["deathtime"][:10]
    assert all((row["dod"] != "") == (row["expire_flag"] == "1") for row in patients.values())
    assert any(row["dob"] < "1900" for row in patients.values()), "patients above 89 are born 300 years before"


def test_deaths_and_ages_agree_between_the_tables_of_mimic4(place: Path) -> None:
    last = {row["subject_id"]: row for row in rows(place / "mimic4", "hosp/admissions")}
    born = {f"100{row['subject_id']}": row["dob"] for row in rows(place / "mimic3", "PATIENTS")}
    first = {row["subject_id"]: row for row in reversed(rows(place / "mimic4", "hosp/admissions"))}
    for row in rows(place / "mimic4", "hosp/patients"):
        stay = last[row["subject_id"]]
        if stay["deathtime"]:
            assert row["dod"] == stay["deathtime"][:10]
        elif row["dod"]:
            late = datetime.fromisoformat(row["dod"]) - datetime.fromisoformat(stay["dischtime"])
            assert timedelta() < late <= timedelta(days=365)
        assert row["anchor_year"] == first[row["subject_id"]]["admittime"][:4]
        years = int(row["anchor_year"]) - int(born[row["subject_id"]][:4])
        assert int(row["anchor_age"]) in ((91,) if years > 150 else (years, years - 1))


def test_text_says_what_was_done_and_the_bill_agrees(place: Path) -> None:
    names = {entry.nine: name for name, entry in PROCEDURES.items()}
    done: dict[str, list[str]] = {}
    for row in rows(place / "mimic3", "PROCEDURES_ICD"):
        if row["icd9_code"] in names:
            done.setdefault(row["hadm_id"], []).append(names[row["icd9_code"]])
    stated = 0
    for note in rows(place / "mimic3", "NOTEEVENTS"):
        if "Major Surgical or Invasive Procedure:\n" in note["text"] and not note["iserror"]:
            named = note["text"].split("Major Surgical or Invasive Procedure:\n")[1].split("\n\n")[0]
            expected = ", ".join(done.get(note["hadm_id"], ["none"]))
            assert " ".join(named.lower().split()) == expected.lower()
            stated += 1
    assert stated > 200


def test_both_texts_give_back_the_words_that_their_oracle_counts() -> None:
    shorter = 0
    for index in range(300):
        dice = Dice(4, index)
        patient = draw_patient(dice, MODEL, index)
        for stay in patient.admissions if not patient.newborn else ():
            sections = write_sections(dice, MODEL, patient, stay, tells_death=False, canary=index == 1)
            parts = summary(dice, CONDITIONS, patient, stay, sections, canary=False)
            hidden = mimic4_sections(sections)
            text = mimic4_text(Note("Discharge summary", tuple(parts), stay.dischtime))
            assert admission_text(admission_sections(text)) == assembled(hidden)
            assert "[**" not in assembled(hidden)
            for key, body in hidden.items():
                assert body.words == len(body.text.split()), key
                for fact, before in zip(body.facts, sections[key].facts, strict=True):
                    ends = body.text.split()[: fact.words][-1]
                    assert ends == sections[key].text.split()[: before.words][-1]
            three, four = (trace(MODEL, patient, stay, told) for told in (sections, hidden))
            assert [p for _, p in three] == [p for _, p in four]
            shorter += three[-1][0] > four[-1][0]
    assert shorter > 50


def test_every_condition_and_background_has_codes_and_care() -> None:
    assert set(CARE) == {condition.name for condition in CONDITIONS}
    billed = [code for condition in CONDITIONS for code in condition.codes] + [b.code for b in BACKGROUNDS]
    assert set(billed) | set(NEWBORN) == set(DIAGNOSES)
    assert all(condition.codes for condition in CONDITIONS)
    assert all(DIAGNOSES[code].ten for code in billed)
    tens = [entry.ten for entry in DIAGNOSES.values() if entry.ten]
    assert len(set(tens)) == len(tens)
    assert {name for care in CARE.values() for name, _ in care.procedures} <= set(PROCEDURES)
    assert not set(UNLISTED.values()) & (set(DIAGNOSES) | set(tens))
    assert list(DIAGNOSES) == sorted(DIAGNOSES)


def test_no_form_of_a_background_is_the_form_of_anything_else() -> None:
    forms = [form.lower() for condition in CONDITIONS for form in condition.forms]
    forms += [form.lower() for background in BACKGROUNDS for form in background.forms]
    assert len(forms) == len(set(forms))


def test_the_sicker_stay_longer_and_are_ventilated() -> None:
    minutes: dict[bool, list[float]] = {True: [], False: []}
    for index in range(3000):
        patient = draw_patient(Dice(6, index), MODEL, index)
        for stay in patient.admissions if not patient.newborn else ():
            severe = any(has and CARE[c.name].days >= 4 for c, has in zip(CONDITIONS, stay.present, strict=True))
            minutes[severe].append((stay.dischtime - stay.admittime) / timedelta(days=1))
            assert (p_ventilated(CONDITIONS, stay.present) > 0.3) <= severe
    mean = {severe: sum(days) / len(days) for severe, days in minutes.items()}
    assert mean[True] > 1.5 * mean[False]
    everybody = sorted(minutes[True] + minutes[False])
    shares = [sum(low < d <= high for d in everybody) / len(everybody) for low, high in ((0, 3), (3, 7), (7, 14))]
    assert all(share > 0.1 for share in shares)
    assert everybody[-1] > 14


def test_a_task_on_codes_finds_forty_groups_with_ten_cases() -> None:
    groups: dict[str, int] = {}
    for index in range(1400):
        patient = draw_patient(Dice(0, index), MODEL, index)
        for stay in patient.admissions if not patient.newborn else ():
            had = {code[:3] for c, has in zip(CONDITIONS, stay.present, strict=True) if has for code in c.codes}
            had |= {b.code[:3] for b, has in zip(BACKGROUNDS, stay.background, strict=True) if has}
            for group in had:
                groups[group] = groups.get(group, 0) + 1
    assert sum(number >= 10 for number in groups.values()) >= 60


def test_mimic4_has_the_header_of_the_open_demo(place: Path) -> None:
    demo = open_data("mimic-iv-demo-2.2")
    for table, columns in LAYOUTS["mimic4"].columns.items():
        if (demo / f"{table}.csv.gz").exists():
            assert header(demo, table) == list(columns), table
    notes = open_data("codiesp-as-mimic-iv")
    for table in ("note/discharge", "note/radiology"):
        assert header(notes, table) == header(place / "mimic4", table)


def test_mimic3_has_the_header_of_the_open_data(place: Path) -> None:
    twin = open_data("codiesp-as-mimic-iii")
    for table, columns in LAYOUTS["mimic3"].columns.items():
        assert header(twin, table) == list(columns), table


def test_codes_and_titles_are_those_of_the_real_dictionaries() -> None:
    demo = open_data("mimic-iv-demo-2.2")
    listed = {(r["icd_code"], r["icd_version"]): r["long_title"] for r in rows(demo, "hosp/d_icd_diagnoses")}
    for nine, entry in DIAGNOSES.items():
        assert listed[nine, "9"] == entry.nine_title
        assert not entry.ten or listed[entry.ten, "10"] == entry.ten_title
    operations = {(r["icd_code"], r["icd_version"]): r["long_title"] for r in rows(demo, "hosp/d_icd_procedures")}
    for done in PROCEDURES.values():
        assert (operations[done.nine, "9"], operations[done.ten, "10"]) == (done.nine_title, done.ten_title)
    assert all((code, str(version)) in operations for version, code in UNLISTED_PROCEDURE.items())


def test_short_titles_and_items_are_those_of_the_real_dictionaries() -> None:
    demo = open_data("mimic-iii-demo-1.4")
    short = {row["icd9_code"]: row["short_title"] for row in rows(demo, "D_ICD_DIAGNOSES")}
    assert {code: entry.short for code, entry in DIAGNOSES.items()} == {code: short[code] for code in DIAGNOSES}
    operations = {row["icd9_code"]: row["short_title"] for row in rows(demo, "D_ICD_PROCEDURES")}
    assert all(operations[entry.nine] == entry.short for entry in PROCEDURES.values())
    three = {int(row["itemid"]): row for row in rows(demo, "D_ITEMS")}
    four = {int(row["itemid"]): row for row in rows(open_data("mimic-iv-demo-2.2"), "icu/d_items")}
    for item in ITEMS:
        if item.since == 3:
            assert three[item.itemid]["label"] == item.label
            assert (three[item.itemid]["dbsource"] == "metavision") is item.metavision
        if item.metavision:
            assert four[item.itemid]["label"] == item.label
            assert (four[item.itemid]["linksto"] == "procedureevents") is item.procedure
