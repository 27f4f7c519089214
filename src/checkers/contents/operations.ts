/**
 * What a store holds, as a set or as a list: `add` (input: the element; `append` is the same word for a list), `remove` (input:
 * the element), `read` (output: all elements; of a list in its order). What the store holds at the end, or held at a moment
 * at which somebody looked into it, is an observation beside the history. Elements tell operations apart: add each once.
 */
import type { Operation } from '../history.ts';

/** A thing that a store holds. */
export type Element = number | string;

/** What a store held when somebody looked. */
export interface Observation {
  /** For messages: `the final state`, `read 7`. */
  readonly name: string;
  /** Of a list in its order. */
  readonly elements: readonly Element[];
  /** The look took place between these two, in the order of the history; Infinity twice: after everything. */
  readonly fromOrder: number;
  readonly toOrder: number;
  /** The operation that looked, if it was a client. */
  readonly operation?: Operation;
}

/** Everything that was done to one element. `fail` is among it: that nobody succeeded must be seen. */
export interface ElementStory {
  readonly element: Element;
  readonly adds: readonly Operation[];
  readonly removes: readonly Operation[];
}

/** The observation of what was there after the last operation. */
export function finalState(elements: readonly Element[]): Observation {
  return {
    name: 'the final state',
    elements,
    fromOrder: Number.POSITIVE_INFINITY,
    toOrder: Number.POSITIVE_INFINITY,
  };
}

/** What clients saw: an observation for each answered `read`, in order of their answers. Throws when one is no list. */
export function readsOf(operations: readonly Operation[]): Observation[] {
  return operations
    .filter(({ f, outcome }) => f === 'read' && outcome === 'ok')
    .map((operation) => ({
      name: `read ${operation.id}`,
      elements: elementsOf(operation),
      fromOrder: operation.invokedOrder,
      toOrder: operation.completedOrder,
      operation,
    }))
    .sort((a, b) => a.toOrder - b.toOrder);
}

/** The history, element by element. Throws for an operation that is none of `add`, `append`, `remove` and `read`. */
export function storiesOf(operations: readonly Operation[]): ReadonlyMap<Element, ElementStory> {
  const stories = new Map<Element, { element: Element; adds: Operation[]; removes: Operation[] }>();
  for (const operation of operations) {
    if (operation.f === 'read') continue;
    if (operation.f !== 'add' && operation.f !== 'append' && operation.f !== 'remove') {
      throw new Error(
        `operation ${operation.id}: a set or list knows add, append, remove and read, not ${operation.f}`,
      );
    }
    const element = elementOf(operation);
    let story = stories.get(element);
    if (story === undefined) {
      story = { element, adds: [], removes: [] };
      stories.set(element, story);
    }
    (operation.f === 'remove' ? story.removes : story.adds).push(operation);
  }
  return stories;
}

/** The element that an `add`, `append` or `remove` is about. */
export function elementOf({ id, f, input }: Operation): Element {
  if (isElement(input)) return input;
  throw new Error(
    `operation ${id}: expected the input of ${f} to be a number or a string, got ${JSON.stringify(input)}`,
  );
}

/** The elements that a `read` gave. */
export function elementsOf({ id, output }: Operation): readonly Element[] {
  if (Array.isArray(output) && output.every(isElement)) return output;
  throw new Error(
    `operation ${id}: expected the output of read to be a list of numbers and strings, got ${JSON.stringify(output)}`,
  );
}

function isElement(value: unknown): value is Element {
  return typeof value === 'number' || typeof value === 'string';
}
