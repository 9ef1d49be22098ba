import { equalBytes } from '../../bytes/equal.ts';
import { encodeHex } from '../../bytes/hex.ts';
import { sha256 } from '../../crypto/sha256.ts';
import { type Finding, failed, notChecked, proven } from '../../finding.ts';
import { fileOf, hexText } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';

/** A value that a quote must answer, and whose it is. */
export interface Challenge {
  name: string;
  value: Uint8Array;
}

/** What the relying party expects in extraData: its nonce, its user data, and the nonce in the role `nonce` (hex text). @throws FormatError */
export function challengesOf(files: EvidenceFiles, given: EvidenceGiven): Challenge[] {
  const nonce = fileOf(files, 'nonce');
  const named: [string, Uint8Array | undefined][] = [
    ['nonce', given.nonce],
    ['nonce (role nonce)', nonce === undefined ? undefined : hexText(nonce)],
    ['user data', given.userData],
  ];
  return named.flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }]));
}

/** Whether extraData answers every challenge: it is the value itself, or its SHA-256. */
export function answers(extraData: Uint8Array, challenges: readonly Challenge[]): Finding {
  if (challenges.length === 0) return notChecked('no challenge was given, so the quote may be an old one');
  const against = challenges.map(({ name, value }) => `${name} ${encodeHex(value)}`).join(', ');
  const rules: string[] = [];
  for (const { name, value } of challenges) {
    if (value.length === 0) return failed(`the ${name} is empty, and an empty challenge is none`);
    if (equalBytes(extraData, value)) rules.push(`the ${name} itself`);
    else if (equalBytes(extraData, sha256(value))) rules.push(`SHA-256 of the ${name}`);
    else return failed(`the quote answers another challenge than the ${name}`, against);
  }
  return proven(`extraData is ${rules.join(' and ')}`, against);
}
