import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pcrAfter } from '@cmcp/evidence';
import { RefusedError } from '../../io.ts';
import { recordOnce } from './extend.ts';

const DIGEST = new Uint8Array(32).fill(7);
const INITIAL = '00'.repeat(32);

/** A platform whose launch register holds `value`, or has none. `extended` is what it holds after an extension. */
function platform(value: string | null, extended: (digest: Uint8Array) => string = pcrAfter) {
  let held = value;
  const extensions: Uint8Array[] = [];
  return {
    kind: 'tpm' as const,
    extensions,
    launchRegister: async () => (held === null ? null : { name: 'PCR 13', value: held, after: pcrAfter }),
    extend: async (digest: Uint8Array) => {
      extensions.push(digest);
      held = extended(digest);
    },
  };
}

test('a launch register that nobody extended gets the measurement, and a second time nothing happens', async () => {
  const fresh = platform(INITIAL);
  assert.deepEqual(await recordOnce(fresh, DIGEST), { register: 'PCR 13', value: pcrAfter(DIGEST), now: true });
  assert.deepEqual(await recordOnce(fresh, DIGEST), { register: 'PCR 13', value: pcrAfter(DIGEST), now: false });
  assert.deepEqual(fresh.extensions, [DIGEST]);
});

test('a launch register that holds anything else is left alone, and the refusal says what it holds', async () => {
  const other = platform('ab'.repeat(32));
  const refused = (error: unknown): boolean =>
    error instanceof RefusedError && /PCR 13 holds (?:ab){32}/.test(error.message);
  await assert.rejects(recordOnce(other, DIGEST), refused);
  assert.deepEqual(other.extensions, []);
});

test('a platform without a launch register is refused, and so is an extension that somebody else added to', async () => {
  await assert.rejects(recordOnce(platform(null), DIGEST), /tpm has no launch register/);
  const raced = platform(INITIAL, () => 'cd'.repeat(32));
  await assert.rejects(recordOnce(raced, DIGEST), /PCR 13 holds (?:cd){32} instead of/);
});
