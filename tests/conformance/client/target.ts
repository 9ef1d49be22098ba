/** Where the client connects, and what it sends along with every request. */
export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The server of a scenario, or what stands in front of it. `via` is what the harness asked for; empty is the server itself. */
export async function connectTarget(url: string, via: string): Promise<Target> {
  if (via !== '') throw new Error(`nothing to go through by the name ${via}`);
  return { url, headers: {}, close: async () => undefined };
}
