/** A call's decision as claims say it: what asks for something is narrowed to what it was, a denial (wire-formats section 5). */
export function decisionWord(entryType: string, decision: string | null): string {
  if (entryType === 'fault') return 'fault';
  return decision === 'step_up' || decision === 'defer' ? 'deny' : (decision ?? 'n/a');
}
