import { GatewayError } from '../../errors.ts';
import type { Condition } from './condition.ts';
import { closeProcess, exposureConditions } from './exposure.ts';
import { launchConditions } from './launch.ts';
import { nativeCodeConditions } from './native-code.ts';
import type { ProcessFacts } from './process-facts.ts';

/** Closes what this process can close by itself, and looks at everything that could make it run other code or give its keys away. */
export async function processConditions(facts: ProcessFacts): Promise<Condition[]> {
  await closeProcess(facts);
  const loaded = [...(await launchConditions(facts)), ...(await nativeCodeConditions(facts))];
  return [...loaded, ...(await exposureConditions(facts))];
}

/**
 * What stands between a measurement and the code that really runs: nothing may be loaded besides what was measured, and nobody may
 * reach into the process. For everything outside dev mode.
 *
 * @returns what an operator should know, in plain words
 * @throws GatewayError PROCESS_UNSAFE that names each problem and how to fix it
 */
export async function guardProcess(facts: ProcessFacts): Promise<string[]> {
  const conditions = await processConditions(facts);
  const problems = conditions.filter(({ status }) => status === 'problem');
  if (problems.length > 0) throw new GatewayError('PROCESS_UNSAFE', problems.map(described).join('\n'));
  return conditions.filter(({ status }) => status === 'warning').map(described);
}

function described({ about, found, fix }: Condition): string {
  return [`${about}: ${found}.`, ...(fix === null ? [] : [fix])].join(' ');
}
