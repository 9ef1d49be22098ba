import { CALLER_SOURCES, type Caller } from '../../caller.ts';
import { Fields, type Where } from '../../catalog/fields.ts';

export const PRINTABLE = { pattern: /^[ -~]+$/, expected: 'printable ASCII text' };
const MAX_NAMES = 10_000;
const MEMBERS = ['subject', 'source', 'scopes', 'groups', 'on_behalf_of', 'workflow'];

/** `caller` of a described request: a subject, or all that a credential says. @throws GatewayError as the fields' place makes it */
export function readCaller(fields: Fields<Where>): Caller {
  const given = fields.get('caller');
  if (given === undefined || typeof given === 'string') {
    return { subject: fields.text('caller', PRINTABLE), source: 'bearer' };
  }
  const caller = new Fields(given, fields.place.at('caller'), MEMBERS);
  const source = caller.get('source') === undefined ? 'bearer' : caller.oneOf('source', CALLER_SOURCES);
  const user = caller.optionalText('on_behalf_of', PRINTABLE);
  const workflow = caller.optionalText('workflow', PRINTABLE);
  const [scopes, groups] = [readNames(caller, 'scopes'), readNames(caller, 'groups')];
  return {
    subject: caller.text('subject', PRINTABLE),
    source,
    ...(scopes === null ? {} : { scopes }),
    ...(groups === null ? {} : { groups }),
    ...(user === null ? {} : { onBehalfOf: user }),
    ...(workflow === null ? {} : { workflow }),
  };
}

function readNames(caller: Fields<Where>, key: string): string[] | null {
  if (caller.get(key) === undefined) return null;
  return caller.array(key, MAX_NAMES).map((name, index) => {
    if (typeof name === 'string' && PRINTABLE.pattern.test(name)) return name;
    throw caller.place.at(key).at(index).refuse(`must be ${PRINTABLE.expected}`);
  });
}
