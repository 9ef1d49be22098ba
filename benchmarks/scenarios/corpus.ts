import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObject, type JsonObject, type JsonValue, member, parseJson } from '@cmcp/evidence';

/** One labelled call of a session: what is asked of which tool, and whether it uses what earlier answers said. */
export interface ScenarioCall {
  id: string;
  tool: string;
  domain: string;
  requiresBaa: boolean;
  /** Labels of what it answers. */
  tags: readonly string[];
  /** The ground truth: values of earlier sensitive answers are in its arguments. */
  carries: boolean;
}

export interface Persona {
  id: string;
  name: string;
  calls: readonly ScenarioCall[];
}

/** Reads `trace_corpus.json` of a directory laid out like the session scenarios. */
export async function readPersonas(directory: string): Promise<Persona[]> {
  const corpus = parseJson(await readFile(join(directory, 'trace_corpus.json')));
  return objects(corpus, 'personas').map((persona) => ({
    id: textOf(persona, 'id'),
    name: textOf(persona, 'name'),
    calls: objects(persona, 'calls').map((call) => ({
      id: textOf(call, 'call_id'),
      tool: textOf(call, 'tool_name'),
      domain: textOf(call, 'compliance_domain'),
      requiresBaa: member(call, 'requires_baa') === true,
      tags: tagsOf(call),
      carries: member(call, 'phi_in_agent_context') === true,
    })),
  }));
}

/** What the published experiment counts: a call out of the house, to somebody who signed nothing about health data. */
export const isExternal = ({ domain, requiresBaa }: ScenarioCall): boolean => domain === 'external' && !requiresBaa;

function objects(value: JsonValue, key: string): JsonObject[] {
  const items = isObject(value) ? member(value, key) : undefined;
  if (!Array.isArray(items) || !items.every(isObject))
    throw new Error(`trace_corpus.json: ${key} is not a list of objects`);
  return items;
}

function textOf(value: JsonObject, key: string): string {
  const text = member(value, key);
  if (typeof text !== 'string') throw new Error(`trace_corpus.json: ${key} is not a text`);
  return text;
}

function tagsOf(call: JsonObject): string[] {
  const tags = member(call, 'response_sensitivity_tags');
  return Array.isArray(tags) ? tags.filter((tag) => typeof tag === 'string') : [];
}
