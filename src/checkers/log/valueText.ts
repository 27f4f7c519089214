/** Characters of a value that a message shows. */
const shown = 40;

/** A value as a message names it: of a long one the beginning, and how long it is. */
export function valueText(value: unknown): string {
  const text = String(value);
  return text.length <= shown ? text : `${text.slice(0, shown)}… (${text.length} characters)`;
}
