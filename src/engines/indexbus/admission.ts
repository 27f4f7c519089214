/** What becomes of a message at one lane. */
export const Admission = {
  place: 0,
  /** The source waits, and everything behind the message with it. */
  park: 1,
  dropNoCredit: 2,
  dropNewest: 3,
  dropPool: 4,
  /** Its oldest entry goes, then the question is asked again. */
  evict: 5,
} as const;
export type AdmissionVerdict = (typeof Admission)[keyof typeof Admission];

/**
 * The table of admission: its rows in this order. Pure; runs for lanes that are at one of their limits.
 *
 * @param creditLimit 0 for none
 * @param held slots of the message's producer that the lane has
 * @param share how many it may have; above all that it can have where it has no share
 */
export function admit(
  blocking: boolean,
  dropOldest: boolean,
  depth: number,
  capacity: number,
  creditLimit: number,
  held: number,
  share: number,
): AdmissionVerdict {
  if (lacksCredit(depth, creditLimit)) return blocking ? Admission.park : Admission.dropNoCredit;
  // Of a share of nothing, no eviction makes room.
  if (!blocking && held >= share) return dropOldest && share > 0 ? Admission.evict : Admission.dropPool;
  if (depth >= capacity) {
    if (blocking) return Admission.park;
    return dropOldest ? Admission.evict : Admission.dropNewest;
  }
  return Admission.place;
}

/** Whether the consumer has no credit for one more message, whatever room its lane has. @param creditLimit 0 for none */
export function lacksCredit(depth: number, creditLimit: number): boolean {
  return creditLimit > 0 && depth >= creditLimit;
}

/**
 * How many slots of each producer every non-blocking copy lane may have, so that all of them together leave two batches. View lanes have
 * their capacity reserved.
 */
export function poolShare(slots: number, batchSize: number, viewCapacities: number, copyLanes: number): number {
  return Math.max(0, Math.floor((slots - 2 * batchSize - viewCapacities) / Math.max(1, copyLanes)));
}

/** A lane that would leave every lane less than this of each pool does not come in. */
export const shareMin = 16;
