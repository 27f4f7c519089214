import { describe, expect, it } from 'vitest';
import type { BusEvent } from '../../../src/checkers/indexbus/events.ts';
import { indexBusChecks } from '../../../src/checkers/indexbus/index.ts';
import {
  accepted,
  committed,
  cut,
  goodHistory,
  message,
  opened,
  placed,
  published,
  received,
  sent,
  taken,
  told,
} from './history.ts';

function broken(events: readonly BusEvent[]): string[] {
  return indexBusChecks.filter((check) => check.run(events).violations.length > 0).map(({ name }) => name);
}

/** The good history without the first event of this kind (that fits). */
function without(kind: BusEvent['event'], fits: (event: BusEvent) => boolean = () => true): BusEvent[] {
  const events = goodHistory();
  const at = events.findIndex((event) => event.event === kind && fits(event));
  if (at < 0) throw new Error(`the good history has no such ${kind}`);
  events.splice(at, 1);
  return events;
}

const begun: readonly BusEvent[] = [{ event: 'producer-opened', producer: 0, seat: 0, epoch: 1 }, opened(1), opened(2)];
const flushed = (through: number): BusEvent => ({ event: 'flushed', producer: 0, through });
const refused: BusEvent = { event: 'publish-refused', producer: 0 };
const fenced: BusEvent = { event: 'producer-fenced', producer: 0 };
const tooLate = (through: number): BusEvent => ({ event: 'flushed-too-late', producer: 0, through });
const threw = (mayHaveWritten: boolean): BusEvent => ({ event: 'publish-threw', producer: 0, mayHaveWritten });
const left: BusEvent = { event: 'producer-over', producer: 0, proven: false };
const fence: BusEvent = { event: 'seat-freed', kind: 'lane', seat: 1, epoch: 1 };
const slots = (home: number[], lanes: number[], quiet: boolean): BusEvent => ({
  event: 'slots',
  quiet,
  places: [{ producer: 0, slots: 3, home, reserved: [], source: [], lanes, returning: [] }],
});

const claimed = (sequence: number, lane: number): BusEvent => ({ event: 'claimed', ...message(sequence), lane });
const withheld: readonly BusEvent[] = [claimed(0, 1), { event: 'withheld', ...message(0), lane: 1 }];
const died = (lane: number, comesAgain = true): BusEvent => ({ event: 'death-settled', lane, comesAgain });
const again = (sequence: number, lane = 2): BusEvent => placed(sequence, lane, false, true);
const takesOver: BusEvent = { ...opened(65, 7), seat: 1, epoch: 2 } as BusEvent;
const quiet = slots([0, 1, 2], [], true);
/** The consumer of lane 1 dies with messages 0 and 1 open, 2 ended; lane 2 is of its group. */
const diesWithTwo: readonly BusEvent[] = [
  opened(1, 7),
  opened(2, 7),
  claimed(2, 1),
  { event: 'through', lane: 1 },
  claimed(0, 1),
  claimed(1, 1),
  { event: 'lane-died', lane: 1 },
  { event: 'lane-over', lane: 1, proven: true },
  died(1),
];

/** Whether O6 has nothing to say of it. */
function isEven(events: readonly BusEvent[]): boolean {
  return !broken(events).includes('O6');
}

