import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AclBinding, AclOperation } from '../../../../src/engines/streambus/meta/metadata.ts';
import { AclIndex, type AclQuestion } from '../../../../src/engines/streambus/security/acl.ts';
import { Authorizer } from '../../../../src/engines/streambus/security/authorizer.ts';

const operations: readonly AclOperation[] = [
  'all',
  'read',
  'write',
  'create',
  'delete',
  'alter',
  'describe',
  'describe-configs',
  'alter-configs',
];
const names = ['*', 'a', 'ab', 'abc', 'b', ''];

const binding = fc.record<AclBinding>({
  resourceType: fc.constantFrom('topic', 'group'),
  resourceName: fc.constantFrom(...names),
  patternType: fc.constantFrom('literal', 'prefixed'),
  principal: fc.constantFrom('User:alice', 'User:bob', 'User:*'),
  host: fc.constantFrom('*', 'h1', 'h2'),
  operation: fc.constantFrom(...operations),
  permission: fc.constantFrom('allow', 'deny'),
});
const question = fc.record<AclQuestion>({
  principal: fc.constantFrom('User:alice', 'User:bob', 'User:carol'),
  host: fc.constantFrom('h1', 'h2'),
  operation: fc.constantFrom(...operations.filter((operation) => operation !== 'all')),
  type: fc.constantFrom('topic', 'group'),
  name: fc.constantFrom('a', 'ab', 'abc', 'abcd', 'b', 'z'),
});

/** The rules as they are written down, without an index: every binding is looked at. */
function naive(bindings: readonly AclBinding[], asked: AclQuestion): boolean {
  const applies = bindings.filter(
    (one) =>
      one.resourceType === asked.type &&
      (one.patternType === 'literal'
        ? one.resourceName === asked.name || one.resourceName === '*'
        : asked.name.startsWith(one.resourceName)) &&
      [asked.principal, 'User:*'].includes(one.principal) &&
      [asked.host, '*'].includes(one.host),
  );
  const isDenied = applies.some((one) => one.permission === 'deny' && [asked.operation, 'all'].includes(one.operation));
  const enough: AclOperation[] = [asked.operation, 'all'];
  if (asked.operation === 'describe') enough.push('read', 'write', 'delete', 'alter');
  if (asked.operation === 'describe-configs') enough.push('alter-configs');
  return !isDenied && applies.some((one) => one.permission === 'allow' && enough.includes(one.operation));
}

test('the index answers as looking at every rule does', () => {
  fc.assert(
    fc.property(
      fc.array(binding, { maxLength: 12 }),
      fc.array(question, { minLength: 1, maxLength: 8 }),
      (bindings, all) => {
        const index = new AclIndex(bindings);
        for (const asked of all) expect(index.allows(asked)).toBe(naive(bindings, asked));
      },
    ),
    { numRuns: 3_000, seed: 7 },
  );
});

const read = { principal: 'User:alice', host: 'h1', operation: 'read', type: 'topic', name: 'orders' } as const;
const rule = (changes: Partial<AclBinding>): AclBinding => ({
  resourceType: 'topic',
  resourceName: 'orders',
  patternType: 'literal',
  principal: 'User:alice',
  host: '*',
  operation: 'read',
  permission: 'allow',
  ...changes,
});

test('the truth table: no rule no, a rule yes, a denial wins, whatever the patterns', () => {
  const cases: readonly (readonly [readonly AclBinding[], boolean])[] = [
    [[], false],
    [[rule({})], true],
    [[rule({ operation: 'all' })], true],
    [[rule({ operation: 'write' })], false],
    [[rule({ principal: 'User:bob' })], false],
    [[rule({ principal: 'User:*' })], true],
    [[rule({ host: 'h2' })], false],
    [[rule({ resourceName: 'ord', patternType: 'prefixed' })], true],
    [[rule({ resourceName: 'ord' })], false],
    [[rule({ resourceName: '*' })], true],
    [[rule({ resourceName: '*', patternType: 'prefixed' })], false],
    [[rule({}), rule({ permission: 'deny', resourceName: 'o', patternType: 'prefixed' })], false],
    [[rule({}), rule({ permission: 'deny', operation: 'all', principal: 'User:*' })], false],
    [[rule({}), rule({ permission: 'deny', operation: 'write' })], true],
    [[rule({ resourceType: 'group' })], false],
  ];
  for (const [bindings, expected] of cases) expect(new AclIndex(bindings).allows(read)).toBe(expected);
});

test('who may read, write, alter or delete may describe; a denial of reading does not deny describing', () => {
  const describe = { ...read, operation: 'describe' } as const;
  expect(new AclIndex([rule({})]).allows(describe)).toBe(true);
  expect(new AclIndex([rule({ operation: 'create' })]).allows(describe)).toBe(false);
  expect(new AclIndex([rule({ operation: 'describe' }), rule({ permission: 'deny' })]).allows(describe)).toBe(true);
});

test('super users may everything, without rules in force everybody may, and new rules hold at once', () => {
  const acls: AclBinding[] = [];
  const metadata = { acls, version: 1 };
  const authorizer = new Authorizer({ enabled: true, superUsers: ['User:root'], metadata });
  expect(authorizer.allows(read)).toBe(false);
  expect(authorizer.allows({ ...read, principal: 'User:root' })).toBe(true);
  acls.push(rule({}));
  metadata.version = 2;
  expect(authorizer.allows(read)).toBe(true);
  expect(authorizer.allowsSome({ principal: 'User:alice', host: 'h1', operation: 'read', type: 'topic' })).toBe(true);
  expect(authorizer.allowsSome({ principal: 'User:bob', host: 'h1', operation: 'read', type: 'topic' })).toBe(false);
  expect(new Authorizer({ enabled: false, superUsers: [], metadata }).allows({ ...read, name: 'x' })).toBe(true);
});
