import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeOf, scriptedTpm, success, tpm2b, u32 } from '../../../../../../tests/support/scripted-tpm.ts';
import type { LoadedKey, TpmCommands } from '../api.ts';
import { CC } from '../constants.ts';
import { TpmError } from '../error.ts';
import { commandFrame } from '../frame.ts';
import { nameOf, nameWith } from '../public-area.ts';
import { akEccTemplate, ekEccP256Template } from '../templates.ts';
import { tpmOver } from '../tpm.ts';

type Bytes = Uint8Array<ArrayBuffer>;

const NONCE = new Uint8Array(32).fill(9);
const INDEX = 0x0150_0000;
const AREA = akEccTemplate();
const KEY: LoadedKey = { handle: 0x8101_0001, name: nameOf(AREA), publicArea: AREA };
const BLOB = { private: NONCE, public: AREA };
/** The answer's part about one password. */
const PASSWORD = [0, 0, 1, 0, 0];

/** An answer of success to a command that a password authorises. */
function authorised(...parts: (Uint8Array | readonly number[])[]): Bytes {
  const parameters = Buffer.concat(parts.map((part) => Uint8Array.from(part)));
  return commandFrame(0, true, Uint8Array.from([...u32(parameters.length), ...parameters, ...PASSWORD]));
}

/** As {@link authorised}, of a command that opens an object. */
function opened(handle: number, ...parts: (Uint8Array | readonly number[])[]): Bytes {
  return commandFrame(0, true, Uint8Array.from([...u32(handle), ...authorised(...parts).subarray(10)]));
}

/** TPML_PCR_SELECTION with one bank. */
const selection = (bank: number, ...bitmap: number[]) => [...u32(1), 0, bank, bitmap.length, ...bitmap];
const digests = (...list: Uint8Array[]) => [...u32(list.length), ...list.flatMap((each) => [...tpm2b(each)])];

/** TPM2B_NV_PUBLIC and its Name. */
function nvPublic(index: number, size: number, name?: Uint8Array): Bytes {
  const area = Uint8Array.of(...u32(index), 0, 0x0b, ...u32(0), 0, 0, size >> 8, size & 0xff);
  return success(tpm2b(area), tpm2b(name ?? nameWith(0x000b, area)));
}

const attest = (type: number, magic = 0xff544347) => tpm2b([...u32(magic), 0x80, type, 1, 2, 3]);
const signature = [0, 0x18, 0, 0x0b, ...tpm2b(NONCE), ...tpm2b(NONCE)];
const creation = [...tpm2b([]), ...tpm2b([]), 0x80, 0x21, ...u32(0x4000_0007), ...tpm2b([])];
const otherName = nameOf(ekEccP256Template());

/** Runs `work` on a TPM that gives these answers to the commands with the code `code`, the last of them again and again. */
function answered<T>(code: number, answers: readonly Bytes[], work: (commands: TpmCommands) => Promise<T>): Promise<T> {
  let next = 0;
  const device = scriptedTpm((command) => {
    if (codeOf(command) === code) return answers[Math.min(next++, answers.length - 1)] ?? success();
    if (codeOf(command) === CC.nvReadPublic) return nvPublic(INDEX, 32);
    return codeOf(command) === CC.startAuthSession ? success(u32(0x0300_0000), tpm2b(NONCE)) : success();
  });
  return tpmOver(device).run(work);
}

const handles = (more: number, ...list: number[]) => success([more], u32(1), u32(list.length), ...list.map(u32));
const readOne = ({ pcrRead }: TpmCommands) => pcrRead('sha256', [0]);
const quote = ({ quote: make }: TpmCommands) => make(KEY, NONCE, 'sha256', [0]);

/** An answer to ActivateCredential: the secret, and what is said of a password and of a policy session. */
function activated(session: readonly number[]): Bytes {
  return commandFrame(0, true, Uint8Array.from([...authorised(tpm2b([1, 2, 3])).subarray(10), ...session]));
}

const activate = async ({ policySession, activateCredential }: TpmCommands) =>
  activateCredential(KEY, KEY, await policySession(), { idObject: NONCE, encryptedSecret: NONCE });

