import { type JsonObject, type JsonValue, member } from '@cmcp/evidence';
import { checkShown } from './definition-rules.ts';
import type { DraftResource } from './draft.ts';
import { Fields, type Place } from './fields.ts';
import { LABEL_MEMBERS, type RecordContext, readLabels } from './label-rules.ts';
import { SHA256 } from './server-rules.ts';
import type { CatalogResource } from './types.ts';
import { uriProblem } from './uri.ts';
import { parseUriTemplate } from './uri-template.ts';

/** A resource of our form, or a pattern of resources. */
export function readResource(raw: JsonValue, place: Place, context: RecordContext): DraftResource {
  const fields = new Fields(raw, place, [...LABEL_MEMBERS, 'uri', 'uri_template', 'digest']);
  const labels = readLabels(fields, context);
  const pattern = readPattern(fields);
  const contentDigest = fields.optionalText('digest', SHA256);
  if (pattern.kind === 'template' && contentDigest !== null) {
    throw place.at('digest').refuse('cannot pin what many URIs hold; remove it, or approve one "uri"');
  }
  return { ...labels, place, pattern, definition: readDefinition(fields, pattern), contentDigest };
}

function readPattern(fields: Fields): CatalogResource['pattern'] {
  const [uri, text] = [fields.optionalText('uri'), fields.optionalText('uri_template')];
  if (uri !== null && text !== null)
    throw fields.place.refuse('has "uri" and "uri_template"; keep the one that is meant');
  if (uri !== null) {
    const problem = uriProblem(uri);
    if (problem !== null) throw fields.place.at('uri').refuse(`${problem}; such a URI is never asked for`);
    return { kind: 'uri', uri };
  }
  if (text === null) throw fields.place.refuse('"uri" is missing; add it, or "uri_template" for a pattern of URIs');
  const template = parseUriTemplate(text);
  if ('problem' in template)
    throw fields.place.at('uri_template').refuse(`${template.problem}; write it in another way`);
  return { kind: 'template', template };
}

function readDefinition(resource: Fields, pattern: CatalogResource['pattern']): JsonObject {
  const definition = resource.object('definition');
  const place = resource.place.at('definition');
  const [key, expected] = pattern.kind === 'uri' ? ['uri', pattern.uri] : ['uriTemplate', pattern.template.text];
  if (member(definition, key) !== expected) {
    throw place.at(key).refuse(`must be "${expected}", as the record says`);
  }
  const name = member(definition, 'name');
  if (typeof name !== 'string') throw place.at('name').refuse('must be a string: MCP resources always have a name');
  checkShown(definition, place);
  return definition;
}
