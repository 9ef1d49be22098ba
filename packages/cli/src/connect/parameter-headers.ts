import { isObject, type JsonObject, member } from '@cmcp/evidence';
import { GatewayError, parameterHeaders, parameterHeaderValues } from '@cmcp/gateway/client';
import { ConnectFailure } from './failure.ts';

/** Tools remembered at most. Only those are whose arguments go into headers. */
const MAX_TOOLS = 4096;

/**
 * Which arguments of which tools are repeated in `Mcp-Param-*` headers (MCP 2026-07-28, "Custom Headers from Tool Parameters").
 * Clients on stdio know nothing of headers, so it is learnt from the lists of tools that pass by.
 */
export class ParameterHeaders {
  readonly #schemas = new Map<string, JsonObject>();
  readonly #onInvalid: (tool: string, why: string) => void;

  /** @param onInvalid a tool's schema breaks the rules; what it asks for is left out */
  constructor(onInvalid: (tool: string, why: string) => void) {
    this.#onInvalid = onInvalid;
  }

  /** Takes in the result of a `tools/list`. */
  learn(result: JsonObject): void {
    const tools = member(result, 'tools');
    for (const tool of Array.isArray(tools) ? tools : []) {
      const name = isObject(tool) ? member(tool, 'name') : undefined;
      const schema = isObject(tool) ? member(tool, 'inputSchema') : undefined;
      if (typeof name === 'string' && isObject(schema)) this.#learn(name, schema);
    }
  }

  /**
   * The fields for one call.
   * @throws ConnectFailure `unsendable` when no header can carry an argument exactly
   */
  fields(params: JsonObject): [string, string][] {
    const name = member(params, 'name');
    const args = member(params, 'arguments');
    const schema = typeof name === 'string' ? this.#schemas.get(name) : undefined;
    if (schema === undefined || !isObject(args)) return [];
    try {
      return parameterHeaderValues(schema, args);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      throw new ConnectFailure('unsendable', error.detail, { cause: error });
    }
  }

  #learn(name: string, schema: JsonObject): void {
    this.#schemas.delete(name);
    try {
      if (parameterHeaders(schema).length > 0 && this.#schemas.size < MAX_TOOLS) this.#schemas.set(name, schema);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.#onInvalid(name, error.detail);
    }
  }
}
