import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualTime } from '../../../../../tests/support/manual-time.ts';
import { success, tpm2b } from '../../../../../tests/support/scripted-tpm.ts';
import { systemTimers } from '../../timers.ts';
import type { Tpm, TpmAddress } from './api.ts';
import { TpmError, type TpmErrorCode } from './error.ts';
import { openTpm, tpmOver } from './tpm.ts';
import type { Connection, Transport } from './transport.ts';
import { type DeviceFile, deviceTransport } from './transport-device.ts';
import { socketTransport } from './transport-socket.ts';

const RANDOM = success(tpm2b([1, 2, 3, 4]));
const COMMAND = Uint8Array.of(0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 4);
const FOREVER = new AbortController().signal;

function isError(code: TpmErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TpmError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };
}

function folder(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'tpm-transport-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A simulator at a TCP port, or at a Unix socket, that does `serve` with each command that comes. */
async function simulator(
  t: TestContext,
  serve: (socket: Socket) => void,
  kind: 'tcp' | 'unix' = 'unix',
): Promise<Exclude<TpmAddress, { kind: 'device' }>> {
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.on('data', () => serve(socket));
  });
  t.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  if (kind === 'tcp') {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    return { kind, host: '127.0.0.1', port: address.port };
  }
  const path = join(folder(t), 's');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { kind, path };
}

async function connected(t: TestContext, transport: Transport): Promise<Connection> {
  const connection = await transport.connect(FOREVER);
  t.after(() => connection.close());
  return connection;
}

for (const kind of ['tcp', 'unix'] as const) {
  test(`a simulator at a ${kind} socket is spoken to, whatever pieces its answers come in`, async (t) => {
    const address = await simulator(
      t,
      async (socket) => {
        for (const byte of RANDOM) await new Promise((resolve) => socket.write(Uint8Array.of(byte), resolve));
      },
      kind,
    );
    const connection = await connected(t, socketTransport(address, systemTimers));
    for (let i = 0; i < 3; i++) assert.deepEqual(await connection.exchange(COMMAND), RANDOM);
  });
}

test('an answer that is too long, too short to be one, or followed by more, ends the connection', async (t) => {
  const wrong: [Uint8Array, RegExp][] = [
    [Uint8Array.of(0x80, 1, 0, 0, 0x10, 1, 0, 0, 0, 0), /4097 bytes/],
    [Uint8Array.of(0x80, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), /4294967295 bytes/],
    [Uint8Array.of(0x80, 1, 0, 0, 0, 9, 0, 0, 0, 0), /of 9 bytes/],
    [Uint8Array.of(...RANDOM, 7), /more than the 16 bytes/],
  ];
  for (const [bytes, message] of wrong) {
    const address = await simulator(t, (socket) => socket.write(bytes));
    const connection = await connected(t, socketTransport(address, systemTimers));
    await assert.rejects(connection.exchange(COMMAND), isError('response', message));
    await assert.rejects(connection.exchange(COMMAND), isError('response', message));
  }
});

test('bytes that come without a command end the connection: the next answer could not be told from them', async (t) => {
  const asked = Promise.withResolvers<Socket>();
  const address = await simulator(t, (socket) => {
    socket.write(RANDOM);
    asked.resolve(socket);
  });
  const connection = await connected(t, socketTransport(address, systemTimers));
  await connection.exchange(COMMAND);
  const socket = await asked.promise;
  const dropped = new Promise((resolve) => socket.once('close', resolve));
  socket.write(RANDOM);
  await dropped;
  await assert.rejects(connection.exchange(COMMAND), isError('response', /nobody asked for/));
});

test('a simulator that closes in the middle of an answer is told as such', async (t) => {
  const address = await simulator(t, (socket) => socket.end(RANDOM.slice(0, 12)));
  const connection = await connected(t, socketTransport(address, systemTimers));
  await assert.rejects(connection.exchange(COMMAND), isError('transport', /closed the connection/));
});