describe('the checks of indexbus', () => {
  it('accept a history in which all is well', () => {
    expect(broken(goodHistory())).toEqual([]);
  });

  it.each<[string, string, BusEvent[]]>([
    ['A1', 'a message taken that was never published', without('published')],
    ['A1', 'a message taken before its flush', [...begun, published(0), taken(0, []), flushed(1)]],
    ['A1', 'a message skipped', [...begun, published(0), published(1), flushed(2), taken(1, [])]],
    ['A1', 'a message taken twice', [...begun, published(0), flushed(1), taken(0, []), taken(0, [])]],
    [
      'A1',
      'another number of messages taken than told',
      [...begun, published(0), flushed(1), taken(0, [1]), placed(0, 1), told({ sent: 1, depth: 1 })],
    ],
    [
      'A1',
      'messages that a roll leaves in a source',
      [...begun, published(0), flushed(1), { event: 'left-behind', what: 'source', who: 0, messages: 1 }],
    ],
    ['A1', 'an accepted message that is not written', [...begun, ...sent(0), accepted(2)]],
    ['A1', 'a refused message that is written', [...begun, ...sent(0), published(1), refused]],
    ['A1', 'a refused message that is written after a fence', [...begun, ...sent(0), fenced, published(1), refused]],
    ['A1', 'a message that is written though its call threw something else', [...begun, published(0), threw(false)]],
    [
      'A1',
      'a second message without an answer',
      [...begun, published(0), published(1), fenced, tooLate(2), threw(true), left],
    ],
    ['A1', 'a call that writes two messages', [...begun, published(0), published(1), accepted(1)]],
    [
      'A1',
      'a call that wrote two messages, and then others',
      [...begun, published(0), published(1), accepted(1), published(2), accepted(2)],
    ],
    ['A1', 'what who was fenced has accepted and never flushed', [...begun, ...sent(0), fenced, left]],
    [
      'A1',
      'what who was fenced has accepted and has not flushed in the end',
      [...begun, ...sent(0), fenced, slots([0, 1, 2], [], true)],
    ],
    [
      'A1',
      'a message that is written after a flush that met the fence',
      [...begun, ...sent(0), fenced, tooLate(1), ...sent(1), tooLate(2), left],
    ],
    ['A1', 'an accepted message that who leaves has not flushed', [...begun, ...sent(0), ...sent(1), flushed(1), left]],
    ['A1', 'an accepted message that is not flushed in the end', [...begun, ...sent(0), slots([0, 1, 2], [], true)]],
    [
      'A2',
      'an unwanted message that is not counted',
      [...begun, published(0), flushed(1), taken(0, []), told({ sent: 1, taken: 1 })],
    ],
    [
      'A3',
      'a refusal without a cause',
      [...begun, published(0), flushed(1), taken(0, [1]), told({ sent: 1, taken: 1 })],
    ],
    [
      'A3',
      'a refusal with two causes',
      [...begun, published(0), flushed(1), taken(0, [1]), told({ sent: 1, taken: 1, newest: 2 })],
    ],
    [
      'A3',
      'a message placed where it should not be',
      [...begun, published(0), flushed(1), taken(0, [1]), placed(0, 1), placed(0, 2)],
    ],
    [
      'A3',
      'two copies for one group',
      [opened(1, 7), opened(2, 7), published(0), flushed(1), taken(0, [], [7]), placed(0, 1), placed(0, 2)],
    ],
    [
      'A4',
      'a message that left the lane untold',
      [...begun, published(0), flushed(1), taken(0, [1]), placed(0, 1), told({ sent: 1, taken: 1 })],
    ],
    [
      'A4',
      'an evicted message that its consumer had claimed',
      [...begun, placed(0, 1), ...received(0, 1), { event: 'evicted', ...message(0), lane: 1 }],
    ],
    [
      'A4',
      'messages that a roll leaves in a lane',
      [...begun, placed(0, 1), { event: 'left-behind', what: 'lane', who: 1, messages: 1 }],
    ],
    [
      'A4',
      'an eviction that is not counted',
      [
        ...begun,
        published(0),
        flushed(1),
        taken(0, [1]),
        placed(0, 1),
        { event: 'evicted', ...message(0), lane: 1 },
        told({ sent: 1, taken: 1 }),
      ],
    ],
    [
      'A5',
      'a loss with its lane that is not counted',
      [
        ...begun,
        published(0),
        flushed(1),
        taken(0, [1]),
        placed(0, 1),
        { event: 'detached', ...message(0), lane: 1 },
        told({ sent: 1, taken: 1 }),
      ],
    ],
    [
      'A5',
      'one loss told twice',
      [...begun, published(0), flushed(1), taken(0, [1]), told({ sent: 1, taken: 1, newest: 1, detached: 1 })],
    ],
    [
      'A5',
      'a cut that has a commit by half',
      [...begun, published(0), flushed(1), taken(0, [1]), placed(0, 1), committed(1), cut({ taken: 1 })],
    ],
    [
      'A5',
      'a cut with another cause',
      [...begun, published(0), flushed(1), taken(0, [1]), committed(0), cut({ taken: 1, newest: 1, allFull: 1 })],
    ],
    ['O1', 'an order that turns', [...begun, placed(1, 1), placed(0, 1), ...received(1, 1), ...received(0, 1)]],
    ['O1', 'a gap that nobody recorded', [...begun, placed(0, 1), placed(1, 1), ...received(1, 1)]],
    ['O2', 'a message received twice', [...begun, placed(0, 1), ...received(0, 1), ...received(0, 1)]],
    ['O2', 'two copies in one group', [opened(1, 7), opened(2, 7), ...received(0, 1), ...received(0, 2)]],
    [
      'O2',
      'a redelivery without a proven death',
      [
        opened(1, 7),
        opened(2, 7),
        ...received(0, 1),
        { event: 'lane-over', lane: 1, proven: false },
        ...received(0, 2, true),
      ],
    ],
    ['O2', 'a receipt without a claim', [...begun, ...received(0, 1).slice(1)]],
    [
      'O3',
      'a torn payload',
      [...begun, published(0), ...received(0, 1).map((it) => (it.event === 'received' ? { ...it, checksum: 7 } : it))],
    ],
    [
      'O3',
      'another length',
      [
        ...begun,
        published(0),
        ...received(0, 1).map((it) => (it.event === 'received' ? { ...it, byteLength: 7 } : it)),
      ],
    ],
    [
      'O3',
      'a view that changes',
      [...begun, published(0), ...received(0, 1), { event: 'looked-again', ...message(0), lane: 1, checksum: 7 }],
    ],
    [
      'O4',
      "a key's order that turns over lanes",
      [
        opened(1, 7, true),
        opened(2, 7, true),
        published(0, 5),
        published(1, 5),
        ...received(1, 1),
        { event: 'through', lane: 1 },
        ...received(0, 2),
      ],
    ],
    [
      'O4',
      'a bucket that moves before its owner is through',
      [opened(1, 7, true), opened(2, 7, true), published(0, 5), published(1, 5), ...received(0, 1), ...received(1, 2)],
    ],
    [
      'O5',
      'a requeued message that who lives claims and does not get',
      [
        opened(1, 7),
        placed(0, 1, true),
        { event: 'claimed', ...message(0), lane: 1 },
        { event: 'through', lane: 1 },
        ...received(1, 1),
      ],
    ],
    [
      'O5',
      'a message that who leaves has claimed and not received',
      [opened(1), { event: 'claimed', ...message(0), lane: 1 }, { event: 'lane-over', lane: 1, proven: false }],
    ],
    ['O5', 'what was claimed beside a message that damage withholds', [...withheld, claimed(1, 1)]],
    [
      'O5',
      'what was claimed before damage withholds a message, and never received',
      [opened(1), claimed(1, 1), ...withheld],
    ],
    ['O5', 'what another lane has claimed when damage withholds a message', [claimed(1, 2), ...withheld]],
    ['O5', 'a message that is claimed and not received in the end', [{ event: 'claimed', ...message(0), lane: 1 }]],
    ['O6', 'what a dead consumer had open and does not come again', [...diesWithTwo, again(0), quiet]],
    ['O6', 'what does not come again before the seat of the dead is free', [...diesWithTwo, again(0), fence]],
    [
      'O6',
      'what a joiner that takes the seat over is not given',
      [...diesWithTwo, takesOver, again(0, 65), committed(1)],
    ],
    [
      'O6',
      'what comes again and is open at the next death',
      [...diesWithTwo, again(0), again(1), claimed(0, 2), died(2), quiet],
    ],
    [
      'O6',
      'what a roll gives up though a consumer is there for it',
      [...diesWithTwo, { event: 'generation-ended' }, fence],
    ],
    ['P1', 'a slot in two places', [slots([0, 1, 2], [2], false)]],
    ['P1', 'a slot nowhere', [slots([0, 1], [], true)]],
    ['P1', 'a slot that does not come home', [slots([0, 1], [2], true)]],
    [
      'P1',
      'entries that are written over while they count',
      [opened(1), { event: 'written-over', lane: 1, entries: 1 }],
    ],
    ['P1', 'a segment that is damaged though nobody did it', [{ event: 'damage-found', what: 'a slot in two places' }]],
    ['C1', 'a lane above its credit limit', [committed(4)]],
    [
      'C1',
      'a pool that is used up',
      [{ event: 'committed', lanes: [], spare: [{ producer: 0, slots: 3, atLeast: 4 }] }],
    ],
    ['F1', 'a seat taken while its holder can write', [opened(1), { ...opened(2), seat: 1 } as BusEvent]],
    ['F1', 'a seat freed while its holder can write', [opened(1), fence]],
    [
      'F1',
      'a write of a holder that was',
      [
        opened(1),
        { event: 'lane-over', lane: 1, proven: true },
        fence,
        { event: 'seat-written', kind: 'lane', seat: 1, epoch: 1 },
      ],
    ],
    [
      'R1',
      'two routers at once',
      [
        { event: 'router-began', router: 0 },
        { event: 'router-began', router: 1 },
      ],
    ],
    [
      'R1',
      'a router that writes after its end',
      [
        { event: 'router-began', router: 0 },
        { event: 'router-over', router: 0 },
        { event: 'router-wrote', router: 0 },
      ],
    ],
    [
      'A4',
      'another number of messages delivered than told',
      [
        ...begun,
        published(0),
        flushed(1),
        taken(0, [1]),
        placed(0, 1),
        told({ sent: 1, taken: 1, depth: 1, delivered: 2 }),
      ],
    ],
    [
      'A4',
      'a message that its consumer took and the bus does not tell as received',
      [
        ...begun,
        published(0),
        flushed(1),
        taken(0, [1]),
        placed(0, 1),
        ...received(0, 1),
        told({ sent: 1, taken: 1, recv: 0 }),
      ],
    ],
    [
      'A4',
      'a message told as lost with a lane that has it',
      [
        ...begun,
        published(0),
        flushed(1),
        taken(0, [1]),
        placed(0, 1),
        told({ sent: 1, taken: 1, depth: 1, detached: 1 }),
      ],
    ],
    ['R1', 'a recovery that leaves something else', [{ event: 'recovered', differing: [{ word: 7, is: 1, twin: 2 }] }]],
    ['O4', 'a newer message before what is given back', [{ event: 'overtook', lane: 1, ...message(0) }]],
    ['L1', 'everybody asleep with work', [{ event: 'stuck', who: 'consumer' }]],
    ['L1', 'a message too late', [{ event: 'waited', what: 'receive', who: 1, took: 3, bound: 2 }]],
    [
      'L2',
      'others that stand after a kill',
      [{ event: 'waited', what: 'others-after-kill', who: 1, took: 600, bound: 510 }],
    ],
    [
      'L3',
      'a source behind a stalled lane',
      [{ event: 'waited', what: 'source-behind-stalled-lane', who: 1, took: 2, bound: 1 }],
    ],
    ['L4', 'a source that starves', [{ event: 'waited', what: 'visit', who: 1, took: 300, bound: 256 }]],
  ])('%s sees %s', (name, _what, events) => {
    expect(broken(events)).toContain(name);
  });

  it('let a redelivery pass after a proven death, and a key move after its owner died', () => {
    const dead: BusEvent = { event: 'lane-over', lane: 1, proven: true };
    expect(
      broken([
        opened(1, 7, true),
        opened(2, 7, true),
        published(0, 5),
        flushed(1),
        taken(0, [], [7]),
        placed(0, 1),
        ...received(0, 1),
        dead,
        placed(0, 2, false, true),
        ...received(0, 2, true),
      ]),
    ).toEqual([]);
  });

  it('let who died lose what it had not flushed, and its call without an answer have written', () => {
    const dead: BusEvent = { event: 'producer-died', producer: 0 };
    expect(broken([...begun, ...sent(0), published(1), dead, left, slots([0, 1, 2], [], true)])).toEqual([]);
  });

  it('let who was fenced lose what it flushed too late, and the call that met the fence have written', () => {
    const ends: BusEvent[][] = [
      [...sent(0), fenced, published(1), tooLate(2), left, threw(true)],
      [published(0), published(1), fenced, published(2), tooLate(3), accepted(2), left, threw(true)],
      // The fence came between the flush and the look at the seat.
      [...sent(0), published(1), flushed(2), fenced, left, threw(true), taken(0, []), taken(1, [])],
      // A flush at the end of a turn has met it: the next call says so, and writes nothing.
      [...sent(0), fenced, tooLate(1), left, threw(true), threw(false)],
    ];
    for (const end of ends) expect(broken([...begun, ...end, slots([0, 1, 2], [], true)])).toEqual([]);
  });

  it('let a claim be without a receipt where its consumer died, or was told of damage', () => {
    const ends: BusEvent[] = [
      { event: 'lane-died', lane: 1 },
      { event: 'lane-over', lane: 1, proven: true },
      { event: 'withheld', ...message(0), lane: 1 },
    ];
    const claimed: BusEvent = { event: 'claimed', ...message(0), lane: 1 };
    for (const end of ends) {
      const events: BusEvent[] = [opened(1), ...sent(0), flushed(1), taken(0, [1]), placed(0, 1), claimed, end];
      expect(broken(events)).toEqual([]);
    }
  });

  it('let a death take with it what its subscription gives at most once, what its consumer was through with, and what came again', () => {
    expect(isEven([...diesWithTwo.slice(0, -1), died(1, false), fence, quiet])).toBe(true);
    expect(isEven([opened(1, 7), claimed(0, 1), { event: 'through', lane: 1 }, died(1), fence, quiet])).toBe(true);
    expect(isEven([...diesWithTwo, again(0), again(1), fence, quiet])).toBe(true);
    expect(isEven([...diesWithTwo, takesOver, again(0, 65), again(1, 65), committed(2), quiet])).toBe(true);
    // The run ends while it waits for a lane with room.
    expect(isEven([...diesWithTwo, again(0)])).toBe(true);
  });

  it("let what the dead had open be nobody's where its subscription is deleted, the segment is damaged, or a roll finds no consumer for it", () => {
    const gone: BusEvent[][] = [
      [{ event: 'group-gone', group: 7 }],
      [{ event: 'damaged' }],
      [{ event: 'generation-ended' }, { event: 'lane-over', lane: 2, proven: false }],
    ];
    for (const how of gone) expect(isEven([...diesWithTwo, ...how, fence, quiet])).toBe(true);
  });

  it('let a requeued message come after newer ones of other keys', () => {
    const requeued: BusEvent = {
      event: 'received',
      ...message(0),
      lane: 2,
      requeued: true,
      redelivered: false,
      byteLength: 8,
      checksum: 100,
    };
    expect(
      broken([
        opened(1, 7),
        opened(2, 7),
        published(0),
        published(1),
        flushed(2),
        taken(0, [], [7]),
        placed(0, 1),
        taken(1, [], [7]),
        placed(1, 2),
        ...received(1, 2),
        { event: 'requeued-out', ...message(0), lane: 1 },
        placed(0, 2, true),
        { event: 'claimed', ...message(0), lane: 2 },
        requeued,
      ]),
    ).toEqual([]);
  });
});
