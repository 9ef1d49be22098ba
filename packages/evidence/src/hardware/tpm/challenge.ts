import { equalBytes } from '../../bytes/equal.ts';
import { encodeHex } from '../../bytes/hex.ts';
import { sha256 } from '../../crypto/sha256.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { fileOf, hexText, reading } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';

/** A value that a quote must answer, and whose it is. */
export interface Challenge {
  name: string;
  /** Empty when there is none to be answered: an empty file, or one that cannot be read. */
  value: Uint8Array;
  /** Why it cannot be known, or null. */
  problem: string | null;
}

/** What the relying party expects in extraData: its nonce and its user data, given or in the roles `nonce` and `report_data` (hex text). */
export function challengesOf(files: EvidenceFiles, given: EvidenceGiven): Challenge[] {
  const named = (name: string, value: Uint8Array | undefined): Challenge[] =>
    value === undefined ? [] : [{ name, value, problem: null }];
  return [
    ...named('nonce', given.nonce),
    ...written(files, 'nonce', 'nonce (role nonce)'),
    ...named('user data', given.userData),
    ...written(files, 'report_data', 'user data (role report_data)'),
  ];
}

function written(files: EvidenceFiles, role: string, name: string): Challenge[] {
  const file = fileOf(files, role);
  if (file === undefined) return [];
  const { value, problem } = reading(() => hexText(file));
  return [{ name, value: value ?? new Uint8Array(), problem }];
}

/** Whether extraData answers every challenge: it is the value itself, or its SHA-256. */
export function answers(extraData: Uint8Array, challenges: readonly Challenge[]): Finding {
  if (challenges.length === 0) return notChecked('no challenge was given, so the quote may be an old one');
  const against = challenges.map(({ name, value }) => `${name} ${encodeHex(value)}`).join(', ');
  const rules: string[] = [];
  for (const { name, value, problem } of challenges) {
    if (problem !== null) return failed(`the ${name} cannot be read: ${problem}`);
    if (value.length === 0) return failed(`the ${name} is empty, and an empty challenge is none`);
    if (equalBytes(extraData, value)) rules.push(`the ${name} itself`);
    else if (equalBytes(extraData, sha256(value))) rules.push(`SHA-256 of the ${name}`);
    else return failed(`the quote answers another challenge than the ${name}`, against);
  }
  return proven(`extraData is ${rules.join(' and ')}`, against);
}
