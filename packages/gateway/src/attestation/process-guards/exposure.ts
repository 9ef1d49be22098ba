import { type Condition, ok, problem, warning } from './condition.ts';
import type { ProcessFacts } from './process-facts.ts';

/** Which memory a core dump holds, one bit a kind (core(5)). A process may narrow its own; its children inherit it. */
const DUMP_FILTER = '/proc/self/coredump_filter';
const LIMITS = '/proc/self/limits';
const CORE_PATTERN = '/proc/sys/kernel/core_pattern';
const STATUS = '/proc/self/status';
const PTRACE_SCOPE = '/proc/sys/kernel/yama/ptrace_scope';

/** Closes what a process can close by itself: the signal that starts the inspector, and the memory in core dumps. */
export async function closeProcess({ platform, ignoreSignal, write }: ProcessFacts): Promise<void> {
  // Node.js starts its inspector on this signal unless somebody listens for it (Node.js, "Signal events").
  if (platform !== 'win32') ignoreSignal('SIGUSR1');
  if (platform === 'linux') await write(DUMP_FILTER, '0');
}

/** Whether others can look into the memory of this process, where the claim key lies. */
export async function exposureConditions(facts: ProcessFacts): Promise<Condition[]> {
  return [inspector(facts), await coreDumps(facts), await tracer(facts), await tracing(facts), user(facts)];
}

function inspector({ inspectorUrl }: ProcessFacts): Condition {
  const about = 'inspector';
  const url = inspectorUrl();
  if (url === undefined) return ok(about, 'off, and SIGUSR1 does not start it');
  const fix = 'Start without --inspect, and find out who sent SIGUSR1 to this process.';
  return problem(about, `listens at ${url}: who connects can run code here and read the claim key`, fix);
}

async function coreDumps({ platform, read }: ProcessFacts): Promise<Condition> {
  const about = 'core dumps';
  const fix = 'Set `ulimit -c 0` before starting; in a systemd unit: LimitCORE=0';
  if (platform !== 'linux') return warning(about, `whether ${platform} writes any cannot be told`, fix);
  if (/^0+$/.test((await read(DUMP_FILTER))?.trim() ?? '')) return ok(about, 'hold no memory (coredump_filter is 0)');
  const limit = /^Max core file size +(\S+)/m.exec((await read(LIMITS)) ?? '')?.[1];
  const piped = ((await read(CORE_PATTERN)) ?? '').startsWith('|');
  // A program that the kernel pipes dumps to gets them whatever the limit is (core(5)).
  if (limit === '0' && !piped) return ok(about, 'off (the limit is 0)');
  const found = limit === undefined ? 'whether they are written cannot be told' : `are written (the limit is ${limit})`;
  return problem(about, `${found}, and would hold the claim key`, fix);
}

async function tracer({ platform, read }: ProcessFacts): Promise<Condition> {
  const about = 'tracer';
  if (platform !== 'linux') return warning(about, `whether one is attached cannot be told on ${platform}`, null);
  const pid = /^TracerPid:\s*(\d+)$/m.exec((await read(STATUS)) ?? '')?.[1];
  if (pid === '0') return ok(about, 'none is attached');
  const fix = 'Start the gateway outside of debuggers and of tools such as strace.';
  if (pid === undefined) return problem(about, `${STATUS} does not say whether one is attached`, fix);
  return problem(about, `process ${pid} is attached and can read the claim key`, fix);
}

/** Only the system can forbid what a program may do to others of its user (Yama, "ptrace_scope"). */
async function tracing({ platform, read }: ProcessFacts): Promise<Condition> {
  const about = 'tracing by others';
  const fix = 'Set kernel.yama.ptrace_scope to 2 with sysctl, and give the gateway a user of its own.';
  if (platform !== 'linux') return warning(about, `whether it is restricted cannot be told on ${platform}`, null);
  const scope = (await read(PTRACE_SCOPE))?.trim() ?? null;
  if (scope === '2' || scope === '3') return ok(about, `forbidden to all but root (ptrace_scope is ${scope})`);
  if (scope === '1') return ok(about, 'only by a parent process or root (ptrace_scope is 1)');
  const found = scope === null ? 'this kernel has no ptrace_scope' : `ptrace_scope is ${scope}`;
  return warning(about, `${found}, so other programs of this user can read the claim key`, fix);
}

function user({ user: id }: ProcessFacts): Condition {
  const about = 'user';
  if (id !== 0) return ok(about, id === null ? 'this system has no root user' : `runs as user ${id}, not as root`);
  const fix = 'Give the gateway a user of its own, in the group of the TPM device where it uses one (usually tss).';
  return warning(about, 'runs as root, so a fault in it is a fault of the whole machine', fix);
}
