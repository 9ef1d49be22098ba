import type { CedarValueJson, EntityJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs';
import type { Caller } from '../caller.ts';
import type { Askable, DecisionInput } from './types.ts';

/** The part of a question to Cedar that is the same whatever the particulars. */
export interface CedarScope {
  principal: TypeAndId;
  action: TypeAndId;
  resource: TypeAndId;
  entities: EntityJson[];
}

/** What is said of the principal beside its name: two requests that differ in this may be decided differently. */
export function principalIn({ principal, entities }: CedarScope): Pick<EntityJson, 'attrs' | 'parents'> {
  const isPrincipal = ({ type, id }: { type?: string; id?: string }): boolean =>
    type === principal.type && id === principal.id;
  const found = entities.find(({ uid }) => isPrincipal('__entity' in uid ? uid.__entity : uid));
  return found ?? { attrs: {}, parents: [] };
}

/** A question to Cedar. */
export interface CedarRequest extends CedarScope {
  context: Record<string, CedarValueJson>;
}

/**
 * Turns what is decided into a Cedar request. One per request form. Null stands for an action that the bundle does not know:
 * no policy of it can be about that, and it is denied. May throw NotEvaluable.
 */
export interface RequestBuilder {
  /** May throw GatewayError ARGUMENTS_REFUSED too. */
  build(input: DecisionInput): CedarRequest | null;
  /** What every request for this by the caller has in common. */
  scope(caller: Caller, asked: Askable): CedarScope | null;
  /** The same for callers whom no policy can tell apart by anything but the context. */
  principalKey(caller: Caller): string;
  /** Whether Cedar is certain to read `request` under the bundle's schema. False says nothing: Cedar has to be asked. */
  fits(request: CedarRequest): boolean;
  /** The actions that an action is in. */
  groupsOf(action: string): readonly string[];
  /** Why Cedar may have refused to read `request`, without any of its values. */
  explain(request: CedarRequest): string;
}
