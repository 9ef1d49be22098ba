import { equalBytes } from '../bytes/equal.ts';
import { digest } from '../crypto/sha256.ts';
import type { TrustedKey } from '../expectations.ts';
import { type Finding, failed, informative, notChecked, proven, provenUnless, required } from '../finding.ts';
import { FormatError } from '../format-error.ts';
import { jcsSignature } from '../jcs-signature.ts';
import { jcsBytes, readJsonObject } from '../json/document.ts';
import { isObject, type JsonObject, type JsonValue, member } from '../json/value.ts';
import { printable } from '../printable.ts';
import type { Check } from '../report.ts';
import { flag, integer, list, object, oneOf, type Rule, text } from '../shape.ts';

/** What was executed, and the key that may authorise it: the relying party's own, never the bridge's. */
export interface PicGiven {
  /** The authoriser's key, and the name that it is trusted under. */
  key: TrustedKey & { kid: string };
  /** Seconds since the epoch. */
  now: number;
  declaration: JsonObject;
  toolCall: JsonObject;
  /** What a PIC verifier worked out, `sha256:…`; they are compared, not worked out again. */
  intentDigest?: string;
  argsDigest?: string;
  /** What was said before and after, for an authorisation that asks for it. */
  transcript?: JsonObject;
}

interface PicBridge extends JsonObject {
  authorization: JsonObject & {
    authorizer_key_id: string;
    decision: string;
    authorized_at: number;
    expires_at: number;
    scope: { tools: string[]; impacts: string[] };
    pic: { intent_digest: string; args_digest: string };
    declaration_digest: string;
    tool_call_digest: string;
    transcript_required: boolean;
  };
}

const NAME = text(/./s);
const SHA256 = text(/^sha256:[0-9a-f]{64}$/);
const names: Rule = (value, path) => {
  const problem = list(NAME)(value, path);
  if (problem !== null || !Array.isArray(value)) return problem;
  return value.length > 0 && new Set(value).size === value.length ? null : `${path} is empty or names one twice`;
};

const BRIDGE = object({
  profile: oneOf('tag:agentrust-io.com,2026:pic-trace-bridge-v1'),
  authorization: object({
    authorization_id: NAME,
    decision: oneOf('allow', 'deny'),
    authorizer: NAME,
    authorizer_key_id: NAME,
    authorized_at: integer(0),
    expires_at: integer(0),
    scope: object({ tools: names, impacts: names }),
    pic: object({ profile: oneOf('PIC-CJSON/1.0'), intent_digest: SHA256, args_digest: SHA256 }),
    declaration_digest: SHA256,
    tool_call_digest: SHA256,
    transcript_required: flag,
  }),
  signature: text(/^[A-Za-z0-9_-]{86}$/),
});

/** Reads a PIC bridge. @throws FormatError */
function parsePicBridge(input: Uint8Array | string): PicBridge {
  const value = readJsonObject(input, 'the bridge', { bytes: 1024 * 1024, depth: 8, items: 20_000 });
  const problem = BRIDGE(value, 'bridge');
  if (problem !== null) throw new FormatError(problem);
  return value as PicBridge;
}

/**
 * Verifies that a signed PIC authorisation covers what was executed (wire-formats section 14.3). Total: never throws. The call
 * was authorised only when every check that is required is proven.
 */
export async function verifyPicBridge(input: Uint8Array | string, given: PicGiven): Promise<Check[]> {
  try {
    const { authorization, ...bridge } = parsePicBridge(input);
    return [
      ...(await authorityChecks({ ...bridge, authorization }, given)),
      ...scopeChecks(authorization, given),
      ...digestChecks(authorization, given),
    ];
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return [required('pic.form', 'Have bridge and call their form?', failed(error.message))];
  }
}

