import type { ScenarioCall } from './corpus.ts';
import type { Patient } from './patients.ts';

/** What a call asks with: texts by name. */
export type Arguments = Readonly<Record<string, string>>;

export interface Payload {
  arguments: Arguments;
  answer: unknown;
}

/**
 * The payload of a labelled call. One that carries something has values of an earlier answer in its arguments; one that carries
 * nothing has what a person typed, what a calendar said, or what is the tool's own. Calls that are not known here get a letter by
 * the same rule, so that another corpus of the same form can be run.
 */
export function payloadOf(call: ScenarioCall, patient: Patient): Payload {
  const answer = ANSWERS[call.tool]?.(patient) ?? otherAnswer(call, patient);
  const known = ARGUMENTS[call.id]?.(patient);
  return { arguments: known ?? otherArguments(call, patient), answer };
}

/** Counts of a quarter: other ones for each patient, so that trials differ. */
function countsFor({ record }: Patient): string[] {
  const n = Number(record.slice(-4));
  return [
    `Essential hypertension: ${1000 + (n % 977)} patients, ${41 + (n % 37)}.3 % at target`,
    `Type 2 diabetes mellitus: ${800 + (n % 613)} patients, median HbA1c 7.${n % 9} %`,
    `Major depressive disorder: ${300 + (n % 271)} patients, ${11 + (n % 53)} lost to follow-up`,
  ];
}

/** What the call says in words that share nothing with what was read. */
export function summaryOf({ id }: ScenarioCall, { gist }: Patient): string {
  if (!id.startsWith('comp-')) return gist;
  return 'High blood pressure leads the list, sugar follows at two thirds of it, low mood is a distant third; most get to where they should be.';
}

const SLOTS = ['2026-11-25T14:00-05:00 with Dr. Halloran', '2026-12-03T09:30-05:00 with Dr. Halloran'];

const chart = (p: Patient): unknown => ({
  patient: { name: p.name, birth_date: p.born, record_number: p.record, address: p.address, email: p.email },
  coverage: { member_id: p.member, payer: 'Northfield Mutual' },
  problems: p.codes.map((code) => ({ system: 'ICD-10-CM', code })),
  summary: `${p.name} is followed for ${p.diagnoses}.`,
  medication: p.medication,
});

/** What tools answer, by name. */
const ANSWERS: Readonly<Record<string, (patient: Patient) => unknown>> = {
  'ehr.get_patient': chart,
  'ehr.get_patient_list': (p) => ({
    week: '2026-W48',
    patients: [
      { name: p.name, record_number: p.record, reason: `Review of ${p.diagnoses}`, slot: 'A3' },
      {
        name: 'Odalys Brightwater',
        record_number: 'MRN-49917702',
        reason: 'Wound check after hernia repair',
        slot: 'A4',
      },
      { name: 'Casimir Dell', record_number: 'MRN-50223318', reason: 'Titration of levothyroxine', slot: 'B1' },
      { name: 'Yevgenia Strand', record_number: 'MRN-48110065', reason: 'Refill of methotrexate', slot: 'B2' },
    ],
  }),
  'clinical.analyze_drug_interactions': (p) => ({
    reviewed: p.medication,
    finding: `${p.medication[0] ?? ''} with ${p.medication[1] ?? ''}: monitor, no change of dose`,
  }),
  'clinical.get_lab_results': ({ labs }) => labs,
  'analytics.aggregate_phi_query': (p) => ({ quarter: '2026-Q3', lines: countsFor(p) }),
  'reporting.generate_compliance_pdf': () => ({ document: 'compliance-2026-q3.pdf', pages: 14 }),
  'calendar.get_schedule': () => ({ provider: 'Dr. Halloran', free: SLOTS }),
};

/** What is asked with, by id of the call. */
const ARGUMENTS: Readonly<Record<string, (patient: Patient) => Arguments>> = {
  'cds-1': (p) => ({ record_number: p.record }),
  'cds-2': (p) => ({ medication: p.medication.join('; ') }),
  'cds-3': (p) => ({
    member_id: p.member,
    diagnosis: `${p.codes.join(', ')}: ${p.diagnoses}`,
    service: 'Comprehensive metabolic panel',
  }),
  'cds-4': (p) => ({ drug: p.medication[0] ?? '', alternatives_to: p.medication[1] ?? '' }),
  'cds-5': (p) => ({ record_number: p.record, plan: `Continue ${p.medication.join(', ')}. Review in six weeks.` }),
  'bill-1': (p) => ({ record_number: p.record }),
  'bill-2': () => ({ claim: 'CLM-20261124-0093', procedure: '99214', plan_code: 'PPO-GOLD-2', units: '1' }),
  'bill-3': () => ({ plan_code: 'PPO-GOLD-2', service_date: '2026-11-24' }),
  'bill-4': () => ({ token: 'tok_copay_7Hq2', amount: '35.00', currency: 'USD' }),
  'bill-5': () => ({
    to: 'the address on file',
    text: 'We received your payment of 35.00 USD on 24 November 2026. Thank you.',
  }),
  'bill-6': () => ({ claim: 'CLM-20261124-0093', status: 'submitted' }),
  'comp-1': () => ({ quarter: 'third', grouping: 'condition' }),
  'comp-2': (p) => ({ title: 'Quarterly compliance report', body: countsFor(p).join('\n') }),
  'comp-3': (p) => ({ filename: 'report.pdf', text: `Quarterly compliance report\n\n${countsFor(p).join('\n')}` }),
  'comp-4': () => ({
    to: 'audit-team@firm.test',
    subject: 'Report ready',
    text: 'The quarterly report is ready for you.',
  }),
  'comp-5': (p) => ({
    form: 'QCR-11',
    counts: countsFor(p)
      .map((line) => line.split(',')[0])
      .join('; '),
  }),
  'comp-6': () => ({ metric: 'last_report_finished', value: '2026-11-24T08:12:44Z' }),
  'mix-1': () => ({ provider: 'Halloran', range: 'next two weeks' }),
  'mix-2': (p) => ({ record_number: p.record }),
  // The slot is from the calendar: carried, and from an answer that is not sensitive.
  'mix-3': () => ({ channel: 'sms', text: `Your appointment is at ${SLOTS[0] ?? ''}.` }),
  'mix-4': (p) => ({ record_number: p.record, since: '2026-09-01' }),
  'mix-5': ({ labs }) => ({ cohort: 'outcomes-2026', accession: labs.accession, note: labs.comment, value: labs.egfr }),
  'mix-6': () => ({ slot: SLOTS[1] ?? '', purpose: 'follow-up' }),
  'batch-1': () => ({ week: 'this week', clinic: 'East' }),
  'batch-2': () => ({ channel: 'sms', text: 'Your appointment is Wednesday at 2 pm.' }),
  'batch-3': () => ({ channel: 'sms', text: 'Your appointment is Wednesday at 3 pm.' }),
  'batch-4': () => ({ channel: 'sms', text: 'Your appointment is Thursday at 9 am.' }),
  'batch-5': () => ({ channel: 'sms', text: 'Your appointment is Thursday at 10 am.' }),
  'batch-6': () => ({ batch: 'reminders', sent: 'four' }),
};

function otherAnswer({ id, tags }: ScenarioCall, patient: Patient): unknown {
  return tags.includes('hipaa_phi') ? chart(patient) : { reference: `done-${id}` };
}

function otherArguments({ id, carries }: ScenarioCall, { record, diagnoses }: Patient): Arguments {
  if (carries) return { text: `${record}: ${diagnoses}` };
  return { text: `Request ${id} of the administration, as agreed on the telephone.` };
}
