import assert from 'node:assert/strict';
import { createHash, createPublicKey, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { encodeHex, parsePublic, parseStoragePublic, spkiOf, verifyEvidence } from '@cmcp/evidence';
import fc from 'fast-check';
import { noSoftwareTpm, type SoftwareTpm, startSoftwareTpm } from '../../../../../tests/support/software-tpm.ts';
import { makeCredential } from '../enrolment/make-credential.ts';
import type { LoadedKey, SignedAttest, Tpm, TpmCommands } from './api.ts';
import { ALG, CC, HANDLES, PT, RC, RH, ST, TPMA_NV } from './constants.ts';
import { TpmError } from './error.ts';
import { commandFrame } from './frame.ts';
import {
  akEccTemplate,
  ekEccP256Template,
  ekEccP384Template,
  ekRsa2048Template,
  sealedDataTemplate,
  storageEccTemplate,
} from './templates.ts';
import { openTpm } from './tpm.ts';
import { TpmWriter } from './writer.ts';

const absent = noSoftwareTpm();
let device: SoftwareTpm | null = null;

before(() => {
  if (absent === null) device = startSoftwareTpm();
});
after(() => device?.stop());

/** The TPM of these tests; null after a visible skip, where none is installed. */
function present(t: TestContext): { device: SoftwareTpm; tpm: Tpm } | null {
  if (device === null) {
    t.skip(absent ?? 'no software TPM');
    return null;
  }
  const tpm = openTpm(device.address);
  t.after(() => tpm.close());
  return { device, tpm };
}

const INDEX = 0x0150_0042;
const ORDINARY = TPMA_NV.authRead | TPMA_NV.authWrite | TPMA_NV.ownerRead | TPMA_NV.ownerWrite;
const SECRET = new TextEncoder().encode('the secret that no bus shall show');

function refusedWith(code: number): (error: unknown) => boolean {
  return (error) => error instanceof TpmError && error.refusedWith(code);
}

/** An endorsement key of each template, by its name. */
const ENDORSEMENT_KEYS = {
  'RSA 2048': ekRsa2048Template,
  'ECC P-256': ekEccP256Template,
  'ECC P-384': ekEccP384Template,
};

/** As {@link akEccTemplate}, RSA 2048 with PKCS #1 v1.5: the kind of key that Azure's TPMs have. */
function rsaSigningTemplate(): Uint8Array {
  const head = new TpmWriter().u16(ALG.rsa).u16(ALG.sha256).bytes(akEccTemplate().subarray(4, 10));
  return head.u16(ALG.null).u16(ALG.rsassa).u16(ALG.sha256).u16(2048).u32(0).u16(0).done();
}

test('the registers, the properties and the handles of a TPM are read as tpm2-tools read them', async (t) => {
  const at = present(t);
  if (at === null) return;
  const all = Array.from({ length: 24 }, (_, i) => i);
  await at.tpm.run(async (commands) => {
    assert.deepEqual(await commands.pcrBanks(), [0x000b, 0x000c]);
    assert.equal(await commands.property(PT.manufacturer), Buffer.from('IBM\0').readUInt32BE());
    assert.equal(await commands.property(0x1ff), null);
    assert.ok((await commands.handles(HANDLES.persistent)).includes(0x8101_0016));
    assert.ok((await commands.handles(HANDLES.nv)).includes(0x01c0_0016));
    assert.equal((await commands.random(100)).length, 100);
    assert.notDeepEqual(await commands.random(16), await commands.random(16));
    await commands.pcrExtend(14, { sha256: createHash('sha256').digest(), sha384: createHash('sha384').digest() });
    assert.equal((await commands.pcrRead('sha384', [14])).get(14)?.length, 48);
  });
  const read = await at.tpm.run(({ pcrRead }) => pcrRead('sha256', all));
  const printed = at.device.run('tpm2_pcrread', `sha256:${all.join(',')}`);
  const expected = [...printed.matchAll(/(\d+)\s*: 0x([0-9A-F]+)/g)].map(([, i, value]) => [
    Number(i),
    value?.toLowerCase(),
  ]);
  assert.deepEqual(
    [...read].map(([i, value]) => [i, encodeHex(value)]),
    expected,
  );
  assert.equal(expected.length, 24);
});

test('a register that is extended holds the digest of both values, and 15 cannot be reset where 16 can', async (t) => {
  const at = present(t);
  if (at === null) return;
  await at.tpm.run(async ({ pcrRead, pcrExtend, pcrReset }) => {
    const digest = randomBytes(32);
    await pcrReset(16);
    await pcrExtend(16, { sha256: digest });
    const expected = createHash('sha256').update(Buffer.alloc(32)).update(digest).digest();
    assert.deepEqual((await pcrRead('sha256', [16])).get(16), new Uint8Array(expected));
    await assert.rejects(pcrReset(15), /PCR_Reset: TPM_RC_LOCALITY \(0x907\)/);
    await assert.rejects(pcrExtend(16, { sha256: new Uint8Array(31) }), RangeError);
    await assert.rejects(pcrRead('sha256', [24]), RangeError);
  });
});

for (const [kind, template] of Object.entries({ ECDSA: akEccTemplate, RSASSA: rsaSigningTemplate })) {
  test(`a quote by a restricted ${kind} key of this TPM is verified by the verifier that the product ships [D-43]`, async (t) => {
    const at = present(t);
    if (at === null) return;
    const nonce = new Uint8Array(randomBytes(32));
    const indexes = [0, 1, 2, 3, 4, 5, 6, 7];
    const { key, quoted, values } = await at.tpm.run(async ({ createPrimary, quote, pcrRead }) => {
      const made = await createPrimary('endorsement', template());
      return {
        key: made,
        values: await pcrRead('sha256', indexes),
        quoted: await quote(made, nonce, 'sha256', indexes),
      };
    });
    const verdict = await verifyEvidence('tpm', filesOf(key, quoted, values), givenAt(nonce));
    assert.deepEqual([verdict.authentic, verdict.acceptable], [true, true], verdict.summary);
    const other = await verifyEvidence('tpm', filesOf(key, quoted, values), givenAt(new Uint8Array(32)));
    assert.equal(other.acceptable, false);
  });
}

function filesOf(key: LoadedKey, { attest, signature }: SignedAttest, values: Map<number, Uint8Array>) {
  const { key: publicKey } = parsePublic(key.publicArea);
  const pem = createPublicKey({ key: Buffer.from(spkiOf(publicKey)), format: 'der', type: 'spki' }).export({
    type: 'spki',
    format: 'pem',
  });
  const pcrs = Object.fromEntries([...values].map(([index, value]) => [index, encodeHex(value)]));
  const text = (value: string) => new TextEncoder().encode(value);
  return {
    ak: text(String(pem)),
    ak_public: key.publicArea,
    attest,
    signature,
    pcrs: text(JSON.stringify({ sha256: pcrs })),
  };
}

function givenAt(nonce: Uint8Array<ArrayBuffer>) {
  return { at: Math.floor(Date.now() / 1000), anchors: [], nonce };
}

test('the endorsement templates make the very keys that the certificates of the TPM are for', async (t) => {
  const at = present(t);
  if (at === null) return;
  await at.tpm.run(async ({ createPrimary, nvRead, readPublic }) => {
    const rsa = await createPrimary('endorsement', ekRsa2048Template());
    const ecc = await createPrimary('endorsement', ekEccP384Template());
    const certified = async (index: number) => new X509Certificate(await nvRead(index));
    const spki = (key: LoadedKey) => encodeHex(spkiOf(parseStoragePublic(key.publicArea).key));
    const inCertificate = ({ publicKey }: X509Certificate) =>
      publicKey.export({ type: 'spki', format: 'der' }).toString('hex');
    assert.equal(spki(rsa), inCertificate(await certified(0x01c0_0002)));
    assert.equal(spki(ecc), inCertificate(await certified(0x01c0_0016)));
    assert.deepEqual((await readPublic(0x8101_0016)).name, ecc.name);
  });
});

for (const [kind, template] of Object.entries(ENDORSEMENT_KEYS)) {
  test(`a secret sealed and unsealed by a session encrypted to the ${kind} endorsement key never crosses the bus`, async (t) => {
    const at = present(t);
    if (at === null) return;
    const bus = await tapped(t, at.device.address.path);
    await bus.tpm.run(async (commands) => {
      const session = await commands.encryptedSession(await commands.createPrimary('endorsement', template()));
      const { parent, item, policy } = await sealed(commands, (under, digest) =>
        commands.create(under, sealedDataTemplate(digest), SECRET, session),
      );
      assert.deepEqual(await commands.unseal(item, policy, session), SECRET);
      assert.equal(bus.shows(SECRET), false);
      assert.ok(bus.bytes() > 1000);
      // A TPM has room for three objects, and creating takes one.
      await commands.flush(item.handle);
      // The nonces of the session have rolled on, and it still encrypts. The same bus shows the secret without it.
      await commands.create(parent, sealedDataTemplate(new Uint8Array(32)), SECRET, session);
      assert.equal(bus.shows(SECRET), false);
      await commands.create(parent, sealedDataTemplate(new Uint8Array(32)), SECRET);
      assert.equal(bus.shows(SECRET), true);
    });
  });
}

/** Seals by `create` to the state of PCR 16, loads what was sealed, and opens a session that satisfies its policy. */
async function sealed(
  commands: TpmCommands,
  create: (parent: LoadedKey, policy: Uint8Array) => ReturnType<TpmCommands['create']>,
) {
  const trial = await commands.policySession(true);
  await commands.policyPcr(trial, 'sha256', [16]);
  const digest = await commands.policyDigest(trial);
  await commands.flush(trial.handle);
  const parent = await commands.createPrimary('owner', storageEccTemplate());
  const item = await commands.load(parent, await create(parent, digest));
  const policy = await commands.policySession();
  await commands.policyPcr(policy, 'sha256', [16]);
  return { parent, item, policy };
}

test('what was sealed to a register is not unsealed once the register has another value', async (t) => {
  const at = present(t);
  if (at === null) return;
  await at.tpm.run(async (commands) => {
    const session = await commands.encryptedSession(await commands.createPrimary('endorsement', ekEccP256Template()));
    const { item, policy } = await sealed(commands, (parent, digest) =>
      commands.create(parent, sealedDataTemplate(digest), SECRET, session),
    );
    await commands.flush(policy.handle);
    await commands.pcrExtend(16, { sha256: randomBytes(32) });
    const now = await commands.policySession();
    await commands.policyPcr(now, 'sha256', [16]);
    await assert.rejects(commands.unseal(item, now, session), (error) => {
      assert.ok(refusedWith(RC.policyFail)(error));
      assert.match(String(error), /refused Unseal: TPM_RC_POLICY_FAIL \(0x99d\)/);
      return true;
    });
  });
});

test('an answer that was altered on the bus is refused, wherever it was altered', async (t) => {
  const at = present(t);
  if (at === null) return;
  const bus = await tapped(t, at.device.address.path);
  // Of an answer to Unseal: the encrypted secret, the nonce of the policy session, and nonce, attributes and HMAC of the other.
  const length = 10 + 4 + 2 + SECRET.length + (2 + 32 + 1 + 2) + (2 + 32 + 1 + 2 + 32);
  for (const offset of [17, length - 40, length - 35, length - 1]) {
    await bus.tpm.run(async (commands) => {
      const session = await commands.encryptedSession(await commands.createPrimary('endorsement', ekEccP256Template()));
      const { item, policy } = await sealed(commands, (parent, digest) =>
        commands.create(parent, sealedDataTemplate(digest), SECRET, session),
      );
      bus.alterAnswers(CC.unseal, (answer) => {
        assert.equal(answer.length, length);
        answer[offset] = (answer[offset] ?? 0) ^ 1;
      });
      await assert.rejects(commands.unseal(item, policy, session), { code: 'response' }, String(offset));
    });
  }
});

test('a command that was altered on the bus is refused by the TPM', async (t) => {
  const at = present(t);
  if (at === null) return;
  const bus = await tapped(t, at.device.address.path);
  await bus.tpm.run(async (commands) => {
    const session = await commands.encryptedSession(await commands.createPrimary('endorsement', ekEccP256Template()));
    const parent = await commands.createPrimary('owner', storageEccTemplate());
    bus.alterCommands(CC.create, (command) => {
      const last = command.length - 1;
      command[last] = (command[last] ?? 0) ^ 1;
    });
    await assert.rejects(
      commands.create(parent, sealedDataTemplate(new Uint8Array(32)), SECRET, session),
      /TPM_RC_AUTH_FAIL \(0x98e\)|TPM_RC_BAD_AUTH/,
    );
  });
});

for (const [kind, template] of Object.entries(ENDORSEMENT_KEYS)) {
  test(`a credential for the ${kind} endorsement key is opened for the attestation key that it names, and no other [D-44]`, async (t) => {
    const at = present(t);
    if (at === null) return;
    const secret = new Uint8Array(randomBytes(32));
    const activated = (named: 'attestation' | 'other') =>
      at.tpm.run(async (commands) => {
        const attestation = await commands.createPrimary('endorsement', akEccTemplate());
        const endorsement = await commands.createPrimary('endorsement', template());
        const name = named === 'attestation' ? attestation.name : endorsement.name;
        const credential = makeCredential(parseStoragePublic(endorsement.publicArea), name, secret);
        const endorsed = template === ekEccP384Template ? null : await commands.policySession();
        if (endorsed !== null) await commands.policySecret(endorsed, 'endorsement');
        return commands.activateCredential(attestation, endorsement, endorsed, credential);
      });
    assert.deepEqual(await activated('attestation'), secret);
    await assert.rejects(activated('other'), refusedWith(RC.integrity));
  });
}

test('an NV index is defined, written in pieces, read, certified and removed', async (t) => {
  const at = present(t);
  if (at === null) return;
  await at.tpm.run(async (commands) => {
    assert.equal(await commands.nvReadPublic(INDEX), null);
    await commands.nvDefine(INDEX, ORDINARY, 1300);
    await assert.rejects(commands.nvDefine(INDEX, ORDINARY, 1300), refusedWith(RC.nvDefined));
    await assert.rejects(commands.nvRead(INDEX), refusedWith(RC.nvUninitialized));
    const content = new Uint8Array(randomBytes(1300));
    for (const by of ['index', 'owner'] as const) {
      await commands.nvWrite(INDEX, content, by);
      assert.deepEqual(await commands.nvRead(INDEX, by), content);
    }
    const { attributes, size, nameAlgorithm, index } = (await commands.nvReadPublic(INDEX)) ?? {};
    assert.deepEqual([index, size, nameAlgorithm, attributes], [INDEX, 1300, 0x000b, ORDINARY | TPMA_NV.written]);
    const key = await commands.createPrimary('endorsement', akEccTemplate());
    const { attest } = await commands.nvCertify(key, INDEX, SECRET, 32, 'owner');
    for (const part of [content.subarray(0, 32), SECRET]) assert.ok(Buffer.from(attest).includes(Buffer.from(part)));
    await assert.rejects(commands.nvCertify(key, INDEX, SECRET, 0), { code: 'response' });
    await commands.nvUndefine(INDEX);
    await assert.rejects(commands.nvRead(INDEX), refusedWith(RC.handle));
  });
});

test('an NV index can be an extended digest, and a counter that only goes up', async (t) => {
  const at = present(t);
  if (at === null) return;
  await at.tpm.run(async (commands) => {
    const digest = randomBytes(32);
    await commands.nvDefine(INDEX, ORDINARY | TPMA_NV.extend, 32);
    await commands.nvExtend(INDEX, digest);
    const extended = createHash('sha256').update(Buffer.alloc(32)).update(digest).digest();
    assert.deepEqual(await commands.nvRead(INDEX), new Uint8Array(extended));
    await commands.nvUndefine(INDEX);
    await commands.nvDefine(INDEX, ORDINARY | TPMA_NV.counter, 8);
    const value = async () => Buffer.from(await commands.nvRead(INDEX)).readBigUInt64BE();
    await commands.nvIncrement(INDEX);
    const first = await value();
    await commands.nvIncrement(INDEX, 'owner');
    assert.equal(await value(), first + 1n);
    await commands.nvUndefine(INDEX);
  });
});

test('an index that a policy guards is not written by an empty auth value', async (t) => {
  const at = present(t);
  if (at === null) return;
  await at.tpm.run(async (commands) => {
    const policy = new Uint8Array(32).fill(7);
    await commands.nvDefine(INDEX, TPMA_NV.ownerRead | (1 << 3), 8, policy);
    assert.deepEqual((await commands.nvReadPublic(INDEX))?.policy, policy);
    await assert.rejects(commands.nvWrite(INDEX, new Uint8Array(8)), { code: 'refused' });
    await commands.nvUndefine(INDEX);
  });
});

test('a key that was saved outside of the TPM is loaded again in a later sequence, and signs', async (t) => {
  const at = present(t);
  if (at === null) return;
  const { key, context } = await at.tpm.run(async ({ createPrimary, contextSave }) => {
    const made = await createPrimary('endorsement', akEccTemplate());
    return { key: made, context: await contextSave(made) };
  });
  const quoted = await at.tpm.run(async ({ contextLoad, quote }) => {
    const handle = await contextLoad(context);
    return quote({ ...key, handle }, SECRET.subarray(0, 32), 'sha256', [0]);
  });
  assert.equal(new DataView(quoted.attest.buffer, quoted.attest.byteOffset).getUint16(4), ST.attestQuote);
  const spoilt = context.slice();
  spoilt[spoilt.length - 1] = (spoilt.at(-1) ?? 0) ^ 1;
  await assert.rejects(
    at.tpm.run(({ contextLoad }) => contextLoad(spoilt)),
    { code: 'refused' },
  );
});

test('fifty sequences at once are served one after another, and none leaves a handle behind', async (t) => {
  const at = present(t);
  if (at === null) return;
  const failing = new Error('of the caller');
  const outcomes = await Promise.allSettled(
    Array.from({ length: 50 }, (_, i) =>
      at.tpm.run(async ({ createPrimary, policySession, quote }) => {
        await policySession();
        const key = await createPrimary('null', akEccTemplate());
        if (i % 5 === 0) throw failing;
        return quote(key, randomBytes(32), 'sha256', [0]);
      }),
    ),
  );
  const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  assert.deepEqual(refused, Array(10).fill(failing));
  assert.deepEqual(await leftBehind(at.device), '');
});

/** Transient objects and loaded sessions, as another program sees them. */
async function leftBehind({ run }: SoftwareTpm): Promise<string> {
  return run('tpm2_getcap', 'handles-transient') + run('tpm2_getcap', 'handles-loaded-session');
}

test('what another program left in the TPM is flushed before a sequence begins, so that its slots are free', async (t) => {
  const at = present(t);
  if (at === null) return;
  const other = connect(at.device.address.path);
  const password = [...u32(9), ...u32(RH.password), 0, 0, 0, 0, 0];
  const create = [...u32(RH.null), ...password, ...[0, 4, 0, 0, 0, 0], ...tpm2b(akEccTemplate()), 0, 0, ...u32(0)];
  const session = [...u32(RH.null), ...u32(RH.null), ...tpm2b(new Uint8Array(32)), 0, 0, 1, 0, 0x10, 0, 0x0b];
  for (let i = 0; i < 3; i++) {
    await raw(other, commandFrame(CC.createPrimary, true, Uint8Array.from(create)));
    await raw(other, commandFrame(CC.startAuthSession, false, Uint8Array.from(session)));
  }
  other.end();
  await at.tpm.run(async ({ createPrimary, policySession, handles }) => {
    assert.deepEqual(await handles(HANDLES.transient), []);
    assert.deepEqual(await handles(HANDLES.hmacSession), []);
    for (let i = 0; i < 3; i++) await createPrimary('null', akEccTemplate());
    for (let i = 0; i < 3; i++) await policySession();
  });
});

function raw(socket: Socket, command: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('data', (answer) => {
      if (answer.readUInt32BE(6) === 0) resolve();
      else reject(new Error(`response code 0x${answer.readUInt32BE(6).toString(16)}`));
    });
    socket.write(command);
  });
}

