import { snpEvidence } from '../../packages/evidence/src/hardware/sev-snp/evidence.ts';
import { tpmEvidence } from '../../packages/evidence/src/hardware/tpm/evidence.ts';
import type { EvidenceVerdict } from '../../packages/evidence/src/hardware/verdict.ts';
import { makeSnp } from '../../packages/evidence/src/testing/snp.ts';
import { makeTpm, type TpmScheme } from '../../packages/evidence/src/testing/tpm.ts';
import type { EvidenceRow } from './evidence-cost.ts';
import { median, round } from './statistics.ts';

/** `node time-evidence.ts RUNS`: times evidence that is made here, under a root that is made here, and prints the rows. */
const runs = Number(process.argv[2]);
const AT = Date.UTC(2026, 6, 1) / 1000;

async function snp(): Promise<() => Promise<EvidenceVerdict>> {
  const { files, root } = await makeSnp();
  return () => snpEvidence(files, { at: AT, anchors: [root] });
}

async function tpm(scheme: TpmScheme): Promise<() => Promise<EvidenceVerdict>> {
  const device = await makeTpm({ scheme });
  const nonce = new Uint8Array(32).fill(0x5a);
  const files = { ...device.files, ...device.quote(nonce, 'sha256:0,1,2,3,4,5,6,7') };
  return () => tpmEvidence(files, { at: AT, anchors: [device.root], nonce });
}

async function timed(evidence: string, verify: () => Promise<EvidenceVerdict>): Promise<EvidenceRow> {
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const start = performance.now();
    const verdict = await verify();
    times.push(performance.now() - start);
    if (!verdict.authentic || verdict.acceptable === false) throw new Error(`${evidence}: ${verdict.summary}`);
  }
  const sorted = [...times].sort((a, b) => a - b);
  return {
    evidence,
    runs,
    median_ms: round(median(times)),
    p99_ms: round(sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN),
    first_ms: round(times[0] ?? Number.NaN),
  };
}

console.log(
  JSON.stringify([
    await timed('SEV-SNP report, VCEK, RSA-4096 chain', await snp()),
    await timed('TPM quote, ECDSA P-256', await tpm('ecdsa')),
    await timed('TPM quote, RSA-2048', await tpm('rsassa')),
  ]),
);
