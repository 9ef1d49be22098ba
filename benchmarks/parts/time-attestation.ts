import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Attestor } from '../../packages/gateway/src/attestation/attestor.ts';
import { openTpmProvider } from '../../packages/gateway/src/attestation/tpm/provider.ts';
import { openTpm } from '../../packages/gateway/src/attestation/tpm/tpm.ts';
import { systemTsmFs } from '../../packages/gateway/src/attestation/tsm/fs.ts';
import { openSevSnpProvider } from '../../packages/gateway/src/attestation/tsm/sev-snp.ts';
import { openTdxProvider } from '../../packages/gateway/src/attestation/tsm/tdx.ts';
import type { EvidenceProvider } from '../../packages/gateway/src/attestation/types.ts';
import type { AuditLog } from '../../packages/gateway/src/audit/types.ts';
import { openAuditLog } from '../../packages/gateway/src/audit/worker-log.ts';
import { systemClock } from '../../packages/gateway/src/clock.ts';
import { noSoftwareTpm, startSoftwareTpm } from '../../tests/support/software-tpm.ts';
import { HASTY, snpMachine, tdxMachine } from '../../tests/support/tsm-double.ts';
import type { AttestationRow, AttestedPlatform } from './attestation-cost.ts';
import { median, round } from './statistics.ts';

/** `node time-attestation.ts PLATFORM STARTS SESSIONS`: times one platform and prints its row. */
const [platform = '', starts = '', sessions = ''] = process.argv.slice(2);

interface Bench {
  /** null: no platform, a software key. */
  open: (() => Promise<EvidenceProvider>) | null;
  close: () => void;
}

const BENCHES: Record<AttestedPlatform, () => Promise<Bench>> = {
  'software-only': async () => ({ open: null, close: () => undefined }),
  tpm: async () => {
    const absent = noSoftwareTpm();
    if (absent !== null) throw new Error(absent);
    const device = startSoftwareTpm();
    const files = { files: systemTsmFs, eventLog: '/nowhere', issuers: '/nowhere', report: () => undefined };
    const open = () => openTpmProvider({ tpm: openTpm(device.address), akCertificate: null, ...files });
    return { open, close: () => device.stop() };
  },
  'sev-snp': async () => {
    const { double, collateral } = await snpMachine();
    return { open: () => openSevSnpProvider({ ...HASTY, fs: double, collateral }), close: () => undefined };
  },
  tdx: async () => {
    const { double, collateral } = await tdxMachine();
    return { open: () => openTdxProvider({ ...HASTY, fs: double, collateral }), close: () => undefined };
  },
};

async function timed(runs: number, work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return times;
}

/** The platform opened, and its first evidence: what a gateway waits for when it starts. */
async function attestationAtStart({ open }: Bench): Promise<void> {
  if (open === null) return;
  const provider = await open();
  await provider.collect([randomBytes(64)]);
  await provider.close();
}

/** A session opened in the audit log on disk, in its worker, as a caller waits for it. */
async function sessionStart(log: AuditLog): Promise<void> {
  await log.openSession({
    sessionId: randomUUID(),
    kind: 'session',
    subject: 'agent',
    callerSource: 'bearer',
    exposureClass: 'public',
    detail: { bundle_hash: 'sha256:0', catalog_hash: 'sha256:0', mode: 'enforcing' },
  });
}

async function sessionTimes(provider: EvidenceProvider | null, runs: number): Promise<number[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'cmcp-bench-'));
  const attest = provider && new Attestor(provider, systemClock, 3_600_000).attest;
  const log = await openAuditLog({ dataDir, ranks: new Map(), gatewayVersion: '0' }, attest);
  try {
    return await timed(runs, () => sessionStart(log));
  } finally {
    await log.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const p99 = (times: readonly number[]): number =>
  [...times].sort((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN;

const name = platform as AttestedPlatform;
const bench = await BENCHES[name]();
const atStart = await timed(Number(starts), () => attestationAtStart(bench));
const provider = bench.open === null ? null : await bench.open();
const plain = await sessionTimes(null, Number(sessions));
const attested = await sessionTimes(provider, Number(sessions));
await provider?.close();
bench.close();
const row: AttestationRow = {
  platform: name,
  starts: atStart.length,
  at_start_median_ms: round(median(atStart)),
  at_start_p99_ms: round(p99(atStart)),
  sessions: attested.length,
  session_start_median_ms: round(median(attested)),
  session_start_p99_ms: round(p99(attested)),
  added_to_session_start_median_ms: round(median(attested) - median(plain)),
};
console.log(JSON.stringify(row));
