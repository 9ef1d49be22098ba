import { equalBytes } from '../../bytes/equal.ts';
import { encodeHex } from '../../bytes/hex.ts';
import { encodeUtf8 } from '../../bytes/utf8.ts';
import { sha256 } from '../../crypto/sha256.ts';
import { type Finding, failed, notChecked, proven, provenUnless } from '../../finding.ts';
import { FormatError } from '../../format-error.ts';
import { fileOf } from '../files.ts';
import type { EvidenceFiles, EvidenceGiven } from '../given.ts';
import {
  acceptability,
  authenticity,
  type EvidenceCheck,
  type EvidenceVerdict,
  evidenceVerdict,
  unreadable,
} from '../verdict.ts';
import { type AttestationKey, attestationKey } from './attestation-key.ts';
import { answers, type Challenge } from './challenge.ts';
import { merkleRoot, parseMerklePath } from './merkle-path.ts';
import { nvCertifyChecks } from './nv-certify.ts';
import { parseNvEnvelope } from './nv-envelope.ts';
import type { TpmQuote } from './parse.ts';
import { type QuoteParts, quoteChecks, quotedRoot, quoteFacts, readQuote } from './quote.ts';

const LABEL = encodeUtf8('cmcp-tpm-bind-v1');
const FIRST = 'sha256:0,1,2,3,4,5,6,7';
const SECOND = `${FIRST},8,9,10,11,12,13,14,15`;
const PREFIX = 'tpm-second';

/** What the second quote of a session carries in extraData: SHA-256 over a label and the 64-byte nonce (contracts section 4). */
export function quoteBinding(nonce: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(Uint8Array.of(...LABEL, ...nonce));
}

/**
 * Verifies the two quotes of a session: the first, over PCR 0 to 7, names the key; the second, by the same attestation key in the
 * same run of the machine, covers PCR 0 to 15 and the whole nonce, and with it the chain. It may stand for many sessions: then
 * extraData is the root of a tree of their bindings, and a path leads from this session's to it. Total: any bytes give a verdict.
 *
 * @param files the roles of `tpmEvidence` for key and first quote; for the second `second_attest`, `second_signature`,
 * `second_pcrs`, `second_event_log` and, for a batch, `second_path` (see `parseMerklePath`). Beside both `nv_certify`, which must have
 * been certified for the same key and shows continuity only
 * @param nonce the 64 bytes of wire-formats section 10, computed from key and chain by the caller
 * @param given `userData` and `nonce` of it are not used. Reference values are asked of the second quote, the measurement of the first
 */
export async function verifyQuotePair(
  files: EvidenceFiles,
  nonce: Uint8Array<ArrayBuffer>,
  given: EvidenceGiven,
): Promise<EvidenceVerdict> {
  try {
    const signer = await attestationKey(files, given);
    const first = readQuote(files, signer.area);
    const second = readQuote(secondFiles(files), signer.area);
    const checks = [...signer.checks];
    checks.push(...(first === null ? [absent('tpm', authenticity)] : await firstChecks(first, signer, nonce, given)));
    // Without it the chain is only asserted; the first quote says what it says.
    if (second === null) checks.push(absent(PREFIX, acceptability));
    else checks.push(...(await secondChecks(second, signer, bindingFinding(files, nonce, second.quote), given)));
    if (first !== null && second !== null) checks.push(sameRun(first.quote, second.quote));
    checks.push(...(await continuityChecks(files, signer, nonce)));
    const root = first === null ? null : quotedRoot(signer.root, first.quote.firmwareVersion);
    return evidenceVerdict('tpm', checks, root, { ...factsOf(first, ''), ...factsOf(second, 'second_') });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return unreadable('tpm', error.message);
  }
}

/** The second quote under the roles of a first. */
function secondFiles(files: EvidenceFiles): EvidenceFiles {
  const roles = ['attest', 'signature', 'pcrs', 'event_log'];
  return Object.fromEntries(
    roles.flatMap((role) => {
      const bytes = fileOf(files, `second_${role}`);
      return bytes === undefined ? [] : [[role, bytes]];
    }),
  );
}

