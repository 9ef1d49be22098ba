import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeHex, parsePublic, quoteBinding, sha256 } from '@cmcp/evidence';
import { isFailure, random } from '../../../../../tests/support/tpm-provider.ts';
import { makeTpm, type QuoteFields, type TestTpm } from '../../../../evidence/src/testing/tpm.ts';
import type { Tpm, TpmCommands } from './api.ts';
import type { AttestationKey } from './attestation-key.ts';
import { TpmError } from './error.ts';
import { ALL_STATIC_PCRS, FIRMWARE_PCRS, type QuoteRequest, takeQuotes, takeWithLasting } from './quotes.ts';

const shared: Promise<TestTpm> = makeTpm();
const ZERO = new Uint8Array(32);
const FIRST: QuoteRequest = { extraData: random(32), indexes: FIRMWARE_PCRS };
const SECOND: QuoteRequest = { extraData: quoteBinding(random(64)), indexes: ALL_STATIC_PCRS };

/** What a TPM does other than it should, in its nth quote (from 0). */
interface Deviation {
  nth: number;
  /** null: the hash of what was asked for. */
  extraData?: Uint8Array | null;
  indexes?: readonly number[];
  bank?: string;
  fields?: QuoteFields;
  by?: TestTpm;
  nv?: boolean;
}

/** A generated TPM behind the interface; `changes` says how often a register changes between quotes and reading. */
async function generated(
  deviation?: Deviation,
  changes = 0,
): Promise<{ tpm: Tpm; key: AttestationKey; rounds: () => number }> {
  const made = await shared;
  const value = new Uint8Array(32);
  let [quotes, rounds] = [0, 0];
  const commands = {
    quote: async (_key, extraData, bank, indexes) => {
      const here = deviation?.nth === quotes++ ? deviation : undefined;
      const selection = `${here?.bank ?? bank}:${(here?.indexes ?? indexes).join(',')}`;
      const signer = here?.by ?? made;
      const asked = here?.extraData === null ? sha256(extraData) : (here?.extraData ?? extraData);
      if (here?.nv === true) return signer.certifyNv(asked, new Uint8Array(32));
      return signer.quote(
        asked,
        selection,
        { sha256: { 10: encodeHex(value) } },
        { clock: BigInt(quotes), ...here?.fields },
      );
    },
    pcrRead: async (_bank, indexes) => {
      if (rounds++ < changes) value.fill(rounds);
      return new Map(indexes.map((index) => [index, index === 10 ? value.slice() : ZERO]));
    },
  } satisfies Partial<TpmCommands>;
  const publicArea = made.files.ak_public ?? new Uint8Array();
  const key: AttestationKey = {
    origin: 'a generated key',
    area: parsePublic(publicArea),
    publicArea,
    spki: made.akSpki,
    certificate: null,
    use: async () => ({ handle: 0x8000_0000, publicArea, name: new Uint8Array() }),
  };
  const tpm: Tpm = { run: (work) => work(commands as unknown as TpmCommands), close: async () => {} };
  return { tpm, key, rounds: () => rounds };
}

async function taken(deviation?: Deviation, changes?: number) {
  const { tpm, key } = await generated(deviation, changes);
  return takeQuotes(tpm, key, [FIRST, SECOND]);
}

test('what was asked for is what comes back, with the registers that it is over', async () => {
  const { of, values } = await taken();
  const [first, second] = [of(FIRST), of(SECOND)];
  assert.equal(first.pcrDigest, `sha256:${encodeHex(sha256(new Uint8Array(8 * 32)))}`);
  assert.deepEqual(Object.keys(JSON.parse(new TextDecoder().decode(second.pcrs)).sha256), ALL_STATIC_PCRS.map(String));
  assert.deepEqual([...values.keys()], [...ALL_STATIC_PCRS]);
  assert.throws(() => of({ ...FIRST }), RangeError);
});