const u32 = (value: number) => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
const tpm2b = (bytes: Uint8Array) => [bytes.length >> 8, bytes.length & 0xff, ...bytes];

test('several programs take turns at a simulator that serves one connection at a time', async (t) => {
  const at = present(t);
  if (at === null) return;
  const { address } = at.device;
  const others = Array.from({ length: 12 }, () => openTpm(address));
  t.after(() => Promise.all(others.map((other) => other.close())));
  const given = await Promise.all(others.flatMap((other) => [1, 2, 3].map(() => other.run(({ random }) => random(8)))));
  assert.equal(new Set(given.map(encodeHex)).size, 36);
});

test('a TPM that is killed in the middle of a sequence fails it at once, and is there again for the next when it is back', async (t) => {
  const at = present(t);
  if (at === null) return;
  await assert.rejects(
    at.tpm.run(async ({ createPrimary, quote }) => {
      const key = await createPrimary('endorsement', akEccTemplate());
      at.device.restart();
      return quote(key, SECRET.subarray(0, 32), 'sha256', [0]);
    }),
    { code: 'transport' },
  );
  assert.equal((await at.tpm.run(({ random }) => random(8))).length, 8);
  assert.equal(await leftBehind(at.device), '');
});

test('whatever happens to the bits of an answer on the bus, it ends as a value or as TpmError, and the next sequence is in step', async (t) => {
  const at = present(t);
  if (at === null) return;
  const bus = await tapped(t, at.device.address.path);
  const work = async (commands: TpmCommands) => {
    const session = await commands.encryptedSession(await commands.createPrimary('endorsement', ekEccP256Template()));
    const { item, policy } = await sealed(commands, (parent, digest) =>
      commands.create(parent, sealedDataTemplate(digest), SECRET, session),
    );
    await commands.unseal(item, policy, session);
    await commands.flush(item.handle);
    const key = await commands.createPrimary('null', akEccTemplate());
    await commands.quote(key, SECRET.subarray(0, 32), 'sha256', [0]);
    await commands.pcrRead('sha256', [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    await commands.nvRead(0x01c0_0016);
    await commands.pcrBanks();
  };
  const at24 = fc.nat({ max: 24 });
  await fc.assert(
    fc.asyncProperty(at24, fc.nat(), fc.integer({ min: 1, max: 255 }), async (number, where, bits) => {
      bus.alterAnswer(number, (answer) => {
        // The length of an answer stays: that what is cut short is late is shown elsewhere.
        const offset = 6 + (where % (answer.length - 6));
        answer[offset] = (answer[offset] ?? 0) ^ bits;
      });
      await bus.tpm.run(work).catch((error) => assert.ok(error instanceof TpmError, String(error)));
      assert.equal((await bus.tpm.run(({ random }) => random(8))).length, 8);
    }),
    { numRuns: 60 },
  );
  await bus.idle();
  assert.equal(await leftBehind(at.device), '');
});

/** A TPM behind a bus that is listened to, and that can alter what crosses it. */
interface Bus {
  tpm: Tpm;
  /** Whether these bytes crossed the bus, in either direction. */
  shows(bytes: Uint8Array): boolean;
  bytes(): number;
  /** Changes the answers to commands with the code `code`. */
  alterAnswers(code: number, alter: (answer: Buffer) => void): void;
  /** Changes commands with the code `code`. */
  alterCommands(code: number, alter: (command: Buffer) => void): void;
  /** Resolves when nobody is connected to the TPM through this bus. */
  idle(): Promise<void>;
  /** Changes one answer: the one after `number` others. */
  alterAnswer(number: number, alter: (answer: Buffer) => void): void;
}

/** Commands and answers are small enough to come in one piece here. */
async function tapped(t: TestContext, path: string): Promise<Bus> {
  const dir = mkdtempSync(join(tmpdir(), 'tpm-bus-'));
  const seen: Buffer[] = [];
  const connections = new Set<Promise<unknown>>();
  let onCommand: (code: number, command: Buffer) => void = () => {};
  let onAnswer: (code: number, answer: Buffer) => void = () => {};
  const server = createServer((near) => {
    const far = connect(path);
    let code = 0;
    near.on('data', (command) => {
      code = command.readUInt32BE(6);
      onCommand(code, command);
      seen.push(Buffer.from(command));
      far.write(command);
    });
    far.on('data', (answer) => {
      seen.push(Buffer.from(answer));
      onAnswer(code, answer);
      near.write(answer);
    });
    near.on('error', () => {}).on('close', () => far.destroy());
    far.on('error', () => {}).on('close', () => near.destroy());
    connections.add(new Promise((resolve) => far.once('close', resolve)));
  });
  await new Promise<void>((resolve) => server.listen(join(dir, 's'), resolve));
  const tpm = openTpm({ kind: 'unix', path: join(dir, 's') });
  t.after(async () => {
    await tpm.close();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return {
    tpm,
    shows: (bytes) => Buffer.concat(seen).includes(Buffer.from(bytes)),
    bytes: () => Buffer.concat(seen).length,
    idle: async () => {
      await Promise.all(connections);
    },
    alterAnswers: (code, alter) => {
      onAnswer = (of, answer) => of === code && alter(answer);
    },
    alterCommands: (code, alter) => {
      onCommand = (of, command) => of === code && alter(command);
    },
    alterAnswer: (number, alter) => {
      let left = number;
      onAnswer = (_, answer) => left-- === 0 && alter(answer);
    },
  };
}
