import { decodeHex, encodeHex } from '../../bytes/hex.ts';
import { EncodingError } from '../../bytes/utf8.ts';
import { hash } from '../../crypto/sha2.ts';
import { asserted, type Finding, failed, notChecked, proven } from '../../finding.ts';
import type { EvidenceVerdict } from '../verdict.ts';
import type { PlatformKind } from './claimed-evidence.ts';

/** The register that a measured loader extends once with the measurement of a gateway, before anything else can (attestation.md section 10). */
interface LaunchRegister {
  name: string;
  /** Lower-case hex; null when the evidence does not show it. */
  value: string | null;
  /** What it holds after one extension with these 32 bytes. */
  after(digest: Uint8Array): string;
}

/**
 * Whether the launch register holds the gateway that the relying party expects. It shows which program the loader recorded, to
 * whoever trusts the boot chain that the measurement of the platform names.
 *
 * @param expected `sha256:…`, the gateway measurement
 */
export function launchFinding(kind: PlatformKind, verdict: EvidenceVerdict, expected: string): Finding {
  const register = registerIn(kind, verdict);
  const digest = digestOf(expected);
  if (digest === null) return failed('the expected gateway measurement is no SHA-256 digest', expected);
  if (register === null) return asserted('this platform has no register that a loader could have recorded it in');
  const { name, value } = register;
  if (!verdict.authentic) return notChecked('the evidence is not shown to be authentic');
  if (value === null) return asserted(`the evidence does not show ${name}`, `evidence that covers ${name}`);
  if (value === register.after(digest)) return proven(`${name} holds it, and nothing else`, '--gateway-measurement');
  if (/^0+$/.test(value))
    return asserted(`${name} is empty: no loader recorded a gateway`, 'a gateway with a measured launch (ML1)');
  return failed(`${name} holds ${value}: another program, or more than one`, register.after(digest));
}

function registerIn(kind: PlatformKind, { facts, checks }: EvidenceVerdict): LaunchRegister | null {
  if (kind === 'sev-snp') return null;
  if (kind === 'tdx') return { name: 'RTMR 3', value: textFact(facts.rtmr3), after: rtmrAfter };
  // Of a session the second quote, and never the first, which covers firmware only; other evidence has one quote.
  const pair = checks.some(({ id }) => id.startsWith('tpm-second.'));
  const digest = pair ? 'tpm-second.pcr_digest' : `${kind}.pcr_digest`;
  const shown = checks.some(({ id, outcome }) => id === digest && outcome === 'proven');
  const said = pair ? facts.second_launch_register : facts.launch_register;
  return { name: 'PCR 13', value: shown ? textFact(said) : null, after: pcrAfter };
}

/** What PCR 13 holds after one extension of its initial value with `digest`, lower-case hex: TPM2_PCR_Extend of zeros, SHA-256(0^32 || digest). */
export function pcrAfter(digest: Uint8Array): string {
  return encodeHex(hash('sha256', Uint8Array.of(...new Uint8Array(32), ...digest)));
}

/** The same of RTMR 3: it takes 48 bytes, so it is extended with SHA-384 of the digest. */
export function rtmrAfter(digest: Uint8Array): string {
  const event = hash('sha384', Uint8Array.from(digest));
  return encodeHex(hash('sha384', Uint8Array.of(...new Uint8Array(48), ...event)));
}

function textFact(fact: unknown): string | null {
  return typeof fact === 'string' ? fact : null;
}

function digestOf(measurement: string): Uint8Array | null {
  try {
    const digest = decodeHex(measurement.replace(/^sha256:/, ''));
    return digest.length === 32 ? digest : null;
  } catch (error) {
    if (error instanceof EncodingError) return null;
    throw error;
  }
}
