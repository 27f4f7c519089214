import { Findings, type StemeCheck } from './check.ts';
import { operationsAbout } from './clients.ts';
import type { Life, StemeEvidence } from './evidence.ts';
import { mediaDamagedBefore, servedImages, submissions } from './facts.ts';
import { NaiveStore } from './naiveStore.ts';
import { queryLimit } from './readYourWrites.ts';

/** C11: the index is the fold of the log: every key answers with exactly the claims that the log holds of it. */
export const indexIsFold: StemeCheck = {
  name: 'index-is-fold',
  number: 'C11',
  claim: 'the index answers as a naive fold of the log does, after every restart',
  run(evidence) {
    const findings = new Findings('C11 index-is-fold');
    const stores = naiveStores(evidence);
    let compared = 0;
    for (const answer of evidence.index) {
      const store = stores(answer.incarnation);
      if (store === undefined || answer.error !== undefined) continue;
      compared++;
      const expected = new Set(store.candidates(answer.subject, answer.predicate, answer.lsn).map((claim) => claim.id));
      const got = new Set(answer.candidates);
      // An answer that is as long as answers may be is cut: it says nothing of what it lacks.
      const missing = got.size >= queryLimit ? [] : [...expected].filter((id) => !got.has(id));
      const extra = [...got].filter((id) => !expected.has(id));
      if (missing.length + extra.length === 0) continue;
      findings.add(
        `${answer.subject} ${answer.predicate} at LSN ${answer.lsn}: the log has ${expected.size} candidates, the index gave ${got.size}` +
          ` (${missing.length} missing, ${extra.length} too many)`,
        {
          atMs: answer.atMs,
          operations: operationsAbout(evidence, [...missing, ...extra].slice(0, 5)),
          evidence: { missing: missing.slice(0, 5), extra: extra.slice(0, 5) },
        },
      );
    }
    return findings.result(`${compared} answers of the index`);
  },
};

/** C21: a lens gives the same winner as a naive lens over the same set, whatever the order of arrival. */
export const lensIsPure: StemeCheck = {
  name: 'lens',
  number: 'C21',
  claim: 'a lens gives the same under every order of arrival, replay and part boundary, as a naive lens does',
  run(evidence) {
    const findings = new Findings('C21 lens');
    const stores = naiveStores(evidence);
    let compared = 0;
    for (const answer of evidence.index) {
      const store = stores(answer.incarnation);
      if (store === undefined || answer.error !== undefined || !NaiveStore.knows(answer.lens)) continue;
      compared++;
      const expected = store.winner(answer);
      if (expected !== answer.winner) {
        findings.add(
          `${answer.lens} of ${answer.subject} ${answer.predicate} at LSN ${answer.lsn}: expected ${expected?.slice(0, 12)}, got ${answer.winner?.slice(0, 12)}`,
          {
            atMs: answer.atMs,
            operations: operationsAbout(
              evidence,
              [expected, answer.winner].filter((id) => id !== undefined),
            ),
          },
        );
      }
    }
    checkRepeats(evidence, findings);
    return findings.result(`${compared} answers against naive lenses`);
  },
};

/** The same question of the same LSN has the same answer, before and after a restart. */
function checkRepeats(evidence: StemeEvidence, findings: Findings): void {
  const first = new Map<string, { readonly answer: string; readonly incarnation: number }>();
  for (const asked of evidence.index) {
    if (asked.error !== undefined) continue;
    const key = JSON.stringify([asked.subject, asked.predicate, asked.lens, asked.lsn]);
    const answer = JSON.stringify([asked.winner ?? null, asked.conflict ?? null]);
    const before = first.get(key);
    if (before === undefined) first.set(key, { answer, incarnation: asked.incarnation });
    else if (before.answer !== answer && evidence.acceptedLoss.length === 0) {
      findings.add(
        `${asked.lens} of ${asked.subject} ${asked.predicate} at LSN ${asked.lsn}: ${before.answer} in incarnation ${before.incarnation}, ${answer} in ${asked.incarnation}`,
        { atMs: asked.atMs },
      );
    }
  }
}

function naiveStores(evidence: StemeEvidence): (incarnation: number) => NaiveStore | undefined {
  const contents = submissions(evidence);
  const images = new Map(servedImages(evidence).map(({ life, image }) => [life.incarnation, image]));
  for (const life of evidence.lives) if (isTakenAway(evidence, life)) images.delete(life.incarnation);
  const made = new Map<number, NaiveStore>();
  return (incarnation) => {
    const image = images.get(incarnation);
    if (image === undefined) return undefined;
    let store = made.get(incarnation);
    if (store === undefined) {
      store = new NaiveStore(image.records, contents);
      made.set(incarnation, store);
    }
    return store;
  };
}

/**
 * Damage of the only copy has taken, under the running process, records that it has served: it knows them still, and the log
 * that is left says nothing of its index.
 */
function isTakenAway(evidence: StemeEvidence, { incarnation, recovered, left }: Life): boolean {
  if (recovered === undefined || left === undefined || !mediaDamagedBefore(evidence, left.atMs)) return false;
  const first = left.records[0]?.lsn ?? 1;
  const isGone = ({ lsn, id }: { readonly lsn: number; readonly id: string }) => left.records[lsn - first]?.id !== id;
  return (
    recovered.records.some(isGone) ||
    evidence.requests.some((request) => request.incarnation === incarnation && request.acks.some(isGone))
  );
}
