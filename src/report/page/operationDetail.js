// All about one operation of a client: what was asked and answered, the faults that it met, the spans that it left.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  const TONES = { ok: 'good', fail: 'warn', info: 'info' };
  hotfire.outcomeBadge = (outcome) => hotfire.badge(outcome, TONES[outcome] ?? '');

  /** A row of a list of names and values; nothing without a value. */
  hotfire.pair = (name, ...value) =>
    value.every((one) => one === undefined || one === '' || one?.length === 0)
      ? undefined
      : el('div', { class: 'pair' }, el('dt', {}, name), el('dd', {}, ...value));

  const pretty = (json) => {
    if (json === '') return undefined;
    try {
      return el('pre', { tabindex: '0' }, JSON.stringify(JSON.parse(json), null, 1));
    } catch {
      // It was cut: it stands as it came.
      return el('pre', { tabindex: '0' }, json);
    }
  };

  /** Buttons that lead to faults, by their ids. */
  hotfire.faultLinks = (ids) =>
    ids.flatMap((id) => {
      const fault = hotfire.data.faults.find((one) => one.id === id);
      if (!fault) return [];
      return [
        el(
          'button',
          {
            type: 'button',
            class: 'moment',
            title: fault.text,
            onclick: () => hotfire.showItem({ kind: 'fault', fault }),
          },
          `${fault.name} ${fault.nodes.join(', ')}`,
        ),
        ' ',
      ];
    });

  /**
   * The root spans of an operation: of the machine that was asked, begun while the operation ran, in a trace that no other
   * operation could have begun as well. Without trace ids in the history that is all that can be said for certain.
   */
  const spansOf = (operation, endMs) => {
    const { spans, operations } = hotfire.observed;
    const ids = new Set(spans.map(({ id }) => id));
    const roots = spans.filter(
      ({ node, startMs, parentId }) =>
        (parentId === '' || !ids.has(parentId)) &&
        node === operation.node &&
        startMs >= operation.invokedMs &&
        startMs <= endMs,
    );
    const alone = roots.filter(({ startMs }) => {
      const [first, last] = operations.touching(startMs, startMs);
      for (let index = first; index < last; index += 1) {
        const other = operations.rows[index];
        if (other.id !== operation.id && other.node === operation.node && operations.ends[index] >= startMs)
          return false;
      }
      return true;
    });
    const traces = new Set((alone.length > 0 ? alone : roots.length === 1 ? roots : []).map(({ traceId }) => traceId));
    return spans.filter(({ traceId }) => traces.has(traceId));
  };

  /** What is known of the operation at this place of the columns, as elements. */
  hotfire.operationDetail = (index) => {
    const { operations, violating } = hotfire.observed;
    const operation = operations.rows[index];
    const endMs = operations.ends[index];
    const { id, process, f, node, outcome, invokedMs, completedMs, input, output, code, message, faults } = operation;
    const violations = hotfire.data.violations.filter((one) => one.operations?.includes(id));
    return [
      el(
        'h3',
        {},
        `Operation ${id}: ${f} `,
        hotfire.outcomeBadge(outcome),
        violating.has(id) ? [' ', hotfire.badge('✗ violating', 'bad')] : '',
      ),
      el(
        'dl',
        { class: 'pairs' },
        hotfire.pair('process', `${process}${node ? `, asks ${node}` : ''}`),
        hotfire.pair('called', hotfire.fineClock(invokedMs, 1)),
        hotfire.pair(
          'answered',
          completedMs === null
            ? 'never'
            : `${hotfire.fineClock(completedMs, 1)}, after ${hotfire.span(completedMs - invokedMs)}`,
        ),
        hotfire.pair('error', code === '' ? '' : `${code}: ${message}`),
        hotfire.pair('faults open', ...hotfire.faultLinks(faults)),
        ...violations.slice(0, 5).map((one) => hotfire.pair('violates', `${one.check}: ${one.message}`)),
        hotfire.pair('asked', pretty(input)),
        hotfire.pair('answer', pretty(output)),
      ),
      hotfire.waterfall(spansOf(operation, endMs), invokedMs, endMs),
    ];
  };
})();
