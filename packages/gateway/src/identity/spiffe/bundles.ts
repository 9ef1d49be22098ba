import { GatewayError } from '../../errors.ts';
import type { TrustBundle } from './bundle.ts';

/** Who is told of bundles. */
export interface BundleDeps {
  /** For operators: a code or event name, and what happened. */
  report: (event: string, detail: string) => void;
  /** Told of each bundle that takes another's place, or of none, once it is in force. */
  changed: (trustDomain: string, bundle: TrustBundle | null) => void;
}

/** Where bundles of trust domains come from. */
export interface BundleSource {
  /** The bundle in force now; null: there is none (yet), or the trust domain is not known here. The same object as long as it is the same bundle. */
  bundleOf(trustDomain: string): TrustBundle | null;
  /** Reads anew what can be read now. Rejects, and keeps what is in use, when it is no good. */
  reload(): Promise<void>;
  close(): void;
}

/** The bundle of a trust domain, from the first source that has one. @throws GatewayError IDENTITY_UNAVAILABLE */
export function bundleOf(sources: readonly BundleSource[], trustDomain: string): TrustBundle {
  for (const source of sources) {
    const bundle = source.bundleOf(trustDomain);
    if (bundle !== null) return bundle;
  }
  throw new GatewayError('IDENTITY_UNAVAILABLE', `there is no trust bundle of ${trustDomain} yet`);
}
