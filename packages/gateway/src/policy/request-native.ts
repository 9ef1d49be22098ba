import type { CedarValueJson, EntityJson } from '@cedar-policy/cedar-wasm/nodejs';
import type { Caller } from '../caller.ts';
import type { Catalog } from '../catalog/types.ts';
import { TOOL_GROUP } from './actions.ts';
import { NotEvaluable } from './cedar-value.ts';
import { nativeContext } from './native-context.ts';
import { type NativeEntities, nativeEntities, targetOf } from './native-entities.ts';
import { type NativePrincipal, nativePrincipal } from './native-principal.ts';
import { type NativeSchema, readNativeSchema } from './native-schema.ts';
import type { CedarRequest, CedarScope, RequestBuilder } from './request.ts';
import { firstMismatch, isPlain, project, type RecordShape } from './shape.ts';
import type { Askable, Asked, DecisionInput, OtherAction } from './types.ts';

/**
 * The request of contracts section 7, checked at load against the bundle's schema.
 *
 * @throws GatewayError POLICY_INVALID when schema and catalog do not fit each other
 */
export function nativeRequests(schemaText: string, catalog: Catalog): RequestBuilder {
  const schema = readNativeSchema(schemaText, catalog);
  return new NativeRequests(schema, nativeEntities(schema, catalog), nativePrincipal(schema));
}

/** What was made ready at load for an action on an entity. */
interface Ready {
  action: string;
  entity: EntityJson;
  target: { type: string; id: string };
  context: RecordShape;
}

class NativeRequests implements RequestBuilder {
  readonly #schema: NativeSchema;
  readonly #entities: NativeEntities;
  readonly #principal: NativePrincipal;
  /** Actions in whose requests nothing but texts, numbers, booleans, lists and records is declared. */
  readonly #plain: ReadonlySet<string>;

  constructor(schema: NativeSchema, entities: NativeEntities, principal: NativePrincipal) {
    this.#schema = schema;
    this.#entities = entities;
    this.#principal = principal;
    const plain = [...schema.contexts].filter(([, shape]) => isPlain(shape));
    this.#plain = new Set(schema.anyAgent ? plain.map(([action]) => action) : []);
  }

  build(input: DecisionInput): CedarRequest | null {
    const ready = this.#ready(input.asked);
    return ready === null ? null : { ...this.#scopeOf(input.caller, ready), context: contextOf(input, ready.context) };
  }

  scope(caller: Caller, asked: Askable): CedarScope | null {
    const ready = this.#ready(asked);
    return ready === null ? null : this.#scopeOf(caller, ready);
  }

  principalKey(caller: Caller): string {
    const { attrs, parents } = this.#principal(caller) ?? {};
    return JSON.stringify([caller.subject, attrs, parents]);
  }

  fits({ action, context }: CedarRequest): boolean {
    const shape = this.#schema.contexts.get(action.id);
    return shape !== undefined && this.#plain.has(action.id) && firstMismatch(context, shape, 'context') === null;
  }

  groupsOf(action: string): readonly string[] {
    return this.#schema.contexts.has(action) && !this.#schema.others.has(action as OtherAction) ? [TOOL_GROUP] : [];
  }

  explain(request: CedarRequest): string {
    const shape = this.#schema.contexts.get(request.action.id);
    const mismatch = shape === undefined ? null : firstMismatch(request.context, shape, 'context');
    return mismatch ?? 'Cedar cannot read the request under schema.cedarschema';
  }

  /** Null for an action that the schema does not declare. */
  #ready(asked: Asked | Askable): Ready | null {
    if (asked.action !== 'call_tool' && !this.#schema.others.has(asked.action)) return null;
    const target = targetOf(asked);
    const action = asked.action === 'call_tool' ? target.id : asked.action;
    const entity = this.#entities.get(target.type)?.get(target.id);
    const context = this.#schema.contexts.get(action);
    if (entity === undefined || context === undefined)
      throw new NotEvaluable('what is asked for is not in the catalog that the policy was loaded with');
    return { action, entity, target, context };
  }

  #scopeOf(caller: Caller, { action, entity, target }: Ready): CedarScope {
    const principal = this.#principal(caller);
    return {
      principal: { type: 'Agent', id: caller.subject },
      action: { type: 'Action', id: action },
      resource: target,
      entities: principal === null ? [entity] : [principal, entity],
    };
  }
}

/** Only what the schema declares: policies cannot read the rest. */
function contextOf(input: DecisionInput, shape: RecordShape): Record<string, CedarValueJson> {
  const { asked } = input;
  const context: [string, CedarValueJson][] = [];
  for (const [key, value] of Object.entries(nativeContext(input))) {
    const attribute = shape.attributes.get(key);
    const described = asked.action === 'call_tool' && key === 'arguments' ? asked.tool.inputSchema : 'fully';
    if (attribute !== undefined) context.push([key, project(value, attribute.shape, described)]);
  }
  return Object.fromEntries(context);
}
