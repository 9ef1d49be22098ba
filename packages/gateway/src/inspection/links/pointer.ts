/** Something in a text that leads a reader, or a client that renders the text, to an address. */
export interface Pointer {
  /** UTF-16 offsets in the text, end exclusive. */
  start: number;
  end: number;
  /** `image`: whatever is fetched when the text is rendered. `link`: what is offered for a click. */
  shows: 'image' | 'link';
  /** What people read of it. */
  says: string;
  /** Where it leads, as written; empty: to what is defined elsewhere. */
  addresses: readonly string[];
}

/** UTF-16 units that are looked at of one address. */
export const MAX_ADDRESS = 2048;
