import type { JsonObject } from '@cmcp/evidence';
import { loadCatalog } from '../../catalog/load.ts';
import type { Config } from '../../config/types.ts';
import { GatewayError } from '../../errors.ts';
import { type Bundle, loadBundle } from '../../policy/bundle.ts';
import { allows } from '../../policy/effect.ts';
import { createEngine, denied } from '../../policy/engine.ts';
import { sensitivityRanks } from '../../policy/sensitivity.ts';
import type { Decision, DecisionInput, PolicyEngine } from '../../policy/types.ts';
import { placeIn } from '../written.ts';
import { readScenario, type Vocabulary } from './scenario.ts';

/** A bundle with the genuine engine behind it, to be tried out. */
export interface Workpiece {
  bundle: Bundle;
  engine: PolicyEngine;
}

/**
 * The catalog and the vocabulary of the configuration.
 *
 * @throws GatewayError CATALOG_INVALID
 */
export async function openVocabulary(config: Config): Promise<Vocabulary> {
  const ranks = sensitivityRanks(config.vocabulary);
  return { catalog: await loadCatalog(config.catalog.path, ranks), ranks };
}

/**
 * Loads the bundle in `folder` for the catalog, runs `work` on it, and closes its engine.
 *
 * @throws GatewayError POLICY_INVALID
 */
export async function withBundle<T>(
  folder: string,
  { catalog }: Vocabulary,
  work: (piece: Workpiece) => T | Promise<T>,
): Promise<T> {
  const bundle = await loadBundle(folder);
  const engine = createEngine(bundle, catalog);
  try {
    return await work({ bundle, engine });
  } finally {
    engine.close();
  }
}

/** As the engine decides; what it refuses to be asked (ATK-13) is denied, as it is on the path. */
export function decided(engine: PolicyEngine, input: DecisionInput): Decision {
  try {
    return engine.decide(input);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { ...denied(`${error.code}: ${error.detail}`), unfit: true };
  }
}

/** There is an answer to decide on only where the request was passed on. */
export function isReached(engine: PolicyEngine, { response, ...request }: DecisionInput): boolean {
  return response === undefined || allows(decided(engine, request));
}

/** Null for what is no scenario. */
export function readOrNull(scenario: JsonObject, vocabulary: Vocabulary): DecisionInput | null {
  try {
    return readScenario(scenario, placeIn('a generated request', 'POLICY_INVALID'), vocabulary);
  } catch (error) {
    if (error instanceof GatewayError) return null;
    throw error;
  }
}
