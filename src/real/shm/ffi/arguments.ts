/** An error with a stable code: an argument is not what was expected. */
export function argumentError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

/** Checks an argument of the seam, which is called with what others computed. Throws as the addon does. */
export function checkInteger(name: string, value: number, least: number, most: number): void {
  if (typeof value !== 'number') throw argumentError('ERR_INVALID_ARG_TYPE', `${name}: expected a number`);
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw argumentError('ERR_OUT_OF_RANGE', `${name}: expected an integer of ${least}..${most}, got ${value}`);
}

export function checkBoolean(name: string, value: boolean): void {
  if (typeof value === 'boolean') return;
  throw argumentError('ERR_INVALID_ARG_TYPE', `${name}: expected true or false`);
}

export function checkString(name: string, value: string): void {
  if (typeof value !== 'string') throw argumentError('ERR_INVALID_ARG_TYPE', `${name}: expected a string`);
  if (!value.includes('\0')) return;
  throw argumentError('ERR_INVALID_ARG_VALUE', `${name}: expected a string without null bytes`);
}

/** The largest number of a descriptor. */
export const mostFd = 2 ** 31 - 1;
