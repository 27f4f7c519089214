import { badArgument, shown } from './badArgument.ts';
import type { Subscription } from './commands.ts';
import { BusError } from './errors.ts';

/** Names of subscriptions. */
export const subscriptionNames = /^[a-z0-9._-]{1,63}$/;

const number = { expected: 'a number', isRight: (value: unknown) => Number.isFinite(value) };
const text = { expected: 'a text', isRight: (value: unknown) => typeof value === 'string' };
const texts = {
  expected: 'a list of patterns',
  isRight: (value: unknown) => Array.isArray(value) && value.every((it) => typeof it === 'string'),
};
/** JSON has no undefined: it comes as null, or not at all. */
const maybe = {
  ...number,
  isRight: (value: unknown) => value === undefined || value === null || number.isRight(value),
};

/** Each field of a subscription that is declared, and what is looked at here; whether its values go together, and fit the segment, the router knows. */
const fields: Readonly<Record<keyof Subscription, { readonly expected: string; isRight(value: unknown): boolean }>> = {
  name: text,
  topics: texts,
  mode: text,
  lane: text,
  drop: text,
  capacity: number,
  creditLimit: maybe,
  balance: text,
  detachAfterMs: maybe,
  delivery: text,
  access: text,
  viewMax: number,
};

/** Throws IB_BAD_CONFIG, with the key, where one is missing, wrong or no key of a subscription. */
export function checkDeclaration(what: string, given: unknown): asserts given is Subscription {
  const keys = Object.keys(fields).join(', ');
  if (typeof given !== 'object' || given === null) throw badArgument(what, `a subscription: ${keys}`, shown(given));
  const values: Readonly<Record<string, unknown>> = { ...given };
  for (const [key, { expected, isRight }] of Object.entries(fields)) {
    if (!isRight(values[key])) throw badArgument(`${what}: ${key}`, expected, shown(values[key]));
  }
  // What is written otherwise in a configuration (detach_after_ms) would be left out in silence.
  const unknown = Object.keys(values).find((key) => !Object.hasOwn(fields, key));
  if (unknown !== undefined) throw badArgument(`${what}: there is no key ${unknown}`, keys, unknown);
}

/** Whether two subscriptions say the same, in whatever order. */
export function isSameSubscription(one: Subscription | undefined, other: Subscription): boolean {
  const keys = Object.keys(fields) as (keyof Subscription)[]; // as its type has them
  return one !== undefined && keys.every((key) => JSON.stringify(one[key]) === JSON.stringify(other[key]));
}

/** A subscription as a consumer declares it, in JSON. Throws IB_BAD_CONFIG for what is none; its values are still to be checked. */
export function declaredSubscription(json: string): Subscription {
  const given = parsed(json);
  checkDeclaration('a declaration', given);
  const { creditLimit, detachAfterMs, ...rest } = given;
  return { ...rest, creditLimit: creditLimit ?? undefined, detachAfterMs: detachAfterMs ?? undefined };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new BusError('IB_BAD_CONFIG', 'a declaration is no JSON', { expected: 'a subscription', got: json, cause });
  }
}
