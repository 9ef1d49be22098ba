import { readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isObject, parseJson, type SessionFile, stringifyJson } from '@cmcp/evidence';
import { z } from 'zod';
import { type Cmcp, run } from '../cmcp.ts';
import { flipOneByte, forge } from '../forgery.ts';
import type { Decided, Facts, Outcome, Teller } from '../teller.ts';
import type { Workspace } from '../workspace.ts';
import type { Recorded } from './govern.ts';
import type { Approved } from './set-up.ts';

const Report = z.object({
  verified: z.boolean(),
  files: z.array(
    z.object({
      file: z.string(),
      verdict: z.string(),
      summary: z.string(),
      relaxations: z.array(z.string()),
      checks: z.array(z.object({ id: z.string(), title: z.string(), outcome: z.string(), detail: z.string() })),
    }),
  ),
});

type Report = z.infer<typeof Report>;

interface World {
  teller: Teller;
  cmcp: Cmcp;
  workspace: Workspace;
  approved: Approved;
}

/** Verifies the record offline, and two altered copies of it. */
export async function prove(world: World, recorded: Recorded): Promise<void> {
  const [first] = recorded.sessionFiles;
  const text = await readFile(first, 'utf8');
  await verified(world, recorded);
  await refusedFlip(world, recorded, text);
  await refusedForgery(world, recorded, text);
}

/** The arguments of the real question: which key, which policy, which catalog. */
export function verifyArguments(files: readonly string[], { keyFile }: Recorded, approved: Approved): string[] {
  const pins = ['--policy-hash', approved.policyHash, '--catalog-hash', approved.catalogHash];
  return ['verify', ...files, '--accept-software', '--key', keyFile, ...pins];
}

function verified(world: World, recorded: Recorded): Promise<void> {
  const files = recorded.sessionFiles;
  return world.teller.step(
    {
      id: 'verify',
      chapter: 'prove',
      title: 'The two session files, as they are',
      asked: shown(world, verifyArguments(files, recorded, world.approved)),
      expected: { decided: 'verified', facts: { files: files.length, approvals: 'proven' } },
    },
    async () => {
      const report = await ask(world, files, recorded);
      const proven = report.files.flatMap(({ checks }) => checks.filter(({ outcome }) => outcome === 'proven'));
      const outcome = outcomeOf(report);
      const told = report.files.flatMap(({ checks }) => checks.filter(({ id }) => id.startsWith('approvals.')));
      const approvals = told.find(({ id }) => id === 'approvals.chain')?.outcome ?? null;
      const who = told.find(({ id }) => id === (recorded.granted ? 'approvals.call.1' : 'approvals.chain'))?.detail;
      return {
        ...outcome,
        why: `${proven.length} checks are proven: every entry, every link, every signature, the approved policy and catalog. The approval: ${who ?? 'lost'}. The relaxation is said with it: no hardware stands behind the key.`,
        facts: { ...outcome.facts, proven: proven.length, approvals },
      };
    },
  );
}

function refusedFlip(world: World, recorded: Recorded, text: string): Promise<void> {
  const copy = join(world.workspace.altered, 'one-bit.cmcp.json');
  const { bytes, offset } = flipOneByte(text, recorded.customerCall);
  return world.teller.step(
    {
      id: 'flipped-byte',
      chapter: 'prove',
      title: `A copy with one bit changed, in byte ${offset} of ${bytes.length}`,
      asked: shown(world, verifyArguments([copy], recorded, world.approved)),
      expected: { decided: 'refused', facts: { first_failed: 'chain.hashes' } },
    },
    async () => {
      await writeFile(copy, bytes);
      const outcome = outcomeOf(await ask(world, [copy], recorded));
      return { ...outcome, why: `${outcome.why} The entry names another tool than the one that was hashed.` };
    },
  );
}

function refusedForgery(world: World, recorded: Recorded, text: string): Promise<void> {
  const copy = join(world.workspace.altered, 'forged.cmcp.json');
  return world.teller.step(
    {
      id: 'forged',
      chapter: 'prove',
      title: 'A perfect forgery: an entry rewritten, all hashes computed anew, all signed with another key',
      asked: shown(world, verifyArguments([copy], recorded, world.approved)),
      expected: { decided: 'refused', facts: { failed: ['key.pinned'] } },
    },
    async () => {
      await writeFile(copy, stringifyJson(forge(sessionFileOf(text), recorded.customerCall)));
      const outcome = outcomeOf(await ask(world, [copy], recorded));
      return {
        ...outcome,
        why: `${outcome.why} Nothing else is wrong with it: only the pinned key tells it from the truth.`,
      };
    },
  );
}

async function ask(world: World, files: readonly string[], recorded: Recorded): Promise<Report> {
  const { code, stdout, stderr } = await run(world.cmcp, [
    ...verifyArguments(files, recorded, world.approved),
    '--json',
  ]);
  if (code !== 0 && code !== 1) throw new Error(`cmcp verify ended with ${code}: ${stderr.trim()}`);
  const report = Report.parse(JSON.parse(stdout));
  if (report.verified !== (code === 0))
    throw new Error(`cmcp verify ended with ${code} and says verified: ${report.verified}`);
  return report;
}

function outcomeOf({ files }: Report): Outcome & { result: undefined } {
  const failed = files.flatMap(({ checks }) => checks.filter(({ outcome }) => outcome === 'failed'));
  const verdicts = files.map(({ verdict }) => verdict);
  const facts: Facts = {
    files: files.length,
    verdicts,
    failed: failed.map(({ id }) => id),
    first_failed: failed[0]?.id ?? null,
    relaxations: [...new Set(files.flatMap(({ relaxations }) => relaxations))],
  };
  const by = failed.map(({ id }) => id);
  return {
    decided: decidedOf(verdicts),
    by,
    by_kind: by.length > 0 ? 'check' : null,
    why: files.map(({ summary }) => summary).join(' '),
    facts,
    result: undefined,
  };
}

function decidedOf(verdicts: readonly string[]): Decided {
  if (verdicts.every((verdict) => verdict === 'verified')) return 'verified';
  return verdicts.includes('refused') ? 'refused' : 'not verified';
}

/** A command as the person would type it in the demo's folder, digests cut short. */
function shown({ workspace }: World, args: readonly string[]): string {
  const short = args.map((arg) => {
    if (arg.startsWith('sha256:')) return `${arg.slice(0, 'sha256:'.length + 8)}…`;
    return arg.startsWith(workspace.root) ? relative(workspace.root, arg) : arg;
  });
  return `cmcp ${short.join(' ')}`;
}

function sessionFileOf(text: string): SessionFile {
  const value = parseJson(text);
  if (!isObject(value)) throw new Error('the session file is not a JSON object');
  return value as SessionFile;
}
