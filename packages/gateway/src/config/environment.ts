/** The environment as it was when the program started; later changes have no effect (D-03). */
export interface Environment {
  /** CMCP_DEV_MODE is exactly `1`: software keys are accepted, pins are optional. */
  readonly dev: boolean;
  /** CMCP_POLICY_HASH and CMCP_CATALOG_HASH as given. */
  readonly policyHash: string | null;
  readonly catalogHash: string | null;
  /** Every variable, for `${NAME}` in settings of upstream servers. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Takes a copy of the variables. The default is the only place where the gateway reads `process.env`. */
export function readEnvironment(source: Record<string, string | undefined> = process.env): Environment {
  const set = Object.entries(source).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const variables: Record<string, string> = Object.fromEntries(set);
  const given = (name: string): string | null => variables[name] || null;
  return {
    dev: variables.CMCP_DEV_MODE === '1',
    policyHash: given('CMCP_POLICY_HASH'),
    catalogHash: given('CMCP_CATALOG_HASH'),
    variables,
  };
}
