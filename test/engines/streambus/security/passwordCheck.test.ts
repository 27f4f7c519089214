import { beforeEach, expect, test } from 'vitest';
import { Decoys } from '../../../../src/engines/streambus/security/decoys.ts';
import { PasswordCheck } from '../../../../src/engines/streambus/security/passwordCheck.ts';
import { credentialOf } from '../../../../src/engines/streambus/security/scramKeys.ts';
import type { Clock } from '../../../../src/host/clock.ts';

/** How many passwords were hashed the costly way. */
let costly = 0;
/** What each of them cost: the hash, how often, and over how much. */
let work: (readonly [mechanism: string, iterations: number, saltBytes: number])[] = [];
const counted: typeof credentialOf = (...given) => {
  costly += 1;
  const [mechanism, , salt, iterations] = given;
  work.push([mechanism, iterations, salt.length]);
  return credentialOf(...given);
};

const stored = (password: string, salt = 1) =>
  credentialOf('SCRAM-SHA-256', password, new Uint8Array(16).fill(salt), 4_096);

function checkAt(time: { now: number }) {
  const clock = { now: () => time.now } as Clock; // it only reads the time
  return new PasswordCheck(clock, new Uint8Array(32).fill(7), counted);
}

const credential = stored('secret');

beforeEach(() => {
  costly = 0;
  work = [];
});

test('a right password is hashed once, however often it comes, until the credential changes', () => {
  const check = checkAt({ now: 0 });
  for (let n = 0; n < 100; n++) expect(check.check('alice', 'secret', credential, 'a')).toBe('right');
  expect(costly).toBe(1);
  const changed = stored('other', 2);
  expect(check.check('alice', 'secret', changed, 'a')).toBe('wrong');
  expect(check.check('alice', 'other', changed, 'a')).toBe('right');
  expect(costly).toBe(3);
});

test('another user of the same password is verified by himself', () => {
  const check = checkAt({ now: 0 });
  expect(check.check('alice', 'secret', credential, 'a')).toBe('right');
  expect(check.check('bob', 'secret', stored('pencil'), 'a')).toBe('wrong');
});

test('five wrong passwords for a user from an address are looked at, then one a second; others and the verified are served', () => {
  const time = { now: 5_000 };
  const check = checkAt(time);
  expect(check.check('alice', 'secret', credential, 'bad')).toBe('right');
  const verdicts = Array.from({ length: 50 }, () => check.check('alice', 'guess', credential, 'bad'));
  expect(verdicts.filter((verdict) => verdict === 'wrong')).toHaveLength(5);
  expect(verdicts.slice(5).every((verdict) => verdict === 'too-many-failures')).toBe(true);
  expect(costly).toBe(6);
  expect(check.check('alice', 'secret', credential, 'bad')).toBe('right');
  // Behind one address there may be many: who has not failed pays nothing for who has.
  expect(check.check('bob', 'secret', credential, 'bad')).toBe('right');
  expect(check.check('alice', 'secret', stored('secret', 3), 'bad')).toBe('too-many-failures');
  expect(check.check('bob', 'secret', credential, 'good')).toBe('right');
  time.now += 1_000;
  expect(check.check('alice', 'guess', credential, 'bad')).toBe('wrong');
  expect(check.check('alice', 'guess', credential, 'bad')).toBe('too-many-failures');
  time.now += 60_000;
  expect(check.check('carol', 'secret', credential, 'bad')).toBe('right');
});

test('from however many addresses they come, wrong passwords cost a bounded share of the time', () => {
  const time = { now: 0 };
  const check = checkAt(time);
  for (let n = 0; n < 1_000; n++) {
    check.check('alice', 'guess', credential, `address-${n}`);
    time.now += 1;
  }
  // 20 at once, and one each 75 ms.
  expect(costly).toBeGreaterThanOrEqual(20 + 12);
  expect(costly).toBeLessThanOrEqual(20 + 14);
});

test('who keeps failing leaves room to who has not', () => {
  const check = checkAt({ now: 0 });
  for (let n = 0; n < 50; n++) check.check(`user-${n % 4}`, 'guess', credential, 'bad');
  expect(costly).toBeLessThanOrEqual(20 - 9);
  expect(check.check('bob', 'secret', credential, 'good')).toBe('right');
});

test('one address that invents a new name each time is heard twice a second, and keeps nobody else out', () => {
  const time = { now: 0 };
  // Only who is let in matters here.
  const check = new PasswordCheck({ now: () => time.now } as Clock, new Uint8Array(32), (mechanism, password) => ({
    ...credential,
    mechanism,
    storedKey: new TextEncoder().encode(password.padEnd(32)),
  }));
  const good = { ...credential, storedKey: new TextEncoder().encode('good'.padEnd(32)) };
  const verdicts = { guesses: 0, first: [] as string[] };
  for (; time.now < 60_000; time.now += 20) {
    // Names that exist, and names that do not.
    const stored = time.now % 40 === 0 ? good : undefined;
    if (check.check(`name-${time.now}`, 'guess', stored, 'bad') === 'wrong') verdicts.guesses += 1;
    if (time.now % 500 === 0)
      verdicts.first.push(check.check(`real-${time.now}`, 'good', good, `good-${time.now % 250}`));
  }
  expect(verdicts.first).toEqual(Array(120).fill('right'));
  // 10 at once, and one each 500 ms.
  expect(verdicts.guesses).toBeGreaterThanOrEqual(10 + 118);
  expect(verdicts.guesses).toBeLessThanOrEqual(10 + 120);
});

