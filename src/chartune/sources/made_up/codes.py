"""ICD-9-CM dictionaries of the made-up hospital: a small excerpt of the public classification, codes without the point.

Codes are text: 0389 and 042 begin with a zero that a spreadsheet loses, V and E codes are no numbers.
"""

from typing import Final

# fmt: off
DIAGNOSES: Final = (
    ("0389", "Septicemia NOS", "Unspecified septicemia"),
    ("0414", "E. coli infect NOS", "Escherichia coli [E. coli] infection in conditions classified elsewhere"),
    ("042", "Human immuno virus dis", "Human immunodeficiency virus [HIV] disease"),
    ("1991", "Malignant neoplasm NOS", "Other malignant neoplasm without specification of site"),
    ("2449", "Hypothyroidism NOS", "Unspecified acquired hypothyroidism"),
    ("25000", "DMII wo cmp nt st uncntr", "Diabetes mellitus without mention of complication, type II"),
    ("2724", "Hyperlipidemia NEC/NOS", "Other and unspecified hyperlipidemia"),
    ("2749", "Gout NOS", "Gout, unspecified"),
    ("2761", "Hyposmolality", "Hyposmolality and/or hyponatremia"),
    ("2859", "Anemia NOS", "Anemia, unspecified"),
    ("2900", "Senile dementia uncomp", "Senile dementia, uncomplicated"),
    ("3051", "Tobacco use disorder", "Tobacco use disorder"),
    ("311", "Depressive disorder NEC", "Depressive disorder, not elsewhere classified"),
    ("3659", "Glaucoma NOS", "Unspecified glaucoma"),
    ("4019", "Hypertension NOS", "Unspecified essential hypertension"),
    ("41071", "Subendo infarct, initial", "Subendocardial infarction, initial episode of care"),
    ("41519", "Pulm embol/infarct NEC", "Other pulmonary embolism and infarction"),
    ("4275", "Cardiac arrest", "Cardiac arrest"),
    ("4280", "CHF NOS", "Congestive heart failure, unspecified"),
    ("431", "Intracerebral hemorrhage", "Intracerebral hemorrhage"),
    ("486", "Pneumonia, organism NOS", "Pneumonia, organism unspecified"),
    ("496", "Chr airway obstruct NEC", "Chronic airway obstruction, not elsewhere classified"),
    ("51881", "Acute respiratry failure", "Acute respiratory failure"),
    ("53081", "Esophageal reflux", "Esophageal reflux"),
    ("5570", "Ac vasc insuff intestine", "Acute vascular insufficiency of intestine"),
    ("570", "Acute necrosis of liver", "Acute and subacute necrosis of liver"),
    ("5715", "Cirrhosis of liver NOS", "Cirrhosis of liver without mention of alcohol"),
    ("5789", "Gastrointest hemorr NOS", "Hemorrhage of gastrointestinal tract, unspecified"),
    ("5856", "End stage renal disease", "End stage renal disease"),
    ("5990", "Urin tract infection NOS", "Urinary tract infection, site not specified"),
    ("71590", "Osteoarthros NOS-unspec", "Osteoarthrosis, unspecified whether generalized or localized"),
    ("73300", "Osteoporosis NOS", "Osteoporosis, unspecified"),
    ("7742", "Neonat jaund preterm del", "Neonatal jaundice associated with preterm delivery"),
    ("78001", "Coma", "Coma"),
    ("78039", "Convulsions NEC", "Other convulsions"),
    ("7823", "Edema", "Edema"),
    ("7824", "Jaundice NOS", "Jaundice, unspecified, not of newborn"),
    ("78552", "Septic shock", "Septic shock"),
    ("78959", "Ascites NEC", "Other ascites"),
    ("99592", "Severe sepsis", "Severe sepsis"),
    ("E8859", "Fall from slipping NEC", "Fall from other slipping, tripping, or stumbling"),
    ("E9320", "Adv eff corticosteroids", "Adrenal cortical steroids causing adverse effects in therapeutic use"),
    ("V053", "Need prphyl vc vrl hepat", "Need for prophylactic vaccination and inoculation against viral hepatitis"),
    ("V1582", "History of tobacco use", "Personal history of tobacco use"),
    ("V290", "NB obsrv suspct infect", "Observation for suspected infectious condition"),
    ("V3000", "Single lb in-hosp w/o cs", "Single liveborn, born in hospital, delivered without cesarean section"),
    ("V3001", "Single lb in-hosp w cs", "Single liveborn, born in hospital, delivered by cesarean section"),
    ("V4581", "Aortocoronary bypass", "Aortocoronary bypass status"),
    ("V5861", "Long-term use anticoagul", "Long-term (current) use of anticoagulants"),
)
"""(code, short title, long title), sorted by code."""

PROCEDURES: Final = (
    ("0131", "Incise cerebral meninges", "Incision of cerebral meninges"),
    ("0331", "Spinal tap", "Spinal tap"),
    ("3323", "Other bronchoscopy", "Other bronchoscopy"),
    ("3491", "Thoracentesis", "Thoracentesis"),
    ("3722", "Left heart cardiac cath", "Left heart cardiac catheterization"),
    ("3893", "Venous cath NEC", "Venous catheterization, not elsewhere classified"),
    ("3995", "Hemodialysis", "Hemodialysis"),
    ("4513", "Sm bowel endoscopy NEC", "Other endoscopy of small intestine"),
    ("4523", "Colonoscopy", "Colonoscopy"),
    ("5491", "Percu abdominal drainage", "Percutaneous abdominal drainage"),
    ("9604", "Insert endotracheal tube", "Insertion of endotracheal tube"),
    ("9671", "Cont inv mec ven <96 hrs", "Continuous invasive mechanical ventilation for less than 96 hours"),
    ("9904", "Packed cell transfusion", "Transfusion of packed cells"),
)
"""(code, short title, long title), sorted by code."""

BACKGROUND: Final = (
    "2449", "2724", "2749", "2761", "2859", "3051", "311", "3659", "4019", "53081", "71590", "73300",
    "E8859", "E9320", "V1582", "V4581", "V5861",
)
"""Diagnoses billed by chance, unrelated to the outcome."""

NEWBORN: Final = ("V3000", "V3001", "V290", "V053", "7742")
"""Diagnoses billed for newborns."""

UNLISTED: Final = "5185"
"""A code that is billed now and then and that the dictionary lacks, as happens in the real one."""
# fmt: on
