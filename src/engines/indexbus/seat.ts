/**
 * A seat's life, pure: word 0 of a seat is `epoch << 4 | state`, and every change of it is one compare-and-swap of both, so that nobody acts on a
 * seat that has become another's.
 *
 * FREE → CLAIMED → READY → LIVE → LEAVING → DRAINING → FREE, or from LIVE by force: FENCED → ACKED → DRAINING. A joiner that dies
 * before LIVE leaves a FREE seat. The epoch grows when a seat is claimed.
 *
 * A LEAVING seat is fenced by nobody: its holder has written its last and looks for no fence any more, so nobody would acknowledge it.
 *
 * A DRAINING seat whose lane waits for the next consumer of its group may be CLAIMED as well; given up, it is DRAINING again.
 */
export const SeatState = {
  free: 0,
  /** A joiner writes who it is. */
  claimed: 1,
  /** The joiner waits for the router. */
  ready: 2,
  live: 3,
  /** Its holder wants to go: no message comes to it any more. */
  leaving: 4,
  /** The router takes back what is left. */
  draining: 5,
  /** Taken from its holder, which may not know yet. */
  fenced: 6,
  /** The former holder knows, or is proven dead: it will not write again. */
  acked: 7,
} as const;

export type SeatStateName = keyof typeof SeatState;
type SeatStateNumber = (typeof SeatState)[SeatStateName];

const names: readonly SeatStateName[] = ['free', 'claimed', 'ready', 'live', 'leaving', 'draining', 'fenced', 'acked'];

const followers: Readonly<Record<SeatStateName, readonly SeatStateName[]>> = {
  free: ['claimed'],
  claimed: ['ready', 'free', 'draining'],
  ready: ['live', 'free', 'draining'],
  live: ['leaving', 'fenced', 'draining'],
  leaving: ['draining'],
  draining: ['free', 'claimed'],
  fenced: ['acked', 'draining'],
  acked: ['draining'],
};

/** Epochs that fit above the state; they wrap. */
const epochMask = 0x0fff_ffff;

export function seatWord(epoch: number, state: SeatStateNumber): number {
  return ((epoch & epochMask) << 4) | state;
}

export function epochOf(word: number): number {
  return word >>> 4;
}

/** The state, or undefined for a number that stands for none: the word is damaged. */
export function stateOf(word: number): SeatStateName | undefined {
  return names[word & 15];
}

/**
 * Whether the seat's words are still those of the holder of `epoch`: it is live, or fenced and not acknowledged. One that leaves has written its last:
 * the router gives its seat on without asking again.
 */
export function isHeldBy(word: number, epoch: number): boolean {
  return word === seatWord(epoch, SeatState.live) || word === seatWord(epoch, SeatState.fenced);
}

/** Whether a seat may go from one state to the other. */
export function mayFollow(from: SeatStateName, to: SeatStateName): boolean {
  return followers[from].includes(to);
}

/** The word after a change of state; claiming raises the epoch. Throws where the state may not follow. */
export function changed(word: number, to: SeatStateName): number {
  const from = stateOf(word);
  if (from === undefined || !mayFollow(from, to))
    throw new Error(`a seat cannot go from ${from ?? word & 15} to ${to}`);
  return seatWord(epochOf(word) + (to === 'claimed' ? 1 : 0), SeatState[to]);
}
