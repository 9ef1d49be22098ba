import { type Condition, type Environment, processConditions, warning } from '@cmcp/gateway';
import { certificateConditions } from './certificates.ts';
import { clockConditions } from './clock.ts';
import { readConfigured } from './configuration.ts';
import { evidenceConditions } from './evidence.ts';
import { machineConditions } from './machine.ts';
import { storageConditions } from './storage.ts';
import type { DoctorSystem } from './system.ts';

/** What was looked at together. */
export interface Section {
  title: string;
  conditions: Condition[];
}

/** Looks at everything that a gateway needs of its machine. Nothing is changed, and nothing is served. */
export async function examine(system: DoctorSystem, file: string | null, environment: Environment): Promise<Section[]> {
  const { config, conditions } = await readConfigured(file, environment);
  const process = await processConditions(system.process);
  return [
    { title: 'Configuration', conditions },
    { title: 'Machine', conditions: await machineConditions(system, config) },
    { title: 'Evidence', conditions: await evidenceConditions(system, config) },
    { title: 'Certificates', conditions: await certificateConditions(system, config) },
    { title: 'Time', conditions: await clockConditions(system) },
    { title: 'Process', conditions: config.dev ? process.map(tolerated) : process },
    { title: 'Storage', conditions: await storageConditions(system, config) },
  ];
}

/** Dev mode starts all the same. */
function tolerated(condition: Condition): Condition {
  return condition.status === 'problem' ? warning(condition.about, condition.found, condition.fix) : condition;
}
