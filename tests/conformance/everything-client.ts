/**
 * The client that the conformance suite runs: the address of the scenario's server is its last argument, the scenario is in
 * its environment.
 */
import type { KnownClient } from './client/authorization.ts';
import { Connection } from './client/connection.ts';
import { connectTarget } from './client/target.ts';
import { type AskedCall, visit } from './client/visit.ts';

/** What a scenario says beforehand. */
type Context = Partial<KnownClient> & { toolCalls?: AskedCall[] };

// The only place where the environment is read.
const {
  MCP_CONFORMANCE_CONTEXT = '{}',
  MCP_CONFORMANCE_PROTOCOL_VERSION: revision = '2025-11-25',
  CMCP_CONFORMANCE_VIA: via = '',
} = process.env;

const { toolCalls, client_id, client_secret, issuer }: Context = JSON.parse(MCP_CONFORMANCE_CONTEXT);
const known = client_id === undefined ? undefined : { client_id, client_secret, issuer };

const target = await connectTarget(process.argv.at(-1) ?? '', via);
const connection = await Connection.open(target, revision, known);
await visit(connection, toolCalls);
await connection.close();
await target.close();
