import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Expectations, type SessionFile, stringifyJson, verify } from '../../index.ts';
import {
  azureSession,
  type HardwareSession,
  LAUNCH_PCR,
  snpSession,
  tdxSession,
  tpmSession,
} from '../../testing/hardware-session.ts';
import { CATALOG_HASH, newKey, POLICY_HASH, sign } from '../../testing/session.ts';
import type { EvidencePolicy } from '../policy.ts';

const key = await newKey();
const tdx = await tdxSession(key);
const registers = { tpm: { pcrs: { sha256: { '11': [LAUNCH_PCR] } } } };
/**
 * Each with the bytes of its evidence, from the first, that hardware signed: a quote of TDX ends in PEM, which nothing signs, and
 * the JSON of Azure begins with the report in base64.
 */
const SESSIONS: [string, HardwareSession, EvidencePolicy, number][] = [
  ['SEV-SNP', await snpSession(key), {}, 0x2a0],
  ['TDX', tdx, { tdx: { rtmr: { '1': [tdx.rtmr(1)], '2': [tdx.rtmr(2)] } } }, 632],
  ['TPM', await tpmSession(key), registers, 129],
  ['Azure', await azureSession(key), registers, 900],
];

const expectationsOf = ({ root, measurement }: HardwareSession, evidencePolicy: EvidencePolicy): Expectations => ({
  anchors: [{ ...root, source: 'vendor', assurance: 'silicon' }],
  policyHash: POLICY_HASH,
  catalogHash: CATALOG_HASH,
  measurement,
  evidencePolicy,
  immutableImage: true,
});

/** What is done to the bytes of one piece of evidence. */
type Damage = (bytes: Buffer) => Uint8Array;
const flip = fc.tuple(fc.nat(), fc.nat(7)).map(
  ([at, bit]): Damage =>
    (bytes) => {
      const copy = Uint8Array.from(bytes);
      const i = at % Math.max(1, copy.length);
      copy[i] = (copy[i] ?? 0) ^ (1 << bit);
      return copy;
    },
);
const cut = fc.nat().map(
  (at): Damage =>
    (bytes) =>
      bytes.subarray(0, at % Math.max(1, bytes.length)),
);
const extend = fc.uint8Array({ minLength: 1, maxLength: 40 }).map(
  (more): Damage =>
    (bytes) =>
      Buffer.concat([bytes, more]),
);
const replace = fc.uint8Array({ maxLength: 200 }).map(
  (other): Damage =>
    () =>
      other,
);

/** The file with one of its pieces of evidence damaged, signed again by the same key. */
async function damaged(file: SessionFile, which: number, damage: Damage): Promise<SessionFile> {
  const copy = structuredClone(file);
  const own = copy.claim.gateway.attestation_evidence ?? {};
  const names = Object.keys(own) as (keyof typeof own)[];
  const apply = (text: string): string => Buffer.from(damage(Buffer.from(text, 'base64'))).toString('base64');
  const at = which % (names.length + copy.evidence.length);
  const name = names[at];
  const beside = copy.evidence[at - names.length];
  if (name !== undefined) own[name] = apply(own[name] ?? '');
  else if (beside !== undefined) beside.data = apply(beside.data);
  await sign(copy, key);
  return copy;
}

for (const [name, session, policy, signed] of SESSIONS) {
  test(`${name}: any damage to the evidence gives a report, and a changed bit of what hardware signed refuses [G23]`, async () => {
    const expectations = expectationsOf(session, policy);
    assert.equal((await verify(stringifyJson(session.file), expectations)).verdict, 'verified');
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.oneof(flip, cut, extend, replace), async (which, damage) => {
        const file = await damaged(session.file, which, damage);
        const report = await verify(stringifyJson(file), expectations);
        assert.ok(report.checks.length > 20);
      }),
      { numRuns: 100 },
    );
    await fc.assert(
      fc.asyncProperty(fc.nat(signed * 8 - 1), async (bit) => {
        const flipped: Damage = (bytes) => bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
        const report = await verify(stringifyJson(await damaged(session.file, 0, flipped)), expectations);
        assert.equal(report.verdict, 'refused');
      }),
      { numRuns: 100 },
    );
  });
}
