import { isObject, type JsonValue, member } from '@cmcp/evidence';
import type { Structures } from '../inspection/schema/structure.ts';
import { checkIcons } from './definition-rules.ts';
import { canonicalDigest } from './digests.ts';
import type { DraftTool } from './draft.ts';
import { Fields, type Place } from './fields.ts';
import { LABEL_MEMBERS, type RecordContext, readLabels } from './label-rules.ts';
import { CLIENT_NAME, RESERVED_NAMES, UPSTREAM_NAME } from './names.ts';

/** A tool of our form. */
export function readTool(raw: JsonValue, place: Place, context: RecordContext): DraftTool {
  const fields = new Fields(raw, place, [...LABEL_MEMBERS, 'upstream_name', 'alias', 'effects', 'cost']);
  const labels = readLabels(fields, context);
  const { name, server } = labels;
  if (RESERVED_NAMES.includes(name)) {
    throw place
      .at('name')
      .refuse(`"${name}" is the name of a policy action; choose another and keep it as "upstream_name"`);
  }
  const upstreamName = fields.optionalText('upstream_name', UPSTREAM_NAME) ?? name;
  return {
    ...labels,
    place,
    alias: fields.optionalText('alias', CLIENT_NAME),
    serverLabel: server.id,
    upstreamName,
    ...readDefinition(fields, upstreamName, context.structures),
    effects: fields.oneOf('effects', ['read', 'write']),
    cost: fields.count('cost', 1),
  };
}

type DefinitionParts = Pick<DraftTool, 'definition' | 'inputSchema' | 'structure' | 'pin'>;

function readDefinition(tool: Fields, upstreamName: string, structures: Structures): DefinitionParts {
  const whole = tool.object('definition');
  const place = tool.place.at('definition');
  if (member(whole, 'name') !== upstreamName) {
    throw place.at('name').refuse(`must be "${upstreamName}", the name under which the server offers the tool`);
  }
  const inputSchema = member(whole, 'inputSchema');
  if (!isObject(inputSchema)) throw place.at('inputSchema').refuse('must be an object: MCP tools always have one');
  const output = member(whole, 'outputSchema');
  if (output !== undefined && !isObject(output)) throw place.at('outputSchema').refuse('must be an object');
  const description = member(whole, 'description');
  if (description !== undefined && typeof description !== 'string')
    throw place.at('description').refuse('must be a string');
  checkIcons(whole, place);
  const { name: _name, ...definition } = whole;
  const structure = output === undefined ? null : structures.compile(output, place.at('outputSchema'));
  return { definition, inputSchema, structure, pin: { kind: 'whole', digest: canonicalDigest(whole) } };
}
