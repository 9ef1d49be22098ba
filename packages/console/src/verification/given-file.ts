/** A file as the person gave it. */
export interface GivenFile {
  /** Unique on the page; two files may have one name. */
  id: number;
  name: string;
  bytes: Uint8Array<ArrayBuffer>;
}

/** Where in a given file something is written, so that its bytes can be shown as they were received. */
export interface Place {
  file: number;
  /**
   * `file`: all of it. `json`: the value at `path`. `line`: the line that `path[0]` numbers, and what the rest of the path names
   * in it. `base64`: what the JSON string at `path` encodes.
   */
  form: 'file' | 'json' | 'line' | 'base64';
  path: readonly (string | number)[];
}

/** The place of a member, or an item, of the JSON value at `place`. */
export function within(place: Place, ...path: (string | number)[]): Place {
  return { ...place, path: [...place.path, ...path] };
}
