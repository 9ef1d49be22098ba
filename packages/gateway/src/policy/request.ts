import type { CedarValueJson, EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { DecisionInput } from './types.ts';

/** A question to Cedar. */
export interface CedarRequest {
  principal: TypeAndId;
  action: TypeAndId;
  resource: TypeAndId;
  context: Record<string, CedarValueJson>;
  entities: EntityJson[];
}

/**
 * Turns what is decided into a Cedar request. One per request form.
 * May throw NotEvaluable, or GatewayError ARGUMENTS_REFUSED.
 */
export interface RequestBuilder {
  build(input: DecisionInput): CedarRequest;
  /** Why Cedar may have refused to read `request`, without any of its values. */
  explain(request: CedarRequest): string;
}
