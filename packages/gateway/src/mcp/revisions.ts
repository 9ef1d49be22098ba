/** The revision that carries everything in each request. */
export const MODERN_REVISION = '2026-07-28';

/** The latest revision that begins with `initialize`; offered when a client asks for one that we do not speak. */
export const LATEST_HANDSHAKE_REVISION = '2025-11-25';

/** Revisions that begin with `initialize`, latest first. */
export const HANDSHAKE_REVISIONS: ReadonlySet<string> = new Set([
  LATEST_HANDSHAKE_REVISION,
  '2025-06-18',
  '2025-03-26',
]);

/** Everything that we speak, latest first. */
export const SUPPORTED_REVISIONS: readonly string[] = [MODERN_REVISION, ...HANDSHAKE_REVISIONS];
