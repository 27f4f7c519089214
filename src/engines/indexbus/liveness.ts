import type { Clock } from '../../host/clock.ts';
import type { LivenessEvidence, ProcessIdentity } from '../../host/sharedMemory.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import { Lock } from './layout.ts';
import { type IndexbusMutantFlags, plantedIn } from './mutants.ts';
import { epochOf, type SeatStateName, stateOf } from './seat.ts';
import { holderOf, type SeatPlace, seatPlaces } from './seatPlaces.ts';
import type { Segment } from './segment.ts';

/** What follows from the evidence on a seat's holder. */
export interface Judgement {
  /** `dead`: its seat can be drained. `doubtful`: it is fenced, and its seat not given away until the doubt is over. */
  readonly verdict: 'alive' | 'dead' | 'doubtful';
  /** What it rests on, for logs. */
  readonly proof: 'lock and process' | 'lock' | 'lock lost' | 'lock leaked' | 'silence' | 'process';
}

/** Bugs that can be planted here. */
export type LivenessMutants = Pick<IndexbusMutantFlags, 'deadByTimeout' | 'startTimeIgnored' | 'lockIgnored'>;

const noMutants: LivenessMutants = { deadByTimeout: false, startTimeIgnored: false, lockIgnored: false };
const mutantSilenceMs = 5000;

/**
 * The table of liveness, pure. A free lock says that the holder's descriptor is gone, the kernel's word on the process that nobody can write
 * any more: death takes both, where both can be known. Silence proves nothing, since a stopped process writes again when it is resumed.
 *
 * @param state of the seat; of a claimed one only the lock counts, since the identity in it may still be its former holder's.
 * @param silentMs how long nothing of the holder was seen: no proof
 */
export function judge(
  evidence: LivenessEvidence,
  state: SeatStateName,
  silentMs = 0,
  mutants: LivenessMutants = noMutants,
): Judgement {
  const held = evidence.lock === 'held';
  const process = mutants.startTimeIgnored && evidence.process === 'other' ? 'running' : evidence.process;
  if (mutants.deadByTimeout && silentMs >= mutantSilenceMs) return { verdict: 'dead', proof: 'silence' };
  if (mutants.lockIgnored) {
    return { verdict: process === 'running' || process === 'unknown' ? 'alive' : 'dead', proof: 'process' };
  }
  if (state === 'leaving') return ofLeaver(evidence.lock, process);
  if (state === 'claimed') return { verdict: held ? 'alive' : 'dead', proof: 'lock' };
  if (held) {
    if (process === 'running') return { verdict: 'alive', proof: 'lock and process' };
    if (process === 'unknown') return { verdict: 'alive', proof: 'lock' };
    // A child has inherited the descriptor, or a thread of it is still on its way out and may write.
    return { verdict: 'doubtful', proof: 'lock leaked' };
  }
  if (process === 'running') return { verdict: 'doubtful', proof: 'lock lost' };
  if (process === 'unknown') return { verdict: 'dead', proof: 'lock' };
  return { verdict: 'dead', proof: 'lock and process' };
}

/** Who has said that it leaves writes nothing there any more, so no doubt harms; but only as long as it lives may it still ring for the router. */
function ofLeaver(lock: LivenessEvidence['lock'], process: LivenessEvidence['process']): Judgement {
  if (lock !== 'held') return { verdict: 'dead', proof: 'lock' };
  if (process === 'running') return { verdict: 'alive', proof: 'lock and process' };
  return process === 'unknown' ? { verdict: 'alive', proof: 'lock' } : { verdict: 'dead', proof: 'process' };
}

/** Whether the death of the holder of a seat in this state matters: it may still write, or has to ring. One that has acknowledged a fence will do neither. */
export function isJudged(state: SeatStateName): boolean {
  return state === 'claimed' || state === 'ready' || state === 'live' || state === 'leaving' || state === 'fenced';
}

/** What was found of one seat. */
export interface SeatFinding {
  readonly seat: SeatPlace;
  readonly epoch: number;
  readonly state: SeatStateName;
  readonly holder: ProcessIdentity;
  readonly judgement: Judgement;
}

/** Looks at the holders of a segment's seats. The evidence costs calls to the kernel: not for the router's own thread. */
export class SeatProber {
  readonly #segment: Segment;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #mutants: LivenessMutants;
  readonly #seats: readonly SeatPlace[];
  /** Per seat: the sum of its holder's words when they last changed, and when that was. */
  readonly #seen: Int32Array;
  readonly #seenAt: Float64Array;

  constructor(segment: Segment, clock: Clock, telemetry: Telemetry) {
    this.#segment = segment;
    this.#clock = clock;
    this.#telemetry = telemetry;
    this.#mutants = plantedIn(telemetry);
    this.#seats = [...seatPlaces(segment.layout, 'producer'), ...seatPlaces(segment.layout, 'consumer')];
    this.#seen = new Int32Array(this.#seats.length);
    this.#seenAt = new Float64Array(this.#seats.length).fill(clock.now());
  }

  /** What is known of each seat that somebody holds. A seat that changes during the look is left out. */
  probe(): readonly SeatFinding[] {
    const findings: SeatFinding[] = [];
    if (this.#telemetry.buggify('probe-late')) return findings;
    for (const seat of this.#seats) {
      const found = this.#look(seat);
      if (found !== undefined) findings.push(found);
    }
    return findings;
  }

  #look(seat: SeatPlace): SeatFinding | undefined {
    const { region, words, generation } = this.#segment;
    const word = Atomics.load(words, seat.at);
    const state = stateOf(word);
    if (state === undefined || !isJudged(state)) return undefined;
    const holder = holderOf(words, seat.at);
    const silentMs = this.#silentMs(seat, word);
    const evidence = region.evidence(Lock.seat(generation, seat.index), holder);
    const judgement = judge(evidence, state, silentMs, this.#mutants);
    // Its holder has let go of the lock meanwhile, or another has taken the seat.
    if (Atomics.load(words, seat.at) !== word) return undefined;
    this.#telemetry.sometimes('doubtful: lock lost', judgement.proof === 'lock lost');
    this.#telemetry.sometimes('doubtful: lock leaked', judgement.proof === 'lock leaked');
    return { seat, epoch: epochOf(word), state, holder, judgement };
  }

  #silentMs(seat: SeatPlace, word: number): number {
    const { words } = this.#segment;
    // The holder's own words: tail and returns of a producer, head and done of a consumer.
    const sum = (Math.imul(word, 31) + (words[seat.cursors] ?? 0) + Math.imul(words[seat.cursors + 1] ?? 0, 17)) | 0;
    const now = this.#clock.now();
    if (sum !== this.#seen[seat.index]) {
      this.#seen[seat.index] = sum;
      this.#seenAt[seat.index] = now;
    }
    return now - (this.#seenAt[seat.index] ?? now);
  }
}
