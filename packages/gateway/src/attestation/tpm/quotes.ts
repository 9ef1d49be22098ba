import { encodeHex, encodeUtf8, equalBytes, verifyEvidence } from '@cmcp/evidence';
import type { SignedAttest, Tpm, TpmCommands } from './api.ts';
import type { AttestationKey } from './attestation-key.ts';
import { orAttestationFailed, tpmFailed } from './failure.ts';

/** What both quotes of a session are over (contracts section 4): firmware; and with it where a measured launch records the gateway. */
export const FIRMWARE_PCRS: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7];
export const ALL_STATIC_PCRS: readonly number[] = [...FIRMWARE_PCRS, 8, 9, 10, 11, 12, 13, 14, 15];

const BANK = 'sha256';
/** Registers are extended while a machine starts, rarely later: whoever extends one between reading and quoting does not do it for long. */
const MOST_ROUNDS = 5;
/** How long a quote that carries no challenge of a session may stand in for the same one, by the TPM's own clock. */
const REUSED_MS = 60_000n;

/** A quote that is wanted. */
export interface QuoteRequest {
  /** What it has to carry in extraData, 32 bytes. */
  extraData: Uint8Array<ArrayBuffer>;
  /** Of the SHA-256 bank, ascending. */
  indexes: readonly number[];
}

/** A quote that was compared with what was asked, and verified under the key. */
export interface Quote extends SignedAttest {
  /** The quoted values as the role `pcrs` has them: JSON, `{"sha256": {"0": "<hex>", …}}`. */
  pcrs: Uint8Array<ArrayBuffer>;
  /** `sha256:…`, the digest over the quoted registers. */
  pcrDigest: string;
  /** 16 hex digits. */
  firmwareVersion: string;
}

/** Registers of the SHA-256 bank by index. */
export type RegisterValues = ReadonlyMap<number, Uint8Array<ArrayBuffer>>;

/** Quotes of one run of the machine. */
export interface QuoteSet {
  /** The answer to one of the requests. */
  of(request: QuoteRequest): Quote;
  /** All registers that were quoted; they hash to what was quoted. */
  values: RegisterValues;
  /** For {@link takeQuotes} later. */
  readonly taken: readonly Appraised[];
}

/**
 * As {@link takeQuotes}, with a lasting request: one whose extraData says the same for every session of a process. Its quote of
 * `earlier` stands in for it for a minute, while the machine was not restarted and the registers hold what they held.
 */
export async function takeWithLasting(
  tpm: Tpm,
  key: AttestationKey,
  requests: { lasting: readonly QuoteRequest[]; fresh: QuoteRequest },
  earlier: QuoteSet | null,
  signal?: AbortSignal,
): Promise<QuoteSet> {
  const known = requests.lasting.flatMap((request) => earlier?.taken.find((each) => isFor(each, request)) ?? []);
  if (known.length === requests.lasting.length) {
    const set = await takeQuotes(tpm, key, [requests.fresh], signal);
    const reused = known.map((each, i) => ({ ...each, request: requests.lasting[i] ?? each.request }));
    if (reused.every((each) => standsFor(each, set))) return quoteSet([...reused, ...set.taken], set.values);
  }
  return takeQuotes(tpm, key, [...requests.lasting, requests.fresh], signal);
}

function isFor({ request }: Appraised, { extraData, indexes }: QuoteRequest): boolean {
  return equalBytes(request.extraData, extraData) && request.indexes.join() === indexes.join();
}

/** Whether an earlier quote says what one that was taken now would say. */
function standsFor(earlier: Appraised, { taken, values }: QuoteSet): boolean {
  const [now] = taken;
  if (now === undefined || otherRun([earlier, now]) !== null) return false;
  const young = now.milliseconds - earlier.milliseconds <= REUSED_MS;
  return young && equalBytes(pcrFile(earlier.request.indexes, values), earlier.quote.pcrs);
}

/**
 * Lets the TPM quote, and verifies each quote as anyone else would: signature, selection, extraData, and that the registers, which are
 * read unsigned, hash to what was quoted. All are of one run of the machine, in the order of the requests.
 *
 * @throws GatewayError ATTESTATION_FAILED
 */
