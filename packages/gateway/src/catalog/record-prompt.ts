import { type JsonValue, member } from '@cmcp/evidence';
import { checkArguments, checkShown } from './definition-rules.ts';
import { canonicalDigest } from './digests.ts';
import type { DraftPrompt } from './draft.ts';
import { Fields, type Place } from './fields.ts';
import { LABEL_MEMBERS, type RecordContext, readLabels } from './label-rules.ts';
import { CLIENT_NAME, UPSTREAM_NAME } from './names.ts';
import { SHA256 } from './server-rules.ts';

/** A prompt of our form. */
export function readPrompt(raw: JsonValue, place: Place, context: RecordContext): DraftPrompt {
  const fields = new Fields(raw, place, [...LABEL_MEMBERS, 'upstream_name', 'alias', 'digest']);
  const labels = readLabels(fields, context);
  const upstreamName = fields.optionalText('upstream_name', UPSTREAM_NAME) ?? labels.name;
  return {
    ...labels,
    place,
    alias: fields.optionalText('alias', CLIENT_NAME),
    serverLabel: labels.server.id,
    upstreamName,
    ...readDefinition(fields, upstreamName),
    contentDigest: fields.optionalText('digest', SHA256),
  };
}

function readDefinition(prompt: Fields, upstreamName: string): Pick<DraftPrompt, 'definition' | 'pin'> {
  const whole = prompt.object('definition');
  const place = prompt.place.at('definition');
  if (member(whole, 'name') !== upstreamName) {
    throw place.at('name').refuse(`must be "${upstreamName}", the name under which the server offers the prompt`);
  }
  checkShown(whole, place);
  checkArguments(whole, place);
  const { name: _name, ...definition } = whole;
  return { definition, pin: { kind: 'whole', digest: canonicalDigest(whole) } };
}
