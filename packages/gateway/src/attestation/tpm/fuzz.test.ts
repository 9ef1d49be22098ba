import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { codeOf, scriptedTpm, success, tpm2b, u32 } from '../../../../../tests/support/scripted-tpm.ts';
import type { LoadedKey, TpmCommands } from './api.ts';
import { CC } from './constants.ts';
import { TpmError } from './error.ts';
import { commandFrame } from './frame.ts';
import { nameWith } from './public-area.ts';
import { ekEccP256Template } from './templates.ts';
import { tpmOver } from './tpm.ts';

const RUNS = 100;
const NONCE = new Uint8Array(32).fill(9);
const BLOB = { private: new Uint8Array(8), public: ekEccP256Template() };
const CREDENTIAL = { idObject: NONCE, encryptedSecret: NONCE };

/** A persistent key that has the public area of a storage key: the point is the base point of P-256. */
const KEY: LoadedKey = { handle: 0x8101_0001, name: new Uint8Array(34), publicArea: storageKey() };

function storageKey(): Uint8Array<ArrayBuffer> {
  const area = ekEccP256Template();
  const x = '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296';
  const y = '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5';
  area.set(Buffer.from(x, 'hex'), area.length - 66);
  area.set(Buffer.from(y, 'hex'), area.length - 32);
  return area;
}

/** Each command, by the code of the one whose answer is garbage. */
const COMMANDS: [string, number, (commands: TpmCommands) => Promise<unknown>][] = [
  ['property', CC.getCapability, ({ property }) => property(0x105)],
  ['handles', CC.getCapability, ({ handles }) => handles(0x8000_0000)],
  ['pcrBanks', CC.getCapability, ({ pcrBanks }) => pcrBanks()],
  ['random', CC.getRandom, ({ random }) => random(40)],
  ['pcrRead', CC.pcrRead, ({ pcrRead }) => pcrRead('sha256', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])],
  ['pcrExtend', CC.pcrExtend, ({ pcrExtend }) => pcrExtend(14, { sha256: NONCE })],
  ['pcrReset', CC.pcrReset, ({ pcrReset }) => pcrReset(16)],
  ['createPrimary', CC.createPrimary, ({ createPrimary }) => createPrimary('owner', BLOB.public)],
  ['create', CC.create, ({ create }) => create(KEY, BLOB.public, NONCE)],
  ['load', CC.load, ({ load }) => load(KEY, BLOB)],
  ['readPublic', CC.readPublic, ({ readPublic }) => readPublic(KEY.handle)],
  ['flush', CC.flushContext, ({ flush }) => flush(0x8000_0000)],
  ['contextSave', CC.contextSave, ({ contextSave }) => contextSave(KEY)],
  ['contextLoad', CC.contextLoad, ({ contextLoad }) => contextLoad(NONCE)],
  ['quote', CC.quote, ({ quote }) => quote(KEY, NONCE, 'sha256', [0])],
  ['nvReadPublic', CC.nvReadPublic, ({ nvReadPublic }) => nvReadPublic(0x0150_0000)],
  ['nvDefine', CC.nvDefineSpace, ({ nvDefine }) => nvDefine(0x0150_0000, 0, 32)],
  ['nvUndefine', CC.nvUndefineSpace, ({ nvUndefine }) => nvUndefine(0x0150_0000)],
  ['nvRead', CC.nvRead, ({ nvRead }) => nvRead(0x0150_0000)],
  ['nvWrite', CC.nvWrite, ({ nvWrite }) => nvWrite(0x0150_0000, NONCE)],
  ['nvExtend', CC.nvExtend, ({ nvExtend }) => nvExtend(0x0150_0000, NONCE)],
  ['nvIncrement', CC.nvIncrement, ({ nvIncrement }) => nvIncrement(0x0150_0000)],
  ['nvCertify', CC.nvCertify, ({ nvCertify }) => nvCertify(KEY, 0x0150_0000, NONCE, 32)],
  ['policySession', CC.startAuthSession, ({ policySession }) => policySession()],
  ['encryptedSession', CC.startAuthSession, ({ encryptedSession }) => encryptedSession(KEY)],
  ['policyPcr', CC.policyPcr, async ({ policySession, policyPcr }) => policyPcr(await policySession(), 'sha256', [0])],
  [
    'policySecret',
    CC.policySecret,
    async ({ policySession, policySecret }) => policySecret(await policySession(), 'owner'),
  ],
  ['policyDigest', CC.policyGetDigest, async ({ policySession, policyDigest }) => policyDigest(await policySession())],
  [
    'unseal',
    CC.unseal,
    async ({ policySession, encryptedSession, unseal }) =>
      unseal(KEY, await policySession(), await encryptedSession(KEY)),
  ],
  [
    'create, encrypted',
    CC.create,
    async ({ create, encryptedSession }) => create(KEY, BLOB.public, NONCE, await encryptedSession(KEY)),
  ],
  [
    'activateCredential',
    CC.activateCredential,
    ({ activateCredential }) => activateCredential(KEY, KEY, null, CREDENTIAL),
  ],
];