test('a command under way when the connection is let go of is not awaited for ever', async (t) => {
  const address = await simulator(t, () => {});
  const connection = await connected(t, socketTransport(address, systemTimers));
  const given = assert.rejects(connection.exchange(COMMAND), isError('closed', /let go of/));
  await connection.close();
  await given;
});

test('a socket that nobody listens at is told with its place', async (t) => {
  const path = join(folder(t), 'none');
  await assert.rejects(
    socketTransport({ kind: 'unix', path }, systemTimers).connect(FOREVER),
    isError('transport', /none cannot be reached: .*ENOENT/),
  );
});

test('a connection is not awaited longer than the caller wants', async (t) => {
  const address = await simulator(t, () => {});
  await assert.rejects(
    socketTransport(address, systemTimers).connect(AbortSignal.abort(new TpmError('timeout', 'late'))),
    {
      code: 'timeout',
    },
  );
});

test('a simulator that answers too late, byte by byte, is given up on', async (t) => {
  const time = new ManualTime();
  const begun = Promise.withResolvers<void>();
  const address = await simulator(t, (socket) => socket.write(RANDOM.slice(0, 10), () => begun.resolve()));
  const transport = { ...socketTransport(address, time), managed: true };
  const given = assert.rejects(
    tpmOver(transport, { timers: time, commandMs: 3000 }).run(({ random }) => random(4)),
    isError('timeout', /within 3 s/),
  );
  await begun.promise;
  time.advance(3000);
  await given;
});

/** A device in memory. */
function device(file: Partial<DeviceFile>): Tpm {
  const closing = async () => {};
  const opened = { close: closing, ...file } as DeviceFile;
  return tpmOver(deviceTransport('/dev/tpmrm0', async () => opened));
}

test('a device takes one command with one write and gives one answer with one read, without a position', async () => {
  const calls: unknown[] = [];
  const tpm = device({
    write: (async (command: Uint8Array, ...rest: unknown[]) => {
      calls.push(['write', command.length, ...rest]);
      return { bytesWritten: command.length, buffer: command };
    }) as DeviceFile['write'],
    read: (async (buffer: Uint8Array, ...rest: unknown[]) => {
      calls.push(['read', buffer.length, ...rest]);
      buffer.set(RANDOM);
      return { bytesRead: RANDOM.length, buffer };
    }) as DeviceFile['read'],
  });
  assert.deepEqual(await tpm.run(({ random }) => random(4)), Uint8Array.of(1, 2, 3, 4));
  assert.deepEqual(calls, [
    ['write', 12, 0, 12, null],
    ['read', 4096, 0, 4096, null],
  ]);
});

test('a device that takes a part of a command, or fails, is told as such', async () => {
  const partly = device({
    write: (async (buffer: Uint8Array) => ({ bytesWritten: 5, buffer })) as unknown as DeviceFile['write'],
  });
  await assert.rejects(
    partly.run(({ random }) => random(4)),
    isError('transport', /took 5 bytes of 12/),
  );
  const failing = device({
    write: (async () => {
      throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' });
    }) as unknown as DeviceFile['write'],
  });
  await assert.rejects(
    failing.run(({ random }) => random(4)),
    isError('transport', /cannot be written: EIO/),
  );
});

test('a device that is not there is told with its path and the reason', async () => {
  await assert.rejects(
    openTpm({ kind: 'device', path: '/dev/no-such-tpm' }).run(({ random }) => random(4)),
    isError('transport', /no-such-tpm cannot be opened: ENOENT/),
  );
});

test('a real file of the kind that has no position is opened for both, written and read', async (t) => {
  const path = join(folder(t), 'fifo');
  try {
    execFileSync('mkfifo', [path]);
  } catch {
    return t.skip('this machine has no mkfifo');
  }
  // A FIFO that is open for both gives back what was written: the command, as if it were an answer. GetRandom is then a refusal.
  await assert.rejects(
    openTpm({ kind: 'device', path }).run(({ random }) => random(4)),
    (error) =>
      error instanceof TpmError &&
      error.code === 'response' &&
      /it is no success, and has contents/.test(error.message),
  );
});
