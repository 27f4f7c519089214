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

  /** Times of messages are whole microseconds, those of spans and operations are finer. */
  const SAME_MS = 0.002;

  /** When requests arrived that may be this operation's: sent at the very moment of its call, to the machine that it asked. */
  const arrivals = (operation) => {
    const { messages } = hotfire.observed;
    const node = messages.nodes.indexOf(operation.node);
    const first = hotfire.lowerBound(messages.starts, operation.invokedMs - SAME_MS);
    const found = [];
    for (
      let index = first;
      index < messages.count && messages.starts[index] <= operation.invokedMs + SAME_MS;
      index += 1
    )
      if (messages.to[index] === node && messages.lost[index] === 0) found.push(messages.ends[index]);
    return found;
  };

  /**
   * The spans of an operation: those of the traces that begin where and when its request arrived, and the spans of other
   * traces that are linked with them, as a write is that several requests waited for together. None when two operations
   * began at one moment: then nobody can tell whose they are.
   */
  const spansOf = (operation) => {
    const { spans } = hotfire.observed;
    const arrived = arrivals(operation);
    const roots = spans.filter(
      ({ node, startMs, parentId }) =>
        parentId === '' && node === operation.node && arrived.some((ms) => Math.abs(startMs - ms) <= SAME_MS),
    );
    if (roots.length !== 1) return [];
    const own = spans.filter(({ traceId }) => traceId === roots[0].traceId);
    const ids = new Set(own.map(({ id }) => id));
    const linked = new Set(own.flatMap(({ links }) => links));
    const others = spans.filter(
      ({ id, links }) => !ids.has(id) && (linked.has(id) || links.some((link) => ids.has(link))),
    );
    return [...own, ...others];
  };

  /** What is known of the operation at this place of the columns, as elements. */
  hotfire.operationDetail = (index) => {
    const { operations, violating } = hotfire.observed;
    const operation = operations.rows[index];
    const endMs = operations.ends[index];
    const { id, process, f, node, outcome, invokedMs, completedMs, input, output, code, message, faults } = operation;
    const violations = Map.groupBy(
      hotfire.data.violations.filter((one) => one.operations?.includes(id)),
      ({ check }) => check,
    );
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
        ...[...violations].map(([check, all]) =>
          hotfire.pair(
            'violates',
            `${check}: ${all[0].message}${all.length > 1 ? ` (and ${all.length - 1} more like it)` : ''}`,
          ),
        ),
        hotfire.pair('asked', pretty(input)),
        hotfire.pair('answer', pretty(output)),
      ),
      input.endsWith('…') || output.endsWith('…')
        ? el('p', { class: 'help' }, `What is cut (…) stands whole in history.ndjson.gz, in the line with "id":${id}.`)
        : undefined,
      hotfire.waterfall(spansOf(operation), invokedMs, endMs),
    ];
  };
})();
