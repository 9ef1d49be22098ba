import type { DocumentKind } from '@cmcp/evidence';
import type { Arguments } from '../arguments.ts';
import { UsageError } from '../io.ts';

type Kind = DocumentKind | 'session';

const NAMES: Record<Kind, string> = {
  session: 'a session',
  'trust-record': 'a Trust Record',
  'provenance-record': 'a provenance record',
  'agent-manifest': 'an Agent Manifest',
};

/** What options are about that are not about every kind of file. */
const ABOUT: Record<string, readonly Kind[]> = {
  challenge: ['trust-record'],
  level: ['trust-record'],
  tools: ['provenance-record'],
  'provenance-kind': ['provenance-record'],
  'agent-manifest': ['session'],
  'manifest-keys': ['session', 'agent-manifest'],
  'manifest-revocations': ['session', 'agent-manifest'],
  'delegation-key': ['session', 'agent-manifest'],
  'evidence-policy': ['session'],
  'gpu-service-keys': ['session'],
  'min-evidence-class': ['session'],
  action: ['session'],
  'controller-key': ['session'],
  receipt: ['session'],
  reviewers: ['session'],
  'catalog-approval': ['session'],
  'policy-approval': ['session'],
  approvers: ['session'],
  'approver-key': ['session'],
};

/** What says how manifests are judged. */
const WITH_MANIFEST = ['manifest-keys', 'manifest-revocations', 'delegation-key'] as const;

/**
 * An expectation that no file could be held against must not look met.
 * @throws UsageError for an option that is about none of the files, or lacks its companion
 */
export function refuseIdle(given: Arguments, kinds: ReadonlySet<Kind>): void {
  for (const [name, about] of Object.entries(ABOUT)) {
    if (given.one(name) === null && given.many(name).length === 0) continue;
    if (about.some((kind) => kinds.has(kind))) continue;
    throw new UsageError(`--${name} is about ${about.map((kind) => NAMES[kind]).join(' or ')}, and no file is one`);
  }
  const about = WITH_MANIFEST.find((name) => given.one(name) !== null || given.many(name).length > 0);
  if (about !== undefined && given.one('agent-manifest') === null && !kinds.has('agent-manifest'))
    throw new UsageError(`--${about} goes with --agent-manifest`);
}
