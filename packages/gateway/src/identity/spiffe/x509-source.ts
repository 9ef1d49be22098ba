import { buildChain, type Certificate, FormatError, parseCertificate, type TrustAnchor, uriNames } from '@cmcp/evidence';
import type { Caller } from '../../caller.ts';
import type { Clock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';
import type { IdentitySource, Presented } from '../types.ts';
import type { TrustBundle } from './bundle.ts';
import { chainProblem, svidProblem } from './svid.ts';
import { refused, type Workloads } from './workloads.ts';

/** What was found out about the chain of a connection: it holds for this bundle, and while every certificate is valid. */
interface Verdict {
  bundle: TrustBundle;
  /** Seconds since the epoch. */
  from: number;
  until: number;
  outcome: Caller | GatewayError;
}

/**
 * The workload whose X509-SVID this connection's handshake showed. It is decided anew for each request, against the bundle of its trust
 * domain as it is then: an authority that left the bundle, or a certificate that expired, ends the identity of connections that
 * are open. What TLS itself thinks of the chain counts for nothing.
 */
export class X509SvidSource implements IdentitySource {
  readonly #workloads: Workloads;
  readonly #bundleOf: (trustDomain: string) => TrustBundle;
  readonly #clock: Clock;
  /** By the certificates of a connection, which are the same object for all of its requests. */
  readonly #verdicts = new WeakMap<readonly Uint8Array[], Verdict>();

  constructor(workloads: Workloads, bundleOf: (trustDomain: string) => TrustBundle, clock: Clock) {
    this.#workloads = workloads;
    this.#bundleOf = bundleOf;
    this.#clock = clock;
  }

  async identify({ certificates }: Presented): Promise<Caller | null> {
    if (certificates === null) return null;
    const [leaf, ...pool] = readShown(certificates);
    if (leaf === undefined) return null;
    const uris = namesOf(leaf);
    // Another kind of certificate: who connects may show one only because `tls.client_ca` asks for it.
    if (!uris.some((uri) => /^spiffe:/i.test(uri))) return null;
    const problem = svidProblem(leaf);
    if (problem !== null) throw refused(problem);
    const id = this.#workloads.admit(uris[0] ?? '');
    const bundle = this.#bundleOf(id.trustDomain);
    const at = this.#clock.nowMicros() / 1e6;
    const known = this.#verdicts.get(certificates);
    const holds = known !== undefined && known.bundle === bundle && known.from <= at && at <= known.until;
    const verdict = holds ? known : await decide(leaf, pool, bundle, at, () => this.#workloads.callerOf(id, 'svid'));
    this.#verdicts.set(certificates, verdict);
    if (verdict.outcome instanceof GatewayError) throw verdict.outcome;
    return verdict.outcome;
  }

  /** A certificate is asked for by the handshake, and by no header. */
  challenge(): null {
    return null;
  }
}

async function decide(
  leaf: Certificate,
  pool: readonly Certificate[],
  bundle: TrustBundle,
  at: number,
  caller: () => Caller,
): Promise<Verdict> {
  const anchors = bundle.authorities.map(anchorOf);
  if (!bundle.authorities.some(({ notBefore, notAfter }) => notBefore <= at && at <= notAfter))
    throw new GatewayError('IDENTITY_UNAVAILABLE', 'no authority of the trust bundle is in force');
  const chain = await buildChain(leaf, pool, { anchors, purpose: 'spiffe', at });
  const problem = chain.ok ? chainProblem(chain.path, chain.weak) : chain.problem;
  // Whoever was refused may connect again: what could change in their favour is not waited for on this connection.
  if (!chain.ok || problem !== null)
    return { bundle, from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY, outcome: refused(problem ?? '') };
  const from = Math.max(...chain.path.map(({ notBefore }) => notBefore));
  const until = Math.min(...chain.path.map(({ notAfter }) => notAfter));
  return { bundle, from, until, outcome: caller() };
}

function anchorOf({ der, fingerprint, subject }: Certificate): TrustAnchor {
  return { name: subject.short, fingerprint, source: 'operator', purposes: ['spiffe'], assurance: 'unknown', certificate: der };
}

/** @throws GatewayError UNAUTHENTICATED: what cannot be read may be anything */
function readShown(certificates: readonly Uint8Array[]): Certificate[] {
  return readable(() => certificates.map((der) => parseCertificate(new Uint8Array(der))));
}

function namesOf(leaf: Certificate): string[] {
  return readable(() => uriNames(leaf));
}

function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) throw refused(`a certificate cannot be read: ${error.message}`);
    throw error;
  }
}
