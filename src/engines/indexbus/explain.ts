import type { BusErrorCode } from './errors.ts';

/** What a code means, and what is done about it. */
export interface Explanation {
  readonly means: string;
  readonly do: string;
}

/** Every error code of the bus. */
export const explanations: Readonly<Record<BusErrorCode, Explanation>> = {
  IB_NO_SEGMENT: {
    means: 'There is no segment of this name in this directory.',
    do: 'Start its router (hotfire serve indexbus), or compare segment.name and segment.directory of both sides.',
  },
  IB_FOREIGN: {
    means: 'What stands under this name is no bus: it begins with other bytes.',
    do: "Remove NAME.json from the segment's directory, or take another segment.name. Nothing was written to it.",
  },
  IB_VERSION: {
    means: 'The segment has the layout of another release: who made it and who opens it are not of one version.',
    do: 'Where the segment is the older one: end its participants and its router, remove NAME.json from its directory, start the router of the new release, then the participants. Where it is the newer one: start this program with the release of the router.',
  },
  IB_TRUNCATED: {
    means: 'The segment is shorter than its header says.',
    do: 'End all that uses it, remove NAME.json from its directory, start the router: it makes a new one. hotfire indexbus inspect tells what is left.',
  },
  IB_CORRUPT: {
    means: 'Words of the segment, or the file that says where it is, are what no participant can have written.',
    do: 'Of a segment that is routed the router goes on with the next generation by itself. Where it does not start: end all that uses the segment, remove NAME.json from its directory, start the router. Keep a copy for hotfire indexbus inspect; look for a participant that writes past its slots.',
  },
  IB_RETIRED: {
    means: 'The segment was replaced by its next generation, or is being drained.',
    do: 'Open the bus again: the name leads to the next generation. Where an operator drains it (POST …/router/drain) there is none: start a router.',
  },
  IB_NO_SPACE: {
    means: 'The memory for the segment is not there: a full tmpfs, a small limit, too few huge pages.',
    do: 'The message names need and room. hotfire doctor indexbus --config FILE prints what would give it, or take smaller sizes.',
  },
  IB_NO_DESCRIPTORS: {
    means: 'The process, or the machine, has as many files open as it may: none is left for the segment.',
    do: 'Close what is open for nothing, or raise the limit (ulimit -n, LimitNOFILE= in the unit; fs.file-max of the machine). Nothing was changed: try again.',
  },
  IB_NOT_MEMORY: {
    means: 'The directory of the segment is not there, or on a disk.',
    do: 'Make it, or set segment.directory to a directory on tmpfs, or leave it at auto.',
  },
  IB_NOT_PERMITTED: {
    means: 'The segment or its directory belongs to another user, or the machine refuses what strict asks for.',
    do: 'Set segment.group for participants of other users, which name it too (group of openBus, --group of inspect and tail), and a directory that this user may write; hotfire doctor indexbus --config FILE tells what is refused.',
  },
  IB_ROUTER_HELD: {
    means: 'Another router has the segment; the message names its pid and since when.',
    do: 'Start this one with --standby, or end the other one. One that is stopped is not replaced: kill it.',
  },
  IB_NO_ROUTER: {
    means: 'No router answers in the segment, or this one stands by.',
    do: 'Start one; if there is one, hotfire indexbus triage and its /health tell why it does not poll. One that answers neither is stopped, or busy: ps shows T for stopped.',
  },
  IB_NO_SEAT: {
    means:
      'All seats are taken (a producer that has left has its own until lanes have none of its messages any more), messages wait in a seat for a consumer of another group, or one more lane would leave every lane less than 16 slots of each pool.',
    do: 'hotfire indexbus lanes and producers name the holders, those of both generations while a roll waits (hotfire indexbus rolling). End one, or hotfire indexbus roll lanes_max=N producers_max=N slots_per_producer=N; where seats of producers drain, detach the lanes that nobody reads; start a consumer of the group whose messages wait, or delete its subscription.',
  },
  IB_FENCED: {
    means:
      'The seat was taken from its holder: it stalled, its lock is in doubt, it wrote what cannot be, an operator asked for it, or the segment was rolled and it did not move in time.',
    do: 'A consumer takes a new seat with reattach, after a roll in the next generation; a producer is closed, and another opened. With maybeRouted, messages of the batch under way may have been routed all the same.',
  },
  IB_CLOSED: { means: 'The producer, consumer or bus was closed before.', do: 'Open a new one.' },
  IB_TOO_LARGE: {
    means: 'The payload is longer than a slot has room for, or than what was reserved.',
    do: 'Send slot_bytes - 16 bytes at most, or roll the segment with a greater slot_bytes; reserve as much as you commit.',
  },
  IB_TOPICS_FULL: {
    means: 'The segment has no room for one more topic, or for one more subscription.',
    do: 'hotfire indexbus roll topics_max=N; of subscriptions 64 are the most: delete one.',
  },
  IB_UNKNOWN_TOPIC: {
    means: 'There is no topic or subscription of this name, and none is made.',
    do: 'POST it to …/topics, declare the subscription, or set topics.auto_create.',
  },
  IB_BAD_CONFIG: {
    means:
      'A value is out of its range, values do not go together, or the machine has not what is named: a backing, a group.',
    do: 'The message has what was expected and what came.',
  },
  IB_UNSAFE_CHANGE: {
    means: 'The change would break what was promised to messages or consumers that are there.',
    do: 'The message names what stands in the way: detach it first, or make the change at the next start.',
  },
  IB_NEEDS_ROLL: {
    means: 'The change needs other sizes than the segment has.',
    do: 'hotfire indexbus roll lane_ring=N (or slots_per_producer, slot_bytes, topics_max).',
  },
  IB_RESERVED: {
    means: 'A slot was reserved before the last one was committed, or committed without a reservation.',
    do: 'Call reserve and commit in turn; the first reservation is still open.',
  },
  IB_BATCH_TOO_SMALL: {
    means: 'The room for payloads of a batch is smaller than one message.',
    do: 'Make the batch with more room. The message stays in its lane.',
  },
};
