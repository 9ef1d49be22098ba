import { dirname, join } from 'node:path';
import { ownScript } from '../measurement/program.ts';
import { type Condition, ok, problem } from './condition.ts';
import { unsafeFlags } from './launch-flags.ts';
import { unsafeVariables } from './launch-variables.ts';
import type { ProcessFacts } from './process-facts.ts';

/** Libraries that the dynamic linker loads into every program (ld.so(8)). */
const PRELOAD_FILE = '/etc/ld.so.preload';

/** Whether this process was started with nothing that makes it run other code than its files hold. */
export async function launchConditions(facts: ProcessFacts): Promise<Condition[]> {
  return [program(facts), flags(facts), variables(facts), await preloaded(facts), await globalFolders(facts)];
}

/** The script has run before anything could be measured, so it must be one that is. */
function program({ program: given }: ProcessFacts): Condition {
  const about = 'program';
  const measured = ownScript();
  if (given !== null && given === measured) return ok(about, `${given}, which is measured`);
  const found = given === null ? 'Node.js was given no script that can be found' : `Node.js was given ${given}`;
  const fix = `Start \`cmcp\` itself${measured === null ? ', installed beside the gateway' : `, which is ${measured}`}.`;
  return problem(
    about,
    `${found}, which is not the command line of the gateway, so nothing measured what it does`,
    fix,
  );
}

function flags({ flags: given }: ProcessFacts): Condition {
  const about = 'flags of Node.js';
  const unsafe = unsafeFlags(given);
  if (unsafe.length === 0) return ok(about, given.length === 0 ? 'none' : `harmless: ${given.join(' ')}`);
  const fix = 'Start `cmcp` without them; only flags that can neither load code nor open the process are accepted.';
  return problem(about, `${unsafe.join(' ')} can change what code runs, or open the process to others`, fix);
}

function variables({ variables: given }: ProcessFacts): Condition {
  const about = 'variables';
  const unsafe = unsafeVariables(given);
  if (unsafe.length === 0) return ok(about, 'none that can change what code runs');
  const found = unsafe.map(({ name, why }) => `${name} is set: ${why}`).join('; ');
  const names = unsafe.map(({ name }) => name);
  return problem(
    about,
    found,
    `Unset them: unset ${names.join(' ')}. In a systemd unit: UnsetEnvironment=${names.join(' ')}`,
  );
}

async function preloaded({ platform, read }: ProcessFacts): Promise<Condition> {
  const about = 'preloaded libraries';
  if (platform !== 'linux') return ok(about, `${platform} has no ${PRELOAD_FILE}`);
  const libraries = (await read(PRELOAD_FILE))?.replace(/#.*$/gm, '').trim() ?? '';
  if (libraries === '') return ok(about, 'none');
  return problem(
    about,
    `${PRELOAD_FILE} makes the dynamic linker load ${libraries.split(/[\s:]+/).join(', ')} into every program`,
    `Empty ${PRELOAD_FILE}, or run the gateway where it does not apply, such as a container of its own.`,
  );
}

/** Where `require` looks for what it finds nowhere else (Node.js, "Loading from the global folders"). */
async function globalFolders({ variables: { HOME: home = '' }, executable, exists }: ProcessFacts): Promise<Condition> {
  const about = 'global folders';
  const folders = [join(dirname(dirname(executable)), 'lib/node')];
  if (home !== '') folders.push(join(home, '.node_modules'), join(home, '.node_libraries'));
  const there = await Promise.all(folders.map(exists));
  const found = folders.filter((_, index) => there[index]);
  if (found.length === 0) return ok(about, 'none that code could be loaded from');
  const why = `${found.join(', ')}: Node.js also looks for packages there, and nothing there is measured`;
  return problem(about, why, 'Remove them, or give the gateway a user and a Node.js of its own.');
}
