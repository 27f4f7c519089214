/** A seat as operators write it: `3`; while a roll waits, which has seats in two generations, `3@1`. */
export function seatAddress(seat: number, generation?: number): string {
  return generation === undefined ? String(seat) : `${seat}@${generation}`;
}
