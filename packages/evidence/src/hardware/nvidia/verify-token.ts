import { verifyJws } from '../../crypto/jws.ts';
import { type PublicKey, spkiOf } from '../../crypto/key.ts';
import { sha256Hex } from '../../crypto/sha256.ts';
import { type Finding, failed, notChecked, proven, provenUnless } from '../../finding.ts';
import { authenticity, type EvidenceCheck, type TrustedRoot } from '../verdict.ts';
import type { Claims, DetachedEat, Token } from './token.ts';

/** Who the NVIDIA Remote Attestation Service says it is, and what its overall tokens are about. */
const ISSUER = 'https://nras.attestation.nvidia.com';
const SUBJECT = 'NVIDIA-PLATFORM-ATTESTATION';

/**
 * Whether NVIDIA's service said what the tokens say: every token signed by ES384 under a key of the relying party's key set, and
 * all of them parts of one answer.
 *
 * @param keys by key identifier; null: the relying party brought none
 */
export async function verifyToken(
  eat: DetachedEat,
  keys: ReadonlyMap<string, PublicKey> | null,
): Promise<{ checks: EvidenceCheck[]; root: TrustedRoot | null }> {
  const signed = await signatures(eat, keys);
  const checks = [
    authenticity('nvidia.signature', 'Did a key of the attestation service sign every token?', signed),
    authenticity('nvidia.issuer', 'Does every token name the attestation service?', issuer(eat)),
    authenticity('nvidia.submodules', 'Are these the devices of the overall token, and all of them?', submodules(eat)),
    authenticity('nvidia.one_answer', 'Do all tokens answer one challenge?', oneAnswer(eat)),
  ];
  const key = keys?.get(eat.overall.jws.kid ?? '');
  return { checks, root: signed.outcome === 'proven' && key !== undefined ? rootOf(eat.overall, key) : null };
}

function rootOf({ jws }: Token<unknown>, key: PublicKey): TrustedRoot {
  const fingerprint = sha256Hex(spkiOf(key));
  return { name: `key ${jws.kid} of the attestation service`, fingerprint, source: 'key', assurance: 'unknown' };
}

/** Every token with the name that reports use for it. */
function named({ overall, devices }: DetachedEat): [string, Token<Claims>][] {
  return [['the overall token', overall], ...[...devices].map(nameDevice)];
}

function nameDevice([name, token]: [string, Token<Claims>]): [string, Token<Claims>] {
  return [`the token of ${name}`, token];
}

async function signatures(eat: DetachedEat, keys: ReadonlyMap<string, PublicKey> | null): Promise<Finding> {
  if (keys === null) return notChecked('no keys of the attestation service were supplied', '--file jwks=FILE');
  for (const [name, { jws }] of named(eat)) {
    const key = jws.kid === null ? undefined : keys.get(jws.kid);
    if (key === undefined) {
      return notChecked(`the supplied keys have none named ${jws.kid}, which signed ${name}`, '--file jwks=FILE');
    }
    const result = await verifyJws(jws, key, 'ES384');
    if (result === 'unsupported') return notChecked('nothing here can check ES384');
    if (result === 'invalid') return failed(`${name} is not signed by the key ${jws.kid} with ES384`);
  }
  return proven('every token is signed with ES384', 'the supplied keys');
}

function issuer(eat: DetachedEat): Finding {
  const other = named(eat).find(([, { claims }]) => claims.iss !== ISSUER);
  if (other !== undefined) return failed(`${other[0]} is of ${other[1].claims.iss}`, ISSUER);
  const { sub } = eat.overall.claims;
  return provenUnless(
    sub === SUBJECT ? null : `the overall token is about ${sub}`,
    'every token is of the attestation service',
    ISSUER,
  );
}

function submodules({ overall, devices }: DetachedEat): Finding {
  const listed = new Map(Object.entries(overall.claims.submods));
  const missing = [...listed.keys()].find((name) => !devices.has(name));
  if (missing !== undefined) return failed(`the token of ${missing} is missing`);
  for (const [name, token] of devices) {
    const digest = listed.get(name)?.[1][1];
    if (digest === undefined) return failed(`the overall token does not speak of ${name}`);
    if (sha256Hex(token.text) !== digest) return failed(`the token of ${name} is not the one of the overall token`);
  }
  return provenUnless(devices.size === 0 ? 'they speak of no device' : null, [...devices.keys()].join(', '));
}

function oneAnswer(eat: DetachedEat): Finding {
  const nonce = eat.overall.claims.eat_nonce.toLowerCase();
  const other = named(eat).find(([, { claims }]) => claims.eat_nonce.toLowerCase() !== nonce);
  return provenUnless(other === undefined ? null : `${other[0]} answers another challenge`, `all answer ${nonce}`);
}
