import { fileURLToPath } from 'node:url';
import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { startEverythingServer } from '../../tests/conformance/everything/http.ts';
import { type GatewayProcess, startProcess } from '../../tests/support/cli.ts';
import { modern, send } from '../../tests/support/ingress.ts';
import { openFolder } from '../../tests/support/open-folder.ts';
import { nodeServer, scripted } from '../../tests/support/upstreams.ts';

/** Tools of the everything-servers that are called, and what of them takes part: content, asks, notices, announcements. */
export const TOOLS = [
  'test_simple_text',
  'test_multiple_content_types',
  'test_elicitation',
  'test_sampling',
  'test_tool_with_progress',
  'test_tool_with_logging',
  'test_trigger_tool_change',
  'test_trigger_resource_update',
] as const;
/** The servers on which they are. */
export const SERVERS = ['http', 'stdio'] as const;
export const WATCHED = 'test://watched-resource';
/** The tool of the server that goes and comes. */
export const FLAPPING = 'flapping';

const EVERYTHING = fileURLToPath(new URL('../../tests/conformance/everything-server.ts', import.meta.url));
/** Little enough that garbage is collected while it is watched: what goes on growing is held. */
const MEMORY = { NODE_OPTIONS: '--max-old-space-size=128 --max-semi-space-size=4' };
/** Answers a few calls, and is gone. */
const FLAPS =
  'let left = 7; const own = on.call; on.call = (m) => { left -= 1; if (left < 0) process.exit(1); own(m); };';

/** A gateway process with servers of both transports behind it. */
export interface Setting {
  readonly gateway: GatewayProcess;
  readonly url: URL;
  close(): Promise<void>;
}

export async function openSetting(): Promise<Setting> {
  const everything = await startEverythingServer();
  const definitions = await definitionsOf(Number(new URL(everything.url).port));
  const tools = (server: string): Record<string, JsonObject> =>
    Object.fromEntries(definitions.map((each) => [`${server}_${String(each.name)}`, each]));
  const asks = ['elicit', 'sample'];
  const over = nodeServer('--disable-warning=ExperimentalWarning', EVERYTHING, '--stdio');
  const folder = await openFolder(
    [
      {
        id: 'http',
        transport: { kind: 'http', url: everything.url, tlsFingerprint: null },
        tools: tools('http'),
        resources: [WATCHED],
        asks,
      },
      { id: 'stdio', transport: over, tools: tools('stdio'), asks },
      { id: 'flapping', transport: scripted(FLAPS), tools: { [FLAPPING]: 't' } },
    ],
    // Sessions that nobody ends are to end while it is watched.
    ['sessions: { idle: 5s, starts_per_minute: 1000000 }', 'upstreams: { flapping: { timeout: 2s } }'],
  );
  const gateway = await startProcess(folder.configFile, folder.path, MEMORY);
  return {
    gateway,
    url: new URL(gateway.started.url ?? ''),
    close: async () => {
      await gateway.stop();
      await everything.close();
      await folder.remove();
    },
  };
}

async function definitionsOf(port: number): Promise<JsonObject[]> {
  const { json } = await send(port, modern('tools/list'));
  const result = member(json, 'result');
  const tools = isObject(result) ? member(result, 'tools') : undefined;
  const offered = Array.isArray(tools) ? tools.filter((each) => isObject(each)) : [];
  return offered.filter(({ name }) => TOOLS.some((tool) => tool === name));
}