/** Bytes that look like parts of an answer: handles, sizes that fit what follows, and anything. */
const part: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 3, arbitrary: fc.uint8Array({ maxLength: 80 }).map(tpm2b) },
  { weight: 2, arbitrary: fc.nat({ max: 0xffffffff }).map(u32) },
  fc.constantFrom(0, 1, 2, 0x8000_0000, 0x0300_0000, 0x0200_0000).map(u32),
  fc.constant(tpm2b(BLOB.public)),
  fc.constant(Uint8Array.of(0, 0x0b, 3, 0xff, 0xff, 0xff)),
);

const contents = fc.array(part, { maxLength: 10 }).map((parts) => new Uint8Array(Buffer.concat(parts)));

/** With the form of an answer of success with sessions around the parameters, or without, or no answer at all. */
const answer: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => new Uint8Array(bytes)),
  contents.map((bytes) => commandFrame(0, false, bytes)),
  contents.map((bytes) => commandFrame(0, true, bytes)),
  fc
    .tuple(fc.constantFrom<Uint8Array[]>([], [u32(0x8000_0000)]), contents, fc.array(part, { maxLength: 6 }))
    .map(([handle, bytes, areas]) =>
      commandFrame(0, true, new Uint8Array(Buffer.concat([...handle, u32(bytes.length), bytes, ...areas]))),
    ),
  fc.nat({ max: 0xfff }).map((code) => commandFrame(code, false, new Uint8Array())),
);

const SESSIONS = success(u32(0x0300_0000), tpm2b(NONCE));
const NV_PUBLIC = nvPublic();

/** Of an index with 700 bytes, whose Name is right. */
function nvPublic(): Uint8Array<ArrayBuffer> {
  const area = Uint8Array.of(...u32(0x0150_0000), 0, 0x0b, 0, 0, 0, 0, 0, 0, 700 >> 8, 700 & 0xff);
  return success(tpm2b(area), tpm2b(nameWith(0x000b, area)));
}

for (const [name, code, work] of COMMANDS) {
  test(`whatever a TPM answers to ${name}, it gives a value or TpmError, and ends`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 4 }), async (answers) => {
        let asked = 0;
        const device = scriptedTpm((command) => {
          assert.ok(asked < 200, 'it asks for ever');
          if (codeOf(command) === code) return answers[asked++ % answers.length] ?? SESSIONS;
          if (codeOf(command) === CC.nvReadPublic) return NV_PUBLIC;
          return codeOf(command) === CC.flushContext ? success() : SESSIONS;
        });
        // Nothing waits here but for a TPM that says that it is busy, and that is over at once.
        const timers = { after: immediately, every: () => () => {} };
        try {
          await tpmOver(device, { timers, commandMs: 1e6, sequenceMs: 1e6 }).run(work);
        } catch (error) {
          if (!(error instanceof TpmError)) throw error;
        }
        assert.ok(device.connections.every(({ closed }) => closed));
      }),
      { numRuns: RUNS },
    );
  });
}

/** Limits never pass; pauses pass at once. */
function immediately(ms: number, run: () => void): () => void {
  if (ms < 1e6) setImmediate(run);
  return () => {};
}
