/**
 * What happened on a bus, as a witness wrote it down, in the order in which it happened. A producer, a lane and a router are known by the number
 * of their incarnation: who takes a seat that another had is another.
 */

/** A message: its producer's incarnation, and the number that this one gave it. */
export interface MessageName {
  readonly producer: number;
  readonly sequence: number;
}

/** Deliveries that were refused, as the bus tells them, by cause. */
export interface ExportedDrops {
  readonly newest: number;
  readonly oldest: number;
  readonly pool: number;
  readonly noCredit: number;
  readonly allFull: number;
  readonly detached: number;
}

export interface ExportedLane extends ExportedDrops {
  readonly lane: number;
  readonly depth: number;
  /** Placed in it, other than from another lane; undefined of one whose seat another has by now. */
  readonly delivered: number | undefined;
  /** Taken out of it by its consumer; undefined also of one that began with what another had left. */
  readonly recv: number | undefined;
  readonly requeuedIn: number;
  readonly requeuedOut: number;
  readonly redelivered: number;
}

/** A lane as a cut has it. */
export interface CutLane extends Omit<ExportedLane, 'depth' | 'detached' | 'delivered' | 'recv'> {
  /** Messages placed in it, in any way; undefined of one whose seat another has by now. */
  readonly came: number | undefined;
}

export interface ExportedProducer {
  readonly producer: number;
  /** Messages accepted and flushed. */
  readonly sent: number;
  /** Messages that the router took out of its source. */
  readonly taken: number;
  readonly noRoute: number;
}

export interface ExportedGroup {
  readonly group: number;
  readonly noCredit: number;
  readonly allFull: number;
  readonly detached: number;
}

/** Where the slots of one producer are. */
export interface SlotPlaces {
  readonly producer: number;
  /** How many it has. */
  readonly slots: number;
  /** With the producer, as far as it has fetched them. */
  readonly home: readonly number[];
  readonly reserved: readonly number[];
  /** In its source, also what it has not flushed. */
  readonly source: readonly number[];
  /** In lanes, each once however many have it. */
  readonly lanes: readonly number[];
  /** On its way home. */
  readonly returning: readonly number[];
}

