import type { Region } from '../../host/sharedMemory.ts';
import { BusError } from './errors.ts';
import { type Layout, topicNameBytes } from './layout.ts';
import { isTopicName } from './patterns.ts';
import { Point } from './points.ts';
import { loadText, textWords } from './texts.ts';

const nameWords = topicNameBytes / 4;

/** The topics of a segment, with their numbers, in the order of these. A topic is never removed: descriptors know it by number. */
export function readTopics(region: Region, layout: Layout): Map<string, number> {
  const topics = new Map<string, number>();
  for (let number = 0; number < layout.sizes.topics; number += 1) {
    const name = loadText(region.words, layout.topicNames + number * nameWords, topicNameBytes);
    if (name === '') break;
    topics.set(name, number);
  }
  return topics;
}

/** Whether there is a topic of this number. */
export function hasTopic({ words }: Region, layout: Layout, number: number): boolean {
  return number < layout.sizes.topics && Atomics.load(words, layout.topicNames + number * nameWords) !== 0;
}

/**
 * Writes the next topic's name, its first word last: while that is 0 there is no such topic, and what else a router that died has written there is written
 * over. Throws IB_TOPICS_FULL, or IB_BAD_CONFIG for a name that is none.
 */
export function addTopic(region: Region, layout: Layout, number: number, name: string): number {
  if (!isTopicName(name)) {
    throw new BusError('IB_BAD_CONFIG', `${JSON.stringify(name)} is no name of a topic`, {
      expected: `1 to ${topicNameBytes} characters: letters, digits, _ and -, in parts that dots join`,
      got: JSON.stringify(name),
    });
  }
  if (number >= layout.sizes.topics) {
    throw new BusError(
      'IB_TOPICS_FULL',
      `there are ${number} topics, as many as the segment has room for: roll it with a greater topics_max`,
    );
  }
  const at = layout.topicNames + number * nameWords;
  const text = textWords(topicNameBytes, name);
  for (let word = 1; word < nameWords; word += 1) {
    region.step(Point.writeTopic);
    Atomics.store(region.words, at + word, text[word] ?? 0);
  }
  region.step(Point.topicIsThere);
  Atomics.store(region.words, at, text[0] ?? 0);
  return number;
}
