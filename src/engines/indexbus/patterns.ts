import { topicNameBytes } from './layout.ts';

/** Names of topics: parts of letters, digits, `_` and `-`, joined by dots. */
const part = '[A-Za-z0-9_-]+';
const topicName = new RegExp(`^${part}(\\.${part})*$`);
const pattern = new RegExp(`^(>|(${part}|\\*)(\\.(${part}|\\*))*(\\.>)?)$`);

/** Whether a text names a topic: 1 to 64 characters, without blanks. */
export function isTopicName(text: string): boolean {
  return text.length <= topicNameBytes && topicName.test(text);
}

/** Whether a text is a pattern: `*` stands for one part, `>` at the end for one or more. */
export function isPattern(text: string): boolean {
  return text.length <= topicNameBytes && pattern.test(text);
}

/** Whether the topic's name fits the pattern. */
export function matches(wanted: string, topic: string): boolean {
  const parts = topic.split('.');
  const wantedParts = wanted.split('.');
  for (const [index, it] of wantedParts.entries()) {
    if (it === '>') return parts.length > index;
    const there = parts[index];
    if (there === undefined || (it !== '*' && it !== there)) return false;
  }
  return parts.length === wantedParts.length;
}
