/** Engines with less than ours. Not part of the package. */

/** Runs `work` on an engine whose WebCrypto is `subtle`; undefined: one that has none. */
export async function onEngine<T>(subtle: object | undefined, work: () => Promise<T>): Promise<T> {
  const real = Object.getOwnPropertyDescriptor(globalThis, 'crypto') ?? {};
  Object.defineProperty(globalThis, 'crypto', {
    configurable: true,
    value: subtle === undefined ? undefined : { subtle },
  });
  try {
    return await work();
  } finally {
    Object.defineProperty(globalThis, 'crypto', real);
  }
}

/** A WebCrypto that imports no key, for the reason `name`. */
export function throwing(name: string): object {
  return { importKey: () => Promise.reject(new DOMException('no', name)) };
}
