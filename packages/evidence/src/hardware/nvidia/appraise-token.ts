import { type Finding, failed, notChecked, provenUnless } from '../../finding.ts';
import { utcText } from '../../time.ts';
import type { Reading } from '../files.ts';
import type { EvidenceGiven } from '../given.ts';
import { acceptability, type EvidenceCheck, remark } from '../verdict.ts';
import { challenge, counted, listed } from './appraise.ts';
import type { DetachedEat, DeviceClaims } from './token.ts';

/**
 * Whether the relying party accepts what NVIDIA's service says: in time, an answer to its challenge, success throughout, no device
 * open to debugging, all of them booted securely.
 *
 * @param nonce that the tokens should answer; null when none is known
 */
export function appraiseToken(
  eat: DetachedEat,
  nonce: Reading<Uint8Array | null>,
  given: EvidenceGiven,
): EvidenceCheck[] {
  const { overall, devices } = eat;
  const { driverVersions, vbiosVersions, gpus } = given.policy?.nvidia ?? {};
  const all = [...devices].map(([name, { claims }]) => ({ name, claims }));
  const cards = all.filter(({ name }) => name.startsWith('GPU-'));
  const said = utcText(overall.claims.iat);
  return [
    acceptability('nvidia.time', 'Are the tokens in force?', inForce(eat, given.at)),
    challenge(overall.claims.eat_nonce.toLowerCase(), nonce),
    acceptability('nvidia.result', 'Does the service say that all is well?', result(eat)),
    acceptability(
      'nvidia.debug',
      'Is every device closed to debugging?',
      every(all, ({ dbgstat }) => (dbgstat === 'disabled' ? null : `debugging is ${dbgstat ?? 'not spoken of'}`)),
    ),
    acceptability(
      'nvidia.secure_boot',
      'Did every device boot securely?',
      every(all, ({ secboot }) => (secboot === true ? null : 'it did not, or the token does not say so')),
    ),
    acceptability(
      'nvidia.gpu',
      'Is it about a GPU?',
      provenUnless(cards.length === 0 ? 'no device in it is a GPU' : null, cards.map(({ name }) => name).join(', ')),
    ),
    ...counted(cards.length, gpus),
    ...cards.flatMap(({ claims }) => [
      ...listed(
        'nvidia.driver',
        'Is the driver an allowed one?',
        claims['x-nvidia-gpu-driver-version'] ?? null,
        driverVersions,
      ),
      ...listed(
        'nvidia.vbios',
        'Is the VBIOS an allowed one?',
        claims['x-nvidia-gpu-vbios-version'] ?? null,
        vbiosVersions,
      ),
    ]),
    remark(
      'acceptable',
      'nvidia.measurements',
      'Are the measurements those of good firmware?',
      notChecked(
        `the service compared them at ${said}; comparing them here with reference values (RIM) is out of scope`,
      ),
    ),
    remark(
      'acceptable',
      'nvidia.revocation',
      'Has nothing been revoked since?',
      notChecked('a stored token shows what the service knew when it answered'),
    ),
  ];
}

function inForce({ overall, devices }: DetachedEat, at: number): Finding {
  const tokens = [overall.claims, ...[...devices.values()].map(({ claims }) => claims)];
  const early = tokens.find(({ nbf, iat }) => !(at >= nbf && at >= iat));
  if (early !== undefined) {
    return failed(`a token is in force from ${utcText(Math.max(early.nbf, early.iat))}, later than the clock says`);
  }
  const late = tokens.find(({ exp }) => !(at < exp));
  const problem = late === undefined ? null : `a token expired at ${utcText(late.exp)}`;
  const end = tokens.map(({ exp }) => exp).reduce((a, b) => Math.min(a, b));
  return provenUnless(problem, `until ${utcText(end)}`, "the relying party's clock");
}

function result({ overall, devices }: DetachedEat): Finding {
  if (!overall.claims['x-nvidia-overall-att-result']) return failed('the overall result is negative');
  const all = [...devices].map(([name, { claims }]) => ({ name, claims }));
  return every(all, ({ measres }) => {
    return measres === 'success' ? null : `the result of its measurements is ${measres ?? 'not spoken of'}`;
  });
}

/** The first device with a problem, named. */
function every(
  devices: readonly { name: string; claims: DeviceClaims }[],
  problem: (claims: DeviceClaims) => string | null,
): Finding {
  const bad = devices.find(({ claims }) => problem(claims) !== null);
  return provenUnless(
    bad === undefined ? null : `${bad.name}: ${problem(bad.claims)}`,
    devices.map(({ name }) => name).join(', '),
  );
}
