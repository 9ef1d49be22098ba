import {
  buildChain,
  type Certificate,
  digest,
  FormatError,
  parseCertificate,
  type TrustAnchor,
  uriNames,
} from '@cmcp/evidence';
import type { Caller } from '../../caller.ts';
import type { Clock } from '../../clock.ts';
import { GatewayError } from '../../errors.ts';
import type { IdentitySource, Presented } from '../types.ts';
import type { TrustBundle } from './bundle.ts';
import type { SpiffeId } from './id.ts';
import { chainProblem, svidProblem } from './svid.ts';
import { refused, type Workloads } from './workloads.ts';

/** What a connection showed; null: no SVID at all. */
type Shown = { id: SpiffeId; leaf: Certificate; pool: Certificate[] } | null;

/** What was found out about the chain of a connection: it holds for this bundle, and while every certificate is valid. */
interface Verdict {
  bundle: TrustBundle;
  /** Seconds since the epoch. */
  from: number;
  until: number;
  /** Why it is refused; null: it is not. */
  problem: string | null;
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
  /** By the certificates of a connection, which are one object for all of its requests. */
  readonly #shown = new WeakMap<readonly Uint8Array[], Shown | GatewayError>();
  readonly #verdicts = new WeakMap<readonly Uint8Array[], Verdict>();

  constructor(workloads: Workloads, bundleOf: (trustDomain: string) => TrustBundle, clock: Clock) {
    this.#workloads = workloads;
    this.#bundleOf = bundleOf;
    this.#clock = clock;
  }

  async identify({ certificates }: Presented): Promise<Caller | null> {
    if (certificates === null) return null;
    const shown = this.#shownBy(certificates);
    if (shown === null) return null;
    const { problem, until } = await this.#verdictOf(certificates, shown);
    if (problem !== null) throw refused(problem);
    const expiresMicros = until * 1e6;
    return this.#workloads.callerOf(shown.id, 'svid', { expiresMicros, keyThumbprint: digest(shown.leaf.spki) });
  }

  /** A certificate is asked for by the handshake, and by no header. */
  challenge(): null {
    return null;
  }

  #shownBy(certificates: readonly Uint8Array[]): Shown {
    const before = this.#shown.get(certificates);
    const shown = before === undefined ? attempted(() => readShown(certificates, this.#workloads)) : before;
    this.#shown.set(certificates, shown);
    if (shown instanceof GatewayError) throw shown;
    return shown;
  }

  async #verdictOf(certificates: readonly Uint8Array[], shown: NonNullable<Shown>): Promise<Verdict> {
    const bundle = this.#bundleOf(shown.id.trustDomain);
    const at = this.#clock.nowMicros() / 1e6;
    if (!bundle.authorities.some(({ notBefore, notAfter }) => notBefore <= at && at <= notAfter))
      throw new GatewayError('IDENTITY_UNAVAILABLE', `no authority of ${shown.id.trustDomain} is in force`);
    const before = this.#verdicts.get(certificates);
    if (before?.bundle === bundle && before.from <= at && at <= before.until) return before;
    const verdict = await decide(shown, bundle, at);
    this.#verdicts.set(certificates, verdict);
    return verdict;
  }
}

async function decide({ leaf, pool }: NonNullable<Shown>, bundle: TrustBundle, at: number): Promise<Verdict> {
  const chain = await buildChain(leaf, pool, { anchors: bundle.authorities.map(anchorOf), purpose: 'spiffe', at });
  const problem = chain.ok ? chainProblem(chain.path, chain.weak) : chain.problem;
  const path = chain.ok && problem === null ? chain.path : [];
  // Without a path, for as long as the bundle stays: whoever was refused may connect again.
  const from = Math.max(...path.map(({ notBefore }) => notBefore));
  const until = Math.min(...path.map(({ notAfter }) => notAfter));
  return { bundle, from, until, problem };
}

function anchorOf({ der, fingerprint, subject }: Certificate): TrustAnchor {
  const name = subject.short;
  return { name, fingerprint, source: 'operator', purposes: ['spiffe'], assurance: 'unknown', certificate: der };
}

function attempted(read: () => Shown): Shown | GatewayError {
  try {
    return read();
  } catch (error) {
    // What cannot be read may be anything.
    if (error instanceof FormatError) return refused(`a certificate cannot be read: ${error.message}`);
    if (error instanceof GatewayError) return error;
    throw error;
  }
}

/** @throws GatewayError UNAUTHENTICATED @throws FormatError */
function readShown(certificates: readonly Uint8Array[], workloads: Workloads): Shown {
  const [leaf, ...pool] = certificates.map((der) => parseCertificate(new Uint8Array(der)));
  if (leaf === undefined) return null;
  const uris = uriNames(leaf);
  // Another kind of certificate, such as `tls.client_ca` asks for.
  if (!uris.some((uri) => /^spiffe:/i.test(uri))) return null;
  const problem = svidProblem(leaf);
  if (problem !== null) throw refused(problem);
  return { id: workloads.admit(uris[0] ?? ''), leaf, pool };
}
