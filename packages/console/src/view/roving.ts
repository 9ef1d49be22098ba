/** Where the arrow, Home and End keys lead among `buttons`, as they stand on the screen; null for another key. */
export function neighbour(key: string, from: HTMLElement, buttons: readonly HTMLElement[]): HTMLElement | null {
  const at = buttons.indexOf(from);
  if (key === 'ArrowRight') return buttons[at + 1] ?? null;
  if (key === 'ArrowLeft') return buttons[at - 1] ?? null;
  if (key === 'Home') return buttons[0] ?? null;
  if (key === 'End') return buttons.at(-1) ?? null;
  if (key === 'ArrowDown') return inNextRow(from, buttons.slice(at + 1));
  if (key === 'ArrowUp') return inNextRow(from, buttons.slice(0, at).reverse());
  return null;
}

/** The button nearest to `from` in the first row of `others` that is not its own. */
function inNextRow(from: HTMLElement, others: readonly HTMLElement[]): HTMLElement | null {
  const { left, top } = from.getBoundingClientRect();
  const boxes = others.map((button) => ({ button, box: button.getBoundingClientRect() }));
  const row = boxes.find(({ box }) => Math.abs(box.top - top) > 4)?.box.top;
  const inRow = boxes.filter(({ box }) => box.top === row);
  inRow.sort((a, b) => Math.abs(a.box.left - left) - Math.abs(b.box.left - left));
  return inRow[0]?.button ?? null;
}
