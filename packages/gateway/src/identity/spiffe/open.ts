import type { Clock } from '../../clock.ts';
import type { SpiffeConfig } from '../../config/spiffe.ts';
import type { Timers } from '../../timers.ts';
import { monotonicTimers } from '../../upstream/monotonic.ts';
import type { IdentitySource } from '../types.ts';
import { bundleDigest, type TrustBundle } from './bundle.ts';
import { type BundleDeps, type BundleSource, bundleOf } from './bundles.ts';
import { FileBundles } from './file-bundles.ts';
import { JwtSvidSource } from './jwt-source.ts';
import { WorkloadApi } from './workload-api.ts';
import { workloadClient } from './workload-client.ts';
import { Workloads } from './workloads.ts';
import { X509SvidSource } from './x509-source.ts';

export interface SpiffeDeps {
  clock: Clock;
  timers: Timers;
  /** For operators: a code or event name, and what happened. */
  report: (event: string, detail: string) => void;
  /** Told of the bundle of each trust domain, by its digest, and of each that takes its place; null: there is none. */
  onBundle: (trustDomain: string, digest: string | null) => void;
  /** Issuers whose tokens are never JWT-SVIDs. */
  otherIssuers: readonly string[];
}

/** The credentials of workloads, and what they are verified with. */
export interface Spiffe {
  readonly sources: readonly IdentitySource[];
  /** Reads bundle files now. Rejects with TLS_INVALID, and keeps what is in use of those that are no good. */
  reload(): Promise<void>;
  close(): void;
}

/** @throws GatewayError TLS_INVALID when a bundle file is no good */
export async function openSpiffe(config: SpiffeConfig, deps: SpiffeDeps): Promise<Spiffe> {
  const changed = (domain: string, bundle: TrustBundle | null): void => {
    const digest = bundle && bundleDigest(bundle);
    deps.report('identity.bundle_changed', `the trust bundle of ${domain} is ${digest ?? 'withdrawn'}`);
    deps.onBundle(domain, digest);
  };
  const bundles = await openBundles(config, { ...deps, changed });
  const workloads = new Workloads(config);
  const bundle = (trustDomain: string) => bundleOf(bundles, trustDomain);
  const { audience } = config;
  const tokens = audience === null ? [] : [new JwtSvidSource({ ...deps, workloads, bundleOf: bundle, audience })];
  return {
    sources: [new X509SvidSource(workloads, bundle, deps.clock), ...tokens],
    async reload() {
      for (const each of bundles) await each.reload();
    },
    close() {
      for (const each of bundles) each.close();
    },
  };
}

/** Each trust domain has one source: a file that is wrong is not made up for by an agent. */
async function openBundles(config: SpiffeConfig, deps: SpiffeDeps & BundleDeps): Promise<BundleSource[]> {
  const domains = Object.entries(config.trustDomains);
  const files = domains.flatMap(([domain, { bundle }]) => (bundle === null ? [] : [[domain, bundle] as const]));
  const asked = domains.flatMap(([domain, { bundle }]) => (bundle === null ? [domain] : []));
  const ofFiles = await FileBundles.open(new Map(files), deps);
  for (const [domain] of files) {
    const bundle = ofFiles.bundleOf(domain);
    if (bundle !== null) deps.onBundle(domain, bundleDigest(bundle));
  }
  if (config.workloadApi === null) return [ofFiles];
  const open = await workloadClient(config.workloadApi);
  return [ofFiles, new WorkloadApi(asked, config.audience !== null, { ...deps, open, timers: monotonicTimers })];
}
