/** Somebody who does not exist, and what a clinic would know of them. */
export interface Patient {
  name: string;
  born: string;
  record: string;
  member: string;
  address: string;
  email: string;
  codes: readonly string[];
  diagnoses: string;
  medication: readonly string[];
  labs: { hba1c: string; egfr: string; accession: string; comment: string };
  /** The same in words that share nothing with the above: what a summary says. */
  gist: string;
}

export const PATIENTS: readonly Patient[] = [
  {
    name: 'Marlene Okonkwo-Reyes',
    born: '1957-03-18',
    record: 'MRN-48821907',
    member: 'HX-2207-553014',
    address: '1418 Larkspur Hollow Road, Dunmore Falls',
    email: 'marlene.okonkwo@mailbox.test',
    codes: ['E11.22', 'N18.31', 'I10'],
    diagnoses: 'type 2 diabetes mellitus with diabetic chronic kidney disease, stage 3a',
    medication: ['metformin 850 mg twice daily', 'lisinopril 20 mg once daily', 'empagliflozin 10 mg once daily'],
    labs: {
      hba1c: '8.9 %',
      egfr: '48 mL/min/1.73m2',
      accession: 'LAB-7730192-K',
      comment: 'Albuminuria persists; repeat creatinine in six weeks.',
    },
    gist: 'An older woman whose sugar is badly controlled and whose kidneys do half their work; she takes three drugs for it.',
  },
  {
    name: 'Tobias Achterberg',
    born: '1984-11-02',
    record: 'MRN-50119433',
    member: 'HX-9914-220876',
    address: '77 Quarry Lane, Apartment 4C, Wexcombe',
    email: 't.achterberg@postfach.test',
    codes: ['F33.1', 'G47.00', 'Z91.14'],
    diagnoses: 'recurrent depressive disorder, current episode moderate, with insomnia',
    medication: ['sertraline 100 mg once daily', 'mirtazapine 15 mg at night'],
    labs: {
      hba1c: '5.2 %',
      egfr: '104 mL/min/1.73m2',
      accession: 'LAB-7730455-D',
      comment: 'Sodium at the lower limit; consider the antidepressant as cause.',
    },
    gist: 'A man around forty who is down again and cannot sleep; his salt is a little low, perhaps from the pills.',
  },
  {
    name: 'Ines Calderwood',
    born: '1991-07-25',
    record: 'MRN-51740288',
    member: 'HX-3381-774120',
    address: '9 Saltmarsh Terrace, Port Ellery',
    email: 'ines.calderwood@inbox.test',
    codes: ['O24.410', 'Z3A.28', 'D50.9'],
    diagnoses: 'gestational diabetes, diet controlled, at 28 weeks, with iron deficiency anaemia',
    medication: ['ferrous sulfate 325 mg every other day', 'folic acid 400 micrograms once daily'],
    labs: {
      hba1c: '5.8 %',
      egfr: '118 mL/min/1.73m2',
      accession: 'LAB-7731288-R',
      comment: 'Fasting glucose above target on four of seven mornings.',
    },
    gist: 'An expectant mother in her third trimester who is short of iron and whose morning sugars run high.',
  },
  {
    name: 'Gerald Mbeki Thornton',
    born: '1948-12-30',
    record: 'MRN-44092615',
    member: 'HX-1102-908431',
    address: '3305 Old Ferry Turnpike, Branwick',
    email: 'g.thornton48@letterbox.test',
    codes: ['I50.22', 'I48.20', 'Z79.01'],
    diagnoses: 'chronic systolic heart failure with permanent atrial fibrillation, on anticoagulants',
    medication: ['apixaban 5 mg twice daily', 'sacubitril-valsartan 49/51 mg twice daily', 'furosemide 40 mg'],
    labs: {
      hba1c: '6.1 %',
      egfr: '55 mL/min/1.73m2',
      accession: 'LAB-7732001-B',
      comment: 'NT-proBNP doubled since September; weigh daily and call at two kilograms.',
    },
    gist: 'A man in his late seventies with a weak, unsteady heart, thinned blood, and signs that fluid is building up.',
  },
  {
    name: 'Priya Venkataraghavan',
    born: '1969-05-09',
    record: 'MRN-47330571',
    member: 'HX-6650-118293',
    address: '52 Beechcroft Mews, Little Harding',
    email: 'priya.v@correo.test',
    codes: ['C50.411', 'Z17.0', 'Z79.811'],
    diagnoses: 'malignant neoplasm of the upper outer quadrant of the right breast, receptor positive',
    medication: ['letrozole 2.5 mg once daily', 'calcium carbonate 1200 mg with vitamin D'],
    labs: {
      hba1c: '5.5 %',
      egfr: '92 mL/min/1.73m2',
      accession: 'LAB-7733914-W',
      comment: 'CA 15-3 within range; bone density due in March.',
    },
    gist: 'A woman in her fifties after breast cancer that feeds on hormones, on tablets against its return, doing well.',
  },
  {
    name: 'Jonas Whitlock-Adeyemi',
    born: '2003-09-14',
    record: 'MRN-53018846',
    member: 'HX-7723-645509',
    address: '210 Cinder Street, Flat 2, Ashgate North',
    email: 'jwhitlock.a@mailbox.test',
    codes: ['B20', 'Z79.899', 'F43.22'],
    diagnoses: 'human immunodeficiency virus disease, suppressed, with adjustment disorder',
    medication: ['bictegravir-emtricitabine-tenofovir once daily', 'hydroxyzine 25 mg as needed'],
    labs: {
      hba1c: '5.0 %',
      egfr: '111 mL/min/1.73m2',
      accession: 'LAB-7734660-H',
      comment: 'Viral load undetectable at fewer than 20 copies; CD4 count 612.',
    },
    gist: 'A student living with a virus that is held down completely, who has been anxious since he was told.',
  },
];
