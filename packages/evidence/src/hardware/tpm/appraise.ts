import { equalBytes } from '../../bytes/equal.ts';
import { encodeHex } from '../../bytes/hex.ts';
import type { HashName } from '../../crypto/sha2.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import type { EventLog } from '../event-log/parse.ts';
import { replay } from '../event-log/replay.ts';
import type { EvidencePolicy } from '../policy.ts';
import { type PcrSelection, selectionText, type TpmQuote } from './parse.ts';
import { type PcrValues, selectedValues } from './pcr-values.ts';
import { pcrDigest } from './verify.ts';

/** The registers that the measurement of a TPM claim covers (wire-formats section 11.1). */
const MEASURED = 'sha256:0,1,2,3,4,5,6,7';

/** What a replay does not show: what a digest is over differs from event to event, so no replay checks it. */
export const UNCOVERED = 'the descriptions beside the digests are not covered';

/** SHA-1 and registers of SHA-1 banks are never acceptable, whoever signed. */
export function algorithms(quote: TpmQuote, signature: HashName, weakChain: boolean): Finding {
  if (signature === 'sha1') return failed('the quote is signed with SHA-1');
  if (quote.selection.some(({ bank, indexes }) => bank === 'sha1' && indexes.length > 0)) {
    return failed('the quote covers registers of the SHA-1 bank');
  }
  if (weakChain) return failed('a certificate in the chain is signed with SHA-1');
  return proven(`the quote and its chain use no SHA-1 (${signature})`);
}

/** Whether the quote shows the measurement that a claim makes of a TPM: the digest over PCR 0 to 7 of the SHA-256 bank. */
export function measurement(quote: TpmQuote, signature: HashName, expected: string): Finding {
  const found = measurementOf(quote, signature);
  if (found === null) {
    const covered = `${selectionText(quote.selection) || 'no register'} (${signature})`;
    return failed(`the quote covers ${covered}, so it cannot be a measurement over ${MEASURED}`, expected);
  }
  return found === expected.toLowerCase().replace(/^(?:sha256:)?/, 'sha256:')
    ? proven('the PCR digest in the quote is the expected measurement', expected)
    : failed(`the measurement is ${found}`, expected);
}

/** The measurement in the form of claims, or null when the quote covers other registers. */
export function measurementOf(quote: TpmQuote, signature: HashName): string | null {
  if (signature !== 'sha256' || selectionText(quote.selection) !== MEASURED) return null;
  return `sha256:${encodeHex(quote.pcrDigest)}`;
}

/** Whether the quote selects exactly the registers that the policy names, e.g. `sha256:0,1,2`. */
export function selection(quote: TpmQuote, expected: string): Finding {
  const found = selectionText(quote.selection);
  const [bank = '', list = ''] = expected.split(':');
  const indexes = [...new Set(list.split(',').map(Number))].sort((a, b) => a - b);
  return found === `${bank}:${indexes.join(',')}`
    ? proven('the quote selects the registers that the policy names', expected)
    : failed(`the quote selects ${found || 'no register'}`, expected);
}

/** Whether every register that the policy names was quoted and has one of its reference values. `values` hash to the quote. */
export function referenceValues(
  quote: TpmQuote,
  values: PcrValues | null,
  wanted: NonNullable<NonNullable<EvidencePolicy['tpm']>['pcrs']>,
): Finding {
  if (values === null) {
    return notChecked('the values of the registers are not known', 'PCR values that hash to the quote (role pcrs)');
  }
  for (const [bank, registers] of Object.entries(wanted)) {
    for (const [index, accepted] of Object.entries(registers)) {
      const value = quotedValue(quote, values, bank, Number(index));
      if (value === null) {
        return notChecked(`the quote does not cover ${bank}:${index}`, `a quote that selects ${bank}:${index}`);
      }
      if (!accepted.includes(value)) {
        return failed(`${bank}:${index} is ${value}, which is no reference value`, accepted.join(', '));
      }
    }
  }
  return proven('every register that the policy names has a reference value', 'the policy');
}

function quotedValue(quote: TpmQuote, values: PcrValues, bank: string, index: number): string | null {
  const selected = quote.selection.find((each) => each.bank === bank && each.indexes.includes(index));
  const value = selected === undefined ? undefined : values.get(selected.bank)?.get(index);
  return value === undefined ? null : encodeHex(value);
}

/** Whether the event log leads to the quoted registers, as far as it speaks of them. Without PCR values, to their digest. */
export function eventLog(quote: TpmQuote, signature: HashName, values: PcrValues | null, log: EventLog): Finding {
  try {
    const replayed = replays(quote.selection, log);
    return values === null ? digestOf(quote, signature, replayed) : registersOf(quote, values, replayed);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return failed(error.message);
  }
}

function replays(wanted: readonly PcrSelection[], log: EventLog): PcrValues {
  const banks = wanted.filter(({ indexes }) => indexes.length > 0);
  return new Map(banks.map(({ bank }) => [bank, replay(log, bank, 'pcr')]));
}

function digestOf(quote: TpmQuote, signature: HashName, replayed: PcrValues): Finding {
  const selected = selectedValues(quote.selection, replayed);
  if ('missing' in selected) {
    return notChecked(`the log says nothing about ${selected.missing}`, 'the PCR values (role pcrs)');
  }
  const finding = pcrDigest(quote, signature, replayed);
  return finding.outcome === 'proven'
    ? proven(`the digests of the events lead to exactly the digest that was quoted; ${UNCOVERED}`, finding.against)
    : failed(`the events do not lead to the digest that was quoted (${finding.detail})`, finding.against);
}

function registersOf(quote: TpmQuote, values: PcrValues, replayed: PcrValues): Finding {
  const explained: string[] = [];
  const open: string[] = [];
  for (const { bank, indexes } of quote.selection) {
    for (const index of indexes) {
      const found = replayed.get(bank)?.get(index);
      const quoted = values.get(bank)?.get(index);
      const name = `${bank}:${index}`;
      if (quoted === undefined || found === undefined) open.push(name);
      else if (equalBytes(found, quoted)) explained.push(name);
      else return failed(`the events do not lead to ${name} as it was quoted`, encodeHex(quoted));
    }
  }
  if (explained.length === 0) return notChecked('the log speaks of no register that was quoted');
  const rest = open.length === 0 ? '' : `; it says nothing about ${open.join(', ')}`;
  return proven(
    `the digests of the events lead to ${explained.join(', ')} as quoted${rest}; ${UNCOVERED}`,
    'the quoted registers',
  );
}