const WRONG: [string, number, Bytes, (commands: TpmCommands) => Promise<unknown>, RegExp][] = [
  [
    'a capability that was not asked for',
    CC.getCapability,
    success([0], u32(6), u32(0)),
    ({ handles: all }) => all(0x8000_0000),
    /another capability/,
  ],
  ['neither yes nor no', CC.getCapability, handles(2), ({ handles: all }) => all(0x8000_0000), /neither yes nor no/],
  [
    'more handles than asked for',
    CC.getCapability,
    handles(0, ...Array(65).fill(0x8000_0000)),
    ({ handles: all }) => all(0x8000_0000),
    /65 handles/,
  ],
  [
    'the same handles for ever',
    CC.getCapability,
    handles(1, 0x8000_0003),
    ({ handles: all }) => all(0x8000_0000),
    /without end/,
  ],
  ['no random bytes', CC.getRandom, success(tpm2b([])), ({ random }) => random(4), /random bytes/],
  ['too many random bytes', CC.getRandom, success(tpm2b([1, 2, 3, 4, 5])), ({ random }) => random(4), /random bytes/],
  [
    'something after its answer',
    CC.getRandom,
    success(tpm2b([1, 2, 3, 4]), [0]),
    ({ random }) => random(4),
    /1 bytes follow/,
  ],
  ['no register', CC.pcrRead, success(u32(1), u32(0), u32(0)), readOne, /no such registers/],
  ['another register', CC.pcrRead, success(u32(1), selection(11, 2, 0, 0), digests(NONCE)), readOne, /other registers/],
  [
    'a register of another bank',
    CC.pcrRead,
    success(u32(1), [...u32(2), ...selection(11, 1, 0, 0).slice(4), ...selection(12, 1).slice(4)], digests(NONCE)),
    readOne,
    /other registers/,
  ],
  [
    'more values than registers',
    CC.pcrRead,
    success(u32(1), selection(11, 1, 0, 0), digests(NONCE, NONCE)),
    readOne,
    /other registers/,
  ],
  [
    'a value of another length',
    CC.pcrRead,
    success(u32(1), selection(11, 1, 0, 0), digests(new Uint8Array(48))),
    readOne,
    /as long as its bank/,
  ],
  [
    'a bitmap of impossible size',
    CC.pcrRead,
    success(u32(1), selection(11, 1, 0, 0, 0, 0), digests(NONCE)),
    readOne,
    /bitmap of 5/,
  ],
  [
    'a key by a wrong name',
    CC.readPublic,
    success(tpm2b(AREA), tpm2b(otherName), tpm2b(otherName)),
    ({ readPublic }) => readPublic(KEY.handle),
    /name is not that/,
  ],
  [
    'a loaded key by a wrong name',
    CC.load,
    opened(0x8000_0000, tpm2b(otherName)),
    ({ load }) => load(KEY, BLOB),
    /name is not that/,
  ],
  [
    'a primary by a wrong name',
    CC.createPrimary,
    opened(0x8000_0000, tpm2b(AREA), creation, tpm2b(otherName)),
    ({ createPrimary }) => createPrimary('owner', AREA),
    /name is not that/,
  ],
  [
    'a key whose name uses SHA-1',
    CC.readPublic,
    success(tpm2b([0, 0x23, 0, 4]), tpm2b([]), tpm2b([])),
    ({ readPublic }) => readPublic(KEY.handle),
    /0x4, which is not accepted/,
  ],
  ['what no TPM made', CC.quote, authorised(attest(0x18, 0xff544348), signature), quote, /attests something else/],
  ['certified NV contents for a quote', CC.quote, authorised(attest(0x14), signature), quote, /attests something else/],
  [
    'a quote for certified NV contents',
    CC.nvCertify,
    commandFrame(0, true, Uint8Array.from([...authorised(attest(0x18), signature).subarray(10), ...PASSWORD])),
    ({ nvCertify }) => nvCertify(KEY, INDEX, NONCE, 32),
    /attests something else/,
  ],
  [
    'a signature by a scheme that there is not',
    CC.quote,
    authorised(attest(0x18), [0, 0x10, 0, 0]),
    quote,
    /scheme 0x10/,
  ],
  [
    'another index',
    CC.nvReadPublic,
    nvPublic(INDEX + 1, 32),
    ({ nvReadPublic }) => nvReadPublic(INDEX),
    /another index/,
  ],
  [
    'an index by a wrong name',
    CC.nvReadPublic,
    nvPublic(INDEX, 32, otherName),
    ({ nvReadPublic }) => nvReadPublic(INDEX),
    /name is not that/,
  ],
  [
    'a part of an index',
    CC.nvRead,
    authorised(tpm2b([1, 2, 3])),
    ({ nvRead }) => nvRead(INDEX),
    /3 bytes of an index where 32/,
  ],
  [
    'a nonce that is too short',
    CC.startAuthSession,
    success(u32(0x0300_0000), tpm2b([1, 2])),
    ({ policySession }) => policySession(),
    /nonce of 2 bytes/,
  ],
  [
    'more than that something was flushed',
    CC.flushContext,
    success([1]),
    ({ flush }) => flush(0x8000_0000),
    /1 bytes follow/,
  ],
  ['a short nonce', CC.activateCredential, activated([0, 2, 1, 2, 1, 0, 0]), activate, /another session/],
  ['other attributes', CC.activateCredential, activated([...tpm2b(NONCE), 0, 0, 0]), activate, /another session/],
  ['an HMAC where none is due', CC.activateCredential, activated([...tpm2b(NONCE), 1, 0, 1, 7]), activate, /altered/],
];

