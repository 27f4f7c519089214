import { Findings } from '../findings.ts';
import type { IndexBusCheck } from './check.ts';
import { type BusEvent, type MessageName, nameOf } from './events.ts';
import { Tally } from './tally.ts';

type Told = BusEvent & { event: 'told' };

/** Refusals by identity: what was wanted and not placed in the commit that took the message. */
class Refusals {
  readonly lanes = new Tally();
  readonly groups = new Tally();
  delivered = 0;
  wanted = 0;
  readonly #groupOf = new Map<number, number | undefined>();
  readonly #findings: Findings;
  #message: MessageName | undefined;
  #lanesLeft = new Set<number>();
  #groupsLeft = new Set<number>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  take(event: BusEvent): void {
    if (event.event === 'lane-opened') this.#groupOf.set(event.lane, event.group);
    else if (event.event === 'placed') this.#placed(event);
    else if (event.event === 'taken') {
      this.settle();
      this.#message = event;
      this.#lanesLeft = new Set(event.lanes);
      this.#groupsLeft = new Set(event.groups);
      this.wanted += event.lanes.length + event.groups.length;
    } else if (event.event === 'committed' || event.event === 'told' || event.event === 'cut') this.settle();
  }

  #placed(event: BusEvent & { event: 'placed' }): void {
    if (event.requeued || event.redelivered) return;
    this.delivered += 1;
    const group = this.#groupOf.get(event.lane);
    const asked = this.#message;
    const known = asked !== undefined && asked.producer === event.producer && asked.sequence === event.sequence;
    const wanted = known && (group === undefined ? this.#lanesLeft.delete(event.lane) : this.#groupsLeft.delete(group));
    if (!wanted)
      this.#findings.add(`message ${nameOf(event)} was placed in lane ${event.lane}, which should not have it (again)`);
  }

  /** What is left of the last message was refused. */
  settle(): void {
    for (const lane of this.#lanesLeft) this.lanes.add(lane);
    for (const group of this.#groupsLeft) this.groups.add(group);
    this.#message = undefined;
    this.#lanesLeft = new Set();
    this.#groupsLeft = new Set();
  }
}

/** A3: `taken` events are followed by their `placed` events, before the next `taken` or the end of the commit. */
export const wantedIsDelivered: IndexBusCheck = {
  name: 'A3',
  claim: 'wanted deliveries = delivered + refusals, each with exactly one cause',
  run(events) {
    const findings = new Findings('A3');
    const shadow = new Refusals(findings);
    const grouped = new Set<number>();
    for (const event of events) {
      shadow.take(event);
      if (event.event === 'lane-opened' && event.group !== undefined) grouped.add(event.lane);
      if (event.event === 'told') refusalsTold(findings, event, shadow, grouped);
    }
    shadow.settle();
    return findings.result(`${shadow.wanted} wanted, ${shadow.delivered} delivered`);
  },
};

function refusalsTold(findings: Findings, told: Told, shadow: Refusals, grouped: ReadonlySet<number>): void {
  let exported = 0;
  for (const it of told.lanes) {
    const here = it.newest + it.pool + it.noCredit + it.allFull;
    exported += here;
    // A group's refusal may stand at the one lane that refused; only the sum tells then.
    if (!grouped.has(it.lane) && here !== shadow.lanes.of(it.lane)) {
      findings.add(`lane ${it.lane} refused ${shadow.lanes.of(it.lane)}, the bus tells ${here} with a cause`, {
        evidence: it,
      });
    }
  }
  for (const it of told.groups) exported += it.noCredit + it.allFull;
  const refused = shadow.lanes.sum + shadow.groups.sum;
  if (exported !== refused) findings.add(`${refused} deliveries were refused, the bus tells ${exported} causes`);
}

interface LaneBook {
  placed: number;
  requeuedIn: number;
  redeliveredIn: number;
  evicted: number;
  requeuedOut: number;
  detached: number;
  claimed: number;
  /** In the lane, in order. */
  inside: MessageName[];
}

/** Books of lanes by identity. */
export class LaneBooks {
  readonly books = new Map<number, LaneBook>();
  readonly #findings: Findings;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  of(lane: number): LaneBook {
    let book = this.books.get(lane);
    if (book === undefined) {
      book = {
        placed: 0,
        requeuedIn: 0,
        redeliveredIn: 0,
        evicted: 0,
        requeuedOut: 0,
        detached: 0,
        claimed: 0,
        inside: [],
      };
      this.books.set(lane, book);
    }
    return book;
  }

  take(event: BusEvent): void {
    if (event.event === 'placed') {
      const book = this.of(event.lane);
      if (event.redelivered) book.redeliveredIn += 1;
      else if (event.requeued) book.requeuedIn += 1;
      else book.placed += 1;
      book.inside.push(event);
    } else if (event.event === 'claimed') {
      this.#out(event, 'was claimed from');
      this.of(event.lane).claimed += 1;
    } else if (event.event === 'evicted') {
      this.#out(event, 'was evicted from');
      this.of(event.lane).evicted += 1;
    } else if (event.event === 'requeued-out') {
      this.#out(event, 'was requeued out of');
      this.of(event.lane).requeuedOut += 1;
    } else if (event.event === 'detached') {
      this.#out(event, 'was lost with');
      this.of(event.lane).detached += 1;
    }
  }

  /** Messages leave a lane at its head, whoever takes them out. */
  #out(event: MessageName & { readonly lane: number }, what: string): void {
    const { inside } = this.of(event.lane);
    const [next] = inside;
    if (next?.producer === event.producer && next.sequence === event.sequence) inside.shift();
    else {
      const was = next === undefined ? 'none' : nameOf(next);
      this.#findings.add(`message ${nameOf(event)} ${what} lane ${event.lane}, whose next was ${was}`);
    }
  }
}

