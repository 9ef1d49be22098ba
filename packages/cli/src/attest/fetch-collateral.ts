import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SNP_PRODUCTS, type SnpProduct } from '@cmcp/evidence';
import type { CollateralSubject } from '@cmcp/gateway/collateral';
import type { Action } from '../action.ts';
import type { Arguments } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { PURPOSES, readAnchors } from '../evidence/given.ts';
import { EXIT, type Io, UsageError } from '../io.ts';
import { OUT_OPTION, ROOT_OPTION } from './options.ts';

export const fetchCollateralAction: Action = {
  name: 'fetch-collateral',
  usage: 'fetch-collateral [--out DIR] [--report FILE|--quote FILE] …',
  description: [
    'Gets the certificates and revocation lists that evidence of a confidential VM is checked with, and stores them where the',
    'gateway looks (`attestation.collateral`). No other command asks AMD or Intel for anything. Run it on the',
    'machine, or anywhere with a report or a quote of it; and again when lists run out, or after an update of firmware.',
    'What comes is checked against the pinned roots before it is stored: all of it, or nothing.',
  ],
  options: {
    out: OUT_OPTION,
    report: { value: 'FILE', help: 'A SEV-SNP report of the machine, in place of asking this one.' },
    quote: { value: 'FILE', help: 'A TDX quote of the machine, in place of asking this one.' },
    product: { value: 'NAME', help: `The processor, which old reports do not say: ${SNP_PRODUCTS.join(', ')}.` },
    kds: { value: 'URL', help: "A key distribution service in place of AMD's." },
    pcs: { value: 'URL', help: "A provisioning certification service, or a cache of one, in place of Intel's." },
    root: ROOT_OPTION,
  },
  examples: [
    ['cmcp attest fetch-collateral --config cmcp.yaml', 'On a confidential VM: what its evidence needs'],
    ['cmcp attest fetch-collateral --quote quote.bin --out collateral', 'Anywhere, for the machine of this quote'],
  ],
  async run(positionals, given, io) {
    if (positionals.length > 0)
      throw new UsageError('fetch-collateral takes no file; name one with --report or --quote');
    const product = productOf(given);
    const { fetchCollateral, networkFetcher, systemTimers } = await import('@cmcp/gateway/collateral');
    const subject = await subjectOf(given);
    const folder = await folderOf(given, io);
    const request = { subject, folder, product, kds: given.one('kds'), pcs: given.one('pcs') };
    const downloads = { fetch: networkFetcher(systemTimers), say: (line: string) => io.err(`${line}\n`) };
    const trust = { anchors: await readAnchors(given, PURPOSES[subject.kind]), at: Math.floor(Date.now() / 1000) };
    const files = await fetchCollateral(request, downloads, trust);
    const text = files.map((file) => `  ${file}\n`).join('');
    io.out(
      given.has('json')
        ? `${JSON.stringify({ folder, files }, null, 2)}\n`
        : `Checked, and stored in ${folder}:\n${text}`,
    );
    return EXIT.done;
  },
};

function productOf(given: Arguments): SnpProduct | null {
  const name = given.one('product');
  const product = SNP_PRODUCTS.find((each) => each === name) ?? null;
  if (name !== null && product === null) throw new UsageError(`--product takes one of ${SNP_PRODUCTS.join(', ')}`);
  return product;
}

/** The evidence that names the platform: a file, or else this machine's own. */
async function subjectOf(given: Arguments): Promise<CollateralSubject> {
  const { machineSubject, quoteSubject, reportSubject, systemTimers, systemTsmFs } = await import(
    '@cmcp/gateway/collateral'
  );
  const [report, quote] = [given.one('report'), given.one('quote')];
  if (report !== null && quote !== null)
    throw new UsageError('--report and --quote are of different machines: give one');
  refuseIdle(given, report !== null ? ['pcs'] : quote !== null ? ['kds', 'product'] : []);
  if (report !== null) return reportSubject(new Uint8Array(await readFile(report)));
  if (quote !== null) return quoteSubject(new Uint8Array(await readFile(quote)));
  return machineSubject({ fs: systemTsmFs, base: '', random: randomBytes, timers: systemTimers });
}

function refuseIdle(given: Arguments, names: readonly string[]): void {
  const idle = names.find((name) => given.one(name) !== null);
  if (idle !== undefined) throw new UsageError(`--${idle} is for the other kind of processor than the file is of`);
}

/** The folder to fill: the one that is named, or else the one where the configured gateway looks. */
async function folderOf(given: Arguments, io: Io): Promise<string> {
  const out = given.one('out');
  if (out !== null) return resolve(out);
  const { readConfig, readEnvironment } = await import('@cmcp/gateway');
  const config = await readConfig(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
  return config.attestation.collateral;
}
