import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import { tempDir } from '../../audit/fixtures.test.ts';
import { GatewayError } from '../../errors.ts';
import type { Tpm, TpmCommands } from './api.ts';
import { decodeSealed, encodeSealed } from './sealed-file.ts';
import { sealSecret, unsealSecret } from './sealing.ts';
import { openTpm } from './tpm.ts';

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;
before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

function present(t: TestContext): { device: SoftwareTpm; tpm: Tpm } | null {
  if (device === null) t.skip(absent ?? 'no software TPM');
  return device && { device, tpm: openTpm(device.address) };
}

const secretOf = (): Uint8Array<ArrayBuffer> => new Uint8Array(randomBytes(32));
const sealedRefusal = (words: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === 'STORE_SEALED' && words.test(error.detail);
const extend = (tpm: Tpm, index: number) => tpm.run((commands) => commands.pcrExtend(index, { sha256: secretOf() }));

/** The TPM, but for what `changed` does. */
function altered(tpm: Tpm, changed: (commands: TpmCommands) => Partial<TpmCommands>): Tpm {
  return {
    run: (work) => tpm.run((commands) => work({ ...commands, ...changed(commands) })),
    close: () => tpm.close(),
  };
}

test('a secret comes back while the registers are as they were, also after a restart of the TPM', async (t) => {
  const found = present(t);
  if (found === null) return;
  const secret = secretOf();
  const sealed = await sealSecret(found.tpm, [7, 0, 14, 0], secret);
  assert.deepEqual([...sealed.registers.keys()], [0, 7, 14]);
  assert.deepEqual(await unsealSecret(found.tpm, sealed), secret);
  found.device.restart();
  assert.deepEqual(await unsealSecret(found.tpm, sealed), secret);
});

test('after a change of a register it does not, and the refusal names registers and values [W-40]', async (t) => {
  const found = present(t);
  if (found === null) return;
  const sealed = await sealSecret(found.tpm, [0, 14], secretOf());
  const elsewhere = await sealSecret(found.tpm, [0, 7], secretOf());
  await extend(found.tpm, 14);
  await assert.rejects(
    unsealSecret(found.tpm, sealed),
    sealedRefusal(/sealed to PCR 0, 14 of the sha256 bank, and changed is PCR 14 \(0{64} then, [0-9a-f]{64} now\)$/),
  );
  await unsealSecret(found.tpm, elsewhere);
  found.device.restart();
  await unsealSecret(found.tpm, sealed);
});

test('it is the TPM that refuses: with values that are read out falsely the secret stays inside', async (t) => {
  const found = present(t);
  if (found === null) return;
  const sealed = await sealSecret(found.tpm, [13], secretOf());
  await extend(found.tpm, 13);
  const then = { pcrRead: async () => new Map(sealed.registers) };
  await assert.rejects(
    unsealSecret(
      altered(found.tpm, () => then),
      sealed,
    ),
    sealedRefusal(/reads out other values/),
  );
  const policyThen = { ...then, policyDigest: async () => sealed.blob.public.slice(10, 42) };
  await assert.rejects(
    unsealSecret(
      altered(found.tpm, () => policyThen),
      sealed,
    ),
    sealedRefusal(/POLICY_FAIL/),
  );
});

test('tpm2-tools compute the same policy for these registers', async (t) => {
  const found = present(t);
  if (found === null) return;
  const sealed = await sealSecret(found.tpm, [0, 7, 15], secretOf());
  found.device.run('tpm2_startauthsession', '-S', 'trial.ctx');
  found.device.run('tpm2_policypcr', '-S', 'trial.ctx', '-l', 'sha256:0,7,15', '-L', 'policy');
  found.device.run('tpm2_flushcontext', 'trial.ctx');
  assert.deepEqual(sealed.blob.public.subarray(10, 42), found.device.file('policy'));
});

test('there is no way round the registers: a session that is bound to none unseals nothing', async (t) => {
  const found = present(t);
  if (found === null) return;
  const sealed = await sealSecret(found.tpm, [0], secretOf());
  const unbound = { policyPcr: async () => {}, policyDigest: async () => sealed.blob.public.slice(10, 42) };
  await assert.rejects(
    unsealSecret(
      altered(found.tpm, () => unbound),
      sealed,
    ),
    sealedRefusal(/POLICY_FAIL/),
  );
});

/** Between a client and the TPM's socket: keeps what goes over the wire. */
async function tapped(t: TestContext, path: string): Promise<{ tpm: Tpm; wire: () => Buffer }> {
  const heard: Buffer[] = [];
  const copy = (from: Socket, to: Socket): void => {
    from.on('data', (chunk) => {
      heard.push(chunk);
      to.write(chunk);
    });
    from.on('close', () => to.end());
    from.on('error', () => to.destroy());
  };
  const tap = createServer((client) => {
    const device = connect(path);
    copy(client, device);
    copy(device, client);
  });
  const place = join(tempDir(t), 'tap');
  tap.listen(place);
  await once(tap, 'listening');
  t.after(() => tap.close());
  return { tpm: openTpm({ kind: 'unix', path: place }), wire: () => Buffer.concat(heard) };
}

test('who listens on the bus sees nothing of the secret, neither when it is sealed nor when it is unsealed', async (t) => {
  const found = present(t);
  if (found === null) return;
  const { tpm, wire } = await tapped(t, found.device.address.path);
  const secret = secretOf();
  const sealed = await sealSecret(tpm, [0], secret);
  assert.deepEqual(await unsealSecret(tpm, sealed), secret);
  assert.ok(wire().includes(Buffer.from(sealed.blob.private)), 'the tap hears what is said');
  for (let at = 0; at + 8 <= secret.length; at += 1) {
    assert.equal(wire().includes(Buffer.from(secret.subarray(at, at + 8))), false, `bytes ${at} to ${at + 8}`);
  }
});

test('another storage key than the one it was sealed under is not salted to: a TPM that was cleared, or a key from the bus', async (t) => {
  const found = present(t);
  if (found === null) return;
  const sealed = await sealSecret(found.tpm, [0], secretOf());
  const spied: string[] = [];
  const other = altered(found.tpm, (commands) => ({
    createPrimary: async (hierarchy, template) => {
      const key = await commands.createPrimary(hierarchy, template);
      const publicArea = Uint8Array.from(key.publicArea, (byte, i) =>
        i === key.publicArea.length - 1 ? byte ^ 1 : byte,
      );
      return { ...key, publicArea };
    },
    encryptedSession: (key) => {
      spied.push('salted');
      return commands.encryptedSession(key);
    },
  }));
  await assert.rejects(unsealSecret(other, sealed), sealedRefusal(/another TPM, or the TPM was cleared/));
  assert.deepEqual(spied, []);
  const cleared = startSoftwareTpm();
  t.after(() => cleared.stop());
  await assert.rejects(unsealSecret(openTpm(cleared.address), sealed), sealedRefusal(/another TPM/));
});

test('a blob that was altered, and a TPM that is away, are refused as what they are', async (t) => {
  const found = present(t);
  if (found === null) return;
  const sealed = await sealSecret(found.tpm, [0], secretOf());
  const forged = Uint8Array.from(sealed.blob.private, (byte, i) => (i === 60 ? byte ^ 1 : byte));
  await assert.rejects(
    unsealSecret(found.tpm, { ...sealed, blob: { ...sealed.blob, private: forged } }),
    sealedRefusal(/INTEGRITY/),
  );
  const away = openTpm({ kind: 'unix', path: join(tempDir(t), 'nowhere') });
  await assert.rejects(unsealSecret(away, sealed), sealedRefusal(/nowhere/));
  await assert.rejects(sealSecret(away, [0], secretOf()), sealedRefusal(/nowhere/));
  const blind = altered(found.tpm, () => ({ pcrRead: async () => new Map() }));
  await assert.rejects(sealSecret(blind, [3], secretOf()), sealedRefusal(/no PCR 3/));
});

test('the file of a sealed secret is read back, and nothing that is not one is', async (t) => {
  const found = present(t);
  if (found === null) return;
  const sealed = await sealSecret(found.tpm, [0, 7, 12], secretOf());
  const file = encodeSealed(sealed);
  assert.deepEqual(decodeSealed(file), sealed);
  const text = new TextDecoder().decode(file);
  const edits: [string, string | RegExp, string][] = [
    ['a version that is not known', '"cmcp_sealed":1', '"cmcp_sealed":2'],
    ['another bank', '"sha256"', '"sha384"'],
    ['a register that any program resets', '"12"', '"16"'],
    ['a register under two names', '"12"', '"012"'],
    ['a register that was taken out', /"12":"[0-9a-f]{64}",?/, ''],
    ['a value that was replaced', /"0":"0000/, '"0":"0001'],
    ['a value that is too short', /"0":"00/, '"0":"'],
    ['other attributes', '"public":"0008000b00000492', '"public":"0008000b000004d2'],
    ['a member too many', '{"bank"', '{"auth":"","bank"'],
    ['spaces', '{"bank"', '{ "bank"'],
    ['text behind it', /$/, ' '],
    ['no registers', /"registers":\{[^}]*\}/, '"registers":{}'],
    ['registers that are a list', /"registers":\{[^}]*\}/, '"registers":[]'],
    ['a parent that is a number', /"parent":"[0-9a-f]*"/, '"parent":1'],
  ];
  for (const [what, from, to] of edits) {
    const edited = text.replace(from, to);
    assert.notEqual(edited, text, what);
    assert.equal(decodeSealed(new TextEncoder().encode(edited)), null, what);
  }
  for (const registers of [[16], [0, 23], []]) {
    const made = encodeSealed(await sealSecret(found.tpm, registers, secretOf()));
    assert.equal(decodeSealed(made), null, `sealed to ${registers.join()}`);
  }
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const flipped = Uint8Array.from(file, (byte, i) => (i === at ? byte ^ change : byte));
      const read = decodeSealed(flipped);
      // Parent, private part and `unique` are the TPM's to judge.
      if (read !== null) assert.deepEqual(read.registers, sealed.registers);
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => decodeSealed(bytes) === null),
    { numRuns: 200 },
  );
});
