import { FormatError } from '../format-error.ts';
import { readJsonObject } from '../json/document.ts';
import { JsonError } from '../json/error.ts';
import { parseJson } from '../json/parse.ts';
import { isObject, type JsonValue, member } from '../json/value.ts';
import { openObject, text } from '../shape.ts';
import { bundleHash } from './bundle-hash.ts';
import { catalogHash } from './catalog-hash.ts';

// What the strict parser accepts has a canonical form: hashing it here needs no answer for a value that has none.

const FILES = openObject(text());

/**
 * `sha256:…` of a policy bundle that is embedded in a session file: a JSON object from the path of each file in the bundle to
 * its text (contracts section 6). An embedded bundle shows what was committed to, never what was approved.
 *
 * @throws FormatError
 */
export function embeddedBundleHash(document: string): string {
  const files = readJsonObject(document, 'the embedded policy');
  const problem = FILES(files, 'policy');
  if (problem !== null) throw new FormatError(problem);
  const texts = Object.entries(files as Record<string, string>).map(
    // Texts are hashed with universal newlines (wire-formats section 2).
    ([path, content]): [string, string] => [path, content.replaceAll(/\r\n?/g, '\n')],
  );
  const named = new Map(texts);
  const [manifest, schema] = [named.get('manifest.json'), named.get('schema.cedarschema')];
  if (manifest === undefined || schema === undefined) {
    throw new FormatError('the embedded policy lacks manifest.json or schema.cedarschema');
  }
  const policies = texts
    .filter(([path]) => path.endsWith('.cedar'))
    .map(([path, content]) => ({ path, text: content }));
  if (policies.length + 2 < texts.length)
    throw new FormatError('the embedded policy holds a file that is not of a bundle');
  return bundleHash(readJsonObject(manifest, 'manifest.json of the embedded policy'), policies, schema);
}

/** `sha256:…` of a catalog that is embedded in a session file as the text of its file. @throws FormatError */
export function embeddedCatalogHash(document: string): string {
  const catalog = parsed(document);
  if (!Array.isArray(catalog) && !isObject(catalog))
    throw new FormatError('the embedded catalog is neither list nor object');
  if (isObject(catalog) && member(catalog, 'catalog') !== 1)
    throw new FormatError('the embedded catalog has no version 1');
  return catalogHash(catalog);
}

function parsed(document: string): JsonValue {
  try {
    return parseJson(document);
  } catch (error) {
    if (error instanceof JsonError) throw new FormatError(`the embedded catalog is not strict JSON: ${error.message}`);
    throw error;
  }
}
