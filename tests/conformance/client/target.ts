/** Where the client connects, and what it sends along with every request. */
export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The server of a scenario, or a gateway in front of it from the desk at the address `via`; empty is the server itself. */
export async function connectTarget(url: string, via: string): Promise<Target> {
  if (via === '') return { url, headers: {}, close: async () => undefined };
  const gateway: Pick<Target, 'url' | 'headers'> = await ask(via, 'POST', url);
  return { ...gateway, close: () => ask(via, 'DELETE', gateway.url) };
}

async function ask<Answer>(desk: string, method: string, url: string): Promise<Answer> {
  const answer = await fetch(desk, { method, body: JSON.stringify({ url }) });
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as Answer;
}
