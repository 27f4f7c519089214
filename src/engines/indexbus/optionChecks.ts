import { badArgument, shown, whole } from './badArgument.ts';
import { checkDeclaration, subscriptionNames } from './declaration.ts';

/**
 * What programs hand over where they open a bus, a producer or a consumer: looked at before anything happens, since types are no help to who does not compile
 * with them. An option that is no option is a typing error, and what was meant by it would be left out in silence. All throw IB_BAD_CONFIG.
 */

/** Throws where the value is wrong. */
type Check = (what: string, value: unknown) => void;

const text: Check = (what, value) => {
  if (typeof value !== 'string') throw badArgument(what, 'a text', shown(value));
};

const someText: Check = (what, value) => {
  if (typeof value !== 'string' || value === '') throw badArgument(what, 'a text that is not empty', shown(value));
};

const flag: Check = (what, value) => {
  if (typeof value !== 'boolean') throw badArgument(what, 'true or false', shown(value));
};

const milliseconds: Check = (what, value) => {
  if (typeof value !== 'number' || !(value >= 0)) throw badArgument(what, 'milliseconds from 0', shown(value));
};

/** Who spins for ever has more of them than any counter. */
const looks: Check = (what, value) => {
  const isCount =
    typeof value === 'number' && value >= 0 && (Number.isInteger(value) || value === Number.POSITIVE_INFINITY);
  if (!isCount) throw badArgument(what, 'a whole number from 0, or Infinity', shown(value));
};

const atLeast =
  (least: number): Check =>
  (what, value) => {
    whole(what, value, least);
  };

const object: Check = (what, value) => {
  if (typeof value !== 'object' || value === null) throw badArgument(what, 'an object', shown(value));
};

const signal: Check = (what, value) => {
  const isSignal = typeof value === 'object' && value !== null && 'aborted' in value && 'addEventListener' in value;
  if (!isSignal) throw badArgument(what, 'an AbortSignal', shown(value));
};

const callback: Check = (what, value) => {
  if (typeof value !== 'function') throw badArgument(what, 'a function', shown(value));
};

const eachOnce: Check = (what, value) => {
  const isList = Array.isArray(value) && value.length > 0;
  const isRight = isList && value.every((name) => typeof name === 'string' && name !== '');
  if (!isRight || new Set(value).size < value.length) {
    throw badArgument(what, 'names of segments, one at least, each once', shown(value));
  }
};

const busOptions: Readonly<Record<string, Check>> = {
  host: object,
  segment: someText,
  segments: eachOnce,
  directory: someText,
  group: someText,
  attachTimeoutMs: milliseconds,
  signal,
  spins: looks,
  atEndOfTurn: callback,
};

export function checkBusOptions(options: unknown): void {
  const given = known('openBus', options, busOptions);
  if (given.segment !== undefined && given.segments !== undefined) {
    throw badArgument('openBus', 'segment or segments', 'both');
  }
  if (given.segment === undefined && given.segments === undefined) {
    throw badArgument('openBus: segment', 'the name of the segment of the bus, or segments with several', 'undefined');
  }
}

const producerOptions: Readonly<Record<string, Check>> = {
  name: text,
  creditLimit: atLeast(0),
  flushEvery: atLeast(1),
  checked: flag,
};

export function checkProducerOptions(options: unknown): void {
  known('producer', options, producerOptions);
}

/** Throws for what cannot be the name of a subscription. */
export const checkSubscriptionName: Check = (what, value) => {
  if (typeof value !== 'string' || !subscriptionNames.test(value)) {
    throw badArgument(what, 'the name of a subscription, 1 to 63 of a-z, 0-9, ".", "_", "-"', shown(value));
  }
};

const consumerOptions: Readonly<Record<string, Check>> = {
  subscription: checkSubscriptionName,
  name: text,
  batch: atLeast(1),
  declare: checkDeclaration,
  checked: flag,
};

export function checkConsumerOptions(options: unknown): void {
  const given = known('consumer', options, consumerOptions);
  checkSubscriptionName('consumer: subscription', given.subscription);
  const { declare } = given;
  if (typeof declare !== 'object' || declare === null || !('name' in declare)) return;
  if (declare.name !== given.subscription) {
    throw badArgument('consumer: declare: name', `${given.subscription}, which it reads`, shown(declare.name));
  }
}

/** Options that are all known and right. What is undefined is as good as left out. */
function known(
  call: string,
  options: unknown,
  checks: Readonly<Record<string, Check>>,
): Readonly<Record<string, unknown>> {
  const keys = Object.keys(checks).join(', ');
  if (typeof options !== 'object' || options === null) {
    throw badArgument(call, `an object with ${keys}`, shown(options));
  }
  const given: Readonly<Record<string, unknown>> = { ...options };
  for (const [key, value] of Object.entries(given)) {
    if (!Object.hasOwn(checks, key)) throw badArgument(`${call}: there is no option ${key}`, keys, key);
    if (value !== undefined) checks[key]?.(`${call}: ${key}`, value);
  }
  return given;
}
