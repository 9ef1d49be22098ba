import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import {
  FormatError,
  machineUserData,
  readExpectations,
  readLiveDocument,
  verifyLiveAttestation,
  verifyMachineEvidence,
  writeLiveDocument,
  writeMachineEvidence,
} from '../index.ts';
import { answer, expected, NONCE, NOW, quoteFor, TLS_SPKI } from '../testing/live.ts';
import { newKey } from '../testing/session.ts';
import { makeTpm } from '../testing/tpm.ts';

function schema(name: string) {
  const text = readFileSync(new URL(`../../../../docs/schemas/${name}.schema.json`, import.meta.url), 'utf8');
  return new Ajv2020({ allowUnionTypes: true }).compile(JSON.parse(text));
}

const read = (parser: (text: string) => unknown, value: unknown): boolean => {
  try {
    parser(JSON.stringify(value));
    return true;
  } catch (error) {
    assert.ok(error instanceof FormatError);
    return false;
  }
};

/** `value` with each of its members left out, replaced, and with one more, at every depth. */
function* variants(value: unknown): Generator<unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  yield { ...value, unheard_of: 1 };
  for (const [name, member] of Object.entries(value)) {
    const { [name]: _, ...rest } = value as Record<string, unknown>;
    yield rest;
    for (const other of [5, true, {}, [], '', '!', null, ...variants(member)]) yield { ...value, [name]: other };
  }
}

test('the published schemas of answers and expectations refuse nothing that the parsers accept', async () => {
  const [key, tpm] = await Promise.all([newKey(), makeTpm()]);
  const document = JSON.parse(writeLiveDocument(await answer(key, undefined, async (bytes) => quoteFor(tpm, bytes))));
  const expectations = {
    cmcp_expect: 1,
    measurement: `sha384:${'5a'.repeat(48)}`,
    gateway_measurement: TLS_SPKI,
    policy_hash: TLS_SPKI,
    catalog_hash: TLS_SPKI,
    modes: ['advisory', 'enforcing'],
    roots: [tpm.rootCertificate.pem],
    keys: [key.x],
    accept: ['software', 'software-tpm', 'operator-root', 'any-policy', 'any-catalog', 'no-tls'],
    max_age_seconds: 60,
  };
  const cases = [
    { name: 'live-attestation', value: document, parser: readLiveDocument },
    { name: 'expectations', value: expectations, parser: readExpectations },
  ];
  for (const { name, value, parser } of cases) {
    const validate = schema(name);
    assert.ok(validate(value), JSON.stringify(validate.errors));
    assert.ok(read(parser, value), name);
    for (const variant of variants(value)) {
      // Which roles are files, and which texts are keys and certificates, no schema says.
      if (read(parser, variant)) assert.ok(validate(variant), `${name}: ${JSON.stringify(variant)}`);
    }
  }
});

test('reports on answers and on machines keep their published schema, whatever was read', async () => {
  const [key, tpm] = await Promise.all([newKey(), makeTpm()]);
  const [report, machine] = [schema('live-report'), schema('machine-evidence')];
  const given = { nonce: NONCE, tlsSpki: TLS_SPKI, now: NOW };
  const text = writeMachineEvidence(quoteFor(tpm, machineUserData(NONCE)));
  assert.ok(machine(JSON.parse(text)), JSON.stringify(machine.errors));
  const reports = [
    await verifyLiveAttestation(writeLiveDocument(await answer(key)), given, expected(key)),
    await verifyLiveAttestation('noise', given, {}),
    await verifyMachineEvidence(text, given, {}),
  ];
  for (const each of reports) {
    assert.ok(report(JSON.parse(JSON.stringify(each))), JSON.stringify(report.errors));
  }
});
