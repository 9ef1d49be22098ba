import { writeFileSync } from 'node:fs';

/** `node --import usage.ts …`: at its end the process writes what it took to the file that CMCP_BENCH_USAGE names. */
process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  const usage: Usage = {
    ms: performance.now(),
    cpuMs: (user + system) / 1000,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
  writeFileSync(process.env.CMCP_BENCH_USAGE ?? '', JSON.stringify(usage));
});

export interface Usage {
  /** Since the process began. */
  ms: number;
  /** Time of all its threads on a core: says more than `ms` on a busy machine. */
  cpuMs: number;
  /** The most memory that it had at a time (resident set). */
  peakBytes: number;
}
