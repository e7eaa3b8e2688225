"""MIMIC-IV 2.2 with MIMIC-IV-Note 2.2 as PhysioNet ships them: folders hosp/, icu/ and note/; columns in file order.

Johnson et al. (2023), doi:10.13026/6mm1-ek67 and doi:10.13026/1n74-ne17. The last two columns of procedureevents are
in upper case, as in the release. Times are naive: they were shifted.
"""

from typing import Final

_NOTE: Final = ("note_id", "subject_id", "hadm_id", "note_type", "note_seq", "charttime", "storetime", "text")
_DETAIL: Final = ("note_id", "subject_id", "field_name", "field_value", "field_ordinal")

# fmt: off
COLUMNS: Final = {
    "hosp/patients": ("subject_id", "gender", "anchor_age", "anchor_year", "anchor_year_group", "dod"),
    "hosp/admissions": (
        "subject_id", "hadm_id", "admittime", "dischtime", "deathtime", "admission_type", "admit_provider_id",
        "admission_location", "discharge_location", "insurance", "language", "marital_status", "race", "edregtime",
        "edouttime", "hospital_expire_flag",
    ),
    "hosp/diagnoses_icd": ("subject_id", "hadm_id", "seq_num", "icd_code", "icd_version"),
    "hosp/procedures_icd": ("subject_id", "hadm_id", "seq_num", "chartdate", "icd_code", "icd_version"),
    "hosp/d_icd_diagnoses": ("icd_code", "icd_version", "long_title"),
    "hosp/d_icd_procedures": ("icd_code", "icd_version", "long_title"),
    "icu/icustays": (
        "subject_id", "hadm_id", "stay_id", "first_careunit", "last_careunit", "intime", "outtime", "los",
    ),
    "icu/d_items": (
        "itemid", "label", "abbreviation", "linksto", "category", "unitname", "param_type", "lownormalvalue",
        "highnormalvalue",
    ),
    "icu/chartevents": (
        "subject_id", "hadm_id", "stay_id", "caregiver_id", "charttime", "storetime", "itemid", "value", "valuenum",
        "valueuom", "warning",
    ),
    "icu/procedureevents": (
        "subject_id", "hadm_id", "stay_id", "caregiver_id", "starttime", "endtime", "storetime", "itemid", "value",
        "valueuom", "location", "locationcategory", "orderid", "linkorderid", "ordercategoryname",
        "ordercategorydescription", "patientweight", "isopenbag", "continueinnextdept", "statusdescription",
        "ORIGINALAMOUNT", "ORIGINALRATE",
    ),
    "note/discharge": _NOTE,
    "note/discharge_detail": _DETAIL,
    "note/radiology": _NOTE,
    "note/radiology_detail": _DETAIL,
}
"""Table → its columns in file order; the file is TABLE.csv.gz, with its folder."""
# fmt: on

EVENTS: Final = frozenset({"icu/chartevents", "icu/procedureevents"})
"""Tables of bedside events: in reality nearly all of the bytes, so that many people never download them."""
