// Where a history stopped being linearizable: the last operations of the longest order that was found, and those that
// cannot follow it, as bars from call to answer.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  const PREFIX_SHOWN = 14;
  const STUCK_SHOWN = 10;

  /** Calls and answers evenly over the width, in their order: times may lie far apart, or all at one moment. */
  const evenly = (operations) => {
    const moments = [
      ...new Set(
        operations.flatMap(({ invokedMs, completedMs }) =>
          completedMs === null ? [invokedMs] : [invokedMs, completedMs],
        ),
      ),
    ].sort((a, b) => a - b);
    const place = new Map(
      moments.map((ms, index) => [ms, moments.length > 1 ? (index / (moments.length - 1)) * 94 : 0]),
    );
    return (ms) => place.get(ms);
  };

  const row = ({ operation, rank, state }, percent) => {
    const { id, process, f, input, output, outcome, completedMs, invokedMs } = operation;
    const from = percent(invokedMs);
    const to = completedMs === null ? 100 : percent(completedMs);
    const answer = outcome === 'info' ? '?' : output || 'ok';
    const words = `p${process} ${f} ${input} → ${answer}`;
    return el(
      'li',
      { class: rank === undefined ? 'fall lin stuck' : 'fall lin' },
      el('span', { class: 'lin-rank' }, rank === undefined ? '✗' : `${rank}.`),
      el('span', { class: 'fall-name', title: words }, hotfire.operationLink(id), ` ${words}`),
      el(
        'span',
        { class: 'fall-track' },
        el('i', {
          class: `fall-bar ${rank === undefined ? 'bad' : outcome === 'info' ? 'open' : ''}`,
          style: `left:${from}%;width:max(3px,${to - from}%)`,
        }),
      ),
      el('span', { class: 'lin-state', title: state ?? '' }, state === undefined ? '' : `→ ${state}`),
    );
  };

  /** The picture of the evidence of a check of linearizability; nothing for other evidence. */
  hotfire.linearization = (violation) => {
    const evidence = violation.evidence;
    if (!Array.isArray(evidence?.longestPrefix)) return undefined;
    const { operations } = hotfire.observed;
    const stuck = evidence.stuck ?? violation.operations ?? [];
    const known = (id) => operations.rows[operations.indexOf.get(id) ?? -1];
    const ranks = new Map(evidence.longestPrefix.map((id, index) => [id, index + 1]));
    const shown = [
      ...evidence.longestPrefix.slice(-PREFIX_SHOWN),
      ...stuck.filter((id) => !ranks.has(id)).slice(0, STUCK_SHOWN),
    ]
      .filter((id) => known(id) !== undefined)
      .map((id) => ({
        operation: known(id),
        rank: ranks.get(id),
        state: evidence.statesAlong?.[(ranks.get(id) ?? 0) - 1],
      }))
      .sort((a, b) => a.operation.invokedMs - b.operation.invokedMs || a.operation.id - b.operation.id);
    if (shown.length === 0) return undefined;
    const before = evidence.statesBefore?.length > 0 ? ` in ${evidence.statesBefore.join(' or ')}` : '';
    const percent = evenly(shown.map(({ operation }) => operation));
    return el(
      'figure',
      { class: 'linearization' },
      el(
        'figcaption',
        { class: 'help' },
        `${hotfire.count(evidence.longestPrefix.length)} operations can be put in order, then none of ${hotfire.count(stuck.length)} can follow${before}. Shown are the last of that order, with their numbers in it, and (✗) those that cannot follow; each from its call to its answer${evidence.statesAlong ? ', with the state after it' : ''}.`,
      ),
      el(
        'ol',
        {},
        shown.map((one) => row(one, percent)),
      ),
    );
  };
})();