test('registers that change while they are quoted are quoted again, a few times', async () => {
  const { tpm, key, rounds } = await generated(undefined, 3);
  const { of, values } = await takeQuotes(tpm, key, [FIRST, SECOND]);
  assert.equal(rounds(), 4);
  assert.deepEqual(values.get(10), new Uint8Array(32).fill(3));
  assert.match(new TextDecoder().decode(of(SECOND).pcrs), /"10":"0303/);
  await assert.rejects(taken(undefined, 100), isFailure(/change faster than they can be quoted/));
});

test('a quote that is not what was asked for is no evidence, whichever of the two it is', async () => {
  const deviations: [string, Omit<Deviation, 'nth'>, RegExp][] = [
    ['another nonce', { extraData: random(32) }, /another challenge/],
    ['the hash of the nonce', { extraData: null }, /hash of the challenge/],
    ['fewer registers', { indexes: [0, 1, 2] }, /sha256:0,1,2/],
    ['another bank', { bank: 'sha384' }, /sha384|did not sign|PCR values lack/],
    ['another key', { by: await makeTpm() }, /did not sign/],
    ['no TPM', { fields: { magic: 0x12345678 } }, /magic/],
    ['another hash', { fields: { hash: 'sha1' } }, /allows only|SHA-1/],
    ['certified NV contents', { nv: true }, /no quote/],
  ];
  for (const nth of [0, 1])
    for (const [name, deviation, why] of deviations)
      await assert.rejects(taken({ nth, ...deviation }), isFailure(why), name);
});

test('quotes of two runs of the machine do not belong together', async () => {
  const fields: QuoteFields[] = [{ resetCount: 2 }, { restartCount: 5 }];
  for (const each of fields) await assert.rejects(taken({ nth: 1, fields: each }), isFailure(/restarted between/));
  await assert.rejects(taken({ nth: 0, fields: { clock: 50n } }), isFailure(/clock went back/));
});

test('what the TPM refuses is evidence that there is none, and what is no error of the TPM is not hidden', async () => {
  const { key } = await generated();
  const failing = (error: Error): Tpm => ({ run: () => Promise.reject(error), close: async () => {} });
  await assert.rejects(takeQuotes(failing(new TpmError('refused', 'no')), key, [FIRST]), isFailure(/^no$/));
  await assert.rejects(takeQuotes(failing(new TypeError('a defect')), key, [FIRST]), TypeError);
});

interface SettableState {
  clock: bigint;
  resetCount: number;
  restartCount: number;
  /** What PCR 4 holds, each byte. */
  firmware: number;
}

/** A generated TPM whose clock, run and registers a test sets, with the number of quotes that it made. */
async function settable(): Promise<{ tpm: Tpm; key: AttestationKey; state: SettableState; made: () => number }> {
  const { key } = await generated();
  const made = await shared;
  const state: SettableState = { clock: 1_000n, resetCount: 1, restartCount: 0, firmware: 0 };
  let quotes = 0;
  const registers = () => ({ sha256: { 4: encodeHex(new Uint8Array(32).fill(state.firmware)) } });
  const commands = {
    quote: async (_key, extraData, bank, indexes) => {
      quotes += 1;
      return made.quote(extraData, `${bank}:${indexes.join(',')}`, registers(), state);
    },
    pcrRead: async (_bank, indexes) =>
      new Map(indexes.map((index) => [index, index === 4 ? new Uint8Array(32).fill(state.firmware) : ZERO])),
  } satisfies Partial<TpmCommands>;
  const tpm: Tpm = { run: (work) => work(commands as Partial<TpmCommands> as TpmCommands), close: async () => {} };
  return { tpm, key, state, made: () => quotes };
}

test('a quote that says the same for every session stands in for a minute, and what is fresh is always taken anew', async () => {
  const { tpm, key, state, made } = await settable();
  const requests = { lasting: [FIRST], fresh: SECOND };
  const first = await takeWithLasting(tpm, key, requests, null);
  assert.equal(made(), 2);
  state.clock += 60_000n;
  const again = { lasting: [{ ...FIRST, extraData: FIRST.extraData.slice() }], fresh: { ...SECOND } };
  const second = await takeWithLasting(tpm, key, again, first);
  assert.equal(made(), 3);
  assert.deepEqual(second.of(again.lasting[0] as QuoteRequest).attest, first.of(FIRST).attest);
  assert.notDeepEqual(second.of(again.fresh).attest, first.of(SECOND).attest);
  state.clock += 1n;
  await takeWithLasting(tpm, key, again, second);
  assert.equal(made(), 6, 'too old: found so after the fresh one, then both');
});

test('an earlier quote stands in for nothing else: other data, other registers, another run, a clock that went back', async () => {
  const changes: { state?: Partial<SettableState>; wanted?: QuoteRequest }[] = [
    { wanted: { ...FIRST, extraData: random(32) } },
    { wanted: { ...FIRST, indexes: [0, 1, 2, 3, 4, 5, 6] } },
    { state: { firmware: 9 } },
    { state: { resetCount: 2 } },
    { state: { restartCount: 1 } },
    { state: { clock: 999n } },
  ];
  for (const change of changes) {
    const { tpm, key, state } = await settable();
    const earlier = await takeWithLasting(tpm, key, { lasting: [FIRST], fresh: SECOND }, null);
    Object.assign(state, change.state);
    const { wanted = FIRST } = change;
    const { of } = await takeWithLasting(tpm, key, { lasting: [wanted], fresh: SECOND }, earlier);
    assert.notDeepEqual(of(wanted).attest, earlier.of(FIRST).attest, JSON.stringify(Object.keys(change.state ?? {})));
  }
});