function absent(prefix: string, asked: typeof authenticity): EvidenceCheck {
  const which = prefix === PREFIX ? 'second' : 'first';
  return asked(
    `${prefix}.quote`,
    `Is there the ${which} quote of the session?`,
    notChecked(`there is no ${which} quote with a signature`, `the ${which} quote and its signature`),
  );
}

function firstChecks(
  parts: QuoteParts,
  signer: AttestationKey,
  nonce: Uint8Array,
  { measurement, policy }: EvidenceGiven,
): Promise<EvidenceCheck[]> {
  return quoteChecks(parts, signer, {
    extraData: answers(parts.quote.extraData, [thumbprintOf(nonce)]),
    measurement,
    policy: { selection: FIRST, ...firmwareOf(policy) },
  });
}

/** The first half of the nonce: what the first quote answers, and the certifications of an NV index. */
function thumbprintOf(nonce: Uint8Array): Challenge {
  return { name: 'thumbprint of the key', value: nonce.subarray(0, 32), problem: null };
}

/** What a gateway recorded of itself in an NV index when it started, with the key that it signs with: once for all its sessions. */
async function continuityChecks(
  files: EvidenceFiles,
  signer: AttestationKey,
  nonce: Uint8Array,
): Promise<EvidenceCheck[]> {
  const bytes = fileOf(files, 'nv_certify');
  return bytes === undefined ? [] : nvCertifyChecks(parseNvEnvelope(bytes), signer, [thumbprintOf(nonce)]);
}

async function secondChecks(
  parts: QuoteParts,
  signer: AttestationKey,
  extraData: Finding,
  { policy }: EvidenceGiven,
): Promise<EvidenceCheck[]> {
  const pcrs = policy?.tpm?.pcrs;
  const wanted = { selection: SECOND, ...(pcrs === undefined ? {} : { pcrs }), ...firmwareOf(policy) };
  const checks = await quoteChecks(parts, signer, { extraData, policy: wanted }, PREFIX);
  return checks.map((check) => ({ ...check, title: `In the second quote: ${lowered(check.title)}` }));
}

/** A question in the middle of a sentence. */
function lowered(title: string): string {
  return `${title.charAt(0).toLowerCase()}${title.slice(1)}`;
}

function firmwareOf(policy: EvidenceGiven['policy']): { firmwareVersions?: string[] } {
  const firmwareVersions = policy?.tpm?.firmwareVersions;
  return firmwareVersions === undefined ? {} : { firmwareVersions };
}

/** Whether the second quote carries the binding of this session, or the root of a batch that holds it. */
function bindingFinding(files: EvidenceFiles, nonce: Uint8Array, { extraData }: TpmQuote): Finding {
  const binding = quoteBinding(nonce);
  const against = `the binding ${encodeHex(binding)}`;
  const bytes = fileOf(files, 'second_path');
  if (bytes === undefined) {
    return equalBytes(extraData, binding)
      ? proven('extraData is the binding of key and chain', against)
      : failed('the second quote was made for another key or chain', against);
  }
  const path = parseMerklePath(bytes);
  const root = merkleRoot(binding, path);
  return root !== null && equalBytes(extraData, root)
    ? proven(`the binding of key and chain is one of the ${path.leafCount} that the quote stands for`, against)
    : failed('the path does not lead from the binding of key and chain to what was quoted', against);
}

/** The registers of two quotes belong together when the machine was not restarted between them. */
function sameRun(first: TpmQuote, second: TpmQuote): EvidenceCheck {
  const problem =
    first.qualifiedSigner !== second.qualifiedSigner
      ? 'the two quotes name different keys'
      : first.clock.resetCount !== second.clock.resetCount || first.clock.restartCount !== second.clock.restartCount
        ? 'the machine was restarted between the two quotes'
        : second.clock.milliseconds < first.clock.milliseconds
          ? 'the second quote is older than the first'
          : null;
  const finding = provenUnless(problem, 'reset count and restart count are the same, and the second is not older');
  return authenticity(`${PREFIX}.same_run`, 'Are both quotes of the same run of the machine?', finding);
}

function factsOf(parts: QuoteParts | null, prefix: string): EvidenceVerdict['facts'] {
  if (parts === null) return {};
  return Object.fromEntries(Object.entries(quoteFacts(parts)).map(([name, fact]) => [`${prefix}${name}`, fact]));
}
