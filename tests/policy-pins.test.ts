import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GatewayError, type SigningKey } from '@cmcp/gateway';
import { type TestBed, withBed } from './support/gateway.ts';
import { pinned, putBundle, signer } from './support/signed-policy.ts';

/** What is put in the place of version 1.9.0, and what comes of it. */
const CANDIDATES = {
  newer: (bed: TestBed, by: SigningKey) => putBundle(bed, { version: '1.10.0', by }),
  same: (bed: TestBed, by: SigningKey) => putBundle(bed, { version: '1.9.0', by }),
  older: (bed: TestBed, by: SigningKey) => putBundle(bed, { version: '1.2.0', by }),
  'as old, other rules': (bed: TestBed, by: SigningKey) =>
    putBundle(bed, { version: '1.9.0', by, files: { 'more.cedar': '// more' } }),
  tampered: async (bed: TestBed, by: SigningKey) => {
    await putBundle(bed, { version: '1.10.0', by });
    await writeFile(join(bed.folder, 'policy', 'more.cedar'), '// not signed');
  },
  unsigned: (bed: TestBed) => putBundle(bed, { version: '1.10.0', by: null }),
};

type Row = [candidate: keyof typeof CANDIDATES, outcome: string];

const SIGNED_ONLY: Row[] = [
  ['tampered', 'POLICY_SIGNATURE_INVALID'],
  ['unsigned', 'POLICY_SIGNATURE_INVALID'],
];
const NOT_OLDER: Row[] = [
  ['older', 'POLICY_VERSION_OLD'],
  ['as old, other rules', 'POLICY_VERSION_OLD'],
];
const ONLY_THAT_ONE: Row[] = [
  ['newer', 'POLICY_HASH_MISMATCH'],
  ['older', 'POLICY_HASH_MISMATCH'],
  ['as old, other rules', 'POLICY_HASH_MISMATCH'],
];

/** By what is pinned, and when. Those that are let in come last: they change what the others are measured against. */
const MATRIX: Record<'hash' | 'key' | 'both', Record<'first start' | 'restart' | 'reload', Row[]>> = {
  hash: {
    'first start': [
      ...ONLY_THAT_ONE,
      ['tampered', 'POLICY_HASH_MISMATCH'],
      ['unsigned', 'POLICY_HASH_MISMATCH'],
      ['same', 'in force'],
    ],
    restart: [
      ...ONLY_THAT_ONE,
      ['tampered', 'POLICY_HASH_MISMATCH'],
      ['unsigned', 'POLICY_HASH_MISMATCH'],
      ['same', 'in force'],
    ],
    reload: [
      ...ONLY_THAT_ONE,
      ['tampered', 'POLICY_HASH_MISMATCH'],
      ['unsigned', 'POLICY_HASH_MISMATCH'],
      ['same', 'in force'],
    ],
  },
  key: {
    'first start': [...SIGNED_ONLY, ['older', 'in force'], ['same', 'in force'], ['newer', 'in force']],
    restart: [...SIGNED_ONLY, ...NOT_OLDER, ['same', 'in force'], ['newer', 'in force']],
    reload: [...SIGNED_ONLY, ...NOT_OLDER, ['same', 'unchanged'], ['newer', 'in force']],
  },
  both: {
    'first start': [...SIGNED_ONLY, ...ONLY_THAT_ONE, ['same', 'in force']],
    restart: [...SIGNED_ONLY, ...NOT_OLDER, ['same', 'in force'], ['newer', 'in force']],
    reload: [...SIGNED_ONLY, ...NOT_OLDER, ['same', 'unchanged'], ['newer', 'in force']],
  },
};

async function outcome(attempt: () => Promise<unknown>): Promise<string> {
  try {
    const { activated } = ((await attempt()) ?? {}) as { activated?: boolean };
    return activated === false ? 'unchanged' : 'in force';
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

for (const [pins, moments] of Object.entries(MATRIX) as [keyof typeof MATRIX, (typeof MATRIX)['key']][]) {
  for (const [moment, rows] of Object.entries(moments)) {
    test(`with ${pins} pinned, at a ${moment}: ${rows.map((row) => row.join(' ')).join(', ')} [D-15] [W-23]`, () =>
      withBed({ tools: [{ name: 'echo' }] }, async (bed) => {
        const key = await signer(bed);
        const hash = await putBundle(bed, { version: '1.9.0', by: key });
        const config = pinned({ ...(pins !== 'key' && { hash }), ...(pins !== 'hash' && { key }) });
        await bed.writeConfig(config);
        const first = moment === 'first start' ? null : await bed.start();
        if (moment === 'restart') await first?.gateway.stop();
        for (const [index, [candidate, expected]] of rows.entries()) {
          await CANDIDATES[candidate](bed, key);
          // Each first start is one on a store of its own.
          if (moment === 'first start') await bed.writeConfig(`${config}\ndata: ./data-${index}`);
          const attempt = async (): Promise<unknown> => {
            if (moment === 'reload') return first?.gateway.reload();
            const { gateway } = await bed.start();
            await gateway.stop();
          };
          assert.equal(await outcome(attempt), expected, candidate);
        }
      }));
  }
}
