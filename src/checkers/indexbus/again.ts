import { Findings } from '../findings.ts';
import type { IndexBusCheck } from './check.ts';
import { type BusEvent, type MessageName, nameOf } from './events.ts';

/** A lane of a group, while it is of interest what was claimed in it. */
interface GroupLane {
  readonly lane: number;
  readonly seat: number;
  readonly epoch: number;
  readonly group: number;
  /** Its consumer can still be given something. */
  serves: boolean;
  /** Claimed, and its consumer is not through with them. */
  open: MessageName[];
  /** What it had open when it died has to come again: by name, what has not. */
  owed: Set<string>;
  /** Its seat is another's: with the end of the commit under way nothing may be owed any more. */
  isDue: boolean;
}

/** What groups owe of their consumers that have died. */
class Debts {
  readonly #findings: Findings;
  readonly #lanes = new Map<number, GroupLane>();
  readonly #owing = new Set<GroupLane>();
  #hasEnded = false;
  #isDamaged = false;
  owed = 0;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  take(event: BusEvent): void {
    switch (event.event) {
      case 'lane-opened':
        this.#opened(event);
        return;
      case 'claimed':
        this.#lanes.get(event.lane)?.open.push(event);
        return;
      case 'through': {
        const lane = this.#lanes.get(event.lane);
        if (lane !== undefined) lane.open = [];
        return;
      }
      case 'lane-over':
      case 'lane-died':
      case 'lane-fenced': {
        const lane = this.#lanes.get(event.lane);
        if (lane !== undefined) lane.serves = false;
        return;
      }
      case 'death-settled':
        if (event.comesAgain) this.#died(event.lane);
        return;
      case 'placed':
        if (event.redelivered) this.#cameAgain(event);
        return;
      case 'committed':
        for (const lane of this.#owing) if (lane.isDue) this.#judge(lane, 'when its seat was taken by another');
        return;
      case 'seat-freed':
        if (event.kind === 'producer') return;
        for (const lane of this.#owing) {
          if (lane.seat === event.seat && lane.epoch === event.epoch) this.#judge(lane, 'when its seat was free');
        }
        return;
      case 'slots':
        if (event.quiet) for (const lane of this.#owing) this.#judge(lane, 'when nothing was under way any more');
        return;
      case 'group-gone':
        for (const lane of this.#owing) if (lane.group === event.group) this.#owing.delete(lane);
        return;
      case 'generation-ended':
        this.#hasEnded = true;
        return;
      case 'damaged':
        this.#isDamaged = true;
        return;
    }
  }

  #opened({ lane, seat, epoch, group }: BusEvent & { event: 'lane-opened' }): void {
    for (const owing of this.#owing) if (owing.seat === seat) owing.isDue = true;
    if (group === undefined) return;
    this.#lanes.set(lane, { lane, seat, epoch, group, serves: true, open: [], owed: new Set(), isDue: false });
  }

  #died(number: number): void {
    const lane = this.#lanes.get(number);
    if (lane === undefined || lane.open.length === 0) return;
    this.owed += lane.open.length;
    lane.owed = new Set(lane.open.map(nameOf));
    this.#owing.add(lane);
  }

  #cameAgain(event: BusEvent & { event: 'placed' }): void {
    const group = this.#lanes.get(event.lane)?.group;
    for (const lane of this.#owing) {
      if (lane.group !== group || !lane.owed.delete(nameOf(event))) continue;
      if (lane.owed.size === 0) this.#owing.delete(lane);
      return;
    }
  }

  #judge(lane: GroupLane, when: string): void {
    this.#owing.delete(lane);
    if (this.#isDamaged || this.#isGivenUp(lane)) return;
    for (const name of lane.owed) {
      this.#findings.add(
        `message ${name} was claimed in lane ${lane.lane}, whose consumer died before it was through with it, and had not come again ${when}`,
      );
    }
  }

  /** A roll does not wait for ever for what nobody is there to have. */
  #isGivenUp({ group }: GroupLane): boolean {
    return this.#hasEnded && ![...this.#lanes.values()].some((it) => it.group === group && it.serves);
  }
}

/** O6: at least once means that a death takes nothing with it that its consumer was not through with. */
export const unendedComesAgain: IndexBusCheck = {
  name: 'O6',
  claim: 'at least once: what a consumer that is proven dead has claimed and not ended comes again in its group',
  run(events) {
    const findings = new Findings('O6');
    const debts = new Debts(findings);
    for (const event of events) debts.take(event);
    return findings.result(`${debts.owed} messages owed by the dead`);
  },
};
