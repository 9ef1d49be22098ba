/** A gateway over stdio with nothing behind it, for clients that spawn their server. */
import { serveStdio } from '../../packages/gateway/src/ingress/stdio.ts';
import { FakeGovernedGateway } from './fake-governed.ts';

await serveStdio({
  input: process.stdin,
  output: process.stdout,
  caller: { subject: 'desktop', source: 'stdio' },
  gateway: new FakeGovernedGateway(),
  limits: { bodyBytes: 1_000_000, depth: 32 },
  onFault: (error) => console.error(error),
});