for (const [what, code, answer, work, message] of WRONG) {
  test(`a TPM that answers with ${what} is not believed`, async () => {
    await assert.rejects(answered(code, [answer], work), (error) => {
      assert.ok(error instanceof TpmError, String(error));
      assert.deepEqual([error.code, message.test(error.message)], ['response', true], error.message);
      return true;
    });
  });
}

test('what a TPM answers rightly is taken as it is', async () => {
  const secret = await answered(CC.activateCredential, [activated([...tpm2b(NONCE), 1, 0, 0])], activate);
  assert.deepEqual(secret, Uint8Array.of(1, 2, 3));
  const quoted = await answered(CC.quote, [authorised(attest(0x18), signature)], quote);
  assert.deepEqual(quoted, { attest: attest(0x18).slice(2), signature: Uint8Array.from(signature) });
  const key = await answered(
    CC.createPrimary,
    [opened(0x8000_0000, tpm2b(AREA), creation, tpm2b(KEY.name))],
    (commands) => commands.createPrimary('owner', AREA),
  );
  assert.deepEqual(key, { ...KEY, handle: 0x8000_0000 });
  assert.deepEqual(
    await answered(CC.getCapability, [handles(1, 0x0100_0001, 0x0100_0002), handles(0, 0x0100_0009)], (commands) =>
      commands.handles(0x0100_0000),
    ),
    [0x0100_0001, 0x0100_0002, 0x0100_0009],
  );
  assert.equal(
    (await answered(CC.nvReadPublic, [nvPublic(INDEX, 32)], (commands) => commands.nvReadPublic(INDEX)))?.size,
    32,
  );
});

test('registers that change between two answers are read anew, and not for ever', async () => {
  const part = (changes: number, ...bitmap: number[]) => {
    const values = bitmap.flatMap((byte) => Array(byte === 0 ? 0 : 8).fill(NONCE));
    return success(u32(changes), selection(11, ...bitmap), digests(...values));
  };
  const indexes = Array.from({ length: 16 }, (_, i) => i);
  const read = (answers: Bytes[]) => answered(CC.pcrRead, answers, ({ pcrRead }) => pcrRead('sha256', indexes));
  const once = [part(1, 0xff, 0, 0), part(2, 0, 0xff, 0), part(2, 0xff, 0, 0), part(2, 0, 0xff, 0)];
  assert.deepEqual([...(await read(once)).keys()], indexes);
  const always = Array.from({ length: 40 }, (_, i) => part(i, i % 2 === 0 ? 0xff : 0, i % 2 === 0 ? 0 : 0xff, 0));
  await assert.rejects(read(always), /change too often/);
});
