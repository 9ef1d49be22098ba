/** The place, one level up, of what is at `place`. Not `>>`, which knows 32 bits only: trees may be larger. */
export function half(place: number): number {
  return Math.floor(place / 2);
}