export async function takeQuotes(
  tpm: Tpm,
  key: AttestationKey,
  requests: readonly QuoteRequest[],
  signal?: AbortSignal,
): Promise<QuoteSet> {
  for (let round = 1; round <= MOST_ROUNDS; round++) {
    const asked = await orAttestationFailed(() => tpm.run((commands) => ask(commands, key, requests), signal));
    const appraised = await Promise.all(asked.answers.map((answer) => appraise(answer, asked.values, key)));
    if (appraised.some(({ changed }) => changed)) continue;
    const problem = appraised.find((each) => each.problem !== null)?.problem ?? otherRun(appraised);
    if (problem !== null) throw tpmFailed(`did not quote what it was asked for: ${problem}`);
    return quoteSet(appraised, asked.values);
  }
  throw tpmFailed('has registers that change faster than they can be quoted');
}

function quoteSet(taken: readonly Appraised[], values: RegisterValues): QuoteSet {
  return { of: (request) => quoteOf(taken, request), values, taken };
}

function quoteOf(appraised: readonly Appraised[], request: QuoteRequest): Quote {
  const found = appraised.find((each) => each.request === request);
  if (found === undefined) throw new RangeError('a quote that was not asked for');
  return found.quote;
}

interface Answer extends SignedAttest {
  request: QuoteRequest;
}

async function ask(
  commands: TpmCommands,
  key: AttestationKey,
  requests: readonly QuoteRequest[],
): Promise<{ answers: Answer[]; values: RegisterValues }> {
  const loaded = await key.use(commands);
  const answers: Answer[] = [];
  for (const request of requests) {
    answers.push({ request, ...(await commands.quote(loaded, request.extraData, BANK, request.indexes)) });
  }
  const indexes = [...new Set(requests.flatMap((request) => request.indexes))].sort((a, b) => a - b);
  return { answers, values: await commands.pcrRead(BANK, indexes) };
}

export interface Appraised {
  request: QuoteRequest;
  quote: Quote;
  /** Everything holds but that the registers are others than those that were read. */
  changed: boolean;
  /** What does not hold; null when all does. */
  problem: string | null;
  /** Which run of the machine it is of, and when in it. */
  run: string;
  milliseconds: bigint;
}

async function appraise(
  { request, attest, signature }: Answer,
  values: RegisterValues,
  { spki, publicArea }: AttestationKey,
): Promise<Appraised> {
  const { extraData, indexes } = request;
  const pcrs = pcrFile(indexes, values);
  const policy = { tpm: { selection: `${BANK}:${indexes.join(',')}` } };
  // No certificate is looked at, so no clock is needed.
  const given = { at: 0, anchors: [], trustedAk: spki, nonce: extraData, policy };
  const verdict = await verifyEvidence('tpm', { attest, signature, pcrs, ak_public: publicArea }, given);
  const { facts, acceptable } = verdict;
  const broken = verdict.checks.filter(({ outcome }) => outcome === 'failed');
  // The verifier also takes the hash of a challenge; what was asked for is the challenge itself.
  const carried = facts.extra_data === encodeHex(extraData);
  const why = broken[0]?.detail ?? (carried ? verdict.summary : 'it answers the hash of the challenge');
  return {
    request,
    quote: {
      attest,
      signature,
      pcrs,
      pcrDigest: `${BANK}:${facts.pcr_digest}`,
      firmwareVersion: String(facts.firmware_version),
    },
    changed: broken.length > 0 && broken.every(({ id }) => id === 'tpm.pcr_digest'),
    problem: acceptable === true && carried ? null : why,
    run: `${facts.reset_count}.${facts.restart_count}`,
    milliseconds: BigInt(facts.clock_ms ?? 0),
  };
}

/** Registers of two quotes belong together when the machine was not restarted between them (contracts section 4). */
function otherRun(appraised: readonly Appraised[]): string | null {
  for (const [i, later] of appraised.slice(1).entries()) {
    const earlier = appraised[i];
    if (earlier === undefined) continue;
    if (earlier.run !== later.run) return 'the machine was restarted between two quotes';
    if (later.milliseconds < earlier.milliseconds) return 'its clock went back between two quotes';
  }
  return null;
}

function pcrFile(indexes: readonly number[], values: RegisterValues): Uint8Array<ArrayBuffer> {
  const registers = indexes.flatMap((index) => {
    const value = values.get(index);
    return value === undefined ? [] : [[index, encodeHex(value)]];
  });
  return encodeUtf8(JSON.stringify({ [BANK]: Object.fromEntries(registers) }));
}
