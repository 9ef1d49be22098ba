/**
 * The everything-server as a program: over stdio for whoever spawns it, or on a port.
 *
 *     node tests/conformance/everything-server.ts --stdio [--family handshake|modern]
 *     node tests/conformance/everything-server.ts --port 3000
 */
import { parseArgs } from 'node:util';
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { lastingFactory } from './everything/factory.ts';
import { startEverythingServer } from './everything/http.ts';
import { createShared } from './everything/shared.ts';

const { values } = parseArgs({
  options: { stdio: { type: 'boolean', default: false }, port: { type: 'string' }, family: { type: 'string' } },
});

if (values.stdio) {
  const shared = createShared();
  const make = lastingFactory(shared);
  if (values.family === 'handshake') await make({ era: 'legacy' }).connect(new StdioServerTransport());
  else serveStdio(make, { legacy: values.family === 'modern' ? 'reject' : 'serve' });
  // Tasks that still run would keep a process alive that nobody can ask for them any more.
  process.stdin.once('end', () => shared.tasks.close());
} else {
  const { url } = await startEverythingServer({ port: Number(values.port ?? 0) });
  console.log(url);
}
