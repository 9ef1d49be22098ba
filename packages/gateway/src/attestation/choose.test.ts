import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../errors.ts';
import { choosePlatform, HARDWARE, type HardwareKind, type Platforms } from './choose.ts';
import type { EvidenceProvider } from './types.ts';

/** A machine with these platforms; those in `broken` are found and cannot be opened. */
function machine(present: readonly HardwareKind[], broken: readonly HardwareKind[] = []): Platforms {
  return {
    detect: async (kind) => {
      const available = present.includes(kind);
      const remedy = available ? null : `get ${kind}`;
      return { kind, available, reason: available ? 'it is here' : 'it is not here', remedy };
    },
    open: async (kind) => {
      if (broken.includes(kind)) throw new GatewayError('ATTESTATION_FAILED', `${kind} does not answer`);
      return { kind } as EvidenceProvider;
    },
  };
}

const chosen = async (...[wanted, dev, platforms]: Parameters<typeof choosePlatform>) =>
  (await choosePlatform(wanted, dev, platforms)).provider?.kind ?? 'software-only';

test('auto takes the strongest of what is there, in every combination [W-35, C-31]', async () => {
  for (let subset = 1; subset < 1 << HARDWARE.length; subset += 1) {
    const present = HARDWARE.filter((_, i) => (subset >> i) & 1);
    for (const dev of [true, false]) assert.equal(await chosen('auto', dev, machine(present)), present[0]);
  }
  assert.deepEqual(HARDWARE, ['sev-snp', 'tdx', 'azure-cvm', 'tpm']);
});

test('auto never takes a weaker platform because a stronger one does not work', async () => {
  for (const dev of [true, false]) {
    const downgraded = choosePlatform('auto', dev, machine(['sev-snp', 'tpm'], ['sev-snp']));
    await assert.rejects(downgraded, { code: 'ATTESTATION_FAILED', detail: 'sev-snp does not answer' });
  }
});

test('without any platform auto means software in dev mode, and outside it a refusal that lists what was looked for [D-40]', async () => {
  assert.equal(await chosen('auto', true, machine([])), 'software-only');
  await assert.rejects(choosePlatform('auto', false, machine([])), (error: GatewayError) => {
    assert.equal(error.code, 'ATTESTATION_UNAVAILABLE');
    for (const kind of HARDWARE) assert.match(error.detail, new RegExp(`${kind}: it is not here \\(get ${kind}\\)`));
    return true;
  });
});

test('software keys by name are for dev mode only', async () => {
  assert.equal(await chosen('software-only', true, machine(['tpm'])), 'software-only');
  const refused = choosePlatform('software-only', false, machine(['tpm']));
  await assert.rejects(refused, { code: 'ATTESTATION_UNAVAILABLE' });
});

test('a platform that is named is taken, also where a stronger one is; one that is not there is refused with the remedy', async () => {
  assert.equal(await chosen('tpm', false, machine(['sev-snp', 'tpm'])), 'tpm');
  const refused = choosePlatform('tdx', true, machine(['tpm']));
  await assert.rejects(refused, { code: 'ATTESTATION_UNAVAILABLE', detail: 'tdx: it is not here (get tdx)' });
});

test('what was chosen is said, with the reason and all that was found', async () => {
  const { why } = await choosePlatform('auto', false, machine(['tdx', 'tpm']));
  assert.match(why, /^tdx is the strongest of what is here .*sev-snp: it is not here.*tpm: it is here/);
});
