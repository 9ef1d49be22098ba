import type { JsonObject } from '@cmcp/evidence';
import type { ChangeKind, ListKind } from '../mcp/types.ts';
import { IdentityRefused } from './identity-refused.ts';
import type { ProvenanceVerdict } from './provenance.ts';
import type { Listed, Upstream, UpstreamRequest, UpstreamResult } from './types.ts';

/** `tools`: what the server offered just now; null: it could not be asked. */
type Judge = (tools: JsonObject[] | null) => Promise<ProvenanceVerdict>;

/** A server to which nothing is sent for an agent before somebody vouched for it, where that is asked for (W-30). */
export class VouchedUpstream implements Upstream {
  readonly #inner: Upstream;
  readonly #judge: Judge;
  readonly #decided: (verdict: ProvenanceVerdict) => void;
  #last: ProvenanceVerdict | null = null;
  /** Counts for requests; null: the server was not asked for its tools, or did not answer. */
  #verdict: ProvenanceVerdict | null = null;

  constructor(inner: Upstream, judge: Judge, decided: (verdict: ProvenanceVerdict) => void) {
    this.#inner = inner;
    this.#judge = judge;
    this.#decided = decided;
  }

  get serverId(): string {
    return this.#inner.serverId;
  }

  get provenance(): ProvenanceVerdict | null {
    return this.#last;
  }

  async list(kind: ListKind, signal: AbortSignal): Promise<Listed[]> {
    if (kind !== 'tools') return await this.#inner.list(kind, signal);
    return (await this.#look(signal)).listed;
  }

  async send(request: UpstreamRequest): Promise<UpstreamResult> {
    // A catalog that approves no tool of a server does not have them listed.
    const { refusal } = this.#verdict ?? (await this.#look(request.signal)).verdict;
    if (refusal !== null) throw new IdentityRefused(refusal);
    return await this.#inner.send(request);
  }

  instructions(signal: AbortSignal): Promise<string | null> {
    return this.#inner.instructions(signal);
  }

  subscribe(uri: string, onUpdated: () => void, signal: AbortSignal): Promise<(() => void) | null> {
    return this.#inner.subscribe(uri, onUpdated, signal);
  }

  onChanged(listener: (kind: ChangeKind) => void): void {
    this.#inner.onChanged(listener);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #look(signal: AbortSignal): Promise<{ listed: Listed[]; verdict: ProvenanceVerdict }> {
    const listed = await this.#inner.list('tools', signal).catch(async (error: unknown) => {
      await this.#decide(null);
      throw error;
    });
    return { listed, verdict: await this.#decide(listed.map(({ definition }) => definition)) };
  }

  /** Decided at each look at the tools; told when it is another than before. */
  async #decide(tools: JsonObject[] | null): Promise<ProvenanceVerdict> {
    const verdict = await this.#judge(tools);
    const before = this.#last;
    this.#last = verdict;
    this.#verdict = tools === null ? null : verdict;
    if (before === null || before.outcome !== verdict.outcome || before.refusal !== verdict.refusal) {
      this.#decided(verdict);
    }
    return verdict;
  }
}
