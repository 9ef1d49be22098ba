import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject, JsonValue } from '@cmcp/evidence';
import { Fields, type Where } from '../../catalog/fields.ts';
import { readRegularFile } from '../../catalog/read-file.ts';
import { GatewayError } from '../../errors.ts';
import type { Bundle } from '../../policy/bundle.ts';
import { readText, refuseBundle } from '../../policy/text.ts';
import { type DecisionInput, EFFECTS, type Effect } from '../../policy/types.ts';
import { readYaml } from '../written.ts';
import { type Invariant, readInvariant } from './invariant.ts';
import { readScenario, SCENARIO_MEMBERS, type Vocabulary } from './scenario.ts';
import { ASKED_MEMBERS, ASKING_MEMBERS } from './scenario-asked.ts';

/** One test of a bundle. */
export interface PolicyTest {
  name: string;
  /** `tests/<file>:<line>`. */
  where: string;
  input: DecisionInput;
  expected: Expected;
}

export interface Expected {
  effect: Effect;
  /** Ids of exactly the deciding policies, sorted; null: any. */
  policies: readonly string[] | null;
  /** Members that the advice has, among others. */
  advice: Readonly<Record<string, string>>;
}

/** What the files below `tests/` say, in the order of their names. */
export interface PolicyTests {
  tests: PolicyTest[];
  invariants: Invariant[];
}

export const TESTS_FOLDER = 'tests';
const MAX_FILE_BYTES = 1024 * 1024;
const MAX_ITEMS = 10_000;

/**
 * Reads the tests of the bundle in `folder`. None where it has no folder of tests.
 *
 * @throws GatewayError POLICY_INVALID that says every test that cannot be read, with its file and line
 */
export async function readPolicyTests(folder: string, bundle: Bundle, vocabulary: Vocabulary): Promise<PolicyTests> {
  const read: PolicyTests = { tests: [], invariants: [] };
  const problems: string[] = [];
  for (const path of await testFiles(folder)) {
    const bytes = await readRegularFile(join(folder, path), MAX_FILE_BYTES, (problem) => refuseBundle(path, problem));
    const reader = new TestReader(bundle, vocabulary, problems);
    reader.read(readText(bytes, path).text, path);
    read.tests.push(...reader.tests);
    read.invariants.push(...reader.invariants);
  }
  if (problems.length > 0) throw new GatewayError('POLICY_INVALID', problems.join('\n'));
  return read;
}

async function testFiles(folder: string): Promise<string[]> {
  const inside = join(folder, TESTS_FOLDER);
  const stat = await lstat(inside).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw refuseBundle(TESTS_FOLDER, `cannot be read (${error.code})`);
  });
  if (stat === null) return [];
  if (!stat.isDirectory()) throw refuseBundle(TESTS_FOLDER, 'this is not a folder; the tests are files in one');
  const names = (await readdir(inside)).sort();
  const unread = names.find((name) => name.endsWith('.yml'));
  // A test that is passed over looks like one that passed.
  if (unread !== undefined)
    throw refuseBundle(`${TESTS_FOLDER}/${unread}`, 'tests are read from .yaml files; rename it');
  return names.filter((name) => name.endsWith('.yaml')).map((name) => `${TESTS_FOLDER}/${name}`);
}

/** Reads one file; what is wrong with one test does not hide the others. */
class TestReader {
  readonly tests: PolicyTest[] = [];
  readonly invariants: Invariant[] = [];
  readonly #ids: ReadonlySet<string>;
  readonly #vocabulary: Vocabulary;
  readonly #problems: string[];

  constructor({ policies }: Bundle, vocabulary: Vocabulary, problems: string[]) {
    this.#ids = new Set(policies.map(({ id }) => id));
    this.#vocabulary = vocabulary;
    this.#problems = problems;
  }

  read(text: string, path: string): void {
    this.#guarded(() => {
      const { value, place } = readYaml(text, path, 'POLICY_INVALID');
      const file = new Fields(value, place, ['defaults', 'tests', 'invariants']);
      const given = file.get('defaults');
      const defaults = new Fields(given ?? {}, place.at('defaults'), SCENARIO_MEMBERS);
      for (const [index, item] of items(file, 'tests').entries()) {
        this.#guarded(() => this.tests.push(this.#test(item, place.at('tests').at(index), defaults)));
      }
      for (const [index, item] of items(file, 'invariants').entries()) {
        this.#guarded(() => {
          this.invariants.push(readInvariant(item, place.at('invariants').at(index), this.#vocabulary));
        });
      }
    });
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#problems.push(error.detail);
    }
  }

  #test(item: JsonValue, place: Where, defaults: Fields<Where>): PolicyTest {
    const own = new Fields(item, place, ['name', ...EXPECTING, ...SCENARIO_MEMBERS]);
    const { described, at } = merged(own, defaults);
    return {
      name: own.text('name'),
      where: String(place),
      input: readScenario(described, at, this.#vocabulary),
      expected: this.#expected(own),
    };
  }

  #expected(own: Fields<Where>): Expected {
    const effect = own.oneOf('expect', EFFECTS);
    const policies = own.get('policies') === undefined ? null : own.array('policies', MAX_ITEMS);
    const ids = policies?.map((id, index) => {
      const at = own.place.at('policies').at(index);
      if (typeof id !== 'string') throw at.refuse('must be the id of a policy');
      if (!this.#ids.has(id)) throw at.refuse(`the bundle has no policy ${JSON.stringify(id)}`);
      return id;
    });
    return { effect, policies: ids?.sort() ?? null, advice: adviceOf(own) };
  }
}

const EXPECTING: readonly string[] = ['expect', 'policies', 'advice'];

function adviceOf(own: Fields<Where>): Record<string, string> {
  const given = own.get('advice') === undefined ? {} : own.object('advice');
  const fields = new Fields(given, own.place.at('advice'), Object.keys(given));
  return Object.fromEntries(Object.keys(given).map((key) => [key, fields.text(key)]));
}

function items(file: Fields<Where>, key: string): JsonValue[] {
  return file.get(key) === undefined ? [] : file.array(key, MAX_ITEMS);
}

/** The defaults beneath a test. One that says itself what is asked for takes nothing of that from them. */
function merged(own: Fields<Where>, defaults: Fields<Where>): { described: JsonObject; at: Where } {
  const asks = ASKING_MEMBERS.some((key) => own.get(key) !== undefined);
  const beneath = Object.entries(defaults.value).filter(([key]) => !(asks && ASKED_MEMBERS.includes(key)));
  const above = Object.entries(own.value).filter(([key]) => SCENARIO_MEMBERS.includes(key));
  const described = Object.fromEntries([...beneath, ...above]);
  const at: Where = {
    at: (key) => (own.get(String(key)) === undefined ? defaults : own).place.at(key),
    refuse: (problem) => own.place.refuse(problem),
  };
  return { described, at };
}
