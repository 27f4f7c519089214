import type { Command } from './scenario.ts';

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/**
 * Reads what an operator types: `POST NODE PATH [BODY]` for the engine's routes, anything else as a command line whose
 * words are cut as a shell cuts them. Returns what is wrong with it as text.
 */
export function parseCommand(text: string): Command | string {
  const http = /^([A-Z]+) (\S+) (\/\S*)(?: (.+))?$/s.exec(text);
  const method = methods.find((each) => each === http?.[1]);
  if (method !== undefined && http?.[2] !== undefined && http[3] !== undefined) {
    return {
      kind: 'http',
      text,
      method,
      node: http[2],
      path: http[3],
      ...(http[4] === undefined ? {} : { body: http[4] }),
    };
  }
  if (/^(GET|POST|PUT|PATCH|DELETE)\b/.test(text))
    return `expected 'METHOD NODE /path [BODY]', got ${JSON.stringify(text)}`;
  const words = splitWords(text);
  if (words === undefined) return `a quotation mark is not closed in ${JSON.stringify(text)}`;
  const [verb, ...args] = words;
  if (verb === undefined) return 'expected a command, got an empty line';
  return { kind: 'shell', text, verb, args };
}

/** Words of a command line: spaces separate, quotation marks of both kinds hold together; undefined if one stays open. */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (const character of line) {
    if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (word !== undefined) words.push(word);
  return quote === undefined ? words : undefined;
}
