"""The latent conditions of the made-up hospital: how common, how deadly, how they are written about, how billed.

A condition is written about in one section only, so that a reader who has finished that section knows that it will
not be named any more: the present illness tells acute problems, the medical history chronic ones, the physical exam
signs. What is hidden is never written before the outcome is known. All numbers are invented; none was fitted to a
real patient.
"""

from dataclasses import dataclass
from typing import Final, Literal

Where = Literal["illness", "history", "exam", "hidden"]

BANDS: Final = ((18, 49), (50, 69), (70, 93))
"""Ages in years, both ends included; the prevalence of a condition is constant within a band."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that a patient has or has not. Given the age band, conditions are independent of each other."""

    name: str
    """What it is called in the manifest."""
    where: Where
    """The one section that may name it; what stands in the history is chronic and stays with the patient."""
    prevalence: tuple[float, float, float]
    """P(present) by age band."""
    lethality: float
    """P(this condition alone kills during a stay | present)."""
    affirmed: float
    """P(written as present | present)."""
    denied: float
    """P(written as absent | absent)."""
    forms: tuple[str, ...]
    """Ways of writing it; none is a form of another condition."""
    codes: tuple[str, ...]
    """ICD-9-CM codes billed when present, without the point; `diagnosis_codes` knows their ICD-10-CM."""
    course: str
    """What the hospital course says was done."""
    in_family: float = 0.0
    """P(a relative is written to have had it), whatever the patient has."""
    drugs: tuple[str, ...] = ()
    """Medicines taken at home when it is affirmed in the history: they repeat what is written and add nothing."""

    @property
    def chronic(self) -> bool:
        """Whether a later admission of the same patient has it again."""
        return self.where == "history"


