import type { JsonObject } from '@cmcp/evidence';
import type { Config } from '../../../config/types.ts';
import { readBundleFiles } from '../../../policy/bundle-files.ts';
import { linesOf } from '../../../policy/places.ts';
import type { DecisionInput } from '../../../policy/types.ts';
import { placeIn, readYaml } from '../../written.ts';
import { readScenario, type Vocabulary } from '../scenario.ts';
import { openVocabulary, withBundle } from '../workshop.ts';
import { type Explanation, explain } from './explain.ts';
import type { Explainable } from './study.ts';

/** Runs `work` on the configured bundle and catalog. @throws GatewayError POLICY_INVALID, CATALOG_INVALID */
export async function withExplainable<T>(
  config: Config,
  work: (piece: Explainable, vocabulary: Vocabulary) => Promise<T> | T,
): Promise<T> {
  const vocabulary = await openVocabulary(config);
  const { policies } = await readBundleFiles(config.policy.path);
  return withBundle(config.policy.path, vocabulary, (piece) =>
    work({ ...piece, lines: linesOf(policies, piece.bundle.policies) }, vocabulary),
  );
}

/**
 * Explains the one request that YAML text describes.
 *
 * @param file how messages call the text
 * @throws GatewayError POLICY_INVALID, CATALOG_INVALID, INVALID_PARAMS for the text
 */
export function explainScenario(config: Config, text: string, file: string): Promise<Explanation> {
  return explained(config, (vocabulary) => {
    const { value, place } = readYaml(text, file, 'INVALID_PARAMS');
    return readScenario(value, place, vocabulary);
  });
}

/** As {@link explainScenario}, of a request whose members are given one by one. */
export function explainRequest(config: Config, scenario: JsonObject): Promise<Explanation> {
  const place = placeIn('the request', 'INVALID_PARAMS');
  return explained(config, (vocabulary) => readScenario(scenario, place, vocabulary));
}

function explained(config: Config, read: (vocabulary: Vocabulary) => DecisionInput): Promise<Explanation> {
  return withExplainable(config, (piece, vocabulary) => explain(piece, vocabulary.catalog, read(vocabulary)));
}
