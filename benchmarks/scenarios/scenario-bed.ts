import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProtocolError } from '@modelcontextprotocol/client';
import { parseCatalog } from '../../packages/gateway/src/catalog/load.ts';
import { nativeSchema } from '../../packages/gateway/src/policy/schema.ts';
import { type CallMeta, callMeta } from '../../tests/support/calls.ts';
import { TestBed } from '../../tests/support/gateway.ts';
import type { Persona, ScenarioCall } from './corpus.ts';
import { PARTS } from './evasions.ts';
import type { Patient } from './patients.ts';
import { type Arguments, payloadOf } from './payloads.ts';

/** Answers with what an archive is full of, and nothing twice. */
export const ARCHIVE = 'archive.read';

/** What became of a call. */
export type Fate = { passed: true; meta: CallMeta } | { passed: false };

/** An agent of its own, that has seen nothing. */
export interface FreshAgent {
  call(tool: string, given: Arguments): Promise<Fate>;
  close(): Promise<void>;
}

const codeOf = ({ data }: ProtocolError): unknown => (data as { error_code?: unknown } | undefined)?.error_code;

/** What agents call a tool: some clients take no dots. */
const aliasOf = (tool: string): string => tool.replaceAll('.', '_');

const tokenOf = (number: number): string => `scenario-agent-${number}`;

/** A gateway in this process with a server behind it that has the tools of all personas, under one policy. */
export class ScenarioBed {
  readonly bed: TestBed;
  readonly #url: URL;
  #agents = 0;
  #patient: Patient | null = null;
  #pages = 0;

  private constructor(bed: TestBed, url: URL) {
    this.bed = bed;
    this.#url = url;
  }

  /** `agents`: how many can be had. */
  static async open(
    personas: readonly Persona[],
    { policy, agents, config = '' }: { policy: string; agents: number; config?: string },
  ): Promise<ScenarioBed> {
    const calls = toolsOf(personas);
    const credentials = Array.from(
      { length: agents },
      (_, i) => `{ subject: agent-${i}, token_sha256: ${createHash('sha256').update(tokenOf(i)).digest('hex')} }`,
    );
    const bed = await TestBed.create({ tools: [], config: `agents: [${credentials.join(', ')}]\n${config}` });
    try {
      bed.server.tools = [...calls.keys(), ARCHIVE].map((name) => definition(name, personas));
      const catalog = JSON.stringify(catalogOf(bed, [...calls.values()]));
      await writeFile(join(bed.folder, 'catalog.json'), catalog);
      await bed.writePolicies({ 'all.cedar': policy });
      await writeFile(
        join(bed.folder, 'policy', 'schema.cedarschema'),
        nativeSchema(parseCatalog(catalog, 'catalog.json')),
      );
      const { url } = await bed.start();
      const opened = new ScenarioBed(bed, url);
      bed.server.answer = (name) => opened.#answer(calls.get(name) ?? null);
      return opened;
    } catch (error) {
      await bed.close();
      throw error;
    }
  }

  /** Tools answer about `patient` from now on. */
  about(patient: Patient): void {
    this.#patient = patient;
  }

  async agent(): Promise<FreshAgent> {
    const client = await this.bed.client(this.#url, tokenOf(this.#agents++));
    return {
      call: async (tool, given) => {
        try {
          return {
            passed: true,
            meta: callMeta(await client.callTool({ name: aliasOf(tool), arguments: { ...given } })),
          };
        } catch (error) {
          if (error instanceof ProtocolError && codeOf(error) === 'POLICY_DENY') return { passed: false };
          throw error;
        }
      },
      close: () => client.close(),
    };
  }

  close(): Promise<void> {
    return this.bed.close();
  }

  #answer(call: ScenarioCall | null): Record<string, unknown> {
    if (call === null) return { content: [{ type: 'text', text: this.#page() }] };
    if (this.#patient === null) throw new Error('nobody said whom it is about');
    const { answer } = payloadOf(call, this.#patient);
    return { content: [{ type: 'text', text: JSON.stringify(answer, null, 2) }], structuredContent: answer };
  }

  /** 64 KiB of words that no other page has. */
  #page(): string {
    const page = this.#pages++;
    return Array.from({ length: 4096 }, (_, i) => `entry${page.toString(36)}x${i.toString(36)}`).join(' ');
  }
}

/** A call of each tool, with the labels of all its calls. */
function toolsOf(personas: readonly Persona[]): Map<string, ScenarioCall> {
  const tools = new Map<string, ScenarioCall>();
  for (const call of personas.flatMap(({ calls }) => calls)) {
    const tags = [...(tools.get(call.tool)?.tags ?? []), ...call.tags];
    tools.set(call.tool, { ...call, tags });
  }
  return tools;
}

/** Every tool takes what its calls are given, and further parts. */
function definition(
  name: string,
  personas: readonly Persona[],
): { name: string; inputSchema: Record<string, unknown> } {
  const given = personas
    .flatMap(({ calls }) => calls)
    .filter(({ tool }) => tool === name)
    .flatMap((call) => Object.keys(payloadOf(call, NOBODY).arguments));
  const parts = Array.from({ length: PARTS }, (_, i) => `part_${i + 1}`);
  const properties = Object.fromEntries([...given, ...parts].map((property) => [property, { type: 'string' }]));
  return { name, inputSchema: { type: 'object', properties } };
}

const NOBODY: Patient = {
  name: '',
  born: '',
  record: '',
  member: '',
  address: '',
  email: '',
  codes: [],
  diagnoses: '',
  medication: [],
  labs: { hba1c: '', egfr: '', accession: '', comment: '' },
  gist: '',
};

const RANKED = ['hipaa_phi', 'mnpi', 'confidential', 'pii'];

function catalogOf({ server }: TestBed, calls: readonly ScenarioCall[]): Record<string, unknown> {
  const labels = calls.map((call) => ({
    name: call.tool,
    sensitivity: RANKED.find((label) => call.tags.includes(label)) ?? 'public',
    compliance_domain: call.domain,
    requires_baa: call.requiresBaa,
    destination_class: call.domain === 'external' ? 'external' : 'internal',
  }));
  const archive = {
    name: ARCHIVE,
    sensitivity: 'public',
    compliance_domain: 'internal',
    destination_class: 'internal',
  };
  const definitions = new Map(server.tools.map((tool) => [tool.name, tool]));
  return {
    catalog: 1,
    servers: [{ id: 'scripted', transport: 'streamable-http', url: server.url }],
    tools: [...labels, archive].map((tool) => ({
      ...tool,
      alias: aliasOf(tool.name),
      server: 'scripted',
      definition: definitions.get(tool.name),
      effects: 'write',
    })),
    resources: [],
    prompts: [],
  };
}