export type BusEvent =
  | {
      readonly event: 'producer-opened';
      readonly producer: number;
      readonly seat: number;
      /** Epoch of the seat. */
      readonly epoch: number;
    }
  /** It will never write again: it was closed, killed, or has said that it knows of its fence. `proven`: the kernel says that it is dead. */
  | { readonly event: 'producer-over'; readonly producer: number; readonly proven?: boolean }
  | {
      readonly event: 'lane-opened';
      readonly lane: number;
      readonly seat: number;
      readonly epoch: number;
      /** The group that it belongs to; undefined for a lane of its own. */
      readonly group: number | undefined;
      readonly keyed: boolean;
      readonly blocking: boolean;
    }
  /** Its consumer will never write again. `proven`: the kernel says that it is dead. */
  | { readonly event: 'lane-over'; readonly lane: number; readonly proven: boolean }
  /** The lane was taken from its consumer, which may not know yet: its right to act ends here. */
  | { readonly event: 'lane-fenced'; readonly lane: number }
  /** The seat was taken from its producer, which may not know yet: what it flushes from here on never was. */
  | { readonly event: 'producer-fenced'; readonly producer: number }
  /** The process of a holder is dead. It is over when its locks are gone, too. */
  | { readonly event: 'producer-died'; readonly producer: number }
  | { readonly event: 'lane-died'; readonly lane: number }
  /**
   * The router ends the lane of a consumer that is proven dead. `comesAgain`: by what its subscription says at this moment, and as the lane is read, what the
   * consumer has claimed and was not through with is owed to its group.
   */
  | { readonly event: 'death-settled'; readonly lane: number; readonly comesAgain: boolean }
  /** The subscription of a group is deleted: what its lanes still have is nobody's. */
  | { readonly event: 'group-gone'; readonly group: number }
  /** A roll has ended the generation: no consumer joins it any more. */
  | { readonly event: 'generation-ended' }
  /** A fault has changed words of the segment: any entry may be one that nobody shall have. */
  | { readonly event: 'damaged' }
  /** The seat may be taken by another from now on. */
  | { readonly event: 'seat-freed'; readonly kind: 'producer' | 'lane'; readonly seat: number; readonly epoch: number }
  /** Somebody who holds, or held, a seat has written a word that belongs to it. */
  | {
      readonly event: 'seat-written';
      readonly kind: 'producer' | 'lane';
      readonly seat: number;
      readonly epoch: number;
    }
  | { readonly event: 'router-began'; readonly router: number }
  | { readonly event: 'router-over'; readonly router: number }
  /** A router has changed a word that only the router changes. */
  | { readonly event: 'router-wrote'; readonly router: number }
  /** The message stands in the producer's source, with its payload; whoever publishes it has no answer yet. */
  | ({
      readonly event: 'published';
      readonly topic: number;
      readonly key: number;
      readonly byteLength: number;
      /** Of the payload. */
      readonly checksum: number;
    } & MessageName)
  /** So many calls of the producer that publish one message each have answered that they did. */
  | { readonly event: 'publish-accepted'; readonly producer: number; readonly through: number }
  /** Such a call has answered that it did not. */
  | { readonly event: 'publish-refused'; readonly producer: number }
  /** Such a call has thrown. `mayHaveWritten`: it said that what was published last may be routed all the same. */
  | { readonly event: 'publish-threw'; readonly producer: number; readonly mayHaveWritten: boolean }
  /** The producer has told the router of its messages before `through`. */
  | { readonly event: 'flushed'; readonly producer: number; readonly through: number }
  /** It has done so after the fence: none of them ever was, and it learns of its fence by that. */
  | { readonly event: 'flushed-too-late'; readonly producer: number; readonly through: number }
  /** A commit has taken the message from its source; these lanes and groups should have it. */
  | ({ readonly event: 'taken'; readonly lanes: readonly number[]; readonly groups: readonly number[] } & MessageName)
  /** A commit has placed the message in a lane. */
  | ({
      readonly event: 'placed';
      readonly lane: number;
      readonly requeued: boolean;
      readonly redelivered: boolean;
    } & MessageName)
  /** A commit has taken a message back out of a lane that lives. */
  | ({ readonly event: 'evicted'; readonly lane: number } & MessageName)
  /** A commit has taken a message out of a lane that ends: to another lane, or lost. */
  | ({ readonly event: 'requeued-out' | 'detached'; readonly lane: number } & MessageName)
  /** A commit has placed the message in a group although a lane of it that ends has older ones to give back. */
  | ({ readonly event: 'overtook'; readonly lane: number } & MessageName)
  | {
      readonly event: 'committed';
      /** Of each live lane after the commit. */
      readonly lanes: readonly {
        readonly lane: number;
        readonly depth: number;
        readonly capacity: number;
        /** 0 for none. */
        readonly creditLimit: number;
      }[];
      /** Slots of each producer that no lane without blocking has, and twice the batch, which it shall never be less than; none without such lanes. */
      readonly spare: readonly { readonly producer: number; readonly slots: number; readonly atLeast: number }[];
    }
  /** The consumer's claim of the message has succeeded: nobody else will have it. */
  | ({ readonly event: 'claimed'; readonly lane: number } & MessageName)
  /** The application has the message. */
  | ({
      readonly event: 'received';
      readonly lane: number;
      readonly requeued: boolean;
      readonly redelivered: boolean;
      readonly byteLength: number;
      readonly checksum: number;
    } & MessageName)
  /** The receive that claimed the message has thrown then: the application was told of damage, and has nothing of it. */
  | ({ readonly event: 'withheld'; readonly lane: number } & MessageName)
  /** The application looked again at a message that it still has open. */
  | ({ readonly event: 'looked-again'; readonly lane: number; readonly checksum: number } & MessageName)
  /** The consumer has said that it is through with all that it claimed. */
  | { readonly event: 'through'; readonly lane: number }
  /** What the bus says of itself, at this point of the order. */
  | {
      readonly event: 'told';
      readonly producers: readonly ExportedProducer[];
      readonly lanes: readonly ExportedLane[];
      readonly groups: readonly ExportedGroup[];
    }
  /** What a cut of the router's holds, compared where it was written. */
  | {
      readonly event: 'cut';
      readonly producers: readonly Omit<ExportedProducer, 'sent'>[];
      readonly lanes: readonly CutLane[];
      /** Of all groups together. */
      readonly groups: { readonly noCredit: number; readonly allFull: number };
    }
  /** A roll has ended the generation, and messages are in a source or a lane of it: nobody routes or reads them, and no count has them. */
  | { readonly event: 'left-behind'; readonly what: 'source' | 'lane'; readonly who: number; readonly messages: number }
  /** A commit wrote over entries that only it takes out of the lane: a successor that finds it unsealed would count what stands there now. */
  | { readonly event: 'written-over'; readonly lane: number; readonly entries: number }
  /** A router took what it found for damaged, and no fault has damaged it. */
  | { readonly event: 'damage-found'; readonly what: string }
  /** Where the slots are, at this point. `quiet`: everybody has fetched what came home and nothing is under way. */
  | { readonly event: 'slots'; readonly quiet: boolean; readonly places: readonly SlotPlaces[] }
  /**
   * A router has taken over. `differing`: counts and tails that are not what they were to be when the first one began to, with the last commit that was
   * sealed and nothing else; also where one that died in it has begun before.
   */
  | {
      readonly event: 'recovered';
      readonly differing: readonly { readonly word: number; readonly is: number; readonly twin: number }[];
    }
  /** Somebody waited until there was work for it (a lane, a source, a return), and how long it took. */
  | {
      readonly event: 'waited';
      readonly what: 'receive' | 'others-after-kill' | 'source-behind-stalled-lane' | 'visit';
      readonly who: number;
      /** Milliseconds, or messages taken from others with `visit`. */
      readonly took: number;
      readonly bound: number;
    }
  /** Nobody can go on although there is work. */
  | { readonly event: 'stuck'; readonly who: string };

/** `3:17`: unique for a message. */
export function nameOf(message: MessageName): string {
  return `${message.producer}:${message.sequence}`;
}

/** Two numbers of incarnations as one. */
export function pairOf(one: number, other: number): number {
  return one * 2 ** 26 + other;
}
