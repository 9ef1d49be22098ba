import { readFile } from 'node:fs/promises';
import { isObject, JsonError, type JsonObject, parseJson } from '@cmcp/evidence';
import type { Action } from '../action.ts';
import { type Arguments, refuseOthers } from '../arguments.ts';
import { DEFAULT_CONFIG } from '../command.ts';
import { EXIT, type Io, UsageError } from '../io.ts';
import { entryText } from './explain-entry-text.ts';
import { explanationText } from './explain-text.ts';

const SHARED = ['config', 'json'];
const OF_REQUEST = ['tool', 'arguments', 'caller', 'class'];
const OF_ENTRY = ['session', 'entry', 'recording', 'key'];

export const explainAction: Action = {
  name: 'explain',
  usage:
    'explain --tool NAME --caller SUBJECT [--arguments JSON] [--class LABEL] | explain --scenario FILE | explain --session FILE --entry N [--recording FILE… --key FILE]',
  description: [
    'Says why the configured bundle decides as it does: which policies apply, which do not and what in the request decided that,',
    'and what would have to change for the other outcome. It explains a request that you describe, or an entry of an audit chain;',
    'an entry holds digests only, so what was asked is explained where a recording of the decisions has it.',
  ],
  options: {
    scenario: { value: 'FILE', help: 'The request, as a scenario in YAML; - reads it from standard input.' },
    tool: { value: 'NAME', help: 'The tool that is called.' },
    arguments: { value: 'JSON', help: 'Its arguments (default: {}).' },
    caller: { value: 'SUBJECT', help: 'The agent that calls.' },
    class: { value: 'LABEL', help: 'The highest class of data that the agent has seen (default: public).' },
    session: { value: 'FILE', help: 'A session file.' },
    entry: { value: 'N|CALL_ID', help: 'The entry in it, by sequence number or call id.' },
    recording: { value: 'FILE', multiple: true, help: 'A recording of decisions.' },
    key: { value: 'FILE', help: 'The private key of the recordings, as `cmcp policy keygen` wrote it.' },
  },
  examples: [
    ['cmcp policy explain --tool send_mail --caller research-agent --class pii', 'Why a call is refused or not'],
    ['cmcp policy explain --session session.cmcp.json --entry 7', 'What an entry says'],
  ],
  async run(positionals, given, io) {
    if (positionals.length > 0) throw new UsageError('explain takes no arguments besides its options');
    if (given.one('session') !== null) return ofEntry(given, io);
    return given.one('scenario') === null ? ofRequest(given, io) : ofScenario(given, io);
  },
};

async function ofScenario(given: Arguments, io: Io): Promise<number> {
  refuseOthers(given, [...SHARED, 'scenario'], '--scenario');
  const file = given.one('scenario') ?? '';
  const text = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8');
  const { explainScenario } = await import('@cmcp/gateway');
  const explanation = await explainScenario(await configOf(given, io), text, file === '-' ? 'standard input' : file);
  io.out(given.has('json') ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation));
  return EXIT.done;
}

async function ofRequest(given: Arguments, io: Io): Promise<number> {
  const tool = given.one('tool');
  if (tool === null)
    throw new UsageError('say what to explain: --tool NAME, --scenario FILE or --session FILE --entry N');
  refuseOthers(given, [...SHARED, ...OF_REQUEST], '--tool');
  const [caller, label] = [given.one('caller'), given.one('class')];
  if (caller === null) throw new UsageError('say who calls: --caller SUBJECT');
  const scenario: JsonObject = {
    call: tool,
    arguments: argumentsOf(given.one('arguments')),
    caller,
    ...(label === null ? {} : { session: { class: label } }),
  };
  const { explainRequest } = await import('@cmcp/gateway');
  const explanation = await explainRequest(await configOf(given, io), scenario);
  io.out(given.has('json') ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation));
  return EXIT.done;
}

async function ofEntry(given: Arguments, io: Io): Promise<number> {
  refuseOthers(given, [...SHARED, ...OF_ENTRY], '--session');
  const [session, entry, key] = [given.one('session'), given.one('entry'), given.one('key')];
  const recordings = given.many('recording');
  if (session === null || entry === null) throw new UsageError('name the entry: --entry N, or the id of a call');
  if ((recordings.length === 0) !== (key === null)) throw new UsageError('--recording and --key go together');
  const { explainEntry } = await import('@cmcp/gateway');
  const explanation = await explainEntry(await configOf(given, io), { session, entry, recordings, key });
  io.out(given.has('json') ? `${JSON.stringify(explanation, null, 2)}\n` : entryText(explanation));
  const answered = explanation.bundle.same && (key === null || explanation.decisions.length > 0);
  return answered ? EXIT.done : EXIT.refused;
}

async function configOf(given: Arguments, io: Io) {
  const { readConfigWithoutSecrets, readEnvironment } = await import('@cmcp/gateway');
  return readConfigWithoutSecrets(given.one('config') ?? DEFAULT_CONFIG, readEnvironment(io.variables));
}

function argumentsOf(text: string | null): JsonObject {
  if (text === null) return {};
  try {
    const value = parseJson(text);
    if (isObject(value)) return value;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new UsageError(`--arguments is not strict JSON: ${error.message}`);
  }
  throw new UsageError('--arguments takes a JSON object');
}
