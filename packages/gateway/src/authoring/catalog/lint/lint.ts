import type { JsonValue } from '@cmcp/evidence';
import { catalogJson, parseCatalog, readCatalogFile } from '../../../catalog/load.ts';
import type { Ranks } from '../../../policy/sensitivity.ts';
import type { Finding } from '../../finding.ts';
import { disguises } from './disguised-words.ts';
import { hiddenCharacters } from './hidden-characters.ts';
import { instructions } from './instructions.ts';
import { links } from './links.ts';
import { packages } from './packages.ts';
import { payloads } from './payloads.ts';
import { printable } from './plain-text.ts';
import type { Rule } from './rule.ts';
import { serverNames } from './server-names.ts';
import { shadowing } from './shadowing.ts';
import { subjectOf } from './subject.ts';

const RULES: readonly Rule[] = [
  instructions,
  hiddenCharacters,
  disguises,
  serverNames,
  packages,
  shadowing,
  payloads,
  links,
];
const SEVERITIES: readonly Finding['severity'][] = ['error', 'warning', 'info'];

/**
 * Reads a catalog file and lints it.
 *
 * @throws GatewayError CATALOG_INVALID for one that does not load: that is the first thing to mend
 */
export async function lintCatalogFile(path: string, ranks: Ranks): Promise<Finding[]> {
  const bytes = await readCatalogFile(path);
  parseCatalog(bytes, path, ranks);
  return lintCatalog(catalogJson(bytes, path));
}

/**
 * Looks for poison in a catalog that loads, of either form: what would tell a model to do something, what a reviewer does not
 * see, and what passes for something else. The worst come first. It finds what is known, in English; it clears nothing.
 */
export function lintCatalog(catalog: JsonValue): Finding[] {
  const subject = subjectOf(catalog);
  const found = RULES.flatMap((rule) => rule(subject)).map((each) => ({ ...each, where: printable(each.where) }));
  return SEVERITIES.flatMap((severity) => found.filter((finding) => finding.severity === severity));
}
