import { humanize, humanizeDuration, humanizePercentage, printNumber, printWith } from './templateFunctions.ts';

/** What a template of a rule may speak of. */
export interface TemplateData {
  /** Value of the expression's element. */
  readonly value: number;
  /** Labels of the expression's element. */
  readonly labels: Readonly<Record<string, string>>;
}

/** A text with its placeholders parsed. */
export interface Template {
  readonly source: string;
  expand(data: TemplateData): string;
}

type Step = (value: string | number) => string | number;

const FILTERS: Readonly<Record<string, Step>> = {
  humanize: (value) => humanize(Number(value)),
  humanizeDuration: (value) => humanizeDuration(Number(value)),
  humanizePercentage: (value) => humanizePercentage(Number(value)),
  toUpper: (value) => String(value).toUpperCase(),
  toLower: (value) => String(value).toLowerCase(),
};

const PATTERN = /\{\{-?\s*(.*?)\s*-?\}\}/gs;

/**
 * Parses the subset of Prometheus' templates that rules use: `{{ $value }}`, `{{ $labels.name }}`, both through the filters
 * `humanize`, `humanizeDuration`, `humanizePercentage`, `toUpper`, `toLower` and `printf "%.2f"`, and `{{ printf "%.2f" $value }}`.
 * Throws `SyntaxError` for anything else.
 */
export function parseTemplate(source: string): Template {
  const parts: ((data: TemplateData) => string)[] = [];
  let from = 0;
  for (const match of source.matchAll(PATTERN)) {
    const literal = source.slice(from, match.index);
    parts.push(() => literal, parsePipeline(match[1] ?? ''));
    from = match.index + match[0].length;
  }
  const rest = source.slice(from);
  if (rest.includes('{{')) throw new SyntaxError(`\`{{\` without \`}}\` in the template: ${rest}`);
  parts.push(() => rest);
  return { source, expand: (data) => parts.map((part) => part(data)).join('') };
}

function parsePipeline(text: string): (data: TemplateData) => string {
  const [head = '', ...filters] = text.split('|').map((part) => part.trim());
  const print = /^printf\s+"((?:[^"\\]|\\.)*)"\s+(\S+)$/.exec(head);
  const start = parseOperand(print?.[2] ?? head, text);
  const steps = filters.map((filter) => parseFilter(filter, text));
  const format = print?.[1];
  if (format !== undefined) steps.unshift((value) => printWith(format, value));
  return (data) => {
    const value = steps.reduce<string | number>((current, step) => step(current), start(data));
    return typeof value === 'number' ? printNumber(value) : value;
  };
}

function parseOperand(operand: string, text: string): (data: TemplateData) => string | number {
  if (operand === '$value' || operand === '.Value') return (data) => data.value;
  const label = /^(?:\$labels|\.Labels)\.([a-zA-Z_][a-zA-Z0-9_]*)$/.exec(operand)?.[1];
  if (label === undefined) {
    throw new SyntaxError(`\`{{ ${text} }}\`: expected \`$value\` or \`$labels.name\`, got \`${operand}\``);
  }
  return (data) => data.labels[label] ?? '';
}

function parseFilter(filter: string, text: string): Step {
  const format = /^printf\s+"((?:[^"\\]|\\.)*)"$/.exec(filter)?.[1];
  if (format !== undefined) return (value) => printWith(format, value);
  const step = Object.hasOwn(FILTERS, filter) ? FILTERS[filter] : undefined;
  if (!step) {
    throw new SyntaxError(
      `\`{{ ${text} }}\`: no function \`${filter}\`; there are ${Object.keys(FILTERS).join(', ')}, printf`,
    );
  }
  return step;
}
