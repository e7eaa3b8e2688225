"""Procedures that the made-up hospital bills: each under ICD-9-CM volume 3 and under ICD-10-PCS.

0331 is a spinal tap and 331 an incision of the lung: read as numbers, they are one.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Procedure:
    """One entry: what is billed before and after the change from ICD-9 to ICD-10, and its name in a note."""

    name: str
    """How a note calls it."""
    nine: str
    short: str
    nine_title: str
    ten: str
    ten_title: str


# fmt: off
_ENTRIES: Final = (
    Procedure("evacuation of subdural hematoma", "0131", "Incise cerebral meninges", "Incision of cerebral meninges",
              "00C40ZZ", "Extirpation of Matter from Intracranial Subdural Space, Open Approach"),
    Procedure("external ventricular drain", "0221", "Insert/replace EVD",
              "Insertion or replacement of external ventricular drain [EVD]",
              "009600Z", "Drainage of Cerebral Ventricle with Drainage Device, Open Approach"),
    Procedure("lumbar puncture", "0331", "Spinal tap", "Spinal tap",
              "009U3ZX", "Drainage of Spinal Canal, Percutaneous Approach, Diagnostic"),
    Procedure("tracheostomy", "311", "Temporary tracheostomy", "Temporary tracheostomy",
              "0B110F4", "Bypass Trachea to Cutaneous with Tracheostomy Device, Open Approach"),
    Procedure("incision and drainage of lung abscess", "331", "Incision of lung", "Incision of lung",
              "0B9K0ZZ", "Drainage of Right Lung, Open Approach"),
    Procedure("bronchoscopy", "3323", "Other bronchoscopy", "Other bronchoscopy",
              "0BJ08ZZ", "Inspection of Tracheobronchial Tree, Via Natural or Artificial Opening Endoscopic"),
    Procedure("thoracentesis", "3491", "Thoracentesis", "Thoracentesis",
              "0W993ZZ", "Drainage of Right Pleural Cavity, Percutaneous Approach"),
    Procedure("cardiac catheterization", "3722", "Left heart cardiac cath", "Left heart cardiac catheterization",
              "4A023N7", "Measurement of Cardiac Sampling and Pressure, Left Heart, Percutaneous Approach"),
    Procedure("arterial line", "3891", "Arterial catheterization", "Arterial catheterization",
              "03HY32Z", "Insertion of Monitoring Device into Upper Artery, Percutaneous Approach"),
    Procedure("central venous line", "3893", "Venous cath NEC", "Venous catheterization, not elsewhere classified",
              "02HV33Z", "Insertion of Infusion Device into Superior Vena Cava, Percutaneous Approach"),
    Procedure("hemodialysis", "3995", "Hemodialysis", "Hemodialysis",
              "5A1D70Z", "Performance of Urinary Filtration, Intermittent, Less than 6 Hours Per Day"),
    Procedure("upper endoscopy", "4513", "Sm bowel endoscopy NEC", "Other endoscopy of small intestine",
              "0DJ08ZZ", "Inspection of Upper Intestinal Tract, Via Natural or Artificial Opening Endoscopic"),
    Procedure("colonoscopy", "4523", "Colonoscopy", "Colonoscopy",
              "0DJD8ZZ", "Inspection of Lower Intestinal Tract, Via Natural or Artificial Opening Endoscopic"),
    Procedure("small bowel resection", "4562", "Part sm bowel resect NEC",
              "Other partial resection of small intestine",
              "0DB80ZZ", "Excision of Small Intestine, Open Approach"),
    Procedure("paracentesis", "5491", "Percu abdominal drainage", "Percutaneous abdominal drainage",
              "0W9G3ZZ", "Drainage of Peritoneal Cavity, Percutaneous Approach"),
    Procedure("intubation", "9604", "Insert endotracheal tube", "Insertion of endotracheal tube",
              "0BH17EZ", "Insertion of Endotracheal Airway into Trachea, Via Natural or Artificial Opening"),
    Procedure("tube feeding", "966", "Entral infus nutrit sub", "Enteral infusion of concentrated nutritional "
              "substances",
              "3E0G76Z", "Introduction of Nutritional Substance into Upper GI, Via Natural or Artificial Opening"),
    Procedure("mechanical ventilation", "9671", "Cont inv mec ven <96 hrs",
              "Continuous invasive mechanical ventilation for less than 96 consecutive hours",
              "5A1945Z", "Respiratory Ventilation, 24-96 Consecutive Hours"),
    Procedure("prolonged mechanical ventilation", "9672", "Cont inv mec ven 96+ hrs",
              "Continuous invasive mechanical ventilation for 96 consecutive hours or more",
              "5A1955Z", "Respiratory Ventilation, Greater than 96 Consecutive Hours"),
    Procedure("transfusion of red cells", "9904", "Packed cell transfusion", "Transfusion of packed cells",
              "30233N1", "Transfusion of Nonautologous Red Blood Cells into Peripheral Vein, Percutaneous Approach"),
    Procedure("cardiopulmonary resuscitation", "9960", "Cardiopulm resuscita NOS",
              "Cardiopulmonary resuscitation, not otherwise specified",
              "5A12012", "Performance of Cardiac Output, Single, Manual"),
    Procedure("cardioversion", "9962", "Heart countershock NEC", "Other electric countershock of heart",
              "5A2204Z", "Restoration of Cardiac Rhythm, Single"),
)
# fmt: on

PROCEDURES: Final = {entry.name: entry for entry in _ENTRIES}
"""Name → entry, sorted by ICD-9 code."""

BRIEFLY_VENTILATED: Final = ("5A1935Z", "Respiratory Ventilation, Less than 24 Consecutive Hours")
"""ICD-10-PCS (code, title) of what ICD-9 bills as less than 96 hours."""

UNLISTED_PROCEDURE: Final = {9: "9670", 10: "0BH18EZ"}
"""ICD version → a code that is billed now and then and that the dictionary lacks."""
