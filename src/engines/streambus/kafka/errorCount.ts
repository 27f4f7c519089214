/** Calls `note` with each error number of a response that is not 0, however deep it lies. */
export function countErrors(response: unknown, note: (code: number) => void): void {
  if (typeof response !== 'object' || response === null || response instanceof Uint8Array) return;
  if (Array.isArray(response)) {
    // Lists of numbers (replicas) have no errors in them: one look at the first tells.
    if (typeof response[0] !== 'object') return;
    for (const member of response) countErrors(member, note);
    return;
  }
  // Every answer passes here: keys one by one cost no list of them.
  for (const name in response) {
    const value: unknown = Reflect.get(response, name);
    if (typeof value === 'object') countErrors(value, note);
    else if (name === 'errorCode' && typeof value === 'number' && value !== 0) note(value);
  }
}
