"""Diagnoses that the made-up hospital bills: each under ICD-9-CM and under ICD-10-CM, codes without the point.

    0389 septicemia ↔ A419     E8809 fall on stairs (ICD-9) ≠ E8809 disorder of plasma proteins (ICD-10)

A small excerpt of the public classifications. Codes are text: 0389 and 042 begin with a zero that a spreadsheet loses.
Three strings mean one thing in one version and another in the other: who joins on the code alone is caught.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One entry: what is billed before and after the change from ICD-9 to ICD-10."""

    nine: str
    """ICD-9-CM code."""
    short: str
    """Its short title."""
    nine_title: str
    ten: str = ""
    """ICD-10-CM code; empty for what is billed for newborns, who are in MIMIC-III only."""
    ten_title: str = ""


# fmt: off
_ENTRIES: Final = (
    Diagnosis("00845", "Int inf clstrdium dfcile", "Intestinal infection due to Clostridium difficile",
              "A0472", "Enterocolitis due to Clostridium difficile, not specified as recurrent"),
    Diagnosis("0389", "Septicemia NOS", "Unspecified septicemia", "A419", "Sepsis, unspecified organism"),
    Diagnosis("04149", "E.coli infection NEC/NOS", "Other and unspecified Escherichia coli [E. coli]",
              "B9620", "Unspecified Escherichia coli [E. coli] as the cause of diseases classified elsewhere"),
    Diagnosis("042", "Human immuno virus dis", "Human immunodeficiency virus [HIV] disease",
              "B20", "Human immunodeficiency virus [HIV] disease"),
    Diagnosis("07054", "Chrnc hpt C wo hpat coma", "Chronic hepatitis C without mention of hepatic coma",
              "B182", "Chronic viral hepatitis C"),
    Diagnosis("1991", "Malignant neoplasm NOS", "Other malignant neoplasm without specification of site",
              "C800", "Disseminated malignant neoplasm, unspecified"),
    Diagnosis("2449", "Hypothyroidism NOS", "Unspecified acquired hypothyroidism",
              "E039", "Hypothyroidism, unspecified"),
    Diagnosis("25000", "DMII wo cmp nt st uncntr", "Diabetes mellitus without mention of complication, type II or "
              "unspecified type, not stated as uncontrolled",
              "E119", "Type 2 diabetes mellitus without complications"),
    Diagnosis("2720", "Pure hypercholesterolem", "Pure hypercholesterolemia",
              "E7800", "Pure hypercholesterolemia, unspecified"),
    Diagnosis("2724", "Hyperlipidemia NEC/NOS", "Other and unspecified hyperlipidemia",
              "E785", "Hyperlipidemia, unspecified"),
    Diagnosis("2734", "Alpha-1-antitrypsin def", "Alpha-1-antitrypsin deficiency",
              "E8801", "Alpha-1-antitrypsin deficiency"),
    Diagnosis("2738", "Dis plas protein met NEC", "Other disorders of plasma protein metabolism",
              "E8809", "Other disorders of plasma-protein metabolism, not elsewhere classified"),
    Diagnosis("2749", "Gout NOS", "Gout, unspecified", "M109", "Gout, unspecified"),
    Diagnosis("2761", "Hyposmolality", "Hyposmolality and/or hyponatremia",
              "E871", "Hypo-osmolality and hyponatremia"),
    Diagnosis("2762", "Acidosis", "Acidosis", "E872", "Acidosis"),
    Diagnosis("27651", "Dehydration", "Dehydration", "E860", "Dehydration"),
    Diagnosis("2767", "Hyperpotassemia", "Hyperpotassemia", "E875", "Hyperkalemia"),
    Diagnosis("2768", "Hypopotassemia", "Hypopotassemia", "E876", "Hypokalemia"),
    Diagnosis("2777", "Dysmetabolic syndrome x", "Dysmetabolic syndrome X", "E8881", "Metabolic syndrome"),
    Diagnosis("27800", "Obesity NOS", "Obesity, unspecified", "E669", "Obesity, unspecified"),
    Diagnosis("2859", "Anemia NOS", "Anemia, unspecified", "D649", "Anemia, unspecified"),
    Diagnosis("2875", "Thrombocytopenia NOS", "Thrombocytopenia, unspecified",
              "D696", "Thrombocytopenia, unspecified"),
    Diagnosis("28860", "Leukocytosis NOS", "Leukocytosis, unspecified",
              "D72829", "Elevated white blood cell count, unspecified"),
    Diagnosis("2900", "Senile dementia uncomp", "Senile dementia, uncomplicated",
              "F0390", "Unspecified dementia without behavioral disturbance"),
    Diagnosis("30000", "Anxiety state NOS", "Anxiety state, unspecified", "F419", "Anxiety disorder, unspecified"),
    Diagnosis("30390", "Alcoh dep NEC/NOS-unspec", "Other and unspecified alcohol dependence, unspecified",
              "F1020", "Alcohol dependence, uncomplicated"),
    Diagnosis("3051", "Tobacco use disorder", "Tobacco use disorder",
              "F17210", "Nicotine dependence, cigarettes, uncomplicated"),
    Diagnosis("311", "Depressive disorder NEC", "Depressive disorder, not elsewhere classified",
              "F329", "Major depressive disorder, single episode, unspecified"),
    Diagnosis("32723", "Obstructive sleep apnea", "Obstructive sleep apnea (adult)(pediatric)",
              "G4733", "Obstructive sleep apnea (adult) (pediatric)"),
    Diagnosis("33394", "Restless legs syndrome", "Restless legs syndrome (RLS)", "G2581", "Restless legs syndrome"),
    Diagnosis("34690", "Migrne unsp wo ntrc mgrn", "Migraine, unspecified, without mention of intractable migraine "
              "without mention of status migrainosus",
              "G43909", "Migraine, unspecified, not intractable, without status migrainosus"),
    Diagnosis("3659", "Glaucoma NOS", "Unspecified glaucoma", "H409", "Unspecified glaucoma"),
    Diagnosis("36610", "Senile cataract NOS", "Senile cataract, unspecified", "H269", "Unspecified cataract"),
    Diagnosis("4019", "Hypertension NOS", "Unspecified essential hypertension",
              "I10", "Essential (primary) hypertension"),
    Diagnosis("41071", "Subendo infarct, initial", "Subendocardial infarction, initial episode of care",
              "I214", "Non-ST elevation (NSTEMI) myocardial infarction"),
    Diagnosis("41401", "Crnry athrscl natve vssl", "Coronary atherosclerosis of native coronary artery",
              "I2510", "Atherosclerotic heart disease of native coronary artery without angina pectoris"),
    Diagnosis("41519", "Pulm embol/infarct NEC", "Other pulmonary embolism and infarction",
              "I2699", "Other pulmonary embolism without acute cor pulmonale"),
    Diagnosis("4240", "Mitral valve disorder", "Mitral valve disorders",
              "I340", "Nonrheumatic mitral (valve) insufficiency"),
    Diagnosis("4241", "Aortic valve disorder", "Aortic valve disorders",
              "I350", "Nonrheumatic aortic (valve) stenosis"),
    Diagnosis("42731", "Atrial fibrillation", "Atrial fibrillation", "I4891", "Unspecified atrial fibrillation"),
    Diagnosis("4275", "Cardiac arrest", "Cardiac arrest", "I469", "Cardiac arrest, cause unspecified"),
    Diagnosis("4280", "CHF NOS", "Congestive heart failure, unspecified", "I509", "Heart failure, unspecified"),
    Diagnosis("431", "Intracerebral hemorrhage", "Intracerebral hemorrhage",
              "I619", "Nontraumatic intracerebral hemorrhage, unspecified"),
    Diagnosis("4439", "Periph vascular dis NOS", "Peripheral vascular disease, unspecified",
              "I739", "Peripheral vascular disease, unspecified"),
    Diagnosis("486", "Pneumonia, organism NOS", "Pneumonia, organism unspecified",
              "J189", "Pneumonia, unspecified organism"),
    Diagnosis("49390", "Asthma NOS", "Asthma, unspecified type, unspecified",
              "J45909", "Unspecified asthma, uncomplicated"),
    Diagnosis("496", "Chr airway obstruct NEC", "Chronic airway obstruction, not elsewhere classified",
              "J449", "Chronic obstructive pulmonary disease, unspecified"),
    Diagnosis("5119", "Pleural effusion NOS", "Unspecified pleural effusion",
              "J90", "Pleural effusion, not elsewhere classified"),
    Diagnosis("51881", "Acute respiratry failure", "Acute respiratory failure",
              "J9600", "Acute respiratory failure, unspecified whether with hypoxia or hypercapnia"),
    Diagnosis("53081", "Esophageal reflux", "Esophageal reflux",
              "K219", "Gastro-esophageal reflux disease without esophagitis"),
    Diagnosis("5533", "Diaphragmatic hernia", "Diaphragmatic hernia without mention of obstruction or gangrene",
              "K449", "Diaphragmatic hernia without obstruction or gangrene"),
    Diagnosis("5570", "Ac vasc insuff intestine", "Acute vascular insufficiency of intestine",
              "K55059", "Acute (reversible) ischemia of intestine, part and extent unspecified"),
    Diagnosis("56210", "Dvrtclo colon w/o hmrhg", "Diverticulosis of colon (without mention of hemorrhage)",
              "K5790", "Diverticulosis of intestine, part unspecified, without perforation or abscess without "
              "bleeding"),
    Diagnosis("570", "Acute necrosis of liver", "Acute and subacute necrosis of liver",
              "K7200", "Acute and subacute hepatic failure without coma"),
    Diagnosis("5715", "Cirrhosis of liver NOS", "Cirrhosis of liver without mention of alcohol",
              "K7460", "Unspecified cirrhosis of liver"),
    Diagnosis("5789", "Gastrointest hemorr NOS", "Hemorrhage of gastrointestinal tract, unspecified",
              "K922", "Gastrointestinal hemorrhage, unspecified"),
    Diagnosis("5849", "Acute kidney failure NOS", "Acute kidney failure, unspecified",
              "N179", "Acute kidney failure, unspecified"),
    Diagnosis("5856", "End stage renal disease", "End stage renal disease", "N186", "End stage renal disease"),
    Diagnosis("5990", "Urin tract infection NOS", "Urinary tract infection, site not specified",
              "N390", "Urinary tract infection, site not specified"),
    Diagnosis("60000", "BPH w/o urinary obs/LUTS", "Hypertrophy (benign) of prostate without urinary obstruction and "
              "other lower urinary tract symptom (LUTS)",
              "N400", "Benign prostatic hyperplasia without lower urinary tract symptoms"),
    Diagnosis("6961", "Other psoriasis", "Other psoriasis", "L409", "Psoriasis, unspecified"),
    Diagnosis("70703", "Pressure ulcer, low back", "Pressure ulcer, lower back",
              "L89159", "Pressure ulcer of sacral region, unspecified stage"),
    Diagnosis("7140", "Rheumatoid arthritis", "Rheumatoid arthritis", "M069", "Rheumatoid arthritis, unspecified"),
    Diagnosis("71590", "Osteoarthros NOS-unspec", "Osteoarthrosis, unspecified whether generalized or localized, "
              "site unspecified",
              "M1990", "Unspecified osteoarthritis, unspecified site"),
    Diagnosis("7242", "Lumbago", "Lumbago", "M545", "Low back pain"),
    Diagnosis("73300", "Osteoporosis NOS", "Osteoporosis, unspecified",
              "M810", "Age-related osteoporosis without current pathological fracture"),
    Diagnosis("7742", "Neonat jaund preterm del", "Neonatal jaundice associated with preterm delivery"),
    Diagnosis("78001", "Coma", "Coma", "R4020", "Unspecified coma"),
    Diagnosis("78039", "Convulsions NEC", "Other convulsions", "R569", "Unspecified convulsions"),
    Diagnosis("7823", "Edema", "Edema", "R600", "Localized edema"),
    Diagnosis("7824", "Jaundice NOS", "Jaundice, unspecified, not of newborn", "R17", "Unspecified jaundice"),
    Diagnosis("7850", "Tachycardia NOS", "Tachycardia, unspecified", "R000", "Tachycardia, unspecified"),
    Diagnosis("78552", "Septic shock", "Septic shock", "R6521", "Severe sepsis with septic shock"),
    Diagnosis("78820", "Retention urine NOS", "Retention of urine, unspecified",
              "R339", "Retention of urine, unspecified"),
    Diagnosis("78959", "Ascites NEC", "Other ascites", "R188", "Other ascites"),
    Diagnosis("99592", "Severe sepsis", "Severe sepsis", "R6520", "Severe sepsis without septic shock"),
    Diagnosis("E8801", "Fall on sidewalk curb", "Accidental fall on or from sidewalk curb",
              "W101XXA", "Fall (on)(from) sidewalk curb, initial encounter"),
    Diagnosis("E8809", "Fall on stair/step NEC", "Accidental fall on or from other stairs or steps",
              "W109XXA", "Fall (on) (from) unspecified stairs and steps, initial encounter"),
    Diagnosis("E8859", "Fall from slipping NEC", "Fall from other slipping, tripping, or stumbling",
              "W010XXA", "Fall on same level from slipping, tripping and stumbling without subsequent striking "
              "against object, initial encounter"),
    Diagnosis("E8881", "Fall striking object NEC", "Fall resulting in striking against other object",
              "W01190A", "Fall on same level from slipping, tripping and stumbling with subsequent striking against "
              "furniture, initial encounter"),
    Diagnosis("E9320", "Adv eff corticosteroids", "Adrenal cortical steroids causing adverse effects in therapeutic "
              "use",
              "T380X5A", "Adverse effect of glucocorticoids and synthetic analogues, initial encounter"),
    Diagnosis("V053", "Need prphyl vc vrl hepat", "Need for prophylactic vaccination and inoculation against viral "
              "hepatitis"),
    Diagnosis("V103", "Hx of breast malignancy", "Personal history of malignant neoplasm of breast",
              "Z853", "Personal history of malignant neoplasm of breast"),
    Diagnosis("V1046", "Hx-prostatic malignancy", "Personal history of malignant neoplasm of prostate",
              "Z8546", "Personal history of malignant neoplasm of prostate"),
    Diagnosis("V1251", "Hx-ven thrombosis/embols", "Personal history of venous thrombosis and embolism",
              "Z86718", "Personal history of other venous thrombosis and embolism"),
    Diagnosis("V1254", "Hx TIA/stroke w/o resid", "Personal history of transient ischemic attack (TIA), and cerebral "
              "infarction without residual deficits",
              "Z8673", "Personal history of transient ischemic attack (TIA), and cerebral infarction without residual "
              "deficits"),
    Diagnosis("V1582", "History of tobacco use", "Personal history of tobacco use",
              "Z87891", "Personal history of nicotine dependence"),
    Diagnosis("V290", "NB obsrv suspct infect", "Observation for suspected infectious condition"),
    Diagnosis("V3000", "Single lb in-hosp w/o cs", "Single liveborn, born in hospital, delivered without mention of "
              "cesarean section"),
    Diagnosis("V3001", "Single lb in-hosp w cs", "Single liveborn, born in hospital, delivered by cesarean section"),
    Diagnosis("V4501", "Status cardiac pacemaker", "Cardiac pacemaker in situ",
              "Z950", "Presence of cardiac pacemaker"),
    Diagnosis("V4579", "Acq absence of organ NEC", "Other acquired absence of organ",
              "Z9049", "Acquired absence of other specified parts of digestive tract"),
    Diagnosis("V4581", "Aortocoronary bypass", "Aortocoronary bypass status",
              "Z951", "Presence of aortocoronary bypass graft"),
    Diagnosis("V5861", "Long-term use anticoagul", "Long-term (current) use of anticoagulants",
              "Z7901", "Long term (current) use of anticoagulants"),
)
# fmt: on

DIAGNOSES: Final = {entry.nine: entry for entry in _ENTRIES}
"""ICD-9-CM code → entry, sorted by it."""

NEWBORN: Final = ("V3000", "V3001", "V290", "V053", "7742")
"""Diagnoses billed for newborns: the first two say how they were born."""

UNLISTED: Final = {9: "5185", 10: "J9690"}
"""ICD version → a code that is billed now and then and that the dictionary lacks, as happens in the real one."""
