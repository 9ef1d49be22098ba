import { isObject, JsonError, type JsonObject, parseJson } from '@cmcp/evidence';

/** The object in a text that a store holds; an empty one for any other text. Who wrote it is another question. */
export function storedObject(text: string): JsonObject {
  try {
    const value = parseJson(text);
    return isObject(value) ? value : {};
  } catch (error) {
    if (error instanceof JsonError) return {};
    throw error;
  }
}
