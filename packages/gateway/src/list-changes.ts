import type { ChangeKind } from './mcp/types.ts';

/** Who wants to know that a list may hold something else than before. */
export class ListChanges {
  readonly #listeners = new Set<(kind: ChangeKind) => void>();

  listen(listener: (kind: ChangeKind) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  announce(kind: ChangeKind): void {
    for (const listener of [...this.#listeners]) listener(kind);
  }
}
