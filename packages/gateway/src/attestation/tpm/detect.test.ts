import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { temporaryFile } from '../../../../../tests/support/tpm-provider.ts';
import { detectTpm, type TpmSurroundings, tpmSurroundings } from './detect.ts';

const DEVICE = { kind: 'device', path: '/dev/tpmrm0' } as const;

/** A machine on which using these files fails as said. */
function machine(failures: Record<string, string>): TpmSurroundings {
  return {
    mayUse: async (path) => {
      const code = Object.hasOwn(failures, path) ? failures[path] : undefined;
      if (code !== undefined) throw Object.assign(new Error(code), { code });
    },
    reach: () => Promise.reject(new Error('no simulator is looked for')),
  };
}

test('a device that may be used is available', async () => {
  const found = await detectTpm(DEVICE, machine({}));
  assert.deepEqual(found, { kind: 'tpm', available: true, reason: '/dev/tpmrm0 is there', remedy: null });
});

test('a device that this user may not use is named, with the group that helps', async () => {
  for (const code of ['EACCES', 'EPERM']) {
    const { available, reason, remedy } = await detectTpm(DEVICE, machine({ '/dev/tpmrm0': code }));
    assert.equal(available, false);
    assert.match(reason, /may not read and write/);
    assert.match(remedy ?? '', /usermod -aG tss/);
  }
});

test('a machine without a TPM is told from one whose kernel lacks the resource manager', async () => {
  const none = await detectTpm(DEVICE, machine({ '/dev/tpmrm0': 'ENOENT', '/dev/tpm0': 'ENOENT' }));
  assert.deepEqual([none.available, none.reason], [false, 'there is no /dev/tpmrm0']);
  assert.match(none.remedy ?? '', /enable the TPM/);
  const bare = await detectTpm(DEVICE, machine({ '/dev/tpmrm0': 'ENOENT' }));
  assert.match(bare.reason, /\/dev\/tpm0 without its resource manager/);
});

async function listening(t: TestContext): Promise<number> {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('a simulator that listens is available and is called a software TPM', async (t) => {
  const found = await detectTpm({ kind: 'tcp', host: '127.0.0.1', port: await listening(t) });
  assert.equal(found.available, true, found.reason);
  assert.match(found.reason, /a software TPM/);
});

test('a simulator that nobody started is not available', async (t) => {
  const path = temporaryFile(t, 'file', '');
  for (const address of [
    { kind: 'unix', path: `${path}.sock` },
    { kind: 'unix', path },
  ] as const) {
    const found = await detectTpm(address);
    assert.equal(found.available, false);
    assert.match(found.remedy ?? '', /start the simulator/);
  }
});

test('on a machine the files themselves are asked', async (t) => {
  const path = temporaryFile(t, 'tpm', '');
  assert.equal((await detectTpm({ kind: 'device', path }, tpmSurroundings)).available, true);
  assert.equal((await detectTpm({ kind: 'device', path: `${path}0` }, tpmSurroundings)).available, false);
});