/** A4: what came into a lane is in it, or went out in one way. */
export const lanesBalance: IndexBusCheck = {
  name: 'A4',
  claim: 'per lane: delivered + requeued in + redelivered in = recv + depth + evicted + requeued out + drops_detached',
  run(events) {
    const findings = new Findings('A4');
    const shadow = new LaneBooks(findings);
    for (const event of events) {
      shadow.take(event);
      if (event.event === 'left-behind' && event.what === 'lane')
        findings.add(`a roll left ${event.messages} messages in lane ${event.who}, of which nobody can have them`);
      if (event.event !== 'told') continue;
      for (const it of event.lanes) {
        const book = shadow.of(it.lane);
        same(findings, it.lane, 'in it', book.inside.length, it.depth);
        if (it.delivered !== undefined) same(findings, it.lane, 'delivered', book.placed, it.delivered);
        if (it.recv !== undefined) same(findings, it.lane, 'received from it', book.claimed, it.recv);
        same(findings, it.lane, 'lost with it', book.detached, it.detached);
        same(findings, it.lane, 'evicted', book.evicted, it.oldest);
        same(findings, it.lane, 'requeued into it', book.requeuedIn, it.requeuedIn);
        same(findings, it.lane, 'requeued out of it', book.requeuedOut, it.requeuedOut);
        same(findings, it.lane, 'redelivered', book.redeliveredIn, it.redelivered);
      }
    }
    return findings.result(`${shadow.books.size} lanes`);
  },
};

function same(findings: Findings, lane: number, what: string, shadow: number, told: number): void {
  if (shadow !== told) findings.add(`lane ${lane}: ${shadow} messages ${what}, the bus tells ${told}`);
}

