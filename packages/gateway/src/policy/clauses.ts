/** The text of a policy that Cedar has read, cut where its conditions begin. */
export interface Clauses {
  /** Annotations, effect and scope. */
  head: string;
  /** Each `when { … }` and `unless { … }`, in order. */
  clauses: Clause[];
}

export interface Clause {
  text: string;
  /** Whether it may look at the context. Never false for one that does; an attribute of the name `context` counts too. */
  readsContext: boolean;
}

/** What matters outside strings and comments: brackets and names. */
const TOKEN = /"(?:[^"\\]|\\.)*"|\/\/[^\n]*|[A-Za-z_][A-Za-z0-9_]*|[){}]/gs;

/**
 * Cuts a policy into head and clauses. The text is kept as written: Cedar's JSON form of a policy would round large numbers, and
 * it cannot be read back where conditions are long.
 */
export function clausesOf(policy: string): Clauses {
  const clauses: Clause[] = [];
  let head = 0;
  let start = 0;
  let depth = 0;
  let readsContext = false;
  for (const { 0: token, index } of policy.matchAll(TOKEN)) {
    const end = index + token.length;
    if (token === 'context') readsContext = true;
    else if (token === '{') depth += 1;
    else if (token === '}') depth -= 1;
    if (depth > 0 || (token !== '}' && token !== ')')) continue;
    // The scope ends with the last `)` outside conditions, a condition with its `}`.
    if (token === ')') head = end;
    else clauses.push({ text: policy.slice(start, end), readsContext });
    start = end;
    readsContext = false;
  }
  return { head: policy.slice(0, head), clauses };
}
