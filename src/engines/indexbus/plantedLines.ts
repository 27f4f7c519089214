import type { Receiver } from './consumer.ts';
import { Header, SegmentState } from './layout.ts';
import type { IndexbusMutantFlags } from './mutants.ts';
import type { Publisher } from './producer.ts';
import type { Segment } from './segment.ts';
import type { ViewReceiver } from './viewConsumer.ts';

/** Bugs that can be planted here: over a line when it is made, so that no hot path asks for them. */
export type LineMutants = Pick<
  IndexbusMutantFlags,
  'acceptUnwritten' | 'refuseWritten' | 'closeUnflushed' | 'moveUnflushed' | 'claimNotHanded'
>;

/** Calls of which one answers wrongly. */
const wrongEvery = 11;

/** Plants what a producer's line is to do wrong; nothing in production. */
export function plantInPublisher(
  publisher: Publisher,
  { words }: Pick<Segment, 'words'>,
  { acceptUnwritten, refuseWritten, closeUnflushed, moveUnflushed }: LineMutants,
): void {
  const publish = publisher.publish.bind(publisher);
  const publishWords = publisher.publishWords.bind(publisher);
  const flushQuietly = publisher.flushQuietly.bind(publisher);
  const close = publisher.close.bind(publisher);
  let calls = 0;
  const isWrong = (): boolean => ++calls % wrongEvery === 0;
  if (acceptUnwritten) {
    publisher.publish = (...message) => isWrong() || publish(...message);
    publisher.publishWords = (...message) => isWrong() || publishWords(...message);
  }
  if (refuseWritten) {
    publisher.publish = (...message) => publish(...message) && !isWrong();
    publisher.publishWords = (...message) => publishWords(...message) && !isWrong();
  }
  if (closeUnflushed) {
    publisher.close = () => {
      publisher.flushQuietly = () => {};
      close();
    };
  }
  if (moveUnflushed) {
    publisher.flushQuietly = () => {
      if (Atomics.load(words, Header.state) !== SegmentState.draining) flushQuietly();
    };
  }
}

/** Plants what a consumer's line is to do wrong; nothing in production. */
export function plantInReceiver(receiver: Receiver | ViewReceiver, { claimNotHanded }: LineMutants): void {
  if (!claimNotHanded) return;
  const receive = receiver.receive.bind(receiver);
  receiver.receive = (into, most) => {
    const count = receive(into, most);
    const last = count - 1;
    if (last < 0 || !(into.requeued(last) || into.redelivered(last))) return count;
    into.length = last;
    return last;
  };
}