/** A5: the bus's sum of drops is what was lost, at each look. */
export const dropsAreTold: IndexBusCheck = {
  name: 'A5',
  claim:
    'drops = full + no_credit + all_full + no_route + detached; exported = shadow at the cut, also after any crash',
  run(events) {
    const findings = new Findings('A5');
    const shadow = new Refusals(new Findings('A3'));
    let unwanted = 0;
    let evicted = 0;
    let detached = 0;
    let looks = 0;
    const cuts = new CutBooks(findings);
    for (const event of events) {
      shadow.take(event);
      cuts.take(event, shadow.lanes.sum + shadow.groups.sum);
      if (event.event === 'taken' && event.lanes.length + event.groups.length === 0) unwanted += 1;
      else if (event.event === 'evicted') evicted += 1;
      else if (event.event === 'detached') detached += 1;
      else if (event.event === 'told') {
        looks += 1;
        const lost = shadow.lanes.sum + shadow.groups.sum + unwanted + evicted + detached;
        const told = dropsOf(event);
        if (told !== lost) findings.add(`${lost} deliveries were lost, the bus tells ${told}`, { evidence: event });
        const toldDetached = sum(event.lanes, (it) => it.detached) + sum(event.groups, (it) => it.detached);
        if (toldDetached !== detached)
          findings.add(`${detached} were lost with lanes that ended, the bus tells ${toldDetached}`);
      }
    }
    return findings.result(`${looks} looks, ${cuts.looks} cuts`);
  },
};

/** What a cut should hold, by identity: it is one moment between two commits, so all of a commit is in it or nothing. */
class CutBooks {
  looks = 0;
  readonly #taken = new Tally();
  readonly #unwanted = new Tally();
  readonly #came = new Tally();
  readonly #lanes: LaneBooks;
  readonly #findings: Findings;

  constructor(findings: Findings) {
    this.#findings = findings;
    this.#lanes = new LaneBooks(new Findings('A4'));
  }

  take(event: BusEvent, refused: number): void {
    this.#lanes.take(event);
    if (event.event === 'taken') {
      this.#taken.add(event.producer);
      if (event.lanes.length + event.groups.length === 0) this.#unwanted.add(event.producer);
    } else if (event.event === 'placed') this.#came.add(event.lane);
    else if (event.event === 'cut') this.#compare(event, refused);
  }

  #compare(cut: BusEvent & { event: 'cut' }, refused: number): void {
    this.looks += 1;
    for (const it of cut.producers) {
      this.#same(`producer ${it.producer}`, 'taken', this.#taken.of(it.producer), it.taken);
      this.#same(`producer ${it.producer}`, 'wanted by nobody', this.#unwanted.of(it.producer), it.noRoute);
    }
    let told = cut.groups.noCredit + cut.groups.allFull;
    for (const it of cut.lanes) {
      const who = `lane ${it.lane}`;
      const book = this.#lanes.of(it.lane);
      told += it.newest + it.pool + it.noCredit + it.allFull;
      if (it.came !== undefined) this.#same(who, 'placed', this.#came.of(it.lane), it.came);
      this.#same(who, 'evicted', book.evicted, it.oldest);
      this.#same(who, 'requeued into it', book.requeuedIn, it.requeuedIn);
      this.#same(who, 'requeued out of it', book.requeuedOut, it.requeuedOut);
      this.#same(who, 'redelivered', book.redeliveredIn, it.redelivered);
    }
    this.#same('all lanes', 'refused', refused, told);
  }

  #same(who: string, what: string, shadow: number, told: number): void {
    if (shadow !== told)
      this.#findings.add(`${who}: ${shadow} messages ${what} where a cut was written, it has ${told}`);
  }
}

function dropsOf(told: Told): number {
  return (
    sum(told.producers, (it) => it.noRoute) +
    sum(told.lanes, (it) => it.newest + it.oldest + it.pool + it.noCredit + it.allFull + it.detached) +
    sum(told.groups, (it) => it.noCredit + it.allFull + it.detached)
  );
}

function sum<T>(of: readonly T[], value: (it: T) => number): number {
  return of.reduce((total, it) => total + value(it), 0);
}