test('one machine with a network of IPv6 is limited as one with an address', () => {
  const check = checkAt({ now: 0 });
  for (let n = 0; n < 50; n++) check.check(`name-${n}`, 'guess', credential, `2001:db8:1:2::${n.toString(16)}`);
  expect(costly).toBe(10);
  expect(check.check('bob', 'secret', credential, '2001:db8:1:3::1')).toBe('right');
});

test('many users behind one address mistype, and those who do not are let in', () => {
  const time = { now: 0 };
  const check = checkAt(time);
  const verdicts = Array.from({ length: 8 }, (_, at) => {
    const mistyped = check.check(`user-${at}`, 'typo', credential, 'office');
    time.now += 300;
    return [mistyped, check.check(`user-${at}`, 'secret', credential, 'office')];
  });
  expect(verdicts).toEqual(Array(8).fill(['wrong', 'right']));
});

test('an address is not forgotten while its failures count, whatever number of others fail meanwhile', () => {
  const time = { now: 0 };
  const check = checkAt(time);
  for (let n = 0; n < 10; n++) check.check(`name-${n}`, 'guess', credential, 'bad');
  for (let n = 0; n < 3_000; n++) check.check('alice', 'guess', credential, `address-${n}`);
  expect(check.check('new', 'guess', credential, 'bad')).toBe('too-many-failures');
  time.now = 60_000;
  expect(check.check('new', 'guess', credential, 'bad')).toBe('wrong');
});

test('a user who does not exist costs what a wrong password costs, and is limited as it is', () => {
  const check = checkAt({ now: 0 });
  const verdicts = Array.from({ length: 8 }, () => check.check('nobody', 'guess', undefined, 'bad'));
  expect(verdicts).toEqual([...Array(5).fill('wrong'), ...Array(3).fill('too-many-failures')]);
  expect(costly).toBe(5);
});

test('a user who does not exist is hashed for as a usual one is: the same hash, as often', () => {
  const usual = credentialOf('SCRAM-SHA-512', 'secret', new Uint8Array(16).fill(1), 4_096);
  const workOf = (user: string, password: string, credential: typeof usual | undefined) => {
    work = [];
    checkAt({ now: 0 }).check(user, password, credential, 'a');
    return work;
  };
  const wrong = workOf('alice', 'guess', usual);
  expect(wrong).toEqual([['SCRAM-SHA-512', 4_096, 16]]);
  for (const user of ['nobody', '', 'x'.repeat(1_000)]) expect(workOf(user, 'guess', undefined)).toEqual(wrong);
});

test('a user who does not exist is hashed for as some user of the cluster is, as the same one each time', () => {
  const users = [
    [credentialOf('SCRAM-SHA-256', 'a', new Uint8Array(26), 8_192)],
    [
      credentialOf('SCRAM-SHA-256', 'b', new Uint8Array(16), 4_096),
      credentialOf('SCRAM-SHA-512', 'b', new Uint8Array(16), 4_096),
    ],
  ];
  const time = { now: 0 };
  const clock = { now: () => time.now } as Clock; // it only reads the time
  const decoys = new Decoys(clock, new Uint8Array(32).fill(7), () => users);
  const workOf = (user: string) => {
    work = [];
    new PasswordCheck(clock, new Uint8Array(32).fill(7), counted, decoys).check(user, 'guess', undefined, 'a');
    return work.map((each) => each.join(' ')).join();
  };
  const names = Array.from({ length: 40 }, (_, at) => `nobody-${at}`);
  const first = names.map(workOf);
  // What PLAIN checks a user's password against: SHA-512 where there is one.
  expect(new Set(first)).toEqual(new Set(['SCRAM-SHA-256 8192 26', 'SCRAM-SHA-512 4096 16']));
  expect(names.map(workOf)).toEqual(first);
  // SCRAM shows iterations and salt to whoever asks.
  const shown = names.map((name) => decoys.forScram(name, 'SCRAM-SHA-256'));
  expect(new Set(shown.map(({ iterations, salt }) => `${iterations} ${salt.length}`))).toEqual(
    new Set(['8192 26', '4096 16']),
  );
  expect(names.map((name) => decoys.forScram(name, 'SCRAM-SHA-256'))).toEqual(shown);
  // Another kind wins some names, and leaves the others as they were.
  users.push([credentialOf('SCRAM-SHA-512', 'c', new Uint8Array(16), 5_000)]);
  time.now = 1_000;
  const later = names.map(workOf);
  const changed = later.filter((kind, at) => kind !== first[at]);
  expect(changed.length).toBeGreaterThan(0);
  expect(changed.length).toBeLessThan(names.length);
  expect(new Set(changed)).toEqual(new Set(['SCRAM-SHA-512 5000 16']));
});