async function authorityChecks(bridge: PicBridge, { key, now }: PicGiven): Promise<Check[]> {
  const { authorizer_key_id, decision } = bridge.authorization;
  return [
    required(
      'pic.signature',
      'Did the authoriser sign it?',
      await jcsSignature(bridge, key.x, 'the bridge', key.source),
    ),
    required(
      'pic.key',
      'Does it name the key of the authoriser?',
      provenUnless(authorizer_key_id === key.kid ? null : 'it names another key', 'it does', key.source),
    ),
    required(
      'pic.decision',
      'Did the authoriser allow it?',
      provenUnless(decision === 'allow' ? null : 'the authoriser denied it', 'the authoriser allowed it'),
    ),
    required('pic.window', 'Was it allowed at this time?', inWindow(bridge.authorization, now)),
  ];
}

function inWindow({ authorized_at, expires_at }: PicBridge['authorization'], now: number): Finding {
  const against = `the clock given, ${now} s`;
  // Written so that a clock that is not a number does not pass.
  if (!(now >= authorized_at)) return failed('the authorisation is not valid yet', against);
  return now < expires_at ? proven('it was', against) : failed('the authorisation has expired', against);
}

function scopeChecks({ scope }: PicBridge['authorization'], { declaration, toolCall }: PicGiven): Check[] {
  const within = (said: JsonValue | undefined, allowed: readonly string[], what: string): Finding => {
    const holds = typeof said === 'string' && allowed.includes(said);
    return provenUnless(holds ? null : `the ${what} is not one that was authorised`, `${printable(String(said))} is`);
  };
  return [
    required('pic.tool', 'Was this tool authorised?', within(member(toolCall, 'name'), scope.tools, 'tool')),
    required(
      'pic.impact',
      'Was this impact authorised?',
      within(member(declaration, 'impact'), scope.impacts, 'impact'),
    ),
  ];
}

function digestChecks(authorization: PicBridge['authorization'], given: PicGiven): Check[] {
  const { pic, declaration_digest, tool_call_digest } = authorization;
  const compare = (said: string, actual: string, what: string): Finding =>
    provenUnless(said === actual ? null : `it authorises another ${what}`, `it authorises this ${what}`, actual);
  const declared = digest(jcsBytes(given.declaration, 'the declaration'));
  const called = digest(jcsBytes(given.toolCall, 'the tool call'));
  const worked = (said: string, actual: string | undefined, what: string): Finding =>
    actual === undefined ? notChecked(`no ${what} of a PIC verifier was given`) : compare(said, actual, what);
  return [
    required('pic.declaration', 'Is it this declaration?', compare(declaration_digest, declared, 'declaration')),
    required('pic.tool_call', 'Is it this call?', compare(tool_call_digest, called, 'call')),
    required('pic.intent', 'Is it this intent?', worked(pic.intent_digest, given.intentDigest, 'intent')),
    required('pic.args', 'Are they these arguments?', worked(pic.args_digest, given.argsDigest, 'arguments')),
    transcriptCheck(authorization, given),
  ];
}

function transcriptCheck(
  { transcript_required }: PicBridge['authorization'],
  { transcript, toolCall }: PicGiven,
): Check {
  const title = 'Is there the transcript that it asks for?';
  if (!transcript_required) return informative('pic.transcript', title, notChecked('it asks for none'));
  const before = transcript === undefined ? undefined : member(transcript, 'before');
  const after = transcript === undefined ? undefined : member(transcript, 'after');
  const whole = isObject(before) && isObject(after) && Object.keys(transcript ?? {}).length === 2;
  const call = isObject(before) ? member(before, 'tool_call') : undefined;
  const same = isObject(call) && equalBytes(jcsBytes(call, 'the call'), jcsBytes(toolCall, 'the tool call'));
  if (!whole) return required('pic.transcript', title, failed('what was said before and after is missing'));
  return required(
    'pic.transcript',
    title,
    provenUnless(same ? null : 'the transcript is of another call', 'the transcript is of this call'),
  );
}
