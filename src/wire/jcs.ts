/**
 * JSON Canonicalization Scheme, RFC 8785: members sorted by the UTF-16 code units of their names, no white space,
 * numbers and strings as ECMAScript prints them. Equal values have equal bytes, so a hash over them is an identity.
 */

/** The value has no canonical form: a lone surrogate, a number that is not finite, something that is not JSON. */
export class JcsError extends Error {
  override readonly name = 'JcsError';
}

/**
 * The canonical text of a JSON value. Members that are `undefined` are left out, as JSON.stringify does.
 * Throws `JcsError` on NaN, infinities, lone surrogates, functions, symbols, bigints and `undefined` elsewhere.
 */
export function canonicalize(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return canonicalString(value);
    case 'number':
      if (!Number.isFinite(value)) throw new JcsError(`expected a finite number, got ${value}`);
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? canonicalArray(value) : canonicalObject(value);
    default:
      throw new JcsError(`expected a JSON value, got ${typeof value}`);
  }
}

function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw new JcsError('expected well-formed Unicode, got a lone surrogate');
  return JSON.stringify(text);
}

function canonicalArray(items: readonly unknown[]): string {
  let text = '[';
  for (let i = 0; i < items.length; i++) text += (i === 0 ? '' : ',') + canonicalize(items[i]);
  return `${text}]`;
}

function canonicalObject(value: object): string {
  let text = '{';
  let separator = '';
  // The default order of sort() is the order of UTF-16 code units, which is the RFC's.
  const members = value as Readonly<Record<string, unknown>>; // any object: its own members are looked at as they come
  for (const key of Object.keys(value).sort()) {
    const member = members[key];
    if (member === undefined) continue;
    text += `${separator}${canonicalString(key)}:${canonicalize(member)}`;
    separator = ',';
  }
  return `${text}}`;
}
