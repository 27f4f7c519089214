/** An argument of a directive: `key`, `key=value` or `key=(value, …)`. */
export interface Argument {
  readonly key: string;
  readonly values: readonly string[];
}

/** One case of a datadriven file: a directive, its input, what it must print. */
export interface Case {
  readonly line: number;
  readonly command: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
}

const separator = '----';

/**
 * Reads a file of cockroachdb/datadriven: comments and blank lines, then directive, input, `----`, and the expected output up to
 * a blank line; after a doubled separator, up to the next doubled one, so that it may hold blank lines itself.
 */
export function parseCases(text: string): Case[] {
  const lines = text.split('\n');
  const cases: Case[] = [];
  let at = 0;
  while (at < lines.length) {
    const start = at;
    let directive = lines[at++] ?? '';
    if (directive.trim() === '' || directive.startsWith('#')) continue;
    while (directive.endsWith('\\')) directive = `${directive.slice(0, -1)} ${(lines[at++] ?? '').trim()}`;
    const [command, args] = parseDirective(directive, start + 1);
    const input: string[] = [];
    while (at < lines.length && lines[at] !== separator) input.push(lines[at++] ?? '');
    if (at >= lines.length) throw new Error(`line ${start + 1}: ${directive}: no ${separator} follows`);
    at++;
    const expected: string[] = [];
    if (lines[at] === separator) {
      at++;
      while (at < lines.length && !(lines[at] === separator && lines[at + 1] === separator)) {
        expected.push(lines[at++] ?? '');
      }
      at += 2;
    } else {
      while (at < lines.length && (lines[at] ?? '').trim() !== '') expected.push(lines[at++] ?? '');
    }
    cases.push({
      line: start + 1,
      command,
      args,
      input: input.join('\n'),
      expected: expected.map((line) => `${line}\n`).join(''),
    });
  }
  return cases;
}

/** A command and its arguments. Throws when the line does not follow the format. */
export function parseDirective(directive: string, line: number): [command: string, args: Argument[]] {
  const word = /\s*(?<key>[^\s=()]+)(?:=(?:\((?<list>[^)]*)\)|(?<value>[^\s()]*)))?/y;
  const args: Argument[] = [];
  const text = directive.trimEnd();
  while (word.lastIndex < text.length) {
    const at = word.lastIndex;
    const groups = word.exec(text)?.groups;
    if (groups === undefined) throw new Error(`line ${line}: cannot read "${text.slice(at)}" of "${text}"`);
    const { key = '', list, value } = groups;
    if (list !== undefined) args.push({ key, values: list.split(',').map((item) => item.trim()) });
    else args.push({ key, values: value === undefined ? [] : [value] });
  }
  const [command, ...rest] = args;
  if (command === undefined || command.values.length > 0) throw new Error(`line ${line}: "${text}" names no command`);
  return [command.key, rest];
}

/** A whole number from 0 on; throws otherwise. */
export function wholeNumber(text: string | undefined): number {
  const number = Number(text);
  if (text === undefined || !/^\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new Error(`expected a whole number, got ${text ?? 'nothing'}`);
  }
  return number;
}

/** As Go's strconv.ParseBool. */
export function truth(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw new Error(`expected true or false, got ${text}`);
}
