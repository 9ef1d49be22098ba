/** Reports that no file here could get, for tests of how they are shown. Not part of the page. */
import type { Check, Outcome, Report } from '@cmcp/evidence';

/** The checks of a session on hardware, as far as showing them goes. */
const IDS = [
  'file.format',
  'claim.signature',
  'claim.key_names',
  'bundle.signature',
  'chain.hashes',
  'chain.links',
  'chain.bounds',
  'chain.checkpoints',
  'chain.extent',
  'session.commitments',
  'transcript.hash',
  'summary.counts',
  'key.pinned',
  'hardware.evidence',
  'hardware.root',
  'hardware.key',
  'hardware.chain',
  'hardware.measurement',
  'gateway.code',
  'policy.hash',
  'policy.mode',
  'catalog.hash',
];

/** A report in which all is proven, but for what `changes` says by id. */
export function reportWith(changes: Record<string, Partial<Check>>, relaxations: string[] = []): Report {
  const checks = [...new Set([...IDS, ...Object.keys(changes)])].map(
    (id): Check => ({ ...holding(id), ...changes[id] }),
  );
  const has = (outcome: Outcome): boolean => checks.some((check) => check.required && check.outcome === outcome);
  const open = has('asserted') || has('not checked');
  return {
    verdict: has('failed') ? 'refused' : open ? 'unverified' : 'verified',
    summary: '',
    session_id: null,
    claim: null,
    checks,
    relaxations,
    lacking: [],
    residual: [],
  };
}

function holding(id: string): Check {
  return { id, title: `${id}?`, outcome: 'proven', against: null, detail: 'it holds', required: true };
}
