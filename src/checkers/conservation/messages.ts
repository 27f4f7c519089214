/**
 * Conservation of messages: what went in came out, is held, or was told to be lost. `send` (input: the message), `receive`
 * (output: the message, a list of them, or null for none), `give-up` (output: the message or list that somebody was told is lost:
 * evicted, expired, dead-lettered). What is still held at the end is the final state. Messages tell each other apart: send
 * each once. A receiver that confirms what it got records one `receive`: what was delivered and not confirmed is `info`.
 */
import { mayHaveHappened } from '../effect.ts';
import type { Operation, Violation } from '../history.ts';

export type Message = number | string;

/** How often a message that went in may come out: exactly once, at least once (again after a crash), at most once (or never). */
export type Delivery = 'exactly-once' | 'at-least-once' | 'at-most-once';

export interface MessageOptions {
  /** Default `exactly-once`. */
  readonly delivery?: Delivery;
  /** Messages that are still held at the end. Default: nobody looked, and what did not come out is not called lost. */
  readonly held?: readonly Message[];
  /** How many messages one `receive` may take away: as many may be gone with each that is `info`. Default 1. */
  readonly receiveMax?: number;
}

/** Evidence of `conserved` for messages. */
export interface MessageImbalance {
  readonly kind: 'lost' | 'duplicated' | 'phantom';
  /** `lost`: all that are not accounted for; otherwise the one. */
  readonly messages: readonly Message[];
  /** `lost`: how many of them receives in doubt may have taken. Fewer than there are. */
  readonly inDoubt?: number;
  /** `duplicated` and `phantom`: where the message was found. */
  readonly received?: number;
  readonly held?: number;
  readonly givenUp?: number;
}

/** What became of one message. */
interface MessageStory {
  readonly message: Message;
  readonly sends: Operation[];
  readonly receives: Operation[];
  readonly givenUp: Operation[];
  held: number;
}

/**
 * Each acknowledged message is accounted for (`lost`: one violation for all of them, as more are gone than receives in doubt can
 * have taken), none comes out or is held or given up more often than it was sent (`duplicated`; allowed by at-least-once), and
 * none comes out before somebody began to send it, or though every send of it failed (`phantom`). A `send` in doubt may have
 * gone in or not; a `receive` in doubt may have taken `receiveMax` messages that nobody saw.
 */
export function checkMessagesConserved(operations: readonly Operation[], options: MessageOptions = {}): Violation[] {
  const delivery = options.delivery ?? 'exactly-once';
  const stories = [...storiesOf(operations, options.held ?? []).values()];
  const unanswered = operations.filter(({ f, outcome }) => f === 'receive' && outcome === 'info').length;
  return [
    ...(delivery === 'at-most-once' || options.held === undefined
      ? []
      : lost(stories, unanswered * (options.receiveMax ?? 1))),
    ...(delivery === 'at-least-once' ? [] : stories.flatMap(duplicated)),
    ...stories.flatMap(phantom),
  ];
}

function lost(stories: readonly MessageStory[], inDoubt: number): Violation[] {
  const missing = stories.filter(
    (story) => story.sends.some(({ outcome }) => outcome === 'ok') && timesFound(story) === 0,
  );
  if (missing.length <= inDoubt) return [];
  const evidence: MessageImbalance = { kind: 'lost', messages: missing.map(({ message }) => message), inDoubt };
  const excuse = inDoubt === 0 ? '' : `, and receives in doubt may have taken ${inDoubt} at most`;
  return [
    {
      check: 'conserved',
      message: `${missing.length} acknowledged messages neither came out, nor are held, nor were given up${excuse}: ${few(missing)}`,
      operations: missing.flatMap(({ sends }) => sends.map(({ id }) => id)),
      evidence,
    },
  ];
}

function duplicated(story: MessageStory): Violation[] {
  const possible = story.sends.filter(mayHaveHappened).length;
  // What nobody sent is a phantom, however often it is found.
  if (possible === 0 || timesFound(story) <= possible) return [];
  return [imbalance('duplicated', story, `was sent ${possible} times and found ${timesFound(story)} times`)];
}

function phantom(story: MessageStory): Violation[] {
  if (timesFound(story) === 0) return [];
  const possible = story.sends.filter(mayHaveHappened);
  if (possible.length === 0) {
    return [
      imbalance('phantom', story, story.sends.length === 0 ? 'was never sent' : 'was sent, but told to have failed'),
    ];
  }
  const first = Math.min(...possible.map(({ invokedOrder }) => invokedOrder));
  const isEarly = [...story.receives, ...story.givenUp].some(({ completedOrder }) => completedOrder < first);
  return isEarly ? [imbalance('phantom', story, 'came out before anybody sent it')] : [];
}

function imbalance(kind: MessageImbalance['kind'], story: MessageStory, what: string): Violation {
  const { message, sends, receives, givenUp, held } = story;
  const evidence: MessageImbalance = {
    kind,
    messages: [message],
    received: receives.length,
    held,
    givenUp: givenUp.length,
  };
  return {
    check: 'conserved',
    message: `message ${message} ${what} (${receives.length} received, ${held} held, ${givenUp.length} given up)`,
    operations: [...sends, ...receives, ...givenUp].map(({ id }) => id),
    evidence,
  };
}

function timesFound({ receives, givenUp, held }: MessageStory): number {
  return receives.length + givenUp.length + held;
}

function few(stories: readonly MessageStory[]): string {
  const shown = stories.slice(0, 5).map(({ message }) => message);
  return `${shown.join(', ')}${stories.length > shown.length ? ', …' : ''}`;
}

function storiesOf(operations: readonly Operation[], held: readonly Message[]): Map<Message, MessageStory> {
  const stories = new Map<Message, MessageStory>();
  const storyOf = (message: Message): MessageStory => {
    let story = stories.get(message);
    if (story === undefined) {
      story = { message, sends: [], receives: [], givenUp: [], held: 0 };
      stories.set(message, story);
    }
    return story;
  };
  for (const operation of operations) {
    const { id, f, input, outcome } = operation;
    if (f === 'send') {
      if (!isMessage(input)) {
        throw new Error(`operation ${id}: expected a number or a string to send, got ${JSON.stringify(input)}`);
      }
      storyOf(input).sends.push(operation);
    } else if (f === 'receive' || f === 'give-up') {
      if (outcome !== 'ok') continue;
      for (const message of answerOf(operation)) {
        storyOf(message)[f === 'receive' ? 'receives' : 'givenUp'].push(operation);
      }
    } else {
      throw new Error(`operation ${id}: messages know send, receive and give-up, not ${f}`);
    }
  }
  for (const message of held) storyOf(message).held++;
  return stories;
}

function answerOf({ id, f, output }: Operation): readonly Message[] {
  const messages: readonly unknown[] = Array.isArray(output) ? output : output === null ? [] : [output];
  if (messages.every(isMessage)) return messages;
  throw new Error(
    `operation ${id}: expected the answer of ${f} to be a message, a list of them, or null, got ${JSON.stringify(output)}`,
  );
}

function isMessage(value: unknown): value is Message {
  return typeof value === 'number' || typeof value === 'string';
}