# fmt: off
CONDITIONS: Final = (
    # Acute and deadly: most of what can be predicted is stated here, within the first hundred words.
    Condition("septic shock", "illness", (.030, .040, .047), .62, .93, .06,
              ("septic shock", "shock from sepsis"), ("0389", "78552", "99592"),
              "given broad-spectrum antibiotics and norepinephrine"),
    Condition("intracranial hemorrhage", "illness", (.024, .033, .042), .62, .93, .06,
              ("intracranial hemorrhage", "intracranial bleed", "ICH"), ("431",),
              "followed by neurosurgery with serial head CT", .05),
    Condition("cardiac arrest", "illness", (.018, .030, .036), .72, .93, .06,
              ("cardiac arrest", "PEA arrest", "VF arrest"), ("4275",),
              "cooled and monitored in the CCU", .06),
    Condition("respiratory failure", "illness", (.036, .046, .054), .38, .92, .08,
              ("respiratory failure", "hypoxic respiratory failure"), ("51881",),
              "intubated and ventilated with low tidal volumes"),
    Condition("mesenteric ischemia", "illness", (.009, .018, .025), .62, .92, .05,
              ("mesenteric ischemia", "ischemic bowel"), ("5570",),
              "taken to the operating room for resection"),
    Condition("acute liver failure", "illness", (.024, .022, .012), .58, .92, .05,
              ("acute liver failure", "fulminant hepatic failure"), ("570",),
              "given lactulose and N-acetylcysteine"),
    # Acute and mostly survived: their words look alike in the prose and say little about the outcome.
    Condition("myocardial infarction", "illness", (.030, .070, .090), .08, .84, .40,
              ("myocardial infarction", "heart attack", "STEMI", "NSTEMI"), ("41071",),
              "taken to the catheterization laboratory", .25),
    Condition("gastrointestinal bleed", "illness", (.050, .060, .070), .06, .84, .40,
              ("gastrointestinal bleed", "GI bleed", "GIB", "melena"), ("5789",),
              "transfused and scoped"),
    Condition("pneumonia", "illness", (.070, .100, .130), .05, .84, .45,
              ("pneumonia", "PNA", "lobar consolidation"), ("486",),
              "treated with ceftriaxone and azithromycin"),
    Condition("urinary tract infection", "illness", (.080, .090, .120), .00, .80, .45,
              ("urinary tract infection", "UTI", "pyelonephritis"), ("5990", "04149"),
              "treated with ciprofloxacin"),
    Condition("seizure", "illness", (.050, .040, .040), .02, .80, .40,
              ("seizure", "seizures", "convulsions"), ("78039",),
              "loaded with levetiracetam", .10),
    # Chronic: modest each, but a metastatic cancer weighs.
    Condition("metastatic cancer", "history", (.020, .054, .063), .42, .93, .09,
              ("metastatic cancer", "metastatic carcinoma", "stage IV malignancy"),
              ("1991",), "seen by oncology and palliative care", .10, ("morphine sulfate", "ondansetron")),
    Condition("cirrhosis", "history", (.030, .060, .030), .15, .86, .30,
              ("cirrhosis", "end-stage liver disease", "ESLD"), ("5715",),
              "continued on lactulose with paracentesis", .15, ("lactulose", "spironolactone")),
    Condition("heart failure", "history", (.020, .090, .180), .04, .86, .40,
              ("CHF", "congestive heart failure", "heart failure", "cardiomyopathy"), ("4280",),
              "diuresed with furosemide", .20, ("furosemide", "carvedilol")),
    Condition("chronic lung disease", "history", (.020, .100, .130), .02, .84, .40,
              ("COPD", "emphysema", "chronic obstructive pulmonary disease"), ("496",),
              "given nebulizers and a steroid taper", .15, ("tiotropium", "albuterol")),
    Condition("kidney disease", "history", (.030, .070, .100), .03, .84, .40,
              ("ESRD", "chronic kidney disease", "CKD", "end-stage renal disease"), ("5856",),
              "dialyzed on schedule", .10, ("sevelamer", "calcitriol")),
    Condition("dementia", "history", (.000, .015, .130), .03, .84, .40,
              ("dementia", "Alzheimer disease", "vascular dementia"), ("2900",),
              "reoriented frequently", .15, ("donepezil", "memantine")),
    Condition("diabetes", "history", (.060, .200, .240), .00, .84, .45,
              ("diabetes mellitus", "DM2", "type 2 diabetes"), ("25000",),
              "kept on sliding scale insulin", .25, ("metformin", "insulin glargine")),
    Condition("immunodeficiency virus", "history", (.030, .015, .004), .02, .80, .35,
              ("HIV", "HIV infection", "AIDS"), ("042",),
              "continued on antiretrovirals", .00, ("tenofovir", "efavirenz")),
    # Signs at the bedside.
    Condition("coma", "exam", (.018, .024, .030), .55, .92, .08,
              ("coma", "unresponsiveness to voice", "unresponsiveness to pain"), ("78001",),
              "evaluated with EEG and MRI"),
    Condition("jaundice", "exam", (.030, .040, .030), .04, .84, .45,
              ("jaundice", "scleral icterus", "icterus"), ("7824",),
              "imaged with right upper quadrant ultrasound"),
    Condition("ascites", "exam", (.030, .040, .030), .03, .84, .45,
              ("ascites", "a fluid wave", "shifting dullness"), ("78959",),
              "tapped for diagnosis"),
    Condition("leg edema", "exam", (.050, .110, .160), .00, .84, .45,
              ("leg edema", "pedal edema", "pitting edema"), ("7823",),
              "treated with compression"),
    # Never written before the hospital course: what no reader of the admission text can know.
    Condition("multiple organ failure", "hidden", (.010, .018, .024), .55, .0, .0,
              ("multiple organ failure",), ("99592",), "supported with pressors and dialysis"),
    Condition("pulmonary embolism on the ward", "hidden", (.006, .010, .014), .50, .0, .0,
              ("pulmonary embolism",), ("41519",), "anticoagulated with heparin"),
)
# fmt: on
