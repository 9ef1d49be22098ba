/** What the stand-in of a server answers: made-up data, the same each time. */
type Answer = (given: Record<string, unknown>) => unknown;

const ANSWERS: Readonly<Record<string, Answer>> = {
  find_customer: () => ({
    customer: { id: 'C-1', name: 'Ada Example', email: 'ada@example.com', card: '4111 1111 1111 1111' },
  }),
  search_tickets: () => ({ tickets: [{ id: 'T-1', subject: 'Parcel arrived broken', status: 'open' }] }),
  read_chart: () => ({
    patient: { id: 'P-7', name: 'Grace Example', ssn: '000-00-0000', address: '1 Example Street' },
    sections: [{ title: 'labs', text: 'Potassium 4.1 mmol/l' }],
  }),
  count_cohort: () => ({ patients: 412 }),
  get_quote: ({ symbol }) => ({ symbol, cents: 1999 }),
};

/** The structured content of a call's answer. */
export function answerTo(tool: string, given: Record<string, unknown>): unknown {
  return ANSWERS[tool]?.(given) ?? { done: true };
}
